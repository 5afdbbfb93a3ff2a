"""The leak's diagnostics on networks whose behaviour is known: one that solves the equations, one that only denoises below."""

from __future__ import annotations

import pytest
import torch

from layered.evaluation.leak import measure_leak, weights_of
from layered.layers import TextStates
from layered.pyramid import downsample_noise, enlarge_image, image_pyramid, noise_pyramid
from layered.schedule import Schedule, alpha_sigma
from layered.unet import LevelOutput

SCALES = (16, 32)
EMPTY = TextStates.empty(6, 8)


def smooth_pictures(count: int = 6) -> dict[int, torch.Tensor]:
    """Pictures without the detail in which D and the sinc low-pass differ."""
    seeds = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(3)) * 2 - 1
    fine = torch.nn.functional.interpolate(seeds, size=(32, 32), mode="bicubic", align_corners=True)
    return image_pyramid(fine, SCALES)


def shared_noise(count: int = 6) -> dict[int, torch.Tensor]:
    return noise_pyramid(torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(4)), SCALES, "sinc")


def solver(rho: float):
    """A network that reads the answer off the two states."""

    def model(z, logsnr, text, shared):
        (a_lo, _), (a_hi, _) = (alpha_sigma(logsnr[size][0]) for size in SCALES)
        low = (z[16] / a_lo - rho * downsample_noise(z[32], 16) / 2 / a_hi) / (1 - rho)
        base = torch.zeros_like(z[16])
        return {16: LevelOutput(base, base), 32: LevelOutput(base, enlarge_image(low, 32))}

    return model


def test_a_network_that_solves_the_equations_is_found_out() -> None:
    schedule = Schedule(SCALES, (0.0, -2.0))
    rho = schedule.rho()[SCALES]
    leak = measure_leak(solver(rho), smooth_pictures(), shared_noise(), schedule, 0.95, EMPTY)[SCALES]
    assert leak.below == pytest.approx(1 / (1 - rho), rel=0.05) and leak.above == pytest.approx(-rho / (1 - rho), rel=0.05)
    assert leak.error < 0.02


def test_a_level_that_enlarges_what_lies_below_follows_that_alone() -> None:
    x0 = smooth_pictures()

    def model(z, logsnr, text, shared):
        return {16: LevelOutput(z[16], 0.5 * x0[16]), 32: LevelOutput(z[16], enlarge_image(0.5 * x0[16], 32))}

    leak = measure_leak(model, x0, shared_noise(), Schedule.preset("aligned", SCALES), 0.95, EMPTY)[SCALES]
    assert leak.below == pytest.approx(0.5, abs=0.02) and leak.above == pytest.approx(0, abs=0.02)
    assert leak.error == pytest.approx(1, abs=0.05)


def test_the_weights_are_those_of_least_squares() -> None:
    a, b = torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    assert weights_of(2 * a - 3 * b + 7, a, b) == pytest.approx((2, -3))


def test_one_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        measure_leak(solver(0.7), {}, {}, Schedule.preset("paper", SCALES), 0.9, TextStates.empty(1, 8))
