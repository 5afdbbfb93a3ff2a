"""Distillation into few steps: guidance folded in (arXiv 2210.03142), then two steps of a teacher in one (arXiv 2202.00512).

``python -m layered.training.distill --checkpoint FOLDER --run FOLDER --steps 16 8 4 --guidance 4 --minutes 30 20 20 20``.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from layered.checkpoint import CheckpointError, other_beside
from layered.config import PRESETS, SPACINGS, Clipping, ModelConfig, SampleConfig
from layered.diffusion import GuidedDenoiser, awake_scales
from layered.sampler import Denoiser, clip_x0
from layered.schedule import Schedule, alpha_sigma, timesteps
from layered.solvers import ddim_step
from layered.training.batches import Batch
from layered.training.command import add_options, carry_out, check_options, load_start, make_team, with_budgets
from layered.training.errors import TrainingError
from layered.training.loop import Trainer, batch_losses
from layered.training.plan import SHARED_NOISE, StageConfig, TrainConfig, fast_bfloat16
from layered.training.state import Progress, load_weights, save_aside

USUAL = SampleConfig()

# ------------------------------------------------------------------ the target


@torch.no_grad()
def ddim_steps(
    denoise: Denoiser, z: Mapping[int, Tensor], schedule: Schedule, times: Sequence[float], clipping: Clipping
) -> dict[int, Tensor]:
    """z (B, 3, S, S) per scale from the first of ``times`` to the last, by DDIM steps of the sampler, with no noise added."""
    for t, t_next in pairwise(times):
        logsnr, logsnr_next = _logsnr(schedule, t), _logsnr(schedule, t_next)
        per_sample = {size: torch.full((len(z[size]),), value, device=z[size].device) for size, value in logsnr.items()}
        x0 = denoise(z, per_sample, t).x0
        z = {size: ddim_step(z[size], clip_x0(x0[size], clipping), logsnr[size], logsnr_next[size]) for size in z}
    return dict(z)


def step_target(z: Tensor, z_after: Tensor, logsnr: float, logsnr_after: float) -> Tensor:
    """The x̂ with which one DDIM step leads from ``z`` to ``z_after`` (arXiv 2202.00512, algorithm 2):

    x̃ = (z″ − (σ″/σ) z) / (α″ − (σ″/σ) α). Where ``z_after`` comes from DDIM steps, x̃ is a mean of their x̂ with weights that are
    not negative, so it is clipped when they are.
    """
    (alpha, sigma), (alpha_after, sigma_after) = (
        alpha_sigma(torch.tensor(value, dtype=torch.float64)) for value in (logsnr, logsnr_after)
    )
    ratio = float(sigma_after / sigma)
    return (z_after - ratio * z) / (float(alpha_after) - ratio * float(alpha))


def _logsnr(schedule: Schedule, t: float) -> dict[int, float]:
    """λ of every scale; infinite at t = 0, where the sampler's result is x̂ itself."""
    return {size: math.inf if t == 0 else float(value) for size, value in schedule.logsnr(t).items()}


# ------------------------------------------------------------------ the run


def sleep_of(config: ModelConfig, teacher: SampleConfig) -> float | None:
    """``sleep_below`` of the runs that are learnt: a network that computes all its scales in one pass has none that sleeps."""
    return teacher.sleep_below if config.isolated else None


def distillation_plan(
    config: ModelConfig, teacher: SampleConfig, steps: Sequence[int], top: int | None = None, matrices: bool = True
) -> tuple[StageConfig, ...]:
    """A stage that folds the guidance in (none for a weight of 1), then one for every number of ``steps``, each half the last.

    ``teacher``: guidance, sleeping and spacing of the runs that are learnt; ``top``: the finest scale that learns, in pixels;
    finer ones stay as they are; ``matrices``: whether the trunk's matrices learn too. ValueError for steps that are not halved,
    and for those in whose last step a level would sleep.
    """
    top = top or config.all_sizes[-1]
    sizes = config.upto(top).all_sizes
    if not config.isolated and top != config.all_sizes[-1]:
        raise ValueError(
            "The coarse levels of this network do not run alone (it is single-resolution or nested): distil it whole."
        )
    if not steps or steps[-1] < 1 or any(more != 2 * less for more, less in pairwise(steps)):
        raise ValueError(f"Steps: expected numbers that are halved, such as 16 8 4, got {' '.join(map(str, steps))}.")
    schedule = Schedule.of_run(teacher, config.scales)
    last = schedule.logsnr(float(timesteps(steps[-1], teacher.spacing, schedule.last)[-2]))
    awake = awake_scales(config.scales, last, sleep_of(config, teacher))
    if asleep := config.scales[len(awake) :]:
        raise ValueError(
            f"With steps {steps[-1]}, level {asleep[0]} has a log-SNR of {float(last[asleep[0]]):.1f} in the last one and would "
            "sleep, so it would never draw: let levels sleep only below that, or take more steps."
        )
    usual = StageConfig("guidance", top, sizes, batch=16, lr=2e-4, warmup=20, decay=1.0, matrices=matrices)
    halved = [dataclasses.replace(usual, name=f"steps-{count}", steps=count, spacing=teacher.spacing) for count in steps]
    return (*([] if teacher.guidance == 1 else [usual]), *halved)


