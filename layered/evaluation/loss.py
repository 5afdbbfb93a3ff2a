"""Errors on vistas that no training run has seen, per scale: the plainest comparison of two checkpoints."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from layered.diffusion import predict
from layered.layers import TextStates
from layered.losses import scale_losses
from layered.pipeline import LayeredPipeline
from layered.prediction import noisy
from layered.pyramid import enlarge_image, image_pyramid, noise_pyramid
from layered.schedule import Schedule
from layered.world import Vistas, caption, render

WORLD_SEED = 2**31 - 1  # of the unseen vistas
FIFTHS = 5  # parts of t by which losses are told apart
LOGSNRS = (-2.0, 0.0, 2.0, 4.0, 6.0, 8.0)  # noise levels of ``detail_errors``


class ScaleLoss(NamedTuple):
    """What one scale's predictions are worth."""

    mean: float  # weighted squared error
    standard_error: float
    enlarged: float | None  # the same if the level only enlarged the prediction below; None for the base
    by_time: tuple[float, ...]  # ``mean`` by fifths of t, from nearly clean to nearly noise


class DetailError(NamedTuple):
    """How well one scale is predicted at one noise level."""

    error: float  # mean squared error of x̂, pictures in [−1, 1]
    enlarged: float | None  # that of the prediction below, enlarged; None for the base


class UnseenVista(NamedTuple):
    """A vista with its noise, and its caption as text states."""

    x0: dict[int, Tensor]
    eps: dict[int, Tensor]
    text: TextStates


@torch.no_grad()
def unseen_losses(
    pipeline: LayeredPipeline, count: int, seed: int = WORLD_SEED, up_to: int | None = None
) -> dict[int, ScaleLoss]:
    """Losses of equation 3 per scale over ``count`` fresh vistas with their captions, each at its own time.

    Times are spread evenly over (0, 1), noise is shared (sinc), shifts are the checkpoint's preset: the same for every checkpoint
    of the same scales. ``up_to``: the finest scale that is looked at, in pixels. Raises ValueError for less than five pictures,
    and where no scale is that coarse.
    """
    if count < FIFTHS:
        raise ValueError(f"The loss needs at least {FIFTHS} pictures, got {count}.")
    scales, config = pipeline.scales if up_to is None else pipeline.scales_up_to(up_to), pipeline.model.config
    losses: dict[int, list[float]] = {size: [] for size in scales}
    enlarged: dict[int, list[float]] = {size: [] for size in scales[1:]}
    for number, vista in enumerate(unseen_vistas(pipeline, count, seed, _run_for(pipeline, scales))):
        logsnr, x0_hat = _predicted(pipeline, vista, (number + 0.5) / count, scales)
        for size, loss in scale_losses(config, x0_hat, vista.x0, logsnr).items():
            losses[size].append(float(loss))
        plain = {high: enlarge_image(x0_hat[low], high) for low, high in pairwise(scales)}
        for size, loss in scale_losses(config, plain, vista.x0, logsnr).items():
            enlarged[size].append(float(loss))
    return {
        size: ScaleLoss(
            statistics.fmean(values),
            statistics.stdev(values) / count**0.5,
            statistics.fmean(enlarged[size]) if size in enlarged else None,
            tuple(statistics.fmean(values[fifth * count // FIFTHS : (fifth + 1) * count // FIFTHS]) for fifth in range(FIFTHS)),
        )
        for size, values in losses.items()
    }


@torch.no_grad()
def detail_errors(
    pipeline: LayeredPipeline, count: int, logsnrs: Sequence[float] = LOGSNRS, seed: int = WORLD_SEED
) -> dict[int, dict[float, DetailError]]:
    """Errors by scale and by that scale's own log-SNR, over ``count`` fresh vistas: what a level adds to the one below, and when.

    Every level is judged where it works: at times that are uniform, nearly all are too noisy or too clean for the finest.
    Noise and shifts as for ``unseen_losses``. A log-SNR that the schedule never gives to a scale is left out there. Raises
    ValueError for one that it gives to none, and without pictures.
    """
    if count < 1:
        raise ValueError(f"The errors need at least 1 picture, got {count}.")
    scales = pipeline.scales
    schedule = Schedule.of_run(pipeline.usual, scales)
    times = {size: {logsnr: t for logsnr in logsnrs if (t := schedule.time_of(size, logsnr)) is not None} for size in scales}
    if never := [logsnr for logsnr in logsnrs if not any(logsnr in row for row in times.values())]:
        raise ValueError(f"No scale ever has a log-SNR of {never[0]:g}: ask for one nearer to 0.")
    sums = {size: {logsnr: [0.0, 0.0] for logsnr in row} for size, row in times.items()}
    for vista in unseen_vistas(pipeline, count, seed):
        for index, size in enumerate(scales):
            for logsnr, t in times[size].items():
                _, x0_hat = _predicted(pipeline, vista, t, scales[: index + 1])
                below = enlarge_image(x0_hat[scales[index - 1]], size) if index else x0_hat[size]
                for number, picture in enumerate((x0_hat[size], below)):
                    sums[size][logsnr][number] += float((picture - vista.x0[size]).square().mean()) / count
    return {
        size: {logsnr: DetailError(own, below if size != scales[0] else None) for logsnr, (own, below) in row.items()}
        for size, row in sums.items()
    }


def unseen_vistas(pipeline: LayeredPipeline, count: int, seed: int, scales: Sequence[int] | None = None) -> Iterator[UnseenVista]:
    """The first pictures of world ``seed`` at these scales, or at all of the model's."""
    scales = scales or pipeline.scales
    for number, spec in enumerate(Vistas(seed).specs(0, count)):
        x0 = image_pyramid(render([spec], scales[-1]).to(pipeline.device), scales)
        noise = torch.randn(x0[scales[-1]].shape, generator=torch.Generator().manual_seed(number))
        yield UnseenVista(x0, noise_pyramid(noise.to(pipeline.device), scales), pipeline.encode(caption(spec, 0)))


def _predicted(
    pipeline: LayeredPipeline, vista: UnseenVista, t: float, scales: Sequence[int]
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """The log-SNRs at time t of the checkpoint's preset, and what the model predicts there, for each of ``scales``."""
    logsnr = Schedule.of_run(pipeline.usual, pipeline.scales).logsnr(t)
    levels = {size: logsnr[size].float().to(pipeline.device)[None] for size in _run_for(pipeline, scales)}
    z = {size: noisy(vista.x0[size], vista.eps[size], level) for size, level in levels.items()}
    x0_hat = predict(pipeline.model(z, levels, vista.text, torch.ones(1, device=pipeline.device)), z)
    return levels, {size: x0_hat[size] for size in scales}


def _run_for(pipeline: LayeredPipeline, scales: Sequence[int]) -> Sequence[int]:
    """The scales that the network has to run for the predictions of ``scales``, the coarsest few: these alone, if it can."""
    return scales if pipeline.isolated else pipeline.scales
