"""A training run as data: the stages of model stacking (paper, section 3.2), each with its budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from layered.config import PRESETS, SHIFT_BOUNDS, ModelConfig, NoiseMode, SampleConfig, Spacing
from layered.losses import LossConfig
from layered.schedule import STEP_LOGSNR_RANGE, Schedule, timesteps

SHARED_NOISE: tuple[NoiseMode, ...] = ("sinc", "box", "bilinear")  # the noise modes that have one field for all scales


TimeDraw = Literal["uniform", "logsnr", "logit-normal"]


@dataclass(frozen=True)
class StageConfig:
    """One stage: which levels learn, on what crop, for how long."""

    name: str
    top: int  # the finest scale that runs, in pixels
    train: tuple[int, ...]  # levels whose parameters learn; those below them run frozen
    minutes: float | None = None  # budget in wall-clock minutes of training, or
    pictures: int | None = None  # budget in pictures seen
    batch: int = 64
    lr: float = 1e-3  # of AdamW and of Muon (Muon's is matched to AdamW's update size)
    matrices: bool = True  # whether the trunk's matrices of attention and MLP learn too, or stay as they are
    crop: int | None = None  # side of the square that each finer scale is cut to; None: full frames
    time: TimeDraw = "uniform"  # how t is drawn: uniform, such that the log-SNR of the stage's top level is, or logit-normal
    steps: int | None = None  # distillation: t is that of a step in a run of so many, in turn; None: as ``time`` says
    spacing: Spacing = "logsnr"  # of those steps
    warmup: int = 100  # steps
    decay: float = 0.4  # last fraction of the budget over which the learning rate falls to zero

    def step_times(self, step: int, last: float = STEP_LOGSNR_RANGE[1]) -> tuple[float, float, float]:
        """The times around one step of a run of ``steps``, in turn: before it, half-way as ``spacing`` has it, after it.

        ``last`` is that of the run's schedule."""
        first = 2 * (step % self.steps)
        start, middle, end = timesteps(2 * self.steps, self.spacing, last)[first : first + 3].tolist()
        return start, middle, end


