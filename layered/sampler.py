"""The sampler: one generator of immutable steps from noise to pictures, at every scale at once (simple diffusion, appendix A)."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from layered.config import Clipping, NoiseMode, SampleConfig
from layered.pyramid import downsample_noise, draw_noise, image_pyramid
from layered.schedule import Schedule, timesteps
from layered.solvers import alpha_sigma_at, ddim_step, ddpm_step, dpmpp_step

if TYPE_CHECKING:
    from layered.diffusion import Handover, Prediction

DYNAMIC_PERCENTILE = 0.995  # of |x̂|, Imagen's (arXiv 2205.11487, section 2.3)
COARSE_UP_TO = 128  # pixels: what ``order`` coarse-first draws first


class Denoiser(Protocol):
    """The model as the sampler sees it: prompt, guidance and sleeping levels are its own business."""

    def __call__(
        self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], t: float, below: Handover | None = None
    ) -> Prediction:
        """z: (B, 3, S, S) per scale S, coarse to fine; logsnr: (B,) per scale; t in (0, 1]. Predicts x̂ for every scale of z.

        Only ``order`` coarse-first calls it with some of the scales of ``logsnr``: first with the coarse ones, then with the
        others and, as ``below``, the handover of the first prediction.
        """
        ...


@dataclass(frozen=True)
class Step:
    """One denoising step. Its mappings go from scale to value, coarse to fine; its tensors are detached: do not write to them."""

    index: int  # 0-based
    total: int  # steps of the run
    t: float  # time before the step, 1 at the first
    t_next: float  # time after it, 0 at the last: there ``x0`` is the result
    z: Mapping[int, Tensor]  # (B, 3, S, S): the noisy pictures that the prediction was made from
    x0: Mapping[int, Tensor]  # (B, 3, S, S): the predicted pictures x̂, guided and clipped
    x0_plain: Mapping[int, Tensor] | None  # the prediction without guidance, clipped; None where no guidance was applied
    logsnr: Mapping[int, float]  # λ at t
    logsnr_next: Mapping[int, float]  # λ at t_next
    seconds: float  # wall time of the step
    asleep: tuple[int, ...] = ()  # scales that were not computed: their x̂ is the one below, enlarged
    pending: tuple[int, ...] = ()  # scales that z and x0 lack yet: the step comes again with them (``order`` coarse-first)

    @property
    def ends(self) -> bool:
        """Whether the run ends with this step."""
        return self.index + 1 == self.total and not self.pending


def make_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One random generator per sample, on the CPU so that a seed means the same on every device."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


# ------------------------------------------------------------------ the prediction


def clip_x0(x0: Tensor, clipping: Clipping) -> Tensor:
    """Keep x̂ (B, C, H, W) in [−1, 1]: ``static`` cuts (simple diffusion's clip_x), ``dynamic`` divides each sample by the
    99.5th percentile of its |x̂| where that is above 1 (Imagen), ``none`` leaves it."""
    if clipping == "none":
        return x0
    if clipping == "static":
        return x0.clamp(-1, 1)
    size = x0.abs().flatten(1)
    bound = size.kthvalue(math.ceil(DYNAMIC_PERCENTILE * size.shape[1]), dim=1).values.clamp(min=1)[:, None, None, None]
    return x0.clamp(-bound, bound) / bound


# ------------------------------------------------------------------ the run


def sample(
    denoise: Denoiser,
    schedule: Schedule,
    config: SampleConfig,
    generators: Sequence[torch.Generator],
    device: torch.device | str = "cpu",
    coarse_up_to: int = COARSE_UP_TO,
) -> Iterator[Step]:
    """Sample len(generators) pictures at the scales of ``schedule``, yielding every step. Closing the iterator stops the work.

    Of ``config`` it reads steps, spacing, noise, solver, eta, ddpm_noise, states, clipping and order; the log-SNRs are the
    schedule's and guidance is the denoiser's. At the first step, t = 1, z is pure noise; after the last, at t = 0, the result is
    x̂ itself. A sample depends on its own generator alone, not on the batch it is in; the fresh noise of DDPM and eta on its
    first seed.

    A scale sees nothing of the finer ones (paper, section 2.1). So ``order`` coarse-first takes all steps with the scales up to
    ``coarse_up_to`` pixels (at least the coarsest), the others ``pending``; then it yields every step again, whole, as
    ``together`` would. In between it holds one ``Handover`` per step.
    """
    if not generators:
        raise ValueError("Sampling needs one random generator per picture, got none.")
    return _run(_Run(denoise, schedule, config, generators, torch.device(device)), coarse_up_to)


@dataclass(frozen=True)
class _Run:
    """What does not change during a run."""

    denoise: Denoiser
    schedule: Schedule
    config: SampleConfig
    generators: Sequence[torch.Generator]
    device: torch.device


@torch.no_grad()
def _run(run: _Run, coarse_up_to: int) -> Iterator[Step]:
    scales = run.schedule.scales
    z = draw_noise(scales, run.config.noise, run.generators, run.device)
    coarse = tuple(size for size in scales if size <= max(coarse_up_to, scales[0]))
    if run.config.order == "together" or coarse == scales:
        for step, _ in _steps(run, z):
            yield step
        return
    fine = scales[len(coarse) :]
    done: deque[tuple[Step, Handover | None]] = deque()
    for step, handover in _steps(run, {size: z[size] for size in coarse}):
        done.append((step, handover))
        yield dataclasses.replace(step, pending=fine)
    for step, _ in _steps(run, {size: z[size] for size in fine}, done):
        yield step


@torch.no_grad()
def _steps(
    run: _Run, z: Mapping[int, Tensor], done: deque[tuple[Step, Handover | None]] | None = None
) -> Iterator[tuple[Step, Handover | None]]:
    """The steps of the scales of ``z``, with what each hands over to finer ones.

    ``done``: the same steps of the coarser scales, which are used up; they become part of the new ones.
    """
    config, schedule = run.config, run.schedule
    sizes = tuple(z)
    before: tuple[Mapping[int, Tensor], Mapping[int, float]] | None = None
    for index, (t, t_next) in enumerate(pairwise(timesteps(config.steps, config.spacing, schedule.last).tolist())):
        started = time.perf_counter()
        logsnr, logsnr_next = _floats(schedule.logsnr(t)), _floats(schedule.logsnr(t_next))
        per_sample = {size: torch.full((len(run.generators),), value, device=run.device) for size, value in logsnr.items()}
        coarser, below = done.popleft() if done else (None, None)
        prediction = run.denoise(z, per_sample, t, below) if coarser else run.denoise(z, per_sample, t)
        x0 = _clipped(prediction.x0, z, config.clipping)
        plain = None if prediction.x0_plain is None else _clipped(prediction.x0_plain, z, config.clipping)
        z_here = z
        if t_next > 0:
            target = x0 if config.states == "per-scale" else image_pyramid(x0[schedule.scales[-1]], schedule.scales)
            noise = None
            if _is_ancestral(config):
                noise = _noise_up_to(sizes[-1], schedule.scales, config.noise, _of_step(run.generators, index), run.device)
            z = _next_states(config, z, target, logsnr, logsnr_next, noise, before)
            before = target, logsnr
        if run.device.type == "cuda":
            torch.cuda.synchronize(run.device)
        step = Step(
            index=index,
            total=config.steps,
            t=t,
            t_next=t_next,
            z=MappingProxyType(z_here),
            x0=MappingProxyType(x0),
            x0_plain=plain and MappingProxyType(plain),
            logsnr=MappingProxyType(logsnr),
            logsnr_next=MappingProxyType(logsnr_next),
            seconds=time.perf_counter() - started,
            asleep=prediction.asleep,
        )
        yield (_merged(coarser, step) if coarser else step), prediction.handover


def _merged(coarse: Step, fine: Step) -> Step:
    """Two parts of one step as the whole; its seconds are those of both."""

    def both(name: str) -> Mapping[int, Tensor]:
        return MappingProxyType({**getattr(coarse, name), **getattr(fine, name)})

    return dataclasses.replace(
        fine,
        z=both("z"),
        x0=both("x0"),
        x0_plain=None if fine.x0_plain is None else both("x0_plain"),
        seconds=coarse.seconds + fine.seconds,
        asleep=(*coarse.asleep, *fine.asleep),
    )


def _noise_up_to(
    size: int, scales: Sequence[int], mode: NoiseMode, generators: Sequence[torch.Generator], device: torch.device
) -> dict[int, Tensor]:
    """The noise of a run of ``scales``, up to ``size`` at least: modes that bring the finest down need it at every scale."""
    needed = scales if mode in ("box", "bilinear") else [scale for scale in scales if scale <= size]
    return draw_noise(needed, mode, generators, device)


def _next_states(
    config: SampleConfig,
    z: Mapping[int, Tensor],
    target: Mapping[int, Tensor],
    logsnr: Mapping[int, float],
    logsnr_next: Mapping[int, float],
    noise: Mapping[int, Tensor] | None,
    before: tuple[Mapping[int, Tensor], Mapping[int, float]] | None,
) -> dict[int, Tensor]:
    """The noisy pictures at the next time.

    ``target`` is the picture each scale moves towards: its own x̂_i (states ``per-scale``), or D(x̂) of the finest (``top-down``).
    Top-down with shared noise steps the finest state alone and re-derives the others from it, z_i = α_i D(x̂) + σ_i S(ε̂),
    with ε̂ the noise that the new finest state holds. Independent noise has no S: there every scale keeps the noise of its own
    state and is stepped towards D(x̂), which is the joint probability flow of the scales, as E[D x | z] = D E[x | z].
    """

    def move(size: int) -> Tensor:
        if logsnr[size] == logsnr_next[size]:
            return z[size]  # settled
        known = z[size], target[size], logsnr[size], logsnr_next[size]
        if config.solver == "dpm++":
            return dpmpp_step(*known, before and (before[0][size], before[1][size]))
        fresh = noise and noise[size]
        return ddpm_step(*known, config.ddpm_noise, fresh) if config.solver == "ddpm" else ddim_step(*known, config.eta, fresh)

    top = max(z)
    if config.states == "per-scale" or config.noise == "independent":
        return {size: move(size) for size in z}
    finest = move(top)
    alpha, sigma = alpha_sigma_at(logsnr_next[top])
    eps = (finest - alpha * target[top]) / sigma
    states = {}
    for size in z:
        alpha, sigma = alpha_sigma_at(logsnr_next[size])
        states[size] = finest if size == top else alpha * target[size] + sigma * downsample_noise(eps, size, config.noise)
    return states


def _of_step(generators: Sequence[torch.Generator], index: int) -> list[torch.Generator]:
    """Generators for one step's fresh noise, from the samples' seeds: so it too is the same whatever the finest scale is."""
    return make_generators([(generator.initial_seed() + 1_000_003 * (index + 1)) % 2**63 for generator in generators])


def _is_ancestral(config: SampleConfig) -> bool:
    """Whether the solver adds fresh noise at every step."""
    return config.solver == "ddpm" or (config.solver == "ddim" and config.eta > 0)


def _clipped(x0: Mapping[int, Tensor], z: Mapping[int, Tensor], clipping: Clipping) -> dict[int, Tensor]:
    """The predictions of the scales of ``z``, clipped; ValueError unless they are as many and as large."""
    expected, got = ({size: tuple(value.shape) for size, value in some.items()} for some in (z, x0))
    if expected != got:
        raise ValueError(
            f"The denoiser was given pictures of {expected} and predicted {got}: it must predict each one it is given."
        )
    return {size: clip_x0(x0[size].detach(), clipping) for size in z}


def _floats(values: Mapping[int, Tensor]) -> dict[int, float]:
    return {size: float(value) for size, value in values.items()}
