"""Spectra: white noise is flat, a wave is found where it is, rings that hold nothing are refused."""

from __future__ import annotations

import math

import pytest
import torch

from layered.spectra import octave_powers, power_spectrum, ring_powers


def white(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_white_noise_has_its_variance_as_power_at_every_frequency() -> None:
    powers = ring_powers(power_spectrum(3 * white(64, 64, 64)), [4, 8, 16, 24, 32])
    assert torch.allclose(powers, torch.full((4,), 9.0, dtype=torch.float64), rtol=0.03)


def test_a_wave_is_in_its_ring() -> None:
    x = torch.arange(64, dtype=torch.float64)
    wave = torch.cos(2 * math.pi * 11 * x / 64).expand(1, 64, 64)
    powers = ring_powers(power_spectrum(wave), [2, 6, 9, 13, 20, 32])
    assert int(powers.argmax()) == 2 and powers[2] > 100 * powers[[0, 4]].max()


def test_octaves_are_rings_up_to_half_a_cycle_per_pixel() -> None:
    noise = white(4, 3, 32, 32)
    mean = torch.stack([power_spectrum(one) for one in noise]).mean(dim=0)
    assert torch.allclose(octave_powers(noise), ring_powers(mean, [1, 2, 4, 8, 16 + 1e-9]))


def test_an_empty_ring_is_refused() -> None:
    with pytest.raises(ValueError, match="No frequency of 16 pixels lies between 1.1 and 1.3"):
        ring_powers(power_spectrum(white(1, 16, 16)), [1.1, 1.3])
