"""The measures of noise: closed forms of what every noise mode does, and colours and shares that must be found."""

from __future__ import annotations

import math

import pytest
import torch

from layered.noise_measures import (
    LAGS,
    autocorrelation,
    correlation,
    histogram,
    measure_pair,
    measure_scale,
    normal_histogram,
    ring_edges,
)
from layered.pyramid import draw_noise

SCALES = (32, 64, 128)
BAND = (4 / math.pi * math.sin(math.pi / 4)) ** 2  # mean of cos(πu/4) cos(πv/4) over the coarse grid's band: 0.81


@pytest.fixture(scope="module")
def noise() -> dict[str, dict[int, torch.Tensor]]:
    draw = lambda mode: draw_noise(SCALES, mode, [torch.Generator().manual_seed(3)])  # noqa: E731
    return {mode: draw(mode) for mode in ("sinc", "independent", "box", "bilinear")}


def test_histogram_sums_to_one_and_the_normal_one_is_that_of_many_draws() -> None:
    values = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))
    assert float(histogram(values).sum()) == pytest.approx(1)
    assert float(normal_histogram().sum()) == pytest.approx(1)
    assert (histogram(values) - normal_histogram()).abs().max() < 1e-3
    ends = histogram(torch.tensor([-100.0, 100.0, 100.0, 0.0]))
    assert ends[[0, -1]].tolist() == [0.25, 0.5]


def test_white_noise_is_flat_has_unit_variance_and_no_neighbours(noise) -> None:
    for mode in ("sinc", "independent", "box"):
        for size, eps in noise[mode].items():
            measures = measure_scale(eps)
            error = 5 / math.sqrt(3 * size**2)  # five standard deviations of a correlation of that many pixels
            assert abs(measures.mean) < error and abs(measures.variance - 1) < 2 * error
            assert abs(measures.neighbour) < error
            assert (measures.spectrum - 1).abs().mean() < 0.15
            assert measures.spectrum.shape == (len(ring_edges(size)) - 1,)


def test_bilinear_loses_three_quarters_of_the_variance_at_every_halving_and_stays_white(noise) -> None:
    measured = [measure_scale(noise["bilinear"][size]) for size in SCALES]
    assert [one.variance for one in measured] == pytest.approx([1 / 16, 1 / 4, 1], rel=0.1)
    assert float(measured[1].spectrum.mean()) == pytest.approx(1 / 4, rel=0.1)
    assert abs(measured[0].neighbour) < 0.1


def test_a_blur_is_found_as_colour(noise) -> None:
    blurred = (noise["sinc"][128] + noise["sinc"][128].roll(1, -1)) / math.sqrt(2)
    measures = measure_scale(blurred)
    assert measures.variance == pytest.approx(1, rel=0.05) and measures.neighbour == pytest.approx(0.5, abs=0.02)
    assert measures.autocorrelation[LAGS, LAGS] == 1
    assert measures.autocorrelation[LAGS, LAGS - 1] == pytest.approx(0.5, abs=0.02)
    assert abs(float(measures.autocorrelation[LAGS - 1, LAGS])) < 0.03
    assert measures.spectrum[0] > 1.5 > 0.8 > measures.spectrum[-1]
    sharpened = noise["sinc"][128] - noise["sinc"][128].roll(1, -2)
    assert measure_scale(sharpened).neighbour == pytest.approx(-0.5, abs=0.02)


def test_autocorrelation_is_that_of_the_sum_over_pixels() -> None:
    x = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    centred = x - x.mean()
    found = autocorrelation(x, 2)
    for row, column in ((0, 1), (-2, 1), (1, -2)):
        moved = (centred * centred.roll((row, column), (-2, -1))).sum() / centred.square().sum()
        assert float(found[2 + row, 2 + column]) == pytest.approx(float(moved))


def test_every_mode_shares_what_it_says(noise) -> None:
    sinc, box, bilinear = (measure_pair(noise[mode][64], noise[mode][128], mode) for mode in ("sinc", "box", "bilinear"))
    assert sinc.correlation == sinc.by_sinc == pytest.approx(1, abs=1e-5)
    assert sinc.operator == "sinc" and abs(sinc.foreign) < 1e-4
    assert (sinc.seen - noise["sinc"][64]).abs().max() < 1e-4
    for pair in (box, bilinear):
        assert pair.correlation == pair.by_mean == pytest.approx(1, abs=1e-6)
        assert pair.by_sinc == pytest.approx(BAND, abs=0.02) and pair.foreign == pytest.approx(1 - BAND**2, abs=0.03)
    assert sinc.by_mean == pytest.approx(BAND, abs=0.02)
    apart = measure_pair(noise["independent"][64], noise["independent"][128], "independent")
    assert apart.operator == "sinc"
    assert max(abs(r) for r in (apart.correlation, apart.by_sinc, apart.by_mean)) < 5 / math.sqrt(3 * 64**2)


def test_correlation_is_pearsons() -> None:
    a = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert correlation(a, -2 * a + 7) == pytest.approx(-1)
    assert correlation(a, torch.tensor([1.0, 3.0, 2.0, 4.0])) == pytest.approx(0.8)


def test_constants_and_batches_are_refused() -> None:
    flat = torch.zeros(1, 3, 64, 64)
    with pytest.raises(ValueError, match="no correlation"):
        correlation(flat, flat)
    with pytest.raises(ValueError, match="no autocorrelation"):
        autocorrelation(flat, 2)
    with pytest.raises(ValueError, match="one sample at a time"):
        measure_scale(torch.zeros(2, 3, 64, 64))
