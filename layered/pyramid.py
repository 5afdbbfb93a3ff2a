"""Images and noise across scales: the image operator D and the noise operator S (paper, section 2.2 and equation 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from layered.config import NOISE_MODES, NoiseMode

# ------------------------------------------------------------------ images


def downsample_image(x: Tensor, size: int) -> Tensor:
    """D of the paper's equation 3: (B, C, H, H) to (B, C, size, size) by 2×2 means, repeated.

    A 2×2 mean is bilinear interpolation with antialiasing for a factor of 2, and k of them are one mean of 2ᵏ × 2ᵏ.
    """
    _halvings(x, size)
    while x.shape[-1] > size:  # rows, then columns: on three channels nine times as fast as avg_pool2d
        rows = x[..., 0::2, :] + x[..., 1::2, :]
        x = (rows[..., 0::2] + rows[..., 1::2]) / 4
    return x


def enlarge_image(x: Tensor, size: int) -> Tensor:
    """(B, C, h, h) to (B, C, size, size), bilinear between pixel centres."""
    return x if x.shape[-1] == size else F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)


def with_means(x: Tensor, means: Tensor) -> Tensor:
    """x (B, C, S, S) with ``means`` (B, C, S/2, S/2) in place of its 2×2 means, and what it shows beyond them kept."""
    change = means - downsample_image(x, means.shape[-1])
    return x + change.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)


def image_pyramid(x: Tensor, scales: Sequence[int]) -> dict[int, Tensor]:
    """D(x, i) for every scale i, coarse to fine; ``x`` is at least as fine as the finest."""
    return {size: downsample_image(x, size) for size in scales}


def high_pass(pictures: Tensor) -> Tensor:
    """The finest level of the Laplacian pyramid (Burt and Adelson 1983): x minus its enlarged 2×2 means, (B, 3, S, S)."""
    size = pictures.shape[-1]
    return pictures - enlarge_image(downsample_image(pictures, size // 2), size)


# ------------------------------------------------------------------ noise, given the finest


def downsample_noise(eps: Tensor, size: int, mode: NoiseMode = "sinc") -> Tensor:
    """S of the paper's equation 1: white unit noise (B, C, H, H) to (B, C, size, size).

    ``sinc``: the low-pass filter on mirrored borders, which is truncation of the orthonormal DCT-II, S = C_mᵀ C_n[:m] on rows
    and columns. S Sᵀ = I, so the result is exactly white with unit variance, borders included.
    ``box``: 2×2 mean × 2 per halving, also white with unit variance.
    ``bilinear``: 2×2 mean, variance 1/4 per halving: the failure that the paper warns of.
    """
    factor = _halvings(eps, size)
    if factor == 1:
        return eps
    if mode == "sinc":
        return _apply(_sinc_matrix(eps.shape[-1], size, eps.device, eps.dtype), eps)
    if mode == "box":
        return factor * F.avg_pool2d(eps, factor)
    if mode == "bilinear":
        return F.avg_pool2d(eps, factor)
    raise ValueError(_no_operator(mode))


def noise_pyramid(eps: Tensor, scales: Sequence[int], mode: NoiseMode = "sinc") -> dict[int, Tensor]:
    """S(ε, i) for every scale i, coarse to fine, from one field of the finest scale. Independent noise has no such field."""
    if mode not in ("sinc", "box", "bilinear"):
        raise ValueError(_no_operator(mode))
    return {size: downsample_noise(eps, size, mode) for size in scales}


# ------------------------------------------------------------------ noise, drawn


def grow_noise(eps_low: Tensor, size: int, generator: torch.Generator | Sequence[torch.Generator]) -> Tensor:
    """White noise (B, C, size, size) that low-passes to ``eps_low`` (B, C, h, h): ε = Sᵀ ε_low + (I − SᵀS) ε′, ε′ fresh.

    S Sᵀ = I makes it white, and S ε = ε_low. ``generator`` draws ε′: one for the whole batch, or one per sample.
    """
    low = eps_low.shape[-1]
    fresh = _fresh(eps_low.shape[0], eps_low.shape[1], size, generator).to(eps_low)
    sinc = _sinc_matrix(size, low, eps_low.device, eps_low.dtype)
    return fresh + _apply(sinc.T, eps_low - _apply(sinc, fresh))


def draw_noise(
    scales: Sequence[int],
    mode: NoiseMode,
    generators: Sequence[torch.Generator],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    channels: int = 3,
) -> dict[int, Tensor]:
    """Unit noise of every scale, coarse to fine, (B, channels, size, size): one generator per sample.

    The shared modes draw the coarsest scale first and grow it scale by scale, so a seed means the same picture whatever the
    finest scale is; ``box`` and ``bilinear`` then bring the finest down with their own operator. ``independent`` draws every
    scale afresh. A sample's noise is the same to the bit alone and in a batch.
    """
    samples = [_draw_sample(scales, mode, generator, channels) for generator in generators]
    return {size: torch.cat([sample[size] for sample in samples]).to(device, dtype) for size in scales}


def _draw_sample(scales: Sequence[int], mode: NoiseMode, generator: torch.Generator, channels: int) -> dict[int, Tensor]:
    """The noise of one sample at every scale, (1, channels, size, size) float32 on the generator's device."""
    if mode == "independent":
        return {size: _fresh(1, channels, size, generator) for size in scales}
    noise = {scales[0]: _fresh(1, channels, scales[0], generator)}
    for low, high in zip(scales, scales[1:], strict=False):
        noise[high] = grow_noise(noise[low], high, generator)
    return noise if mode == "sinc" else noise_pyramid(noise[scales[-1]], scales, mode)