class Distiller(Trainer):
    """A run in which every stage learns from the network as it was when the stage began.

    All scales take their steps together, from states with the noise that the network knows, as in the sampler: each from its own
    prediction, and a level that sleeps there (``sleep_below``) sleeps for teacher and student alike, and is not taught then.
    """

    def __init__(self, *args, teacher: SampleConfig, **kwargs) -> None:
        """As ``Trainer``; ``teacher``: guidance and how far it reaches, sleep_below and clipping of the runs that are learnt."""
        super().__init__(*args, **kwargs)
        config = self.config
        mixed = config.shifts is None and (config.shift_jitter or config.preset != config.other_preset)
        if mixed or config.independent not in (0, 1):
            raise ValueError("Distillation learns the steps of one schedule with one kind of noise: no jitter, no mixture.")
        self.settings, self.sleep_below = teacher, sleep_of(self.model.config, teacher)

    def _stage(self, index: int, progress: Progress, resumed: bool) -> None:
        """One stage, whose teacher is kept in a file while it lasts: the averaged weights that the last stage ended with."""
        file = self.folder / f"teacher-{self.plan[index].name}.safetensors"
        self.teacher = copy.deepcopy(self.model)
        if progress.step:
            if not file.exists():
                raise TrainingError(f"{file}, the network that this stage learns from, is not there: begin in another folder.")
            self.teacher.load_state_dict(load_file(file))
        elif resumed:
            load_weights(self.folder, self.model, self.teacher)
        if not progress.step and self.team.leads:  # the others have the same weights
            save_aside(self.teacher.state_dict(), file)
        self.teacher.eval().requires_grad_(False)
        super()._stage(index, progress, resumed)

    def _losses(self, batch: Batch, stage: StageConfig, step: int) -> dict[int, Tensor]:
        with torch.autocast(batch.shared_noise.device.type, torch.bfloat16, enabled=self.config.autocast):
            x0 = self._guided(batch) if stage.steps is None else self._halved(batch, stage.step_times(step, self._schedule.last))
        taught = dataclasses.replace(batch, x0=x0, z={size: batch.z[size] for size in x0})
        return batch_losses(self.runner(stage), taught, stage.train, self.config)

    def _guided(self, batch: Batch) -> dict[int, Tensor]:
        """The teacher's guided prediction of every scale, each sample at its own time (arXiv 2210.03142, section 3.1)."""
        run = self.settings
        guidance = {"guidance": run.guidance, "parallel": run.guidance_parallel, "guided_up_to": run.guided_up_to}
        x0 = self._denoiser(batch, **guidance)(batch.z, batch.logsnr, 0.0).x0
        return {size: clip_x0(value, self.settings.clipping) for size, value in x0.items()}

    def _denoiser(self, batch: Batch, **settings: Any) -> GuidedDenoiser:
        return GuidedDenoiser(self.teacher, batch.text, shared_noise=self.config.independent == 0, **settings)

    @property
    def _schedule(self) -> Schedule:
        """That of the runs, at every scale of the network: its steps are the same for the coarsest few."""
        return self.config.schedule(self.model.config.scales)

    def _halved(self, batch: Batch, times: tuple[float, float, float]) -> dict[int, Tensor]:
        """What makes one step of the student two of the teacher's, for every scale that is awake.

        A scale that has settled stays as it is: there the student says what the teacher says.
        """
        schedule = self._schedule.coarsest(len(batch.z))
        denoise = self._denoiser(batch, sleep_below=self.sleep_below)
        after = ddim_steps(denoise, batch.z, schedule, times, self.settings.clipping)
        start, end = (_logsnr(schedule, t) for t in (times[0], times[-1]))
        awake = awake_scales(tuple(batch.z), batch.logsnr, self.sleep_below)
        moving = [size for size in awake if start[size] != end[size]]
        targets = {size: step_target(batch.z[size], after[size], start[size], end[size]) for size in moving}
        if len(moving) < len(awake):
            said = denoise(batch.z, batch.logsnr, times[0]).x0
            targets |= {size: clip_x0(said[size], self.settings.clipping) for size in awake if size not in moving}
        return {size: targets[size] for size in awake}


