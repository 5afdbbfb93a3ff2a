"""Conversions between x, ε and v, and what a level's output and its input say."""

from __future__ import annotations

import pytest
import torch

from layered.config import LevelConfig
from layered.prediction import detail_input, noisy, own_band, posterior_variance, read_prediction, x0_from_v
from layered.pyramid import downsample_image, with_means
from layered.schedule import alpha_sigma


def eps_from_x0(x0: torch.Tensor, z: torch.Tensor, logsnr: torch.Tensor) -> torch.Tensor:
    """ε = (z − α x) / σ."""
    alpha, sigma = (value[:, None, None, None] for value in alpha_sigma(logsnr))
    return (z - alpha * x0) / sigma


def v_from_x0(x0: torch.Tensor, z: torch.Tensor, logsnr: torch.Tensor) -> torch.Tensor:
    """v = α ε − σ x = (α z − x) / σ, for z = α x + σ ε."""
    alpha, sigma = (value[:, None, None, None] for value in alpha_sigma(logsnr))
    return (alpha * z - x0) / sigma


@pytest.fixture
def sample():
    generator = torch.Generator().manual_seed(0)
    x0, eps = (torch.randn(3, 3, 8, 8, generator=generator) for _ in range(2))
    logsnr = torch.tensor([-5.0, 0.3, 6.0])
    return x0, eps, logsnr, noisy(x0, eps, logsnr)


def test_round_trips(sample) -> None:
    x0, eps, logsnr, z = sample
    alpha, sigma = (value[:, None, None, None] for value in alpha_sigma(logsnr))
    v = v_from_x0(x0, z, logsnr)
    assert torch.allclose(v, alpha * eps - sigma * x0, atol=1e-4)
    assert torch.allclose(x0_from_v(v, z, logsnr), x0, atol=1e-4)
    assert torch.allclose(eps_from_x0(x0, z, logsnr), eps, atol=1e-4)


def test_a_v_output_that_is_v_gives_x0(sample) -> None:
    x0, _, logsnr, z = sample
    level = LevelConfig(8, 1, 4, prediction="v")
    assert torch.allclose(read_prediction(level, v_from_x0(x0, z, logsnr), z, logsnr, 0.0), x0, atol=1e-4)


def test_an_x_output_is_added_to_what_lies_below(sample) -> None:
    x0, _, logsnr, z = sample
    level = LevelConfig(8, 1, 4, prediction="x")
    assert torch.equal(read_prediction(level, torch.zeros_like(z), z, logsnr, x0), x0)


def test_the_posterior_reading_is_the_best_linear_guess_and_its_error_is_as_large_as_it_says() -> None:
    generator = torch.Generator().manual_seed(1)
    level = LevelConfig(64, 1, 4, prediction="posterior", detail_std=0.3)
    mean = torch.randn(1, 3, 256, 256, generator=generator)
    x0 = mean + 0.3 * torch.randn(mean.shape, generator=generator)
    for value in (-4.0, 0.0, 3.0, 8.0):
        logsnr = torch.tensor([value])
        z = noisy(x0, torch.randn(mean.shape, generator=generator), logsnr)
        guess = read_prediction(level, torch.zeros_like(z), z, logsnr, mean)
        variance = posterior_variance(logsnr, 0.3)
        assert (guess - x0).square().mean().item() == pytest.approx(variance.item(), rel=0.02)
        one = read_prediction(level, torch.ones_like(z), z, logsnr, mean)
        assert torch.allclose(one - guess, variance.sqrt() * torch.ones_like(z), atol=1e-5)


def test_a_detail_input_has_unit_variance_and_shows_the_prediction_below() -> None:
    generator = torch.Generator().manual_seed(2)
    level = LevelConfig(64, 1, 4, input="detail", detail_std=0.05)
    mean = torch.randn(1, 3, 256, 256, generator=generator)
    x0 = mean + 0.05 * torch.randn(mean.shape, generator=generator)
    for value in (-4.0, 2.0, 9.0):
        z = noisy(x0, torch.randn(mean.shape, generator=generator), torch.tensor([value]))
        residual, below = detail_input(level, z, torch.tensor([value]), mean).chunk(2, dim=1)
        assert residual.std().item() == pytest.approx(1.0, rel=0.02)
        assert torch.equal(below, mean)


def test_the_own_band_of_z_is_what_its_means_do_not_hold() -> None:
    generator = torch.Generator().manual_seed(3)
    z, below = torch.randn(2, 3, 8, 8, generator=generator), torch.randn(2, 3, 4, 4, generator=generator)
    logsnr = torch.tensor([-1.0, 2.0])
    band = own_band(z, logsnr, below)
    alpha = alpha_sigma(logsnr)[0][:, None, None, None]
    assert torch.allclose(downsample_image(band, 4), alpha * below, atol=1e-6)
    assert torch.allclose(band, own_band(with_means(z, below), logsnr, below), atol=1e-6)  # whatever the means were
    zero = torch.zeros_like(below)
    assert torch.allclose(with_means(band, zero), with_means(z, zero), atol=1e-6)  # the rest is z's