def _fresh(batch: int, channels: int, size: int, generator: torch.Generator | Sequence[torch.Generator]) -> Tensor:
    """White noise (batch, channels, size, size), float32 on the generator's device."""
    if isinstance(generator, torch.Generator):
        return torch.randn(batch, channels, size, size, generator=generator, device=generator.device)
    if len(generator) != batch:
        raise ValueError(f"{batch} samples need one random generator each, got {len(generator)}.")
    return torch.cat([_fresh(1, channels, size, one) for one in generator])


# ------------------------------------------------------------------ the sinc operator


@lru_cache(maxsize=64)
def _dct_matrix(n: int) -> Tensor:
    """C_n, the n × n orthonormal DCT-II matrix, float64: row k is cos(π k (2j + 1) / 2n) over j, scaled to unit length."""
    k, j = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)[None, :]
    rows = torch.cos(math.pi * k * (2 * j + 1) / (2 * n)) * math.sqrt(2 / n)
    rows[0] /= math.sqrt(2)
    return rows


@lru_cache(maxsize=64)
def _sinc_matrix(n: int, m: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """S for one axis, n to m pixels: C_mᵀ C_n[:m], (m, n)."""
    if m > n:
        raise ValueError(f"Noise of {m} pixels is not coarser than {n}.")
    return (_dct_matrix(m).T @ _dct_matrix(n)[:m]).to(device, dtype)


def _apply(matrix: Tensor, eps: Tensor) -> Tensor:
    """``matrix`` (m, n) on the rows and columns of (B, C, n, n), outside autocast: half precision would colour the noise."""
    with torch.autocast(eps.device.type, enabled=False):
        return matrix @ eps @ matrix.T


def _halvings(x: Tensor, size: int) -> int:
    """The factor 2ᵏ from square ``x`` down to ``size`` pixels."""
    height, width = x.shape[-2:]
    factor = width // size if size > 0 else 0
    if height != width or factor < 1 or factor * size != width or factor & (factor - 1):
        raise ValueError(f"{height} × {width} pixels cannot be halved down to {size} × {size}.")
    return factor


def _no_operator(mode: str) -> str:
    if mode == "independent":
        return "Independent noise is not brought down from the finest scale: draw it with draw_noise."
    return f"Unknown noise mode {mode!r}: choose one of {', '.join(NOISE_MODES)}."
