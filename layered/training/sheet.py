"""A sheet of pictures that the model in training draws from fixed prompts, so that progress can be looked at."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from layered.config import SampleConfig
from layered.diffusion import GuidedDenoiser
from layered.layers import TextStates
from layered.sampler import make_generators, sample
from layered.schedule import Schedule
from layered.trajectory import to_uint8
from layered.unet import LayeredUNet

SHEET_PROMPTS = (
    "a red hot air balloon over snowy mountains at sunset",
    "a white sailboat on the sea at night, full moon on the right",
    "a yellow cabin on a snow field at dusk",
    "a blue lighthouse on the left, red canyon behind a desert at noon",
    "green hills and a lavender field at dawn, sun on the left",
    "a pink tree on a meadow, foggy",
    "a purple balloon over a lake with sand dunes, cloudy",
    "rocky mountains and the sea at sunset",
    "a large black castle in front of a pine forest, rain",
    "an orange tent on a meadow under the stars",
    "a small green windmill on the right of a wheat field",
    "a crimson balloon over the ocean at twilight",
)
COLUMNS = 4
CELL = 128  # smallest side of a cell in pixels


def draw_sheet(model: LayeredUNet, text: TextStates, top: int, file: Path, device: str, config: SampleConfig) -> None:
    """Sample one picture per prompt of ``text`` (seeds 0, 1, …) with scales up to ``top`` and write the finest as a PNG.

    ``config``: of a run of all the model's scales, of whose shifts the sheet takes those of its own.
    """
    scales = tuple(size for size in model.config.scales if size <= top)
    schedule = Schedule.of_run(config, model.config.scales).coarsest(len(scales))
    denoise = GuidedDenoiser(
        model.eval(),
        text,
        guidance=config.guidance,
        parallel=config.guidance_parallel,
        guided_up_to=config.guided_up_to,
        shared_noise=config.noise != "independent",
        sleep_below=config.sleep_below,
        detail=config.detail,
    )
    generators = make_generators(range(len(text.mask)))
    with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
        for step in sample(denoise, schedule, config, generators, device=device):
            last = step
    write_grid(list(to_uint8(last.x0[scales[-1]])), file)


def write_grid(pictures: list, file: Path, columns: int = COLUMNS, cell: int = CELL) -> None:
    """Pictures (H, W, 3) uint8 in rows of ``columns``, enlarged by whole factors to at least ``cell`` pixels, as one PNG."""
    side = pictures[0].shape[0]
    cell = side * max(1, cell // side)
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * cell, rows * cell))
    for index, picture in enumerate(pictures):
        image = Image.fromarray(picture).resize((cell, cell), Image.Resampling.NEAREST)
        sheet.paste(image, (index % columns * cell, index // columns * cell))
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)
