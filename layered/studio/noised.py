"""Pictures of the world under noise, for the labs: a few vistas to choose from, drawn once, and the noise of a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from layered.config import NOISE_MODES, NoiseMode, SampleConfig
from layered.pyramid import draw_noise, image_pyramid
from layered.sampler import make_generators
from layered.schedule import Schedule, alpha_sigma
from layered.studio.encode import NOISE_QUALITY, jpeg_url, noisy_image
from layered.world import Vistas, caption, render

NOISE_NAMES: dict[NoiseMode, str] = {
    "sinc": "sinc, shared",
    "independent": "independent",
    "box": "box",
    "bilinear": "bilinear",
}
WORLD_SEED = 7
VISTAS = {"Lake": 11, "Balloons": 12, "Cabin": 33, "Night": 35}  # name → index in Vistas(WORLD_SEED)


# ------------------------------------------------------------------ checks: values from the page may be anyone's


def checked_time(t: Any) -> float:
    """t as a number in [0, 1], or ValueError."""
    if isinstance(t, bool) or not isinstance(t, (int, float)) or not 0 <= t <= 1:
        raise ValueError("t is a number from 0 (clean) to 1 (noise).")
    return float(t)


def checked_vista(name: Any) -> str:
    """The name of one of VISTAS, or ValueError."""
    if name not in list(VISTAS):
        raise ValueError(f"Picture: choose one of {', '.join(VISTAS)}.")
    return name


def checked_noise(mode: Any, seed: Any) -> tuple[NoiseMode, int]:
    """A noise mode and a seed that a run would accept, or ValueError with its sentence."""
    if isinstance(seed, float) and seed.is_integer():
        seed = int(seed)
    if mode not in list(NOISE_MODES):
        raise ValueError(f"Noise: choose one of {', '.join(NOISE_MODES)}.")
    config = SampleConfig(noise=mode, seed=seed)
    return config.noise, config.seed


# ------------------------------------------------------------------ pictures and noise


@lru_cache(maxsize=len(VISTAS))
def vista(name: str, scales: tuple[int, ...]) -> dict[int, Tensor]:
    """One of VISTAS at every scale, (1, 3, S, S) in [−1, 1]."""
    return image_pyramid(render([Vistas(WORLD_SEED).spec(VISTAS[name])], scales[-1]), scales)


def drawn_at(scales: Sequence[int]) -> str:
    """How the pictures of a vista come about, for people."""
    return f"Drawn at {scales[-1]}, halved for the others." if len(scales) > 1 else f"Drawn at {scales[-1]}."


def vista_caption(name: str) -> str:
    """What the picture shows, in the words of the world."""
    return caption(Vistas(WORLD_SEED).spec(VISTAS[name]))


@lru_cache(maxsize=6)
def noise(scales: tuple[int, ...], mode: NoiseMode, seed: int) -> dict[int, Tensor]:
    """The noise that a run of this seed begins with, at every scale: (1, 3, S, S)."""
    return draw_noise(scales, mode, make_generators([seed]))


def noised_value(
    name: str, rows: Sequence[NoiseMode], seed: int, schedule: Schedule, t: float, shown: Sequence[int]
) -> dict[str, Any]:
    """z = α x + σ ε of one vista at ``t``, for the page: a row per kind of noise, coarse to fine, with λ, α and σ.

    ``clear`` is the t below which a scale holds more signal than noise, None when there is none.
    """
    clean, logsnr = vista(name, schedule.scales), {size: float(v) for size, v in schedule.logsnr(t).items()}
    strengths = {size: alpha_sigma(torch.tensor(logsnr[size], dtype=torch.float64)) for size in shown}

    def figure(mode: NoiseMode, size: int) -> dict[str, Any]:
        alpha, sigma = map(float, strengths[size])
        z = alpha * clean[size] + sigma * noise(schedule.scales, mode, seed)[size]
        clear = schedule.time_of(size)
        return {
            "size": size,
            "src": jpeg_url(noisy_image(z, logsnr[size]), NOISE_QUALITY),
            "logsnr": round(logsnr[size], 2),
            "alpha": round(alpha, 3),
            "sigma": round(sigma, 3),
            "clear": None if clear is None or not math.isfinite(clear) else round(clear, 3),
        }

    made = [{"mode": mode, "name": NOISE_NAMES[mode], "scales": [figure(mode, size) for size in shown]} for mode in rows]
    return {"t": t, "picture": name, "rows": made}


def captioned_value(name: str, *given: Any) -> dict[str, Any]:
    """``noised_value`` with what the picture shows in words."""
    return noised_value(name, *given) | {"caption": vista_caption(name)}
