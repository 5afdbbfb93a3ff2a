"""The shared-noise leak, measured on a trained network: does an upper level solve for the clean picture instead of denoising?

With shared noise, z_lo/α_lo = x + n and L z_hi/α_hi = x + n/ρ, where n is the coarse scale's noise, L the sinc low-pass with
gain 1 and ρ = s exp((δ_hi − δ_lo)/2). Where ρ is not 1 these are two equations for two unknowns, and
x = (z_lo/α_lo − ρ L z_hi/α_hi) / (1 − ρ) at any noise level. Nothing in the loss keeps a network from learning that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from layered.evaluation.loss import WORLD_SEED, unseen_vistas
from layered.layers import TextStates
from layered.pipeline import LayeredPipeline
from layered.prediction import noisy
from layered.pyramid import downsample_image
from layered.schedule import Schedule
from layered.unet import LevelOutput


class Leak(NamedTuple):
    """What the prediction of the finer of two scales owes to the shared noise, at one time."""

    below: float  # weight of the coarse state's picture in D(x̂_hi), when the two states are of different pictures
    above: float  # weight of the fine state's picture; a network that solves the equations has 1 / (1 − ρ) and −ρ / (1 − ρ)
    error: float  # squared error of D(x̂_hi) as a part of that of x̂_lo, on one picture: far below 1 where the answer is read (for
    # ρ > 1 somewhat below 1 without any leak: the fine state is the clearer one)


def weights_of(prediction: Tensor, a: Tensor, b: Tensor) -> tuple[float, float]:
    """Least squares: the weights of a and b, beside a constant per channel, in a prediction; all (B, 3, S, S)."""
    columns = [values.double().transpose(0, 1).flatten(1) for values in (prediction, a, b)]
    y, *known = (values - values.mean(dim=1, keepdim=True) for values in columns)
    design = torch.stack([values.flatten() for values in known], dim=1)
    below, above = torch.linalg.lstsq(design, y.flatten()[:, None]).solution[:, 0].tolist()
    return below, above


@torch.no_grad()
def measure_leak(
    model: Callable[..., Mapping[int, LevelOutput]],
    x0: Mapping[int, Tensor],
    eps: Mapping[int, Tensor],
    schedule: Schedule,
    t: float,
    text: TextStates,
) -> dict[tuple[int, int], Leak]:
    """Both diagnostics for every pair of neighbouring scales.

    x0 and eps: per scale (B, 3, S, S) with at least two pictures, eps shared by sinc; t in (0, 1), near 1 for much noise;
    text: of B prompts, usually empty ones, so that only the states can tell the picture.
    """
    count = len(text.pooled)
    if count < 2:
        raise ValueError(f"The leak needs at least 2 pictures, got {count}.")
    device = text.pooled.device
    logsnr = {size: level.float().to(device).expand(count) for size, level in schedule.logsnr(t).items()}
    z = {size: noisy(x0[size], eps[size], logsnr[size]) for size in schedule.scales}
    other = {size: picture.roll(1, dims=0) for size, picture in x0.items()}  # another picture of the batch

    def predicted(states: Mapping[int, Tensor]) -> dict[int, Tensor]:
        outputs = model(states, {size: logsnr[size] for size in states}, text, torch.ones(count, device=device))
        return {size: output.x0 for size, output in outputs.items()}

    leaks = {}
    for low, high in pairwise(schedule.scales):
        states = {size: z[size] for size in schedule.scales if size <= high}
        honest = predicted(states)
        mixed = predicted(states | {high: noisy(other[high], eps[high], logsnr[high])})
        errors = [(x - x0[low]).square().mean() for x in (downsample_image(honest[high], low), honest[low])]
        weights = weights_of(downsample_image(mixed[high], low), x0[low], other[low])
        leaks[low, high] = Leak(*weights, float(errors[0] / errors[1]))
    return leaks


def leaks_of(pipeline: LayeredPipeline, schedule: Schedule, t: float, count: int) -> dict[tuple[int, int], Leak]:
    """``measure_leak`` on ``count`` unseen vistas without prompts, under a schedule of the model's scales."""
    vistas = list(unseen_vistas(pipeline, count, WORLD_SEED))
    x0, eps = ({size: torch.cat([getattr(v, name)[size] for v in vistas]) for size in pipeline.scales} for name in ("x0", "eps"))
    text = TextStates.empty(count, pipeline.model.config.text_width, pipeline.device)
    return measure_leak(pipeline.model, x0, eps, schedule, t, text)
