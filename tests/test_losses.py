"""The loss of equation 3: every weighting against its definition, the multiscale loss, the weights of the scales."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from layered.config import LevelConfig
from layered.losses import LossConfig, loss_weight, scale_losses, squared_error, weighted_sum
from layered.prediction import noisy, posterior_variance
from layered.pyramid import downsample_image
from tests.test_prediction import eps_from_x0, v_from_x0
from tests.test_unet import tiny

LOGSNR = torch.tensor([-5.0, 0.3, 3.0])  # above the floor of ``even``


@pytest.fixture
def guess():
    """A network of one level, its picture, noise, noisy picture and a guess that errs."""
    generator = torch.Generator().manual_seed(0)
    x0, eps, error = (torch.randn(3, 3, 8, 8, generator=generator) for _ in range(3))
    config = dataclasses.replace(tiny(16), levels=(LevelConfig(8, 1, 4),), text_width=12)
    return config, x0, eps, noisy(x0, eps, LOGSNR), x0 + 0.1 * error


def loss_of(guess, loss: LossConfig) -> float:
    config, x0, _, _, x0_hat = guess
    return scale_losses(config, {8: x0_hat}, {8: x0}, {8: LOGSNR}, loss)[8].item()


def test_the_eps_loss_is_simple_diffusions(guess) -> None:
    """mse(σ z + α v̂, ε) (appendix A)."""
    _, _, eps, z, x0_hat = guess
    alpha, sigma = (torch.sigmoid(sign * LOGSNR).sqrt()[:, None, None, None] for sign in (1, -1))
    in_eps = (sigma * z + alpha * v_from_x0(x0_hat, z, LOGSNR) - eps).square().mean()
    assert loss_of(guess, LossConfig("eps")) == pytest.approx(in_eps.item(), rel=1e-3)


@pytest.mark.parametrize("weighting", ["v", "even"])
def test_the_v_loss_is_the_squared_error_in_v_and_that_of_a_base_too(guess, weighting) -> None:
    _, x0, _, z, x0_hat = guess
    in_v = (v_from_x0(x0_hat, z, LOGSNR) - v_from_x0(x0, z, LOGSNR)).square().mean()
    assert loss_of(guess, LossConfig(weighting)) == pytest.approx(in_v.item(), rel=1e-3)


def test_the_x_loss_is_the_squared_error_of_the_picture(guess) -> None:
    _, x0, _, _, x0_hat = guess
    assert loss_of(guess, LossConfig("x")) == pytest.approx((x0_hat - x0).square().mean().item())


@pytest.mark.parametrize("bias", [-2.0, 1.5])
def test_the_sigmoid_loss_weighs_the_error_in_eps(guess, bias) -> None:
    """SiD2: sigmoid(b − λ) ‖ε̂ − ε‖²."""
    _, _, eps, z, x0_hat = guess
    error = (eps_from_x0(x0_hat, z, LOGSNR) - eps).square().mean(dim=(1, 2, 3))
    expected = (torch.sigmoid(bias - LOGSNR) * error).mean()
    assert loss_of(guess, LossConfig("sigmoid", bias=(bias,))) == pytest.approx(expected.item(), rel=1e-3)


def test_every_weighting_is_finite_over_the_whole_schedule() -> None:
    logsnr = torch.linspace(-20, 20, 81)
    for weighting in ("even", "v", "eps", "x", "sigmoid"):
        weight = loss_weight(tiny().levels[1], logsnr, weighting, -3.0)
        assert weight.isfinite().all() and (weight > 0).all() and (weight.diff() >= 0).all()


def test_every_scale_has_its_own_bias() -> None:
    config = tiny()
    x0 = {size: torch.zeros(1, 3, size, size) for size in config.scales}
    x0_hat = {size: torch.ones(1, 3, size, size) for size in config.scales}
    logsnr = {size: torch.zeros(1) for size in config.scales}
    losses = scale_losses(config, x0_hat, x0, logsnr, LossConfig("sigmoid", bias=(0.0, -1.0, -2.0)))
    for bias, loss in zip((0.0, -1.0, -2.0), losses.values(), strict=True):
        assert loss.item() == pytest.approx(1 / (1 + math.exp(-bias)))


@pytest.mark.parametrize("prediction", ["x", "v", "posterior"])
def test_the_loss_of_a_level_that_adds_detail_is_even_over_noise_levels(prediction) -> None:
    """A level whose error is what the detail and the level below leave open has the same loss everywhere above the floor."""
    level = LevelConfig(8, 1, 4, prediction=prediction, detail_std=0.1)
    logsnr = torch.tensor([-3.0, 0.0, 4.0])
    error = posterior_variance(logsnr, 0.1) + 0.05 * torch.sigmoid(-logsnr)
    assert torch.allclose(loss_weight(level, logsnr) * error, torch.ones(3), atol=1e-4)
    assert loss_weight(level, torch.tensor([20.0])) == pytest.approx(1 / (0.02 * 0.01), rel=1e-3)


def test_the_multiscale_loss_is_the_mean_over_sizes_weighted_by_one_over_size() -> None:
    """Simple diffusion, section 3.2."""
    error = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    parts = {size: downsample_image(error, size).square().mean(dim=(1, 2, 3)) for size in (16, 32, 64)}
    expected = sum(part / size for size, part in parts.items()) / sum(1 / size for size in parts)
    assert torch.allclose(squared_error(error, 64, multiscale_from=16), expected)
    assert torch.equal(squared_error(error, 64, multiscale_from=64), parts[64])
    crop = error[..., :32, :32]  # of a picture of 64: halved as often as the whole one
    halves = [downsample_image(crop, side).square().mean(dim=(1, 2, 3)) for side in (32, 16)]
    assert torch.allclose(squared_error(crop, 64, multiscale_from=32), (halves[0] / 64 + halves[1] / 32) / (1 / 64 + 1 / 32))


def test_the_multiscale_loss_tells_coarse_errors_from_fine_ones() -> None:
    flat, checks = torch.ones(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    checks[..., 0::2], checks[..., 1::2] = 1, -1
    plain = squared_error(flat, 32), squared_error(checks, 32)
    assert plain[0] == plain[1]
    assert squared_error(flat, 32, 8) == pytest.approx(1.0) and squared_error(checks, 32, 8) < 0.2


def test_the_weights_of_the_scales_are_one_over_size_unless_given() -> None:
    config = tiny()
    assert LossConfig().weights(config) == {16: 1.0, 32: 0.5, 64: 0.25}
    given = LossConfig(scale_weights=(0.0, 1.0, 3.0)).weights(config)
    losses = {32: torch.tensor(4.0), 64: torch.tensor(8.0)}
    assert weighted_sum(losses, given) == pytest.approx((4 + 3 * 8) / 4)
    assert LossConfig().weights(config.single_resolution()) == {64: 1.0}
    with pytest.raises(ValueError, match="nothing would be learnt"):
        weighted_sum({16: torch.tensor(1.0)}, given)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: LossConfig("huber"), "one of even, v, eps, x, sigmoid"),
        (lambda: LossConfig(bias=()), "Loss bias"),
        (lambda: LossConfig(bias=(math.nan,)), "Loss bias"),
        (lambda: LossConfig(multiscale_from=0), "1 pixel or more"),
        (lambda: LossConfig(scale_weights=(1.0, -1.0)), "from 0 up"),
        (lambda: LossConfig(scale_weights=(1.0,)).weights(tiny()), "scale weight for each of the 3 scales"),
        (lambda: LossConfig(bias=(1.0, 2.0)).weights(tiny()), "loss bias for each of the 3 scales"),
    ],
)
def test_mistakes_get_a_sentence(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
