"""Pictures and steps as what the page receives: JPEG data URLs and one small JSON value per step."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from layered.schedule import alpha_sigma

if TYPE_CHECKING:
    from layered.sampler import Step

QUALITY = 88  # JPEG, of predictions above SHARP_SIZE
SHARP_QUALITY = 94  # of small pictures, which the page enlarges: no chroma subsampling either
SHARP_SIZE = 128
NOISE_QUALITY = 50  # of noisy states: noise hides the artefacts and would cost most of the bytes


def image(x: Tensor, divisor: float = 1.0) -> Image.Image:
    """(1, 3, H, W) in [−1, 1] after division by ``divisor``, float32 or float16 → a picture, values outside cut.

    ``to_uint8`` by planes: about three times as fast as one (H, W, 3) array, and it happens at every step. NumPy alone computes.
    """
    levels = x.detach()[0].cpu().numpy().astype(np.float32) * np.float32(127.5 / divisor)
    levels += np.float32(128)  # 127.5, and a half to round
    np.clip(levels, 0, 255, out=levels)
    if np.isnan(levels.max()):  # a run that went astray is shown too
        np.nan_to_num(levels, copy=False)
    return Image.merge("RGB", [Image.fromarray(plane) for plane in levels.astype(np.uint8)])


def noisy_image(z: Tensor, logsnr: float) -> Image.Image:
    """A noisy state divided by α + 2σ: pure noise keeps 95 % of its values in range, a clean state is unchanged."""
    alpha, sigma = alpha_sigma(torch.tensor(logsnr, dtype=torch.float64))
    return image(z, float(alpha + 2 * sigma))


def jpeg_url(picture: Image.Image, quality: int, subsampling: int = 2) -> str:
    """A picture as a ``data:`` URL. ``subsampling``: 0 is 4:4:4, 2 is 4:2:0."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getbuffer()).decode("ascii")


def png_url(picture: Image.Image) -> str:
    """A small picture as a ``data:`` URL, every pixel as it is."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getbuffer()).decode("ascii")


def predictions(x0: Mapping[int, Tensor], quality: int = QUALITY) -> dict[str, str]:
    """Every scale's x̂ as a data URL, by its size as text. ``quality`` of JPEG is for those above ``SHARP_SIZE``."""
    small = {size: (quality + SHARP_QUALITY - QUALITY, 0) if size <= SHARP_SIZE else (quality, 2) for size in x0}
    return {str(size): jpeg_url(image(x), *small[size]) for size, x in x0.items()}


def states(z: Mapping[int, Tensor], logsnr: Mapping[int, float]) -> dict[str, str]:
    """Every scale's z as a data URL, by its size as text."""
    return {str(size): jpeg_url(noisy_image(x, logsnr[size]), NOISE_QUALITY) for size, x in z.items()}


def numbers(values: Mapping[int, float]) -> dict[str, float | None]:
    """Measures for JSON: four significant digits; what is not finite becomes null."""
    return {str(size): float(f"{value:.4g}") if math.isfinite(value) else None for size, value in values.items()}


def frame(
    step: Step, measures: Mapping[str, Mapping[int, float]], every_scale: bool = False, quality: int = QUALITY
) -> dict[str, Any]:
    """What the page keeps of one step: its predictions as data URLs, numbers per scale, t before the step, pending scales.

    A scale that sleeps has no picture, unless ``every_scale``: the page enlarges the finest that there is.
    """
    pictures = {size: x for size, x in step.x0.items() if every_scale or size not in step.asleep}
    return {
        "step": step.index,
        "t": float(f"{step.t:.4g}"),
        "x0": predictions(pictures, quality),
        "pending": list(step.pending),
        "measures": {name: numbers(values) for name, values in measures.items()},
    }
