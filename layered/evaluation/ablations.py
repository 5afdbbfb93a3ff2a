"""The papers' claims as data: matched arms that differ in one thing, small enough to be trained in minutes on processors.

Every arm is a command line of ``python -m layered.training`` (the miniature ladder, 32 to 128 pixels, full frames) and settings
of the runs that are judged. The first arm of each is the reference. What an arm trains is its *ground*: minutes of a processor
teach a base, or two levels on a trained one, but not a whole network, so a claim is tested where it acts.
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


@dataclass(frozen=True)
class Ground:
    """What of a network an arm trains, and on how many pictures."""

    name: str
    top: int  # finest scale, in pixels
    on_base: bool  # whether it starts from the trained base, which all arms and seeds share, and trains the levels above alone
    pictures: float  # as a multiple of the command's: what they cost is about the same on each ground
    batch: int


LEVELS = Ground("the levels of 64 and 128 pixels on one trained base", 128, True, 1, 8)
WHOLE = Ground("a whole network of up to 64 pixels", 64, False, 3, 16)
BASE = Ground("a base of 32 pixels", 32, False, 3, 16)

# pictures of each stage as parts of the whole budget, so that the operations of training are as many (tested)
STACKED = (0.9, 0.5, 0.145)  # base, 64 on the frozen base, joint
CROPPED = 4.04  # crops of 32 pixels above the base cost 1 / 4.04 of full frames
QUARTER = 1.316  # the ladder 16, 32, 64

# one schedule for all samples, aligned unless the arm says otherwise, and shared noise alone: nothing is mixed
COMMON = ("--independent", "0", "--shift-jitter", "0", "--other-preset", "aligned")


@dataclass(frozen=True)
class Arm:
    """One side of a comparison."""

    name: str
    train: tuple[str, ...] = ()  # options of the training command, beyond COMMON
    ground: Ground = LEVELS
    model: ModelConfig | None = None  # None: the miniature
    stacked: bool = False  # of a whole network: trained level by level, not all together
    pictures: tuple[float, ...] = (1.0,)  # budget of each stage, as a part of the ground's
    settings: tuple[tuple[str, Any], ...] = ()  # of the runs, beside the usual ones

    @property
    def network(self) -> ModelConfig:
        """What is trained."""
        return (self.model or miniature()).upto(self.ground.top)


@dataclass(frozen=True)
class Ablation:
    """One claim and the arms that test it."""

    name: str
    question: str
    paper: str  # what a paper says, and where
    arms: tuple[Arm, ...]
    equal: str = "pictures"  # what is the same for all arms; "compute": operations of training, counted


def _scheduled(name: str, shifts: tuple[float, ...], states: str = "per-scale") -> Arm:
    """Trained and sampled under one schedule; the aligned one needs no option."""
    options = () if shifts == ALIGNED else ("--shifts", *(f"{shift:.4f}" for shift in shifts))
    return Arm(name, options, settings=(("shifts", shifts), ("states", states)))


def _noise(mode: str) -> Arm:
    options = {"sinc": (), "independent": ("--independent", "1")}.get(mode, ("--noise", mode))
    return Arm(mode, options, settings=(("noise", mode), ("shifts", ALIGNED), ("states", "per-scale")))


def _upper(factor: float) -> Arm:
    """The shifts of the two upper scales moved together, at training and sampling: 1 is aligned, ½ the paper's 1/8 and 1/32."""
    return _scheduled(f"× {factor:g}", (0.0, *(shift + math.log(factor) for shift in ALIGNED[1:])))


def _upper_levels(**changes: Any) -> ModelConfig:
    base, *upper = miniature().levels
    return replace(miniature(), levels=(base, *(replace(level, **changes) for level in upper)))


def _base(**changes: Any) -> ModelConfig:
    return replace(miniature(), levels=(replace(miniature().levels[0], **changes),))


def _quarter_ladder() -> ModelConfig:
    """A base of a quarter of the finest size of ``WHOLE``, on a trunk of 8 × 8."""
    lower = LevelConfig(16, patch=2, width=48), LevelConfig(32, 2, 48, prediction="posterior", input="detail", detail_std=0.072)
    return replace(miniature(), levels=(*lower, miniature().levels[1]))


