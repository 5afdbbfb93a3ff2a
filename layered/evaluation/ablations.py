"""The papers' claims as data: matched arms that differ in one thing, small enough to be trained in minutes on processors.

Every arm is a command line of ``python -m layered.training`` (the miniature ladder, 32 to 128 pixels, all levels together on full
frames unless the arm says otherwise) and settings of the runs that are judged. The first arm of each is the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from layered.config import LevelConfig, ModelConfig
from layered.presets import dimr, matryoshka, miniature

ALIGNED = (0.0, -2 * math.log(2), -2 * math.log(4))  # of the miniature's scales: ρ = 1
PAPER = (0.0, math.log(1 / 8), math.log(1 / 32))  # the paper's shifts, base and two doublings (section 2.3)
UNSHIFTED = (0.0, 0.0, 0.0)

# pictures of each stage as parts of the whole budget, so that the operations of training are as many (tested)
STACKED = (1.0, 0.5, 0.5, 0.185)  # base, 64 and 128 on frozen lower levels, joint
CROPPED = 2.4  # crops of 32 pixels cost 1 / 2.4 of full frames
SHORT = 0.974  # the ladder 64, 128


@dataclass(frozen=True)
class Arm:
    """One side of a comparison."""

    name: str
    train: tuple[str, ...] = ()  # options of the training command
    model: ModelConfig | None = None  # None: the miniature
    stacked: bool = False  # trained level by level, not all together
    pictures: tuple[float, ...] = (1.0,)  # budget of each stage, as a part of the command's --pictures
    settings: tuple[tuple[str, Any], ...] = ()  # of the runs, beside the usual ones


@dataclass(frozen=True)
class Ablation:
    """One claim and the arms that test it."""

    name: str
    question: str
    paper: str  # what a paper says, and where
    arms: tuple[Arm, ...]
    equal: str = "pictures"  # what is the same for all arms; "compute": operations of training, counted


def _shifts(shifts: tuple[float, ...]) -> tuple[str, ...]:
    return ("--shifts", *(f"{shift:.4f}" for shift in shifts))


def _schedule(name: str, shifts: tuple[float, ...], states: str = "per-scale") -> Arm:
    """Trained and sampled under one schedule, without jitter, with shared noise alone: where a leak could be learned."""
    return Arm(
        name,
        (*_shifts(shifts), "--independent", "0"),
        settings=(("shifts", shifts), ("states", states)),
    )


def _noise(mode: str) -> Arm:
    options = ("--independent", "1") if mode == "independent" else ("--independent", "0", "--noise", mode)
    return Arm(mode, options, settings=(("noise", mode),))


def _upper(factor: float) -> Arm:
    """The shifts of the two upper scales moved together, at training and sampling: 1 is aligned, 1/8 and 1/32 the paper's."""
    shifts = (0.0, *(shift + math.log(factor) for shift in ALIGNED[1:]))
    return Arm(f"× {factor:g}", _shifts(shifts), settings=(("shifts", shifts),))


def _with(**changes: Any) -> ModelConfig:
    return replace(miniature(), **changes)


def _levels(**changes: Any) -> ModelConfig:
    return _with(levels=tuple(replace(level, **changes) for level in miniature().levels))


def _short_ladder() -> ModelConfig:
    """A base of half the finest scale: one ordinary stage under it leads to the miniature's trunk."""
    base = LevelConfig(64, patch=2, width=32)
    trunk = replace(miniature().trunk, stages=((64, 1),))
    return _with(levels=(base, miniature().levels[-1]), trunk=trunk)


LAYERED = Arm("layered")
SINGLE = Arm("single resolution", ("--single-resolution",))

