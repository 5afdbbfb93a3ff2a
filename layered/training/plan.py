"""A training run as data: the stages of model stacking (paper, section 3.2), each with its budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from layered.config import ModelConfig


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
    crop: int | None = None  # side of the square that each finer scale is cut to; None: full frames
    time: Literal["uniform", "logsnr"] = "uniform"  # t uniform, or the log-SNR of the stage's top level uniform
    warmup: int = 100  # steps
    decay: float = 0.4  # last fraction of the budget over which the learning rate falls to zero


@dataclass(frozen=True)
class TrainConfig:
    """What holds for all stages."""

    seed: int = 0
    text_dropout: float = 0.1  # captions left out, for classifier-free guidance
    independent: float = 0.3  # fraction of the samples whose noise is independent between scales
    shift_jitter: float = 1.386  # log 4: half-width of the uniform jitter of every shift
    preset: str = "aligned"  # the preset that most samples use exactly
    other_preset: str = "paper"  # the one that the rest reach towards
    weight_decay: float = 0.01
    clip_norm: float = 1.0  # of the gradient
    ema_power: float = 6.94  # power-function EMA (arXiv 2312.02696): about the last tenth of what was seen
    autocast: bool = True  # bfloat16; see ``fast_bfloat16``


def fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is the faster choice: on accelerators, and on processors that multiply it (others emulate it, at 1/70)."""
    if device != "cpu":
        return True
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


LOGSNR_OF_TOP = (-3.0, 10.0)  # range of the top level's log-SNR where a stage draws it uniformly
UNIFORM_TIME = 0.1  # part of the samples whose t is uniform all the same, so that nothing is left unseen


def stacking_plan(config: ModelConfig, *, crop: int = 128, at_once: int = 1) -> tuple[StageConfig, ...]:
    """One stage for the base, one for every ``at_once`` levels above it, then a joint phase; minutes are set by the caller.
    A network whose levels cannot run without the finer ones (single-resolution, nested) has one stage, in which all learn.

    Two levels at once share the pass through the frozen ones below, which is most of the cost of a thin level's training.
    """
    sizes = config.all_sizes
    if not config.isolated:
        return (StageConfig("joint", sizes[-1], sizes, batch=32),)
    stages = [StageConfig(name=f"base-{sizes[0]}", top=sizes[0], train=sizes[:1])]
    for start in range(1, len(sizes), at_once):
        train = sizes[start : start + at_once]
        cut = crop if train[-1] > crop else None
        stages.append(StageConfig(f"stack-{'-'.join(map(str, train))}", train[-1], train, batch=32, crop=cut, time="logsnr"))
    joint = StageConfig(
        name="joint",
        top=sizes[-1],
        train=sizes,
        batch=16,
        lr=2e-4,
        crop=2 * crop if sizes[-1] > 2 * crop else None,
        warmup=20,
        decay=1.0,
    )
    return (*stages, joint)
