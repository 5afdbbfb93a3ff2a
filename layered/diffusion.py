"""From network outputs to pictures: x, ε and v, classifier-free guidance, the multi-scale loss (paper, section 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from layered.config import LevelConfig, ModelConfig
from layered.layers import TextStates
from layered.pyramid import enlarge_image
from layered.schedule import alpha_sigma

if TYPE_CHECKING:
    from layered.unet import LayeredUNet, LevelOutput, Window

LOSS_FLOOR = 0.02  # the smallest variance by which a squared error is divided, so that nearly clean samples do not rule
BELOW_ERROR = 0.05  # variance of the error of the level below, as a part of σ², which a level cannot mend

# ------------------------------------------------------------------ x, ε and v


def _broadcast(logsnr: Tensor) -> tuple[Tensor, Tensor]:
    """α and σ for a picture batch: (B,) → two (B, 1, 1, 1)."""
    alpha, sigma = alpha_sigma(logsnr)
    return alpha[:, None, None, None], sigma[:, None, None, None]


def noisy(x0: Tensor, eps: Tensor, logsnr: Tensor) -> Tensor:
    """z = α x + σ ε. x0, eps (B, C, H, W), logsnr (B,)."""
    alpha, sigma = _broadcast(logsnr)
    return alpha * x0 + sigma * eps


def v_from_x0(x0: Tensor, z: Tensor, logsnr: Tensor) -> Tensor:
    """v = α ε − σ x = (α z − x) / σ, for z = α x + σ ε."""
    alpha, sigma = _broadcast(logsnr)
    return (alpha * z - x0) / sigma


def x0_from_v(v: Tensor, z: Tensor, logsnr: Tensor) -> Tensor:
    """x = α z − σ v."""
    alpha, sigma = _broadcast(logsnr)
    return alpha * z - sigma * v


def eps_from_x0(x0: Tensor, z: Tensor, logsnr: Tensor) -> Tensor:
    """ε = (z − α x) / σ."""
    alpha, sigma = _broadcast(logsnr)
    return (z - alpha * x0) / sigma


def x0_from_eps(eps: Tensor, z: Tensor, logsnr: Tensor) -> Tensor:
    """x = (z − σ ε) / α."""
    alpha, sigma = _broadcast(logsnr)
    return (z - sigma * eps) / alpha


# ------------------------------------------------------------------ what a level predicts


def posterior_variance(logsnr: Tensor, std: float) -> Tensor:
    """Variance of x given z when x has standard deviation ``std`` around a known mean: s²σ² / (s²α² + σ²)."""
    alpha, sigma = alpha_sigma(logsnr)
    return std**2 * sigma**2 / (std**2 * alpha**2 + sigma**2)


def read_prediction(level: LevelConfig, raw: Tensor, z: Tensor, logsnr: Tensor, mean: Tensor | float) -> Tensor:
    """What the network's output says of x0; ``mean`` is the enlarged prediction of the level below (0 for the base).

    ``x``: x̂ = mean + raw. ``v``: x̂ = α z − σ raw. ``posterior``: with x ~ N(mean, s²) in mind, the exact posterior mean plus
    raw times the posterior's deviation, x̂ = mean + k (z/α − mean) + c raw, k = s²α² / (s²α² + σ²), c = sσ / √(s²α² + σ²).
    That is EDM's preconditioning (arXiv 2206.00364, section 5) around a mean that the levels below supply: at high noise the
    level paints detail on the enlarged picture, at low noise it corrects z by a fraction of the noise.
    """
    if level.prediction == "x":
        return mean + raw
    if level.prediction == "v":
        return x0_from_v(raw, z, logsnr)
    alpha, sigma = _broadcast(logsnr)
    variance = level.detail_std**2 * alpha**2 + sigma**2
    return mean + level.detail_std**2 * alpha / variance * (z - alpha * mean) + level.detail_std * sigma / variance.sqrt() * raw


def predict(
    config: ModelConfig,
    outputs: Mapping[int, LevelOutput],
    z: Mapping[int, Tensor],
    logsnr: Mapping[int, Tensor],
    *,
    windows: Mapping[int, Window] | None = None,
    below: tuple[int, Tensor] | None = None,
) -> dict[int, Tensor]:
    """The prediction of every scale of ``z``, coarse to fine; a level without an output is enlarged from below (it sleeps).

    z: per scale (B, 3, S, S) or its window; below: size and prediction of a level that was computed before.
    """
    levels = {level.size: level for level in config.levels}
    windows = windows or {}
    x0: dict[int, Tensor] = {}
    size_below, previous = below if below else (None, None)
    for size in (size for size in config.scales if size in z):
        mean: Tensor | float = 0.0
        if previous is not None:
            cut = windows[size].halved().crop(previous, 1, windows.get(size_below)) if size in windows else previous
            mean = enlarge_image(cut, z[size].shape[-1])
        if size in outputs:
            x0[size] = read_prediction(levels[size], outputs[size].raw, z[size], logsnr[size], mean)
        elif isinstance(mean, Tensor):
            x0[size] = mean
        else:
            raise ValueError(f"The coarsest level ({size} pixels) has no output: it cannot sleep.")
        size_below, previous = size, x0[size]
    return x0


def awake_scales(scales: Sequence[int], logsnr: Mapping[int, Tensor], sleep_below: float | None) -> tuple[int, ...]:
    """The scales that are computed: all up to the finest whose log-SNR reaches ``sleep_below``; the base never sleeps."""
    if sleep_below is None:
        return tuple(scales)
    awake = [index for index, size in enumerate(scales) if float(logsnr[size].max()) >= sleep_below]
    return tuple(scales[: max(awake, default=0) + 1])


# ------------------------------------------------------------------ guidance


class Prediction(NamedTuple):
    """What a denoiser says of one state."""

    x0: dict[int, Tensor]  # guided prediction per scale
    x0_plain: dict[int, Tensor] | None  # the conditional prediction without guidance, where guidance was applied


def guide(x0: Tensor, x0_empty: Tensor, weight: float) -> Tensor:
    """Classifier-free guidance (arXiv 2207.12598): x̂ = x̂(∅) + w (x̂(prompt) − x̂(∅)); w = 1 is none."""
    return x0_empty + weight * (x0 - x0_empty)


class GuidedDenoiser:
    """A network, a prompt and a guidance, as the one callable that the sampler needs."""

    def __init__(
        self,
        model: LayeredUNet,
        text: TextStates,
        *,
        guidance: float | Sequence[float] = 1.0,
        interval: tuple[float, float] = (0.0, 1.0),
        shared_noise: bool = True,
        sleep_below: float | None = None,
    ) -> None:
        """text: one prompt per sample; guidance: one weight or one per scale of the model, applied while t is in ``interval``."""
        scales = model.config.scales
        weights = tuple(guidance) if isinstance(guidance, Sequence) else (guidance,) * len(scales)
        if len(weights) != len(scales):
            raise ValueError(
                f"Guidance needs one weight, or one for each of the {len(scales)} scales {scales}: got {len(weights)}."
            )
        self.model, self.text = model, text
        self.weights = dict(zip(scales, weights, strict=True))
        self.interval, self.shared_noise, self.sleep_below = interval, shared_noise, sleep_below

    @torch.no_grad()
    def __call__(self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], t: float) -> Prediction:
        """z: per scale (B, 3, S, S); logsnr: per scale (B,); t in [0, 1]."""
        guided = self.interval[0] <= t <= self.interval[1] and any(self.weights[size] != 1.0 for size in z)
        batch = len(next(iter(z.values())))
        text = self.text
        if guided:
            empty = TextStates.empty(batch, text.tokens.shape[-1], text.tokens.device)
            text = TextStates.cat([text, empty])
            z = {size: torch.cat([value, value]) for size, value in z.items()}
            logsnr = {size: torch.cat([value, value]) for size, value in logsnr.items()}
        shared = torch.full((len(text.mask),), float(self.shared_noise), device=text.tokens.device)
        awake = awake_scales(tuple(z), logsnr, self.sleep_below)
        outputs = self.model({size: z[size] for size in awake}, logsnr, text, shared)
        x0 = predict(self.model.config, outputs, z, logsnr)
        if not guided:
            return Prediction(x0, None)
        plain = {size: value[:batch] for size, value in x0.items()}
        return Prediction({size: guide(plain[size], value[batch:], self.weights[size]) for size, value in x0.items()}, plain)


# ------------------------------------------------------------------ training


def loss_weight(level: LevelConfig, logsnr: Tensor) -> Tensor:
    """w_t of equation 3, on the squared error of x̂: 1 over the variance that its error has to begin with. (B,) → (B,).

    For a base that is 1/σ² (floored), which makes it the squared error in v. For a level with a ``detail_std`` it is the variance
    of its detail given z, and the part of σ² by which the prediction below errs: so no noise level outweighs the others.
    """
    variance = torch.sigmoid(-logsnr)  # σ²
    if level.detail_std is None:
        return 1.0 / variance.clamp_min(LOSS_FLOOR)
    detail = posterior_variance(logsnr, level.detail_std) + BELOW_ERROR * variance
    return 1.0 / detail.clamp_min(LOSS_FLOOR * level.detail_std**2)


def scale_losses(
    config: ModelConfig, x0_hat: Mapping[int, Tensor], x0: Mapping[int, Tensor], logsnr: Mapping[int, Tensor]
) -> dict[int, Tensor]:
    """Equation 3 before the sum: the weighted mean squared error of every scale of ``x0_hat``, each a scalar."""
    losses = {}
    for level in config.levels:
        if level.size in x0_hat:
            error = (x0_hat[level.size] - x0[level.size]).square().mean(dim=(1, 2, 3))
            losses[level.size] = (loss_weight(level, logsnr[level.size]) * error).mean()
    return losses
