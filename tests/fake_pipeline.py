"""A pipeline that draws smooth made-up pictures at once, so that the page can be tested without a model."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import itertools
import math
import time
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from layered.config import LevelConfig, ModelConfig, SampleConfig, TrunkConfig
from layered.diffusion import awake_scales
from layered.pyramid import draw_noise, enlarge_image, image_pyramid
from layered.sampler import COARSE_UP_TO, Step, make_generators
from layered.schedule import Schedule, alpha_sigma, timesteps
from layered.studio import StudioSettings, build_studio, launch_options
from layered.studio.handlers import Handlers
from layered.unet import LayeredUNet
from layered.vocabulary import Vocabulary
from layered.world.caption import VOCABULARY

SCALES = (32, 64, 128, 256, 512)
CARD = f"""---
license: apache-2.0
---

# fake-512

Draws smooth pictures of nothing.

![a sample](https://example.com/sample.png)

| {" | ".join(["a wide column"] * 12)} |
|{"---|" * 12}
| {" | ".join(["1,234,567"] * 12)} |

```bash
python -m layered.nothing {"--and-so-on " * 20}
```
"""
KNOWN = "a the of over at on with red blue white hot air balloon snowy mountains sunset sea night sailboat".split()

NEAR = {"crimson": ["red", "blue"], "ocean": ["sea"]}


class FakePipeline:
    """The interface of ``LayeredPipeline`` over a picture that depends on prompt and seed. ``pause``: seconds a step takes."""

    name = "fake-512"
    device = "cpu"
    parameters = 18_600_000

    def __init__(
        self,
        scales: tuple[int, ...] = SCALES,
        pause: float = 0.02,
    ) -> None:
        self.scales, self.pause, self.known = scales, pause, KNOWN
        self.usual, self.isolated, self.adds = SampleConfig(), True, True
        self.model: Any = thin_network(scales)
        self.vocabulary = Vocabulary(VOCABULARY)
        self.card = CARD
        self.asked: list[tuple[str, SampleConfig]] = []
        self.made = 0  # steps made so far, over all runs
        self.closed = 0  # runs whose generator was closed or ended

    def wait(self, happened: Callable[[], bool], seconds: float = 60.0) -> bool:
        """Whether something happened in time."""
        end = time.monotonic() + seconds
        while not happened() and time.monotonic() < end:
            time.sleep(0.01)
        return happened()

    def schedule(self, config: SampleConfig) -> Schedule:
        """As the real one's."""
        return Schedule.of_run(config, config.scales or self.scales)

    def unknown_words(self, prompt: str) -> list[str]:
        """Every word but the few known ones."""
        return [word for word in dict.fromkeys(prompt.split()) if word.lower() not in self.known]

    def near_words(self, word: str) -> list[str]:
        """Known words for a few unknown ones."""
        return NEAR.get(word.lower(), [])

    def stream(self, prompt: str, config: SampleConfig | None = None) -> Iterator[Step]:
        """Steps whose predictions go from blurred to sharp."""
        config = config or SampleConfig()
        schedule = self.schedule(config)
        if isinstance(config.guidance, tuple) and len(config.guidance) != len(self.scales):
            raise ValueError(f"guidance: expected one weight or {len(self.scales)}, got {len(config.guidance)}.")
        self.asked.append((prompt, config))
        return self._steps(schedule, config, landscape(schedule.scales[-1], config.seed))

    def _steps(self, schedule: Schedule, config: SampleConfig, final: Tensor) -> Iterator[Step]:
        scales = schedule.scales
        clean = image_pyramid(final, scales)
        noise = noise_of(scales, config.noise, config.seed)
        times = timesteps(config.steps, config.spacing).tolist()
        try:
            finer = tuple(size for size in scales if size > COARSE_UP_TO)
            passes = [finer, ()] if config.order == "coarse-first" and finer else [()]
            for pending, index in itertools.product(passes, range(config.steps)):
                start = time.perf_counter()
                time.sleep(self.pause)
                now = {size: float(v) for size, v in schedule.logsnr(times[index]).items()}
                after = {size: float(v) for size, v in schedule.logsnr(times[index + 1]).items()}
                z, x0 = {}, {}
                drawn = [size for size in scales if size not in pending]
                for size in drawn:
                    alpha, sigma = (float(v) for v in alpha_sigma(torch.tensor(now[size], dtype=torch.float64)))
                    z[size] = alpha * clean[size] + sigma * noise[size]
                    sharp = 1 / (1 + math.exp(-(now[size] + 3) / 2))
                    x0[size] = (sharp * clean[size] + (1 - sharp) * clean[size].mean((2, 3), keepdim=True)).clamp(-1, 1)
                logsnr = {size: torch.tensor([value]) for size, value in now.items()}
                asleep = scales[len(awake_scales(scales, logsnr, config.sleep_below)) :]
                asleep = tuple(size for size in asleep if size in drawn)
                for size in asleep:
                    x0[size] = enlarge_image(x0[size // 2], size)
                self.made += 1
                frozen = MappingProxyType
                times_now = (times[index], times[index + 1])
                seconds = time.perf_counter() - start
                told = frozen(z), frozen(x0), None, frozen(now), frozen(after), seconds, asleep, pending
                yield Step(index, config.steps, *times_now, *told)
        finally:
            self.closed += 1


@functools.lru_cache(maxsize=4)
def thin_network(scales: tuple[int, ...]) -> LayeredUNet:
    """A network with a level for each scale, so thin that it is run in no time."""
    detail = {"prediction": "posterior", "input": "detail", "detail_std": 0.05}
    levels = [LevelConfig(size, 2, 8, **(detail if size > scales[0] else {})) for size in scales]
    return LayeredUNet(ModelConfig(tuple(levels), TrunkConfig(width=16, depth=2, head_width=8), text_width=16, time_width=16))


@functools.lru_cache(maxsize=16)
def noise_of(scales: tuple[int, ...], mode: str, seed: int) -> dict[int, Tensor]:
    """A seed's noise at every scale."""
    return draw_noise(scales, mode, make_generators([seed]))


@functools.lru_cache(maxsize=16)
def landscape(size: int, seed: int) -> Tensor:
    """(1, 3, size, size) in [−1, 1]: sky, sun, three ridges and grain, from a seed."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: float(torch.rand((), generator=generator))  # noqa: E731
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    mix = lambda a, b, w: torch.stack([p + (q - p) * w for p, q in zip(a, b, strict=True)])  # noqa: E731
    image = mix((0.25, 0.3, 0.55), (0.98, 0.62 + 0.2 * draw(), 0.4), (y * 1.3).clamp(0, 1))
    sun = torch.exp(-(((x - 0.2 - 0.6 * draw()) ** 2 + (y - 0.35) ** 2) / 0.004))
    image = image + sun * torch.tensor([0.5, 0.45, 0.3])[:, None, None]
    for layer in range(3):
        phase, rough = 6.28 * draw(), 3 + 3 * layer
        ridge = 0.5 + 0.13 * layer + 0.06 * torch.sin(rough * x * 2 + phase) + 0.02 * torch.sin(9 * rough * x + 2 * phase)
        shade = torch.tensor([0.55 - 0.17 * layer, 0.4 - 0.1 * layer, 0.5 - 0.12 * layer])[:, None, None]
        cover = torch.sigmoid((y - ridge) * 2.0 * size / 4)
        grain = 0.03 * torch.randn(size, size, generator=generator)
        image = image * (1 - cover) + (shade + grain) * cover
    return image.mul(2).sub(1).clamp(-1, 1)[None]


def picture_of(url: str) -> Image.Image:
    """The picture of a data URL."""
    head, data = url.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@contextlib.contextmanager
def serve(pipeline: Any, settings: StudioSettings | None = None) -> Iterator[tuple[str, Handlers]]:
    """The page over a pipeline, on a free port: its address, and the handlers behind it."""
    page = build_studio(pipeline, settings)
    _, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())
    try:
        yield url, page.layered_handlers
    finally:
        page.close()
