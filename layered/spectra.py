"""Spectra of square pictures and of noise: power by frequency, its rings and octaves (van der Schaaf and van Hateren 1996)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

EDGE = 1e-9  # of a ring's outer edge, in cycles: a coefficient on it belongs to the next ring


def power_spectrum(picture: Tensor) -> Tensor:
    """Mean power of the Fourier coefficients of (C, S, S) over its channels: (S, S), in the order of ``torch.fft.fft2``.

    Every channel's mean is taken off and a Hann window keeps the borders out; white noise of variance 1 has power 1 everywhere,
    but for the lowest frequencies, which the mean took with it.
    """
    size = picture.shape[-1]
    window = torch.hann_window(size, periodic=False, dtype=picture.dtype)
    window = window[:, None] * window[None, :]
    x = (picture - picture.mean(dim=(1, 2), keepdim=True)) * window
    parts = torch.view_as_real(torch.fft.fft2(x))
    return parts.square().sum(dim=(0, 3)) / (len(picture) * window.square().sum())


def ring_powers(power: Tensor, edges: Sequence[float]) -> Tensor:
    """Mean of a power spectrum (S, S) over rings of radial frequency, from each of ``edges`` up to the next: (len(edges) − 1,).

    ``edges`` rise, in cycles per picture. ValueError when a ring holds no coefficient.
    """
    rings, counts = _rings(power.shape[-1], tuple(edges))
    sums = torch.bincount(rings, power.flatten(), minlength=len(edges) + 1)
    return sums[1:-1] / counts


def octave_powers(pictures: Tensor) -> Tensor:
    """Mean power of pictures (B, 3, S, S) by octave of radial frequency, (log2(S) − 1,) float64.

    Octave k holds 2ᵏ to 2ᵏ⁺¹ cycles per picture (the last one up to S/2).
    """
    size = pictures.shape[-1]
    power = torch.zeros(size, size, dtype=torch.float64)
    for picture in pictures.double():  # one at a time: the coefficients of many would not fit
        power += power_spectrum(picture) / len(pictures)
    octaves = int(math.log2(size)) - 1
    return ring_powers(power, [*(2.0**k for k in range(octaves)), size / 2 + EDGE])


@lru_cache(maxsize=16)
def _rings(size: int, edges: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Number of the ring of every coefficient (size², from 1; 0 and the last are outside), and how many each ring holds."""
    cycles = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    radius = (cycles[:, None].square() + cycles[None, :].square()).sqrt()
    rings = torch.bucketize(radius, torch.tensor(edges, dtype=torch.float64), right=True).flatten()
    counts = torch.bincount(rings, minlength=len(edges) + 1)[1:-1]
    if not counts.all():
        low, high = next(pair for pair, count in zip(pairwise(edges), counts, strict=True) if not count)
        raise ValueError(f"No frequency of {size} pixels lies between {low:g} and {high:g} cycles per picture.")
    return rings, counts