# ------------------------------------------------------------------ the command line


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m layered.training.distill",
        description="Distil a checkpoint into few steps: a stage that folds its guidance in, then one for every halving.",
    )
    add_options(parser)
    parser.add_argument("--checkpoint", required=True, help="the teacher, a folder or a name on the hub")
    parser.add_argument("--steps", type=int, nargs="+", default=[16, 8, 4], help="each half the last (default: 16 8 4)")
    parser.add_argument(
        "--guidance",
        type=float,
        nargs="+",
        help=f"weight to fold in, or one per scale; 1: none (default: {USUAL.guidance:g}, and 1 if the teacher has one already)",
    )
    parser.add_argument(
        "--guidance-parallel",
        type=float,
        default=USUAL.guidance_parallel,
        help="how much guidance may harden contrast, 0 to 1; 1: plain classifier-free guidance (default: %(default)g)",
    )
    parser.add_argument("--guided-up-to", type=int, default=USUAL.guided_up_to, help="finest scale that is guided, in pixels")
    parser.add_argument("--top", type=int, help="finest scale that learns; finer ones stay as they are (default: all learn)")
    parser.add_argument(
        "--small",
        action="store_true",
        help="leave the trunk's matrices as they are, and export only what changed: needs the teacher's folder beside it",
    )
    parser.add_argument("--spacing", choices=SPACINGS, default=USUAL.spacing, help="of the steps (default: %(default)s)")
    parser.add_argument(
        "--sleep-below", type=float, default=USUAL.sleep_below, help="log-SNR under which a level is not computed"
    )
    parser.add_argument("--preset", choices=PRESETS, help="schedule preset (default: the checkpoint's)")
    options = parser.parse_args(arguments)
    check_options(parser, options, options.checkpoint)
    return options


def main(arguments: list[str] | None = None) -> None:
    """Distil, draw sheets, export a checkpoint that knows its number of steps."""
    options = parse(arguments)
    team = make_team(options)
    model, start = load_start("--checkpoint", options.checkpoint)
    if options.small and options.export:
        try:
            other_beside(options.export, options.checkpoint, model.config)
        except CheckpointError as error:
            raise SystemExit(f"--small: {error}") from error
    preset, known = options.preset or start["preset"], start.get("usual", {})
    noise, shifts = known.get("noise", USUAL.noise), None if options.preset else known.get("shifts")
    try:
        weights = tuple(options.guidance or [1.0 if "distilled" in start else USUAL.guidance])
        teacher = SampleConfig(
            steps=2 * options.steps[0],
            guidance=weights,  # one alone becomes a number
            guidance_parallel=options.guidance_parallel,
            guided_up_to=options.guided_up_to,
            spacing=options.spacing,
            sleep_below=options.sleep_below,
            noise=noise,
            preset=preset,
            shifts=shifts,
            solver="ddim",
        )
        plan = with_budgets(distillation_plan(model.config, teacher, options.steps, options.top, not options.small), options)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    if teacher.guidance != 1 and plan[0].steps:
        raise SystemExit("The stage that folds the guidance in has no budget: give it one, or say --guidance 1.")
    config = TrainConfig(
        seed=options.seed,
        text_dropout=0.0,
        noise=noise if noise in SHARED_NOISE else USUAL.noise,
        independent=float(noise not in SHARED_NOISE),
        shift_jitter=0.0,
        preset=preset,
        other_preset=preset,
        shifts=shifts,
        autocast=fast_bfloat16(options.device),
    )
    learnt = {"sleep_below": sleep_of(model.config, teacher), "guided_up_to": teacher.guided_up_to, "spacing": teacher.spacing}
    built_in = start["distilled"] if teacher.guidance == 1 and "distilled" in start else dataclasses.asdict(teacher)
    learnt |= {name: built_in[name] for name in ("guidance", "guidance_parallel") if name in built_in}
    carry_out(
        options,
        team,
        model,
        start,
        plan,
        config,
        kind=functools.partial(Distiller, teacher=teacher),
        sheet=lambda stage: dataclasses.replace(teacher, steps=stage.steps or teacher.steps, guidance=1.0),
        more={"distilled": {"steps": plan[-1].steps or teacher.steps, **learnt}},
        over=options.checkpoint if options.small else None,
    )


if __name__ == "__main__":
    main()
