"""From network outputs to pictures and losses: sleeping levels, classifier-free guidance, equation 3 (paper, section 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from layered.config import LevelConfig, ModelConfig
from layered.layers import TextStates
from layered.prediction import posterior_variance
from layered.pyramid import enlarge_image

if TYPE_CHECKING:
    from layered.unet import LayeredUNet, LevelOutput

LOSS_FLOOR = 0.02  # the smallest variance by which a squared error is divided, so that nearly clean samples do not rule
BELOW_ERROR = 0.05  # variance of the error of the level below, as a part of σ², which a level cannot mend

# ------------------------------------------------------------------ sleeping levels


def predict(outputs: Mapping[int, LevelOutput], z: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """The prediction of every scale of ``z``, coarse to fine; a scale without an output is enlarged from below (it sleeps)."""
    x0: dict[int, Tensor] = {}
    previous: Tensor | None = None
    for size in sorted(z):
        if size in outputs:
            previous = outputs[size].x0
        elif previous is None:
            raise ValueError(f"The coarsest level ({size} pixels) has no output: it cannot sleep.")
        else:
            previous = enlarge_image(previous, size)
        x0[size] = previous
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
    asleep: tuple[int, ...] = ()  # scales that were enlarged from below instead of computed


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
        guided_up_to: int | None = None,
        shared_noise: bool = True,
        sleep_below: float | None = None,
    ) -> None:
        """text: one prompt per sample; guidance: one weight or one per scale of the model, applied while t is in ``interval``.

        With ``guided_up_to``, in pixels, finer scales run for the prompt alone (the coarsest is always guided), and their
        detail is added to the guided picture below: x̂ = x̂(prompt) + enlarged(guided x̂ − x̂(prompt), both of the scale below).
        """
        scales = model.config.scales
        weights = tuple(guidance) if isinstance(guidance, Sequence) else (guidance,) * len(scales)
        if len(weights) != len(scales):
            raise ValueError(
                f"Guidance needs one weight, or one for each of the {len(scales)} scales {scales}: got {len(weights)}."
            )
        self.model, self.text = model, text
        self.weights = dict(zip(scales, weights, strict=True))
        self.guided = tuple(size for size in scales if guided_up_to is None or size <= max(guided_up_to, scales[0]))
        self.interval, self.shared_noise, self.sleep_below = interval, shared_noise, sleep_below

    @torch.no_grad()
    def __call__(self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], t: float) -> Prediction:
        """z: per scale (B, 3, S, S); logsnr: per scale (B,); t in [0, 1]."""
        awake = awake_scales(tuple(z), logsnr, self.sleep_below)
        asleep = tuple(z)[len(awake) :]
        coarse = [size for size in awake if size in self.guided]
        if not (
            self.interval[0] <= t <= self.interval[1] and any(self.weights[size] != 1.0 for size in self.guided if size in z)
        ):
            return Prediction(predict(self._run(awake, z, logsnr, self.text), z), None, asleep)
        batch = len(self.text.mask)
        empty = TextStates.empty(batch, self.text.tokens.shape[-1], self.text.tokens.device)
        outputs = self._run(coarse, _twice(z), _twice(logsnr), TextStates.cat([self.text, empty]))
        without = predict({size: output.part(slice(batch, None)) for size, output in outputs.items()}, {s: z[s] for s in coarse})
        outputs = {size: output.part(slice(batch)) for size, output in outputs.items()}
        if rest := [size for size in awake if size not in self.guided]:
            outputs |= self._run(rest, z, logsnr, self.text, below=(coarse[-1], outputs[coarse[-1]]))
        plain = predict(outputs, z)
        return Prediction(self._guided(plain, without), plain, asleep)

    def _run(self, sizes: Sequence[int], z, logsnr, text: TextStates, below=None) -> dict[int, LevelOutput]:
        shared = torch.full((len(text.mask),), float(self.shared_noise), device=text.tokens.device)
        return self.model({size: z[size] for size in sizes}, logsnr, text, shared, below=below)

    def _guided(self, plain: Mapping[int, Tensor], without: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """The guided picture of every scale of ``plain``; ``without`` holds the unconditional ones of those that are guided."""
        x0: dict[int, Tensor] = {}
        change: Tensor | None = None  # what guidance did to the scale below
        for size, picture in plain.items():
            if size in without:
                x0[size] = guide(picture, without[size], self.weights[size])
            else:
                x0[size] = picture + enlarge_image(change, size)
            change = x0[size] - picture
        return x0


def _twice(values: Mapping[int, Tensor]) -> dict[int, Tensor]:
    return {size: torch.cat([value, value]) for size, value in values.items()}


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
