"""Solvers: from the state z_t and the prediction x̂ of one scale to the state z_s at the next time, all (B, C, H, W)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layered.schedule import alpha_sigma


def ddim_step(z: Tensor, x0: Tensor, logsnr: float, logsnr_next: float, eta: float = 0.0, noise: Tensor | None = None) -> Tensor:
    """DDIM (arXiv 2010.02502, equation 12): z_s = α_s x̂ + sqrt(σ_s² − τ²) ε̂ + τ ε, τ = η (σ_s/σ_t) sqrt(1 − α_t²/α_s²)."""
    (alpha, sigma), (alpha_next, sigma_next) = alpha_sigma_at(logsnr), alpha_sigma_at(logsnr_next)
    eps = (z - alpha * x0) / sigma
    if noise is None or eta == 0:
        return alpha_next * x0 + sigma_next * eps
    fresh = eta * sigma_next / sigma * math.sqrt(1 - (alpha / alpha_next) ** 2)
    return alpha_next * x0 + math.sqrt(sigma_next**2 - fresh**2) * eps + fresh * noise


def ddpm_step(z: Tensor, x0: Tensor, logsnr: float, logsnr_next: float, noise_param: float, noise: Tensor) -> Tensor:
    """Simple diffusion's ddpm_sampler_step: the posterior mean of z_s given z_t and x̂, plus noise whose variance lies between
    c σ_s² (``noise_param`` 0) and c σ_t² (1) on a logarithmic line, c = 1 − exp(λ_t − λ_s).

    Its pseudo-code adds c itself to the log-variances where log c is meant.
    """
    (alpha, sigma), (alpha_next, sigma_next) = alpha_sigma_at(logsnr), alpha_sigma_at(logsnr_next)
    c = -math.expm1(logsnr - logsnr_next)
    mean = (alpha / alpha_next) * (sigma_next / sigma) ** 2 * z + c * alpha_next * x0
    return mean + math.sqrt(c) * sigma_next ** (1 - noise_param) * sigma**noise_param * noise


def dpmpp_step(z: Tensor, x0: Tensor, logsnr: float, logsnr_next: float, before: tuple[Tensor, float] | None = None) -> Tensor:
    """DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2): z_s = (σ_s/σ_t) z_t − α_s (e^{−h} − 1) D, h half the rise of the log-SNR.

    ``before`` is the prediction of the step before and its log-SNR, with which D = (1 + 1/2r) x̂ − (1/2r) x̂_before, r the ratio
    of the two h. Without it D = x̂: first order, which is DDIM.
    """
    sigma, (alpha_next, sigma_next) = alpha_sigma_at(logsnr)[1], alpha_sigma_at(logsnr_next)
    h = (logsnr_next - logsnr) / 2
    if before is not None:
        x0_before, logsnr_before = before
        ratio = h / (logsnr - logsnr_before)  # 1 / 2r
        x0 = (1 + ratio) * x0 - ratio * x0_before
    return sigma_next / sigma * z - alpha_next * math.expm1(-h) * x0


def alpha_sigma_at(logsnr: float) -> tuple[float, float]:
    """α and σ of one log-SNR, as numbers."""
    alpha, sigma = alpha_sigma(torch.tensor(logsnr, dtype=torch.float64))
    return float(alpha), float(sigma)