ALONE = _scheduled("aligned", ALIGNED)
LAYERED = Arm("layered", ground=WHOLE)
SINGLE = Arm("single resolution", ("--single-resolution",), WHOLE)
NESTED = (("noise", "independent"),)

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
        "sinc has «markedly lower FID and higher IS» than random noise (section 2.2; its table A.1 was never posted)",
        tuple(map(_noise, ("sinc", "independent", "box", "bilinear"))),
    ),
    Ablation(
        "shift",
        "Where is the best shift of the two upper scales?",
        "the optimum is log 1/8 at 256 and log 1/32 at 512 (section 2.3; its figure A.5 was never posted)",
        tuple(map(_upper, (1.0, 0.25, 0.5, 2.0))),
    ),
    Ablation(
        "schedule",
        "Does a schedule whose ρ is not 1 teach the upper levels to read the answer off the shared noise?",
        "nothing: no publication that we know names the leak (our derivation)",
        (
            ALONE,
            _scheduled("paper", PAPER),
            _scheduled("unshifted", UNSHIFTED),
        ),
    ),
    Ablation(
        "states",
        "Is the finest scale's prediction enough to sample from?",
        "«during inference, only the output convolution of the highest resolution is necessary» (section 2.1)",
        (
            _scheduled("aligned, per scale", ALIGNED),
            _scheduled("aligned, top-down", ALIGNED, "top-down"),
            _scheduled("paper, per scale", PAPER),
            _scheduled("paper, top-down", PAPER, "top-down"),
        ),
    ),
    Ablation(
        "stacking",
        "Does it help to train the base first and to stack the upper scales on it?",
        "«an increase in FID when using randomly initialized models. Despite this, […] enhanced text-image alignment when the "
        "models were pre-loaded» (section 3.2): which way FID went can be read both ways, and its table A.2 was never posted",
        (
            replace(LAYERED, name="random initialisation"),
            Arm("stacked", ground=WHOLE, stacked=True, pictures=STACKED),
        ),
        equal="compute",
    ),
    Ablation(
        "cropping",
        "Do crops of the upper scales train faster than full frames?",
        "cropping all scales to the base's size increases training speed (section 3.1)",
        (
            replace(ALONE, name="full frames"),
            replace(ALONE, name="crops", train=("--crop", "32"), pictures=(CROPPED,)),
        ),
        equal="compute",
    ),
    Ablation(
        "ladder",
        "Is a base of a quarter of the finest size better than one of half of it?",
        "nothing: how many scales, and how far apart, is an open question",
        (
            replace(LAYERED, name="32, 64"),
            Arm("16, 32, 64", ground=WHOLE, model=_quarter_ladder(), pictures=(QUARTER,)),
        ),
        equal="compute",
    ),
    Ablation(
        "time",
        "Do TD-LN's 8d parameters condition as well as FiLM's matrices?",
        "TD-LN is better than adaLN at a fraction of its parameters (DiMR, arXiv 2406.09416)",
        (Arm("FiLM", ground=BASE), Arm("TD-LN", ground=BASE, model=replace(miniature(), time="td-ln"))),
    ),
    Ablation(
        "systems",
        "How do the rivals' networks do at this size?",
        "DiMR and Matryoshka report better pictures than their baselines (arXiv 2406.09416, 2310.15111)",
        (
            LAYERED,
            Arm("DiMR's parts", ground=WHOLE, model=dimr()),
            Arm("Matryoshka's parts", ("--independent", "1"), WHOLE, matryoshka(), settings=NESTED),
        ),
    ),
    Ablation(
        "multiscale",
        "Does the multiscale loss help a single-resolution network?",
        "it helps at 512 pixels and costs a little at 256 (simple diffusion, section 3.2, table 6)",
        (SINGLE, Arm("with multiscale loss", ("--single-resolution", "--multiscale-from", "32"), WHOLE)),
    ),
    Ablation(
        "patches",
        "Is a wavelet a better patch than a strided convolution?",
        "about equal, the convolution is simpler (simple diffusion, section 3.3, table 5)",
        (
            replace(ALONE, name="convolution"),
            replace(ALONE, name="5/3 wavelet", model=_upper_levels(patching="wavelet")),
        ),
    ),
    Ablation(
        "loss",
        "Which error should the loss weigh?",
        "the ε loss with v-prediction (simple diffusion, appendix A); sigmoid weighting (SiD2, arXiv 2410.19324)",
        (
            Arm("x, even", ground=BASE),
            Arm("x, sigmoid", ("--loss", "sigmoid"), BASE),
            Arm("v, loss in v", ("--loss", "v"), BASE, _base(prediction="v")),
            Arm("v, loss in ε", ("--loss", "eps"), BASE, _base(prediction="v")),
        ),
    ),
)
