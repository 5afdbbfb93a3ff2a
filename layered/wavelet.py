"""The 5/3 wavelet of JPEG 2000 as an invertible patch of a picture (simple diffusion, section 3.3 and figure 6).

Linear lifting without rounding, along rows and then columns. For the samples x of one line (ITU-T T.800, annex F):

    high[n] = x[2n+1] − (x[2n] + x[2n+2]) / 2        low[n] = x[2n] + (high[n−1] + high[n]) / 4

with x mirrored about its first and last sample, so that a line of 2n samples has n of each. The transform is not orthogonal but
close: of white noise with unit variance the bands low-low, low-high and high-high have 0.52, 1.08 and 2.25 inside a picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_bands(x: Tensor, levels: int) -> Tensor:
    """Picture to bands on one grid. (B, C, H, W) → (B, C·4ˡ, H/2ˡ, W/2ˡ), both sides multiples of 2ˡ.

    First the C channels of the lowest band, in which a constant picture keeps its value while all others are 0; then the three
    bands of every level, coarse to fine, those of finer levels unshuffled from space to depth.
    A band at one place depends on the picture up to 2 · (2ˡ − 1) pixels around it: a crop equals the whole inside that margin.
    """
    low, high = _split(x, dim=-1)
    (low, across), (down, both) = _split(low, dim=-2), _split(high, dim=-2)
    high = torch.cat([across, down, both], dim=1)
    if levels == 1:
        return torch.cat([low, high], dim=1)
    return torch.cat([to_bands(low, levels - 1), F.pixel_unshuffle(high, 2 ** (levels - 1))], dim=1)


def from_bands(bands: Tensor, levels: int) -> Tensor:
    """The picture whose bands these are, the inverse of ``to_bands``. (B, C·4ˡ, h, w) → (B, C, 2ˡ h, 2ˡ w)."""
    low, high = bands.split([bands.shape[1] // 4, bands.shape[1] - bands.shape[1] // 4], dim=1)
    if levels > 1:
        low, high = from_bands(low, levels - 1), F.pixel_shuffle(high, 2 ** (levels - 1))
    across, down, both = high.chunk(3, dim=1)
    return _join(_join(low, across, dim=-2), _join(down, both, dim=-2), dim=-1)


def _split(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Low and high band along one dimension."""
    even, odd = x.unfold(dim, 2, 2).unbind(-1)
    high = odd - (even + _after(even, dim)) / 2
    return even + (_before(high, dim) + high) / 4, high


def _join(low: Tensor, high: Tensor, dim: int) -> Tensor:
    """The samples along one dimension whose bands these are: the steps of ``_split``, undone in reverse order."""
    even = low - (_before(high, dim) + high) / 4
    odd = high + (even + _after(even, dim)) / 2
    return torch.stack([even, odd], dim=dim).flatten(dim - 1, dim)


def _after(x: Tensor, dim: int) -> Tensor:
    """The next sample at every place; the last stands for its mirror image."""
    size = x.shape[dim]
    return torch.cat([x.narrow(dim, 1, size - 1), x.narrow(dim, size - 1, 1)], dim=dim)


def _before(x: Tensor, dim: int) -> Tensor:
    """The sample before at every place; the first stands for its mirror image."""
    return torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, x.shape[dim] - 1)], dim=dim)