@dataclass(frozen=True)
class TrainConfig:
    """What holds for all stages."""

    seed: int = 0
    text_dropout: float = 0.1  # captions left out, for classifier-free guidance
    text_noise: float = 0.0  # on the text states, in units of their own deviation; see ``TextStates.blurred``
    token_dropout: float = 0.0  # tokens hidden from attention
    mirror: float = 0.0  # pictures shown mirrored, with left and right swapped in their captions
    noise: NoiseMode = "sinc"  # how the scales share their noise: sinc, box or bilinear
    independent: float = 0.3  # fraction of the samples whose noise is independent between scales instead; 1: of all
    noise_slack: float = 0.0  # up to this part of every scale's shared noise is its own; see ``batches.loosened``
    shift_jitter: float = 1.386  # log 4: half-width of the uniform jitter of every shift
    preset: str = "aligned"  # the preset that half of the samples use exactly
    other_preset: str = "paper"  # the one that the rest reach towards, jittered; the same one and no jitter: one schedule for all
    shifts: tuple[float, ...] | None = None  # δ of every scale of the network, for all samples in place of the presets
    loss: LossConfig = LossConfig()
    weight_decay: float = 0.01
    clip_norm: float = 1.0  # of the gradient
    ema_power: float = 6.94  # power-function EMA (arXiv 2312.02696): about the last tenth of what was seen
    autocast: bool = True  # bfloat16; see ``fast_bfloat16``

    def __post_init__(self) -> None:
        for name in ("preset", "other_preset"):
            if (preset := getattr(self, name)) not in PRESETS:
                raise ValueError(f"Schedule preset: expected one of {', '.join(PRESETS)}, got {preset!r}.")
        if self.noise not in SHARED_NOISE:
            raise ValueError(
                f"Shared noise: expected one of {', '.join(SHARED_NOISE)}, got {self.noise!r}; "
                "independent noise is a fraction of the samples."
            )
        for name in ("independent", "noise_slack", "text_dropout", "token_dropout", "mirror"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ValueError(f"{name.replace('_', ' ').capitalize()}: expected a fraction from 0 to 1, got {value}.")
        if self.shifts is not None:
            object.__setattr__(self, "shifts", tuple(float(shift) for shift in self.shifts))
            low, high = SHIFT_BOUNDS  # as of the runs that are drawn
            if not self.shifts or not all(low <= shift <= high for shift in self.shifts):
                raise ValueError(f"Shifts: expected a number per scale, from {low:g} to {high:g}, got {self.shifts}.")
        for name in ("shift_jitter", "text_noise"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ValueError(f"{name.replace('_', ' ').capitalize()}: expected a number from 0 up, got {value}.")

    def schedule(self, scales: Sequence[int]) -> Schedule:
        """That of the preset, or of the shifts that all samples have, at the coarsest few scales of the network."""
        shifts = self.shifts and self.shifts[: len(scales)]
        return Schedule.of_run(SampleConfig(preset=self.preset, shifts=shifts), scales)

    @property
    def learnt(self) -> dict[str, Any]:
        """The settings of ``SampleConfig``, besides the preset, with which the network has to draw as it only learnt under them:
        noise and shifts, as far as they are not the usual ones."""
        noise = "independent" if self.independent == 1 else self.noise
        learnt = {} if noise == SampleConfig().noise else {"noise": noise}
        return learnt if self.shifts is None else learnt | {"shifts": list(self.shifts)}


def fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is the faster choice: on accelerators, and on processors that multiply it (others emulate it, at 1/70)."""
    if device != "cpu":
        return True
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


LOGSNR_OF_TOP = (-3.0, 10.0)  # range of the top level's log-SNR where a stage draws it uniformly
LOGIT_OF_TIME = (0.4, 0.9)  # mean and deviation of log(t / (1 − t)) where t is drawn logit-normal: half lies in 0.45 … 0.73
UNIFORM_TIME = 0.1  # part of the samples whose t is uniform all the same, so that nothing is left unseen


def joint_plan(config: ModelConfig, *, crop: int | None = 128) -> tuple[StageConfig, ...]:
    """One stage for all levels from random weights, without stacking (the other arm of the paper's table A.2).

    A network whose levels cannot run without the finer ones (single-resolution, nested) knows no other plan, and no crops.
    """
    top = config.all_sizes[-1]
    cut = crop if crop and config.isolated and top > crop else None
    return (StageConfig(f"all-{top}", top, config.all_sizes, batch=32, crop=cut),)


def stacking_plan(config: ModelConfig, *, crop: int | None = 128, at_once: int = 1) -> tuple[StageConfig, ...]:
    """One stage for the base, one for every ``at_once`` levels above it, then a joint phase; minutes are set by the caller.
    A network that cannot be stacked has the one stage of ``joint_plan``.

    Two levels at once share the pass through the frozen ones below, which is most of the cost of a thin level's training.
    ``crop``: side in pixels of the crops of the upper scales, twice that in the joint phase; None for full frames.
    """
    sizes = config.all_sizes
    if not config.isolated:
        return joint_plan(config)
    stages = [StageConfig(name=f"base-{sizes[0]}", top=sizes[0], train=sizes[:1])]
    for start in range(1, len(sizes), at_once):
        train = sizes[start : start + at_once]
        cut = crop if crop and train[-1] > crop else None
        stages.append(StageConfig(f"stack-{'-'.join(map(str, train))}", train[-1], train, batch=32, crop=cut, time="logsnr"))
    joint = StageConfig(
        name="joint",
        top=sizes[-1],
        train=sizes,
        batch=16,
        lr=2e-4,
        crop=2 * crop if crop and sizes[-1] > 2 * crop else None,
        warmup=20,
        decay=1.0,
    )
    return (*stages, joint)
