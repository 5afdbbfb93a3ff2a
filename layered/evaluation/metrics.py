"""The mathematics of comparing sets of pictures: pure functions of tensors, each named by the paper it follows.

Pictures are (B, 3, S, S) in [−1, 1]; features are (N, D), of any network. The generated set comes first, the real one second.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from layered.pyramid import downsample_image
from layered.spectra import octave_powers
from layered.trajectory import psnr

PATCH = 7  # pixels a side of a patch, as in Progressive GANs
CONFIDENCE = 1.959964  # standard normal quantile of a 95 % interval

# ------------------------------------------------------------------ sliced Wasserstein distance


def sliced_wasserstein(a: Tensor, b: Tensor, generator: torch.Generator, directions: int = 128) -> float:
    """Sliced Wasserstein-1 distance of two equally large sets of points (N, D) (Rabin et al. 2011; Progressive GANs, section 5).

    On every random unit direction, the mean distance of the sorted projections; then the mean over directions. Its unit is that
    of the points, and a shift by s in every coordinate costs √(2/π) s, about 0.8 s, where D is large. Raises ValueError for sets
    of different sizes.
    """
    if a.shape != b.shape:
        raise ValueError(f"The sliced Wasserstein distance needs equally many points of a size: got {a.shape} and {b.shape}.")
    line = torch.randn(a.shape[1], directions, generator=generator, dtype=torch.float64)
    line = (line / line.norm(dim=0, keepdim=True)).to(a)
    return float(((a @ line).sort(dim=0).values - (b @ line).sort(dim=0).values).abs().mean())


def patches(pictures: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The patches of PATCH × PATCH pixels whose top left corners are at rows, columns (B, P) of each picture: (B·P, 3·PATCH²)."""
    windows = pictures.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # (B, 3, H', W', PATCH, PATCH), a view
    at = torch.arange(len(pictures))[:, None]
    return windows[at, :, rows, columns].flatten(0, 1).flatten(1)


def patch_distance(generated: Tensor, real: Tensor, generator: torch.Generator, count: int = 64) -> float:
    """Sliced Wasserstein distance of patches, in standard deviations of the real patches per channel (Progressive GANs, 5).

    ``count`` patches a picture, from the same random places in both sets, which holds as much sky in one as in the other.
    """
    places = torch.randint(real.shape[-1] - PATCH + 1, (2, len(real), count), generator=generator)
    sets = [patches(pictures, *places).unflatten(1, (3, -1)) for pictures in (generated, real)]
    mean, std = sets[1].mean(dim=(0, 2), keepdim=True), sets[1].std(dim=(0, 2), keepdim=True).clamp_min(1e-6)
    a, b = (((some - mean) / std).flatten(1) for some in sets)
    return sliced_wasserstein(a, b, generator)


# ------------------------------------------------------------------ spectra, channels, scales


def spectrum_error(generated: Tensor, real: Tensor) -> list[float]:
    """Difference of log10 power per octave, coarse to fine: −1 is a tenth of the power, 0 is right. −12 bounds empty octaves."""
    a, b = (octave_powers(pictures).clamp_min(1e-12).log10() for pictures in (generated, real))
    return (a - b).tolist()


def channel_differences(generated: Tensor, real: Tensor) -> dict[str, list[float]]:
    """Differences of every channel's ``mean`` and ``std`` over all pixels and pictures, in picture values (range 2)."""
    a, b = (pictures.double().transpose(0, 1).flatten(1) for pictures in (generated, real))
    return {"mean": (a.mean(dim=1) - b.mean(dim=1)).tolist(), "std": (a.std(dim=1) - b.std(dim=1)).tolist()}


def scale_agreement(high: Tensor, low: Tensor) -> Tensor:
    """PSNR in dB of D(x_high) against x_low for every picture (paper, section 2.2): (B,)."""
    return psnr(downsample_image(high, low.shape[-1]), low)


# ------------------------------------------------------------------ distances of feature sets


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of the Gaussians of two sets of features (Dowson and Landau 1982; Heusel et al. 2017, equation 6).

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), in float64. It grows as the sets shrink: compare equal counts only.
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T).reshape(b.shape[1], -1)
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    mixed = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()  # tr (Σ₁ Σ₂)^½
    mean = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    return max(0.0, float(mean + cov_a.trace() + cov_b.trace() - 2 * mixed))


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Unbiased squared MMD with the kernel (x·y/D + 1)³ (Gretton et al. 2012, equation 3; Bińkowski et al. 2018, section 3).

    About 0 for two sets of one distribution, of whatever size: it may be slightly negative.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("The kernel distance needs at least 2 features of each set.")
    a, b = a.double(), b.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        k = kernel(x, x)
        return (k.sum() - k.trace()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def precision_recall(generated: Tensor, real: Tensor, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, section 2), both in [0, 1].

    Precision: the share of generated features within the real set's manifold, the union of balls around each feature that reach
    to its k-th neighbour in its own set; recall the other way round. Raises ValueError for sets of k or fewer.
    """
    if min(len(generated), len(real)) <= k:
        raise ValueError(f"Precision and recall with k = {k} need more than {k} features of each set.")
    return _share_inside(generated, real, k), _share_inside(real, generated, k)


def _share_inside(queries: Tensor, manifold: Tensor, k: int) -> float:
    radius = _distances(manifold, manifold).kthvalue(k + 1, dim=1).values  # the nearest is the feature itself
    return float((_distances(queries, manifold) <= radius).any(dim=1).double().mean())


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (N, M), float64 and to the bit 0 between equal rows."""
    return torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")


# ------------------------------------------------------------------ memorisation


class Memorisation(NamedTuple):
    """How near to the training pictures generated pictures are, beside real pictures that were not trained on."""

    generated: float  # median distance to the nearest training picture
    unseen: float  # the same of the unseen real pictures
    share_nearer: float  # of generated pictures nearer than the nearest twentieth of the unseen: 0.05 where nothing is copied


def memorisation(generated: Tensor, training: Tensor, unseen: Tensor) -> Memorisation:
    """Nearest-neighbour test for copies of the training set, on features (N, D) (after Meehan et al. 2020)."""
    own, other = (_distances(features, training).amin(dim=1) for features in (generated, unseen))
    return Memorisation(float(own.median()), float(other.median()), float((own < other.quantile(0.05)).double().mean()))


# ------------------------------------------------------------------ counts


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share of ``right`` in ``count`` (Wilson 1927); of nothing counted, all of [0, 1]."""
    if count == 0:
        return 0.0, 1.0
    z2, share = CONFIDENCE**2, right / count
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = CONFIDENCE / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)
