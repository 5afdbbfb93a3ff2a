"""The image and noise operators: S Sᵀ = I, composition, whiteness at the border, growth, seeds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from layered.pyramid import (
    downsample_image,
    downsample_noise,
    draw_noise,
    enlarge_image,
    grow_noise,
    image_pyramid,
    noise_pyramid,
    with_means,
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def generators(*seeds: int) -> list[torch.Generator]:
    return [generator(seed) for seed in seeds]


def operator(n: int, m: int, mode: str) -> Tensor:
    """S as a matrix on flattened n × n fields: (m², n²)."""
    basis = torch.eye(n * n).reshape(n * n, 1, n, n)
    return downsample_noise(basis, m, mode).reshape(n * n, m * m).T


# ------------------------------------------------------------------ images


def test_d_is_the_mean_of_two_by_two() -> None:
    x = torch.randn(2, 3, 16, 16, generator=generator(0))
    quarter = (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
    assert torch.allclose(downsample_image(x, 8), quarter, atol=1e-6)
    assert torch.allclose(downsample_image(x, 2), downsample_image(downsample_image(quarter, 4), 2), atol=1e-6)
    assert torch.equal(downsample_image(x, 16), x)


def test_enlarging_keeps_a_constant_and_inverts_nothing_else() -> None:
    flat = torch.full((1, 3, 4, 4), 0.3)
    assert torch.allclose(enlarge_image(flat, 32), torch.full((1, 3, 32, 32), 0.3))
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert torch.allclose(downsample_image(enlarge_image(ramp, 16), 8)[..., 1:-1], ramp[..., 1:-1])


def test_means_are_replaced_and_nothing_else() -> None:
    x, means = torch.randn(2, 3, 8, 8, generator=generator(3)), torch.randn(2, 3, 4, 4, generator=generator(4))
    changed = with_means(x, means)
    assert torch.allclose(downsample_image(changed, 4), means, atol=1e-6)
    within = changed.unfold(2, 2, 2).unfold(3, 2, 2), x.unfold(2, 2, 2).unfold(3, 2, 2)
    assert torch.allclose(*(cell - cell.mean((-1, -2), keepdim=True) for cell in within), atol=1e-6)


def test_the_pyramid_goes_coarse_to_fine() -> None:
    x = torch.randn(1, 3, 32, 32, generator=generator(0))
    pyramid = image_pyramid(x, (8, 16, 32))
    assert list(pyramid) == [8, 16, 32] and all(value.shape[-1] == size for size, value in pyramid.items())


@pytest.mark.parametrize("size", [0, 3, 12, 64])
def test_sizes_that_do_not_halve_are_named(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} × {size}"):
        downsample_image(torch.zeros(1, 3, 32, 32), size)


# ------------------------------------------------------------------ S


@pytest.mark.parametrize(("n", "m"), [(16, 8), (16, 4), (32, 16)])
@pytest.mark.parametrize("mode", ["sinc", "box"])
def test_s_s_transposed_is_the_identity(n: int, m: int, mode: str) -> None:
    """White noise stays exactly white with unit variance at every pixel, border and corner included."""
    s = operator(n, m, mode)
    assert torch.allclose(s @ s.T, torch.eye(m * m), atol=1e-5)


def test_bilinear_loses_three_quarters_of_the_variance_per_halving() -> None:
    for m, variance in ((8, 1 / 4), (4, 1 / 16)):
        s = operator(16, m, "bilinear")
        assert torch.allclose(s @ s.T, variance * torch.eye(m * m), atol=1e-5)


@pytest.mark.parametrize("mode", ["sinc", "box", "bilinear"])
def test_two_halvings_are_one_quartering(mode: str) -> None:
    eps = torch.randn(2, 3, 512, 512, generator=generator(1))
    twice = downsample_noise(downsample_noise(eps, 256, mode), 128, mode)
    assert torch.allclose(twice, downsample_noise(eps, 128, mode), atol=1e-5)


def test_interior_rows_are_the_sinc_filter() -> None:
    """Far from the border S is sinc(n/T)/√T around the coarse pixel's centre, as the paper's equation 1 means it."""
    row = downsample_noise(torch.eye(512).reshape(512, 1, 1, 512).expand(-1, 1, 512, 512), 256)[:, 0, 128, 128]
    gain = downsample_noise(torch.ones(1, 1, 512, 512), 256)[0, 0, 128, 128].sqrt()  # of the other axis: a constant grows by √2
    distance = torch.arange(512.0) - (2 * 128 + 0.5)
    assert torch.allclose(row / gain, torch.sinc(distance / 2) / 2**0.5, atol=1e-3)


def test_autocast_leaves_the_noise_alone() -> None:
    eps = torch.randn(1, 3, 64, 64, generator=generator(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = downsample_noise(eps, 32)
    assert torch.equal(inside, downsample_noise(eps, 32))


# ------------------------------------------------------------------ growth


def test_grown_noise_agrees_with_its_parent() -> None:
    low = torch.randn(2, 3, 64, 64, generator=generator(2))
    for size in (128, 256):
        assert torch.allclose(downsample_noise(grow_noise(low, size, generator(3)), 64), low, atol=1e-5)


def test_grown_noise_is_white_at_every_pixel() -> None:
    """Covariance over many draws: the identity, within what so many draws allow."""
    draws = 20_000
    low = torch.randn(draws, 1, 4, 4, generator=generator(4))
    high = grow_noise(low, 8, generator(5)).reshape(draws, 64)
    covariance = high.T @ high / draws
    assert (covariance - torch.eye(64)).abs().max() < 6 / draws**0.5


def test_growth_with_a_generator_per_sample() -> None:
    low = torch.randn(2, 3, 8, 8, generator=generator(6))
    both = grow_noise(low, 16, generators(1, 2))
    assert torch.allclose(both[1:], grow_noise(low[1:], 16, generator(2)), atol=1e-6)
    with pytest.raises(ValueError, match="one random generator each"):
        grow_noise(low, 16, generators(1))


# ------------------------------------------------------------------ draws


@pytest.mark.parametrize("mode", ["sinc", "box", "bilinear"])
def test_shared_noise_is_one_field_brought_down(mode: str) -> None:
    noise = draw_noise((16, 32, 64), mode, generators(0, 1))
    for size, field in noise_pyramid(noise[64], (16, 32, 64), mode).items():
        assert torch.allclose(noise[size], field, atol=1e-5)


@pytest.mark.parametrize(("mode", "variance"), [("sinc", 1), ("box", 1), ("independent", 1), ("bilinear", 1 / 16)])
def test_variance_at_the_coarsest_scale(mode: str, variance: float) -> None:
    field = draw_noise((64, 128, 256), mode, generators(*range(8)))[64]
    assert field.var() == pytest.approx(variance, rel=0.03)


def test_independent_scales_are_uncorrelated_and_shared_ones_are_not() -> None:
    for mode, expected in (("independent", 0.0), ("sinc", 1.0)):
        noise = draw_noise((32, 64), mode, generators(*range(8)))
        low, seen = noise[32].flatten(), downsample_noise(noise[64], 32).flatten()
        assert torch.corrcoef(torch.stack([low, seen]))[0, 1] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("mode", ["sinc", "box", "bilinear", "independent"])
def test_a_sample_has_the_same_noise_alone_and_in_a_batch(mode: str) -> None:
    together = draw_noise((16, 32), mode, generators(5, 6, 7))
    alone = draw_noise((16, 32), mode, generators(6))
    for size in (16, 32):
        assert torch.equal(together[size][1:2], alone[size])
    assert not torch.allclose(together[32][0], together[32][1])


@pytest.mark.parametrize("mode", ["sinc", "independent"])
def test_a_seed_means_the_same_picture_at_every_top_size(mode: str) -> None:
    full = draw_noise((16, 32, 64), mode, generators(9))
    for scales in ((16,), (16, 32)):
        short = draw_noise(scales, mode, generators(9))
        assert list(short) == list(scales)
        assert all(torch.equal(short[size], full[size]) for size in scales)


@pytest.mark.parametrize("mode", ["box", "bilinear"])
def test_other_operators_keep_the_picture_too(mode: str) -> None:
    """Their coarsest field differs with the top size only by what the operator differs from sinc."""
    full, short = (draw_noise(scales, mode, generators(9))[16].flatten() for scales in ((16, 32, 64), (16, 32)))
    assert torch.corrcoef(torch.stack([full, short]))[0, 1] > 0.9


def test_noise_that_cannot_be_is_refused() -> None:
    eps = torch.zeros(1, 3, 16, 16)
    with pytest.raises(ValueError, match="draw_noise"):
        noise_pyramid(eps, (8, 16), "independent")
    with pytest.raises(ValueError, match="choose one of"):
        downsample_noise(eps, 8, "fft")
    with pytest.raises(ValueError, match="choose one of"):
        draw_noise((8, 16), "fft", generators(0))