ABLATIONS = (
    Ablation(
        "layered",
        "Does the layered network draw better than a single-resolution one of the same widths?",
        "«outperforms the baseline of synthesizing images only at the target resolution» (layered diffusion, abstract, table 1)",
        (LAYERED, SINGLE),
    ),
    Ablation(
        "noise",
        "Does noise that is shared by sinc downsampling draw better than independent noise?",
        "«markedly lower FID and higher IS» than random noise; bilinear scaling «is problematic» (section 2.2, table A.1)",
        tuple(map(_noise, ("sinc", "independent", "box", "bilinear"))),
    ),
    Ablation(
        "shift",
        "Where is the best shift of the two upper scales?",
        "the optimum is log 1/8 at 256 and log 1/32 at 512, against a base without shift (section 2.3, figure A.5)",
        tuple(map(_upper, (1.0, 0.25, 0.5, 2.0, 4.0))),
    ),
    Ablation(
        "schedule",
        "Does a schedule whose ρ is not 1 teach the upper levels to read the answer off the shared noise?",
        "nothing: no publication that we know names the leak (our derivation)",
        (
            _schedule("aligned", ALIGNED),
            _schedule("paper", PAPER),
            _schedule("unshifted", UNSHIFTED),
        ),
    ),
    Ablation(
        "states",
        "Is the finest scale's prediction enough to sample from?",
        "«during inference, only the output convolution of the highest resolution is necessary» (section 2.1)",
        (
            _schedule("aligned, per scale", ALIGNED),
            _schedule("aligned, top-down", ALIGNED, "top-down"),
            _schedule("paper, per scale", PAPER),
            _schedule("paper, top-down", PAPER, "top-down"),
        ),
    ),
    Ablation(
        "stacking",
        "Does it help to train the base first and to stack the upper scales on it?",
        "FID rose with random initialisation, text alignment gained from stacking (section 3.2, table A.2, figure A.7)",
        (
            Arm("random initialisation"),
            Arm("stacked", stacked=True, pictures=STACKED),
        ),
        equal="compute",
    ),
    Ablation(
        "cropping",
        "Do crops of the upper scales train faster than full frames?",
        "cropping all scales to the base's size increases training speed (section 3.1)",
        (
            Arm("full frames"),
            Arm("crops", ("--crop", "32"), pictures=(CROPPED,)),
        ),
        equal="compute",
    ),
    Ablation(
        "ladder",
        "Is a base of a quarter of the finest size better than one of half of it?",
        "open: the number and distribution of scales (review, open question 2)",
        (
            Arm("32, 64, 128"),
            Arm("64, 128", model=_short_ladder(), pictures=(SHORT,)),
        ),
        equal="compute",
    ),
    Ablation(
        "time",
        "Do TD-LN's 8d parameters condition as well as FiLM's matrices?",
        "TD-LN is better than adaLN at a fraction of its parameters (DiMR, arXiv 2406.09416)",
        (Arm("FiLM"), Arm("TD-LN", model=_with(time="td-ln"))),
    ),
    Ablation(
        "systems",
        "How do the rivals' networks do at this size?",
        "DiMR and Matryoshka report better pictures than their baselines (arXiv 2406.09416, 2310.15111)",
        (
            LAYERED,
            Arm("DiMR's parts", model=dimr()),
            Arm("Matryoshka's parts", ("--independent", "1"), model=matryoshka(), settings=(("noise", "independent"),)),
        ),
    ),
    Ablation(
        "multiscale",
        "Does the multiscale loss help a single-resolution network?",
        "it helps at 512 pixels and costs a little at 256 (simple diffusion, section 3.2, table 6)",
        (SINGLE, Arm("with multiscale loss", ("--single-resolution", "--multiscale-from", "32"))),
    ),
    Ablation(
        "patches",
        "Is a wavelet a better patch than a strided convolution?",
        "about equal, the convolution is simpler (simple diffusion, section 3.3, table 5)",
        (Arm("convolution"), Arm("5/3 wavelet", model=_levels(patching="wavelet"))),
    ),
    Ablation(
        "loss",
        "Which error should the loss weigh?",
        "the ε loss with v-prediction (simple diffusion, appendix A); sigmoid weighting (SiD2, arXiv 2410.19324)",
        (
            Arm("even"),
            Arm("v, loss in v", ("--loss", "v"), model=_levels(prediction="v", input="z", detail_std=None)),
            Arm("v, loss in ε", ("--loss", "eps"), model=_levels(prediction="v", input="z", detail_std=None)),
            Arm("sigmoid", ("--loss", "sigmoid")),
        ),
    ),
)
