"""The loss of training: equation 3 with its weights as data (paper, section 2.4; simple diffusion, 3.2 and appendix A)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from layered.config import LevelConfig, ModelConfig
from layered.prediction import posterior_variance
from layered.pyramid import downsample_image

Weighting = Literal["even", "v", "eps", "x", "sigmoid"]
WEIGHTINGS: tuple[Weighting, ...] = ("even", "v", "eps", "x", "sigmoid")

LOSS_FLOOR = 0.02  # the smallest variance by which ``even`` divides a squared error, so that nearly clean samples do not rule
BELOW_ERROR = 0.05  # variance of the error of the level below, as a part of σ², which a level cannot mend
HALVED = 0.5  # weight of a scale's loss relative to the one below, unless weights are given (simple diffusion's 1/s)


@dataclass(frozen=True)
class LossConfig:
    """What the loss weighs. Scales are given coarse to fine."""

    weighting: Weighting = "even"  # w_t of equation 3: which error is squared, see ``loss_weight``
    bias: tuple[float, ...] = (-1.0,)  # b of ``sigmoid``: one for all scales of the model, or one per scale
    multiscale_from: int | None = None  # pixels: the loss is also taken at every coarser size down to this one; None: not
    scale_weights: tuple[float, ...] | None = None  # of the scales in equation 3, one per scale; None: each half the one below

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise ValueError(f"Loss: expected one of {', '.join(WEIGHTINGS)}, got {self.weighting!r}.")
        for name in ("bias", "scale_weights"):
            if (values := getattr(self, name)) is not None:
                object.__setattr__(self, name, tuple(float(value) for value in values))
        if not self.bias or not all(map(math.isfinite, self.bias)):
            raise ValueError(f"Loss bias: expected one number, or one per scale, got {self.bias}.")
        if self.scale_weights is not None and not all(0 <= weight < math.inf for weight in self.scale_weights):
            raise ValueError(f"Scale weights: expected numbers from 0 up, got {self.scale_weights}.")
        if self.multiscale_from is not None and self.multiscale_from < 1:
            raise ValueError(f"Multiscale loss: it starts from a size of 1 pixel or more, got {self.multiscale_from}.")

    def bias_of(self, index: int) -> float:
        """b of the model's scale number ``index``."""
        return self.bias[index if len(self.bias) > 1 else 0]

    def weights(self, config: ModelConfig) -> dict[int, float]:
        """Weight of every scale of a model in the sum of equation 3. ValueError where the scales are not as many."""
        count = len(config.scales)
        for name, values in (("loss bias", self.bias), ("scale weight", self.scale_weights)):
            if values is not None and len(values) not in ((1, count) if name == "loss bias" else (count,)):
                raise ValueError(f"Expected a {name} for each of the {count} scales {config.scales}, got {len(values)}.")
        given = self.scale_weights or [HALVED**index for index in range(count)]
        return dict(zip(config.scales, given, strict=True))


def loss_weight(level: LevelConfig, logsnr: Tensor, weighting: Weighting = "even", bias: float = 0.0) -> Tensor:
    """w_t of equation 3, on the squared error of x̂, as a function of the log-SNR. (B,) → (B,).

    ``x``: 1. ``v``: 1/σ², which makes it the squared error in v. ``eps``: the SNR, the squared error in ε: simple diffusion's
    usual loss (its appendix A). ``sigmoid``: sigmoid(b − λ) on the squared error in ε, e^b sigmoid(λ − b) on that of x̂
    (SiD2, arXiv 2410.19324): lower biases ask less of what is nearly clean, and suit finer scales. These are exact; a network
    that predicts x should take one that is bounded where it is clean (``x``, ``sigmoid``, ``even``).

    ``even``: 1 over the variance that the error has to begin with. For a base that is 1/σ² (floored), which makes it the squared
    error in v. For a level with a ``detail_std`` it is the variance of its detail given z, and the part of σ² by which the
    prediction below errs: so no noise level outweighs the others.
    """
    variance = torch.sigmoid(-logsnr)  # σ²
    if weighting == "x":
        return torch.ones_like(logsnr)
    if weighting == "v":
        return 1.0 / variance
    if weighting == "eps":
        return logsnr.exp()
    if weighting == "sigmoid":
        return math.exp(bias) * torch.sigmoid(logsnr - bias)
    if level.detail_std is None:
        return 1.0 / variance.clamp_min(LOSS_FLOOR)
    detail = posterior_variance(logsnr, level.detail_std) + BELOW_ERROR * variance
    return 1.0 / detail.clamp_min(LOSS_FLOOR * level.detail_std**2)


def scale_losses(
    config: ModelConfig,
    x0_hat: Mapping[int, Tensor],
    x0: Mapping[int, Tensor],
    logsnr: Mapping[int, Tensor],
    loss: LossConfig = LossConfig(),
) -> dict[int, Tensor]:
    """Equation 3 before the sum: the weighted mean squared error of every scale of ``x0_hat``, each a scalar."""
    levels = {level.size: level for level in config.levels}
    losses = {}
    for index, size in enumerate(config.scales):
        if size in x0_hat:
            error = squared_error(x0_hat[size] - x0[size], size, loss.multiscale_from)
            weight = loss_weight(levels[size], logsnr[size], loss.weighting, loss.bias_of(index))
            losses[size] = (weight * error).mean()
    return losses


def squared_error(error: Tensor, size: int, multiscale_from: int | None = None) -> Tensor:
    """Mean square per sample of an error in the pixels of scale ``size``: (B, 3, S, S), of the whole picture or a crop, to (B,).

    With ``multiscale_from``, simple diffusion's multiscale loss (section 3.2): the mean over the sizes s = ``multiscale_from``,
    …, ``size`` of the mean squares of D(error, s), with weights 1/s. As the error in ε is the error in x̂ times −α/σ, and D is
    linear, it does not matter in which of them it is taken before ``loss_weight``.
    """
    if multiscale_from is None:
        return error.square().mean(dim=(1, 2, 3))
    total, weights = torch.zeros(len(error), device=error.device), 0.0
    while True:
        total, weights = total + error.square().mean(dim=(1, 2, 3)) / size, weights + 1 / size
        if size // 2 < multiscale_from or error.shape[-1] % 2:
            return total / weights
        error, size = downsample_image(error, error.shape[-1] // 2), size // 2


def weighted_sum(losses: Mapping[int, Tensor], weights: Mapping[int, float]) -> Tensor:
    """The sum of equation 3 over the scales of ``losses``, as a mean with these weights."""
    total = sum(weights[size] for size in losses)
    if not total:
        raise ValueError(f"The scales {', '.join(map(str, losses))} that learn all have the weight 0: nothing would be learnt.")
    return sum(weights[size] * loss for size, loss in losses.items()) / total
