"""The levels without the base: finer scales drawn on top of real pictures of the coarsest, so that its mistakes do not count."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from layered.config import SampleConfig
from layered.diffusion import Handover, Prediction
from layered.evaluation.loss import WORLD_SEED
from layered.pipeline import LayeredPipeline
from layered.prediction import noisy
from layered.pyramid import downsample_image, enlarge_image, image_pyramid
from layered.sampler import Denoiser, make_generators, sample
from layered.trajectory import psnr
from layered.world import Vistas, caption, render


class Upscaled(NamedTuple):
    """How well one scale was drawn on top of the real picture of the coarsest."""

    error: float  # mean squared difference from the real picture; pictures in [−1, 1]
    enlarged: float  # that of the coarsest picture, enlarged
    agreement: float  # PSNR in dB of what was drawn, brought down to the coarsest scale, against the picture given there


class RealBase:
    """A denoiser to which the coarsest state is, at every step, the real picture under the noise that the run began with."""

    def __init__(self, denoise: Denoiser, x0: Tensor) -> None:
        """x0: real pictures of the coarsest scale, (B, 3, S, S) in [−1, 1]."""
        self.denoise, self.x0 = denoise, x0
        self.eps: Tensor | None = None  # the first state, which is pure noise

    def __call__(
        self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], t: float, below: Handover | None = None
    ) -> Prediction:
        base = min(z)
        self.eps = z[base] if self.eps is None else self.eps
        return self.denoise({**z, base: noisy(self.x0, self.eps, logsnr[base])}, logsnr, t, below)


def upscale(
    pipeline: LayeredPipeline, count: int, config: SampleConfig | None = None, seed: int = WORLD_SEED
) -> dict[int, Upscaled]:
    """Draw the scales above the coarsest for ``count`` unseen vistas, whose coarsest picture is given, by scale.

    Captions and the settings of ``config``, or the checkpoint's usual ones, but no guidance: what is asked for is there. A
    picture that is rightly drawn has twice the error of the mean of all that are possible, so at most twice that of enlarging,
    which is one guess at that mean.
    Raises ValueError without pictures, and for a network of one scale.
    """
    if count < 1:
        raise ValueError(f"Upscaling needs at least 1 picture, got {count}.")
    if len(pipeline.scales) < 2:
        raise ValueError("This model draws one scale alone: there is nothing to draw on top of it.")
    config = dataclasses.replace(config or pipeline.usual, guidance=1.0, order="together")
    found: dict[int, list[tuple[float, ...]]] = {size: [] for size in pipeline.scales[1:]}
    for number, spec in enumerate(Vistas(seed).specs(0, count)):
        real = image_pyramid(render([spec], pipeline.scales[-1]).to(pipeline.device), pipeline.scales)
        given = real[pipeline.scales[0]]
        denoise = RealBase(pipeline.denoiser([caption(spec, 0)], config), given)
        for step in sample(denoise, pipeline.schedule(config), config, make_generators([number]), pipeline.device):
            drawn = step.x0
        for size, rows in found.items():
            errors = [float((picture - real[size]).square().mean()) for picture in (drawn[size], enlarge_image(given, size))]
            rows.append((*errors, float(psnr(downsample_image(drawn[size], given.shape[-1]), given).mean())))
    return {size: Upscaled(*map(statistics.fmean, zip(*rows, strict=True))) for size, rows in found.items()}
