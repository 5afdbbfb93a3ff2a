"""The measures as mathematics: closed forms of known Gaussians, identities, shifts, and copies that must be found."""

from __future__ import annotations

import math

import pytest
import torch

from layered.evaluation.metrics import (
    channel_differences,
    frechet_distance,
    kernel_distance,
    memorisation,
    patch_distance,
    patches,
    precision_recall,
    scale_agreement,
    sliced_wasserstein,
    spectrum_error,
    wilson_interval,
)
from layered.pyramid import downsample_image, enlarge_image, high_pass
from layered.spectra import octave_powers


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def test_sliced_wasserstein_of_a_shift_is_the_mean_projection_of_the_shift() -> None:
    a = normal(500, 16)
    shift = torch.zeros(16, dtype=torch.float64)
    shift[3] = 2.0
    line = torch.randn(16, 4096, generator=rng(5), dtype=torch.float64)
    exact = float((shift @ (line / line.norm(dim=0))).abs().mean())
    assert sliced_wasserstein(a, a[torch.randperm(500, generator=rng())], rng(1)) < 1e-12
    assert sliced_wasserstein(a + shift, a, rng(5), 4096) == pytest.approx(exact)
    gamma = math.gamma(8) / math.gamma(8.5) / math.sqrt(math.pi)  # E|u₁| of a random direction in 16 dimensions
    assert exact == pytest.approx(2 * gamma, rel=0.05)
    with pytest.raises(ValueError, match="equally many"):
        sliced_wasserstein(a, a[1:], rng())


def test_sliced_wasserstein_of_scaled_gaussians_is_their_closed_form_on_a_line() -> None:
    a, b = normal(20_000, 2), 3 * normal(20_000, 2, seed=1)
    assert sliced_wasserstein(a, b, rng(2)) == pytest.approx(2 * math.sqrt(2 / math.pi), rel=0.03)


def test_patches_are_cut_from_the_pictures_and_channel_by_channel() -> None:
    pictures = torch.arange(2 * 3 * 16 * 16, dtype=torch.float64).view(2, 3, 16, 16)
    rows, columns = torch.tensor([[0, 3], [9, 1]]), torch.tensor([[2, 0], [8, 5]])
    cut = patches(pictures, rows, columns)
    assert cut.shape == (4, 147)
    assert torch.equal(cut[2].view(3, 7, 7), pictures[1, :, 9:16, 8:15])
    assert torch.equal(cut[1].view(3, 7, 7), pictures[0, :, 3:10, 0:7])


def test_patch_distance_is_in_standard_deviations_of_the_real_set() -> None:
    real = normal(8, 3, 32, 32)
    small = patch_distance(0.1 * normal(8, 3, 32, 32, seed=1), 0.1 * real, rng())
    assert small == pytest.approx(patch_distance(normal(8, 3, 32, 32, seed=1), real, rng()))
    assert small < 0.1 < patch_distance(2 * real, real, rng())
    assert patch_distance(real, real, rng()) == 0


def test_the_high_pass_takes_out_what_half_the_size_holds() -> None:
    flat = torch.full((1, 3, 16, 16), 0.3)
    assert high_pass(flat).abs().max() < 1e-6
    soft = enlarge_image(normal(1, 3, 8, 8), 16)
    assert high_pass(soft).square().mean() < high_pass(normal(1, 3, 16, 16)).square().mean() / 4


def test_white_noise_has_unit_power_in_every_octave_and_a_tenth_of_the_amplitude_costs_two() -> None:
    noise = normal(64, 3, 64, 64)
    powers = octave_powers(noise)
    assert powers.shape == (5,) and torch.allclose(powers[2:], torch.ones(3, dtype=torch.float64), rtol=0.03)
    assert powers[:2].sub(1).abs().max() < 0.2  # few coefficients
    assert spectrum_error(noise, noise) == [0.0] * 5
    assert spectrum_error(0.1 * noise, noise) == pytest.approx([-2.0] * 5)


def test_a_wave_is_found_in_its_octave_and_blur_only_costs_the_fine_ones() -> None:
    x = torch.arange(64, dtype=torch.float64)
    for octave, cycles in ((1, 3), (2, 6), (4, 22)):
        wave = torch.cos(2 * math.pi * cycles * x / 64).expand(1, 3, 64, 64)
        assert int(octave_powers(wave).argmax()) == octave
    noise = normal(8, 3, 64, 64)
    error = spectrum_error(enlarge_image(downsample_image(noise, 32), 64), noise)
    assert error[-1] < -1 and abs(error[0]) < 0.05


