"""The 5/3 wavelet: its filters, its borders, its inverse, and what strategic cropping needs of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from layered.wavelet import from_bands, to_bands

LOW = torch.tensor([-1.0, 2.0, 6.0, 2.0, -1.0], dtype=torch.float64) / 8
HIGH = torch.tensor([-1.0, 2.0, -1.0], dtype=torch.float64) / 2


def picture(channels: int = 3, height: int = 16, width: int = 24) -> Tensor:
    return torch.randn(2, channels, height, width, dtype=torch.float64)


def filtered(x: Tensor, taps: Tensor, first: int) -> Tensor:
    """Every second sample of the rows from ``first`` on, filtered, with whole-sample mirrors at the borders."""
    reach = len(taps) // 2
    flat = F.pad(x, (reach, reach, 0, 0), mode="reflect").flatten(0, 1)[:, None]
    return F.conv2d(flat, taps[None, None, None])[:, 0].unflatten(0, x.shape[:2])[..., first::2]


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("channels", [3, 6])
def test_the_picture_comes_back(levels: int, channels: int) -> None:
    x = picture(channels)
    bands = to_bands(x, levels)
    assert bands.shape == (2, channels * 4**levels, 16 >> levels, 24 >> levels)
    assert torch.allclose(from_bands(bands, levels), x, atol=1e-13)
    assert torch.allclose(from_bands(to_bands(x.float(), levels), levels), x.float(), atol=3e-6)
    assert torch.allclose(to_bands(from_bands(bands, levels), levels), bands, atol=1e-13)  # every set of bands is a picture's


def test_the_lifting_is_the_filters_of_jpeg_2000_borders_included() -> None:
    x = picture(1)
    low, high = filtered(x, LOW, 0), filtered(x, HIGH, 1)
    columns = [filtered(part.mT, taps, first).mT for part in (low, high) for taps, first in ((LOW, 0), (HIGH, 1))]
    assert torch.allclose(to_bands(x, 1), torch.cat(columns, dim=1), atol=1e-13)


@pytest.mark.parametrize("levels", [1, 2])
def test_a_constant_picture_is_the_lowest_band_alone(levels: int) -> None:
    colours = torch.tensor([0.3, -0.8, 1.0], dtype=torch.float64)
    bands = to_bands(colours[:, None, None].expand(1, 3, 16, 24), levels)
    assert torch.allclose(bands[:, :3], colours[:, None, None], atol=1e-14)
    assert bands[:, 3:].abs().max() < 1e-14


def test_a_slope_has_no_detail_inside_the_picture() -> None:
    slope = torch.arange(24, dtype=torch.float64).expand(1, 1, 16, 24)
    detail = to_bands(slope, 1)[:, 1:]
    assert detail[..., :-1].abs().max() < 1e-13 and detail[..., -1].abs().max() > 0.5  # the mirror bends it


def test_a_second_level_splits_the_low_band_again() -> None:
    x = picture()
    once, twice = to_bands(x, 1), to_bands(x, 2)
    assert torch.equal(twice[:, :12], to_bands(once[:, :3], 1))
    assert torch.equal(F.pixel_shuffle(twice[:, 12:], 2), once[:, 3:])


@pytest.mark.parametrize("levels", [1, 2])
def test_a_crop_has_the_bands_of_the_whole_picture_inside(levels: int) -> None:
    x, cell = torch.randn(1, 3, 64, 64, dtype=torch.float64), 2**levels
    whole = to_bands(x, levels)[..., 16 // cell : 48 // cell, 8 // cell : 40 // cell]
    crop = to_bands(x[..., 16:48, 8:40], levels)
    margin = 2  # cells, which are 2 · 2ˡ pixels
    inside = (..., slice(margin, -margin), slice(margin, -margin))
    assert torch.allclose(crop[inside], whole[inside], atol=1e-13)
    assert not torch.allclose(crop, whole, atol=1e-3)


def test_white_noise_stays_nearly_white() -> None:
    bands = to_bands(torch.randn(1, 1, 512, 512, dtype=torch.float64), 1)
    low, high = float(LOW.square().sum()), float(HIGH.square().sum())
    expected = torch.tensor([low * low, low * high, low * high, high * high], dtype=torch.float64)
    assert torch.allclose(bands.var(dim=(0, 2, 3)), expected, rtol=0.05)
    assert expected.tolist() == pytest.approx([0.52, 1.08, 1.08, 2.25], abs=0.005)
