# The page in a container: docker build -t layered-diffusion . && docker run --rm -p 7860:7860 layered-diffusion
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    LAYERED_HOST=0.0.0.0 \
    LAYERED_PORT=7860

RUN useradd --create-home --uid 1000 layered
WORKDIR /home/layered/app

# PyTorch without CUDA first, at the version that the requirements ask for: they then find it there.
COPY requirements.txt ./
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu \
        "$(grep -E '^torch==.*python_version < ' requirements.txt | cut -d ';' -f 1)" \
    && pip install --no-cache-dir -r requirements.txt

COPY app.py ./
COPY layered ./layered
COPY assets ./assets
COPY checkpoints ./checkpoints

USER layered
EXPOSE 7860
CMD ["python", "app.py"]
