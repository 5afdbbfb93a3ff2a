"""What makes noise right for layered diffusion, as numbers: unit variance, whiteness, and how much of it the scales share.

The text of the paper (section 2.2) asks for noise that stays Gaussian, white and of unit variance on every scale and is shared
between them. Noise is (1, C, S, S), its channels are samples of one distribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from layered.config import NoiseMode
from layered.pyramid import downsample_noise
from layered.spectra import EDGE, power_spectrum, ring_powers

BINS, REACH = 33, 4.0  # of the histogram: equal bins over −REACH … REACH
RINGS = 20  # of the radial spectrum, equal in frequency up to half a cycle per pixel
LOWEST = 2.0  # cycles per picture at which it begins: below, the window sees the missing mean
LAGS = 4  # pixels either way that the autocorrelation is shown for
OPERATORS: Mapping[NoiseMode, NoiseMode] = {"sinc": "sinc", "independent": "sinc", "box": "box", "bilinear": "bilinear"}


# ------------------------------------------------------------------ one scale


@dataclass(frozen=True)
class ScaleMeasures:
    """The noise of one scale."""

    mean: float
    variance: float
    histogram: Tensor  # (BINS,) shares of the values, the outermost bins with all beyond them
    spectrum: Tensor  # (RINGS,) mean power by radial frequency; 1 is white noise of unit variance
    autocorrelation: Tensor  # (2 LAGS + 1, 2 LAGS + 1), 1 in the middle

    @property
    def neighbour(self) -> float:
        """The largest correlation of a pixel with another one within LAGS, by its absolute value, with its sign."""
        around = self.autocorrelation.flatten().clone()
        around[len(around) // 2] = 0
        return float(around[around.abs().argmax()])


def measure_scale(eps: Tensor) -> ScaleMeasures:
    """All measures of (1, C, S, S). ValueError when it is not one sample, or smaller than the rings need."""
    if len(eps) != 1:
        raise ValueError(f"Noise is measured one sample at a time: got {len(eps)}.")
    size = eps.shape[-1]
    return ScaleMeasures(
        float(eps.double().mean()),
        float(eps.double().var(correction=0)),
        histogram(eps),
        ring_powers(power_spectrum(eps[0]), ring_edges(size)),
        autocorrelation(eps, LAGS),
    )


def histogram(values: Tensor) -> Tensor:
    """Shares of the values in BINS equal bins over −REACH … REACH, those beyond in the outermost: (BINS,), sums to 1."""
    inside = values.float().flatten().clamp(-REACH, REACH)
    return torch.histc(inside, BINS, -REACH, REACH).double() / inside.numel()


def normal_histogram() -> Tensor:
    """The same shares of N(0, 1), exactly."""
    edges = torch.linspace(-REACH, REACH, BINS + 1, dtype=torch.float64)
    edges[0], edges[-1] = -math.inf, math.inf
    return (torch.erf(edges[1:] / math.sqrt(2)) - torch.erf(edges[:-1] / math.sqrt(2))) / 2


def ring_edges(size: int) -> list[float]:
    """Edges of the rings of a radial spectrum in cycles per picture: RINGS of equal width from LOWEST to size / 2."""
    step = (size / 2 - LOWEST) / RINGS
    return [*(LOWEST + step * k for k in range(RINGS)), size / 2 + EDGE]


def autocorrelation(eps: Tensor, lags: int) -> Tensor:
    """Correlation of (1, C, S, S) with itself moved by up to ``lags`` pixels, borders joined: (2 lags + 1, 2 lags + 1).

    By the Wiener–Khinchin theorem, without a window. Row and column ``lags`` is no move: 1. ValueError for constant noise.
    """
    size = eps.shape[-1]
    x = eps[0] - eps[0].mean()
    power = torch.fft.rfft2(x).abs().square().sum(dim=0)
    moved = torch.fft.irfft2(power, s=(size, size))
    if moved[0, 0] <= 0:
        raise ValueError("Noise that is the same everywhere has no autocorrelation.")
    around = torch.arange(-lags, lags + 1) % size
    return moved[around][:, around] / moved[0, 0]


# ------------------------------------------------------------------ two scales


@dataclass(frozen=True)
class PairMeasures:
    """The noise of a scale beside what it sees of the finer scale's noise."""

    operator: NoiseMode  # the operator that brought the finer noise down for ``seen``: the mode's own
    seen: Tensor  # (1, C, S, S), the finer noise at the coarse size
    correlation: float  # of the coarse noise with ``seen``
    by_sinc: float  # the same with the finer noise brought down by the sinc filter, which keeps all that the coarse grid can hold
    by_mean: float  # and by 2 × 2 means, as pictures are

    @property
    def foreign(self) -> float:
        """Share of the coarse noise's variance that the finer noise's low frequencies do not explain, 1 − r²: for shared noise,
        what was folded in from frequencies that the coarse grid cannot hold (aliasing)."""
        return 1 - self.by_sinc**2


def measure_pair(low: Tensor, high: Tensor, mode: NoiseMode) -> PairMeasures:
    """Noise ``low`` (1, C, S, S) against the finer ``high`` of the same ``mode``. Independent noise is brought down as sinc's."""
    seen = {operator: downsample_noise(high, low.shape[-1], operator) for operator in {"sinc", "box", OPERATORS[mode]}}
    own = seen[OPERATORS[mode]]
    return PairMeasures(
        OPERATORS[mode],
        own,
        correlation(low, own),
        correlation(low, seen["sinc"]),
        correlation(low, seen["box"]),
    )


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's correlation of two tensors of one shape over all values. ValueError when one of them is constant."""
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    scale = float(a.square().sum() * b.square().sum())
    if scale == 0:
        raise ValueError("Noise that is the same everywhere has no correlation.")
    return float((a * b).sum()) / math.sqrt(scale)
