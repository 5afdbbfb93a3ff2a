"""The loss of equation 3 on vistas that no training run has seen, per scale: the plainest comparison of two checkpoints."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import NamedTuple

import torch

from layered.diffusion import predict, scale_losses
from layered.pipeline import LayeredPipeline
from layered.prediction import noisy
from layered.pyramid import enlarge_image, image_pyramid, noise_pyramid
from layered.schedule import Schedule
from layered.world import Vistas, caption, render

WORLD_SEED = 2**31 - 1  # of the unseen vistas


class ScaleLoss(NamedTuple):
    """What one scale's predictions are worth."""

    mean: float  # weighted squared error
    standard_error: float
    enlarged: float | None  # the same if the level only enlarged the prediction below; None for the base


@torch.no_grad()
def unseen_losses(pipeline: LayeredPipeline, count: int, seed: int = WORLD_SEED) -> dict[int, ScaleLoss]:
    """Losses per scale over ``count`` fresh vistas with their captions, each at its own time.

    Times are spread evenly over (0, 1), noise is shared (sinc), shifts are the checkpoint's preset: the same for every checkpoint
    of the same scales. Raises ValueError for less than two pictures.
    """
    if count < 2:
        raise ValueError(f"The loss needs at least 2 pictures, got {count}.")
    scales, world = pipeline.scales, Vistas(seed)
    schedule = Schedule.preset(pipeline.meta["preset"], scales)
    times = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    losses: dict[int, list[float]] = {size: [] for size in scales}
    enlarged: dict[int, list[float]] = {size: [] for size in scales[1:]}
    for number in range(count):
        (spec,) = world.specs(number, 1)
        generator = torch.Generator().manual_seed(number)
        x0 = image_pyramid(render([spec], scales[-1]).to(pipeline.device), scales)
        eps = noise_pyramid(torch.randn(x0[scales[-1]].shape, generator=generator).to(pipeline.device), scales)
        logsnr = {size: value.float().to(pipeline.device)[None] for size, value in schedule.logsnr(times[number]).items()}
        z = {size: noisy(x0[size], eps[size], logsnr[size]) for size in scales}
        shared = torch.ones(1, device=pipeline.device)
        outputs = pipeline.model(z, logsnr, pipeline.encode(caption(spec, 0)), shared)
        x0_hat = predict(outputs, z)
        for size, loss in scale_losses(pipeline.model.config, x0_hat, x0, logsnr).items():
            losses[size].append(float(loss))
        plain = {high: enlarge_image(x0_hat[low], high) for low, high in pairwise(scales)}
        for size, loss in scale_losses(pipeline.model.config, plain, x0, logsnr).items():
            enlarged[size].append(float(loss))
    return {
        size: ScaleLoss(
            statistics.fmean(values),
            statistics.stdev(values) / count**0.5,
            statistics.fmean(enlarged[size]) if size in enlarged else None,
        )
        for size, values in losses.items()
    }
