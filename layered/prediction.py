"""What an output means: x, ε and v, and how a level's output is read as a picture (paper, section 2.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from layered.config import LevelConfig
from layered.pyramid import with_means
from layered.schedule import alpha_sigma

# ------------------------------------------------------------------ x, ε and v


def _broadcast(logsnr: Tensor) -> tuple[Tensor, Tensor]:
    """α and σ for a picture batch: (B,) → two (B, 1, 1, 1)."""
    alpha, sigma = alpha_sigma(logsnr)
    return alpha[:, None, None, None], sigma[:, None, None, None]


def noisy(x0: Tensor, eps: Tensor, logsnr: Tensor) -> Tensor:
    """z = α x + σ ε. x0, eps (B, C, H, W), logsnr (B,)."""
    alpha, sigma = _broadcast(logsnr)
    return alpha * x0 + sigma * eps


def x0_from_v(v: Tensor, z: Tensor, logsnr: Tensor) -> Tensor:
    """x = α z − σ v."""
    alpha, sigma = _broadcast(logsnr)
    return alpha * z - sigma * v


# ------------------------------------------------------------------ what a level predicts


def posterior_variance(logsnr: Tensor, std: float) -> Tensor:
    """Variance of x given z when x has standard deviation ``std`` around a known mean: s²σ² / (s²α² + σ²)."""
    alpha, sigma = alpha_sigma(logsnr)
    return std**2 * sigma**2 / (std**2 * alpha**2 + sigma**2)


def read_prediction(level: LevelConfig, raw: Tensor, z: Tensor, logsnr: Tensor, mean: Tensor | float) -> Tensor:
    """What the network's output says of x0; ``mean`` is the enlarged prediction of the level below (0 for the base).

    ``x``: x̂ = mean + raw. ``v``: x̂ = α z − σ raw. ``posterior``: with x ~ N(mean, s²) in mind, the exact posterior mean plus
    raw times the posterior's deviation, x̂ = mean + k (z/α − mean) + c raw, k = s²α² / (s²α² + σ²), c = sσ / √(s²α² + σ²).
    That is EDM's preconditioning (arXiv 2206.00364, section 5) around a mean that the levels below supply: at high noise the
    level paints detail on the enlarged picture, at low noise it corrects z by a fraction of the noise.
    """
    if level.prediction == "x":
        return mean + raw
    if level.prediction == "v":
        return x0_from_v(raw, z, logsnr)
    alpha, sigma = _broadcast(logsnr)
    variance = level.detail_std**2 * alpha**2 + sigma**2
    return mean + level.detail_std**2 * alpha / variance * (z - alpha * mean) + level.detail_std * sigma / variance.sqrt() * raw


def own_band(z: Tensor, logsnr: Tensor, x0_below: Tensor) -> Tensor:
    """z (B, 3, S, S) with α x̂_below (B, 3, S/2, S/2) in place of its 2×2 means: only what is the level's own is left.

    In a run the means hold what the level itself got wrong at earlier steps, and it would take them for an observation. Ours.
    """
    return with_means(z, _broadcast(logsnr)[0] * x0_below)


def detail_input(level: LevelConfig, z: Tensor, logsnr: Tensor, mean: Tensor) -> Tensor:
    """What a level with ``input`` "detail" is shown: z less what the level below knows of it, in units of its own deviation, and
    that knowledge; with "band" z is ``own_band``.

    cat((z − α mean) / √(s²α² + σ²), mean), z and mean (B, 3, S, S) → (B, 6, S, S).

    EDM's input scaling (arXiv 2206.00364, section 5) around the enlarged prediction: at low noise the detail is a hundredth of z,
    and a level that is shown z alone first has to learn to subtract the rest.
    """
    alpha, sigma = _broadcast(logsnr)
    return torch.cat([(z - alpha * mean) / (level.detail_std**2 * alpha**2 + sigma**2).sqrt(), mean], dim=1)