def test_channel_differences_are_those_that_were_put_in() -> None:
    real = normal(4, 3, 16, 16)
    added = torch.tensor([0.1, 0.0, -0.2], dtype=torch.float64)[:, None, None]
    assert channel_differences(real + added, real)["mean"] == pytest.approx([0.1, 0.0, -0.2])
    assert channel_differences(2 * real, real)["std"] == pytest.approx(real.transpose(0, 1).flatten(1).std(dim=1).tolist())


def test_scales_agree_to_the_cap_or_by_the_error_between_them() -> None:
    high = normal(2, 3, 32, 32)
    low = downsample_image(high, 16)
    off = torch.tensor([0.0, 0.02], dtype=torch.float64)[:, None, None, None]
    assert scale_agreement(high, low + off).tolist() == pytest.approx([100.0, 40.0])


def test_frechet_distance_has_the_closed_form_of_gaussians() -> None:
    a = normal(2000, 3)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a + torch.tensor([3.0, 0, 4.0]), a) == pytest.approx(25)
    assert frechet_distance(3 * a, a) == pytest.approx(4 * float(torch.cov(a.T).trace()) + 4 * float(a.mean(0).square().sum()))
    b = normal(2000, 3, seed=1) @ normal(3, 3, seed=2)
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    root = torch.linalg.eigvals(cov_a @ cov_b).real.sqrt().sum()  # (Σ₁ Σ₂)^½ without the symmetric form
    mean = (a.mean(0) - b.mean(0)).square().sum()
    assert frechet_distance(a, b) == pytest.approx(float(mean + cov_a.trace() + cov_b.trace() - 2 * root))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


def test_kernel_distance_is_unbiased_and_sees_a_shift() -> None:
    values = [kernel_distance(normal(20, 4, seed=seed), normal(30, 4, seed=1000 + seed)) for seed in range(200)]
    mean, spread = torch.tensor(values).mean(), torch.tensor(values).std() / 200**0.5
    assert abs(mean) < 3 * spread and min(values) < 0
    assert kernel_distance(normal(50, 4) + 1, normal(50, 4, seed=1)) > 10 * spread
    with pytest.raises(ValueError, match="at least 2"):
        kernel_distance(normal(1, 4), normal(5, 4))


def test_kernel_distance_of_single_points_is_the_kernel_by_hand() -> None:
    a, b = torch.tensor([[1.0], [1.0]]), torch.tensor([[2.0], [2.0]])
    assert kernel_distance(a, b) == pytest.approx(2**3 + 5**3 - 2 * 3**3)


def test_precision_and_recall_of_equal_distant_and_narrow_sets() -> None:
    real = normal(200, 2)
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real + 100, real) == (0.0, 0.0)
    precision, recall = precision_recall(0.2 * normal(200, 2, seed=1), real)
    assert precision > 0.95 and recall < 0.4
    with pytest.raises(ValueError, match="more than 3"):
        precision_recall(real[:3], real)


def test_balls_reach_to_the_kth_neighbour() -> None:
    real = torch.tensor([[0.0], [1.0], [3.0], [10.0]])  # radii 1, 1, 2, 7
    for generated, share in (([-0.9, 16.9], 1.0), ([-1.1, 17.1], 0.0), ([-0.9, 17.1], 0.5)):
        assert precision_recall(torch.tensor(generated)[:, None], real, k=1)[0] == share


def test_copies_of_the_training_set_are_found() -> None:
    training, unseen = normal(300, 8), normal(200, 8, seed=1)
    fresh = memorisation(normal(200, 8, seed=2), training, unseen)
    assert fresh.share_nearer < 0.12 and fresh.generated == pytest.approx(fresh.unseen, rel=0.1)
    copied = memorisation(training[:100] + 1e-3, training, unseen)
    assert copied.share_nearer == 1.0 and copied.generated < 0.01 < copied.unseen


def test_wilson_interval_is_that_of_the_textbook() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    low, high = wilson_interval(10, 10)
    assert (low, high) == pytest.approx((1 - 0.2775, 1.0), abs=1e-4)
