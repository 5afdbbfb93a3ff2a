"""The architecture and the settings of a run as data: frozen dataclasses that go to JSON and back (DESIGN of the paper's section 2)."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

NoiseMode = Literal["sinc", "independent", "box", "bilinear"]
NOISE_MODES: tuple[NoiseMode, ...] = ("sinc", "independent", "box", "bilinear")

Solver = Literal["ddim", "ddpm", "dpm++"]
SOLVERS: tuple[Solver, ...] = ("ddim", "ddpm", "dpm++")

StateMode = Literal["per-scale", "top-down"]
STATE_MODES: tuple[StateMode, ...] = ("per-scale", "top-down")

Clipping = Literal["static", "dynamic", "none"]
CLIPPINGS: tuple[Clipping, ...] = ("static", "dynamic", "none")

Spacing = Literal["time", "logsnr"]
SPACINGS: tuple[Spacing, ...] = ("time", "logsnr")

Prediction = Literal["x", "v", "posterior"]
PREDICTIONS: tuple[Prediction, ...] = ("x", "v", "posterior")

PRESETS: tuple[str, ...] = ("aligned", "paper", "unshifted")


# ---------------------------------------------------------------- architecture


@dataclass(frozen=True)
class LevelConfig:
    """One scale of the layered U-Net (paper, section 2.1)."""

    size: int  # pixels on a side of this scale's picture
    patch: int  # side of the patch that the input and output convolutions take (1 is the paper's)
    width: int  # channels on this level's grid of size / patch
    blocks_down: int = 1  # residual blocks between the input convolution and the skip
    blocks_up: int = 2  # residual blocks after the fusion with the level below
    prediction: Prediction = "x"  # what the output convolution predicts
    detail_std: float = 0.5  # standard deviation of what this level adds to the enlarged one below ("posterior" only)

    @property
    def grid(self) -> int:
        """Side of the feature grid."""
        return self.size // self.patch


@dataclass(frozen=True)
class TrunkConfig:
    """What lies under the base: ordinary downsampling stages, then transformer blocks (simple diffusion's U-ViT)."""

    stages: tuple[tuple[int, int], ...] = ()  # (width, residual blocks) per further halving with convolutions
    width: int = 256  # channels of the transformer, one more halving below the last stage
    depth: int = 8  # transformer blocks, each with self- and cross-attention
    head_width: int = 64  # channels of one attention head


@dataclass(frozen=True)
class ModelConfig:
    """A whole layered U-Net."""

    levels: tuple[LevelConfig, ...]  # coarse to fine, each twice the size of the one before
    trunk: TrunkConfig = TrunkConfig()
    text_width: int = 384  # channels of the text encoder's token states
    time_width: int = 256  # channels of the conditioning vector
    layered: bool = True  # False: the single-resolution twin, one picture scale and ordinary downsampling

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError("A model needs at least one level.")
        for low, high in zip(self.levels, self.levels[1:], strict=False):
            if high.size != 2 * low.size:
                raise ValueError(f"Every level doubles the one below: {high.size} does not follow {low.size}.")
            if high.grid not in (low.grid, 2 * low.grid):
                raise ValueError(
                    f"The grid of level {high.size} is {high.grid}: it must equal the grid below ({low.grid}) or be twice it."
                )
        for level in self.levels:
            if level.size % level.patch:
                raise ValueError(f"Patch {level.patch} does not divide the {level.size} pixels of its level.")
            if level.prediction not in PREDICTIONS:
                raise ValueError(f"Unknown prediction {level.prediction!r}: one of {', '.join(PREDICTIONS)}.")
        if self.levels[0].grid % 2 ** (len(self.trunk.stages) + 1):
            raise ValueError(f"The base grid of {self.levels[0].grid} cannot be halved {len(self.trunk.stages) + 1} times.")

    @property
    def all_sizes(self) -> tuple[int, ...]:
        """Sizes of all levels, coarse to fine, whether or not they carry a picture of their own."""
        return tuple(level.size for level in self.levels)

    @property
    def scales(self) -> tuple[int, ...]:
        """Sizes of the pictures that go in and come out, coarse to fine."""
        return self.all_sizes if self.layered else self.all_sizes[-1:]

    def upto(self, size: int) -> ModelConfig:
        """The same model without the levels finer than ``size``."""
        if size not in self.all_sizes:
            raise ValueError(f"There is no level of {size} pixels: this model has {', '.join(map(str, self.all_sizes))}.")
        return dataclasses.replace(self, levels=tuple(level for level in self.levels if level.size <= size))

    def single_resolution(self) -> ModelConfig:
        """The baseline of the paper's table 1: one picture scale, identical widths, ordinary downsampling."""
        return dataclasses.replace(self, layered=False)


def compact(top: int = 512) -> ModelConfig:
    """The compact ladder, 32 to 512 pixels: the paper's isolated downsampling carried on down to a base of 32."""
    levels = (
        LevelConfig(size=32, patch=2, width=96, blocks_down=1, blocks_up=2, prediction="x"),
        LevelConfig(size=64, patch=2, width=96, blocks_down=1, blocks_up=2, prediction="posterior", detail_std=0.1),
        LevelConfig(size=128, patch=4, width=96, blocks_down=1, blocks_up=2, prediction="posterior", detail_std=0.1),
        LevelConfig(size=256, patch=4, width=64, blocks_down=1, blocks_up=2, prediction="posterior", detail_std=0.1),
        LevelConfig(size=512, patch=4, width=48, blocks_down=1, blocks_up=2, prediction="posterior", detail_std=0.1),
    )
    return ModelConfig(levels=levels, trunk=TrunkConfig(width=256, depth=8)).upto(top)


def paper_ladder(top: int = 512) -> ModelConfig:
    """The paper's ladder, 128 to 512 pixels, with patches of 4 and a trunk on 16 × 16."""
    levels = (
        LevelConfig(size=128, patch=4, width=128, blocks_down=1, blocks_up=2, prediction="v"),
        LevelConfig(size=256, patch=4, width=64, blocks_down=1, blocks_up=2, prediction="v"),
        LevelConfig(size=512, patch=4, width=48, blocks_down=1, blocks_up=2, prediction="v"),
    )
    return ModelConfig(levels=levels, trunk=TrunkConfig(width=256, depth=8)).upto(top)


MODELS = {"compact": compact, "paper": paper_ladder}  # parameters and GFLOP of each: docs/first-light.md


# ------------------------------------------------------------------ one sampling run


@dataclass(frozen=True)
class SampleConfig:
    """Everything that decides a run besides the prompt and the weights."""

    steps: int = 25  # denoising steps, 1 to 250
    guidance: float | tuple[float, ...] = 3.0  # classifier-free guidance weight, 0 to 20; 1 is none; or one per scale
    guidance_interval: tuple[float, float] = (0.0, 1.0)  # t between which guidance is applied
    seed: int = 0  # 0 to 2**32 - 1
    noise: NoiseMode = "sinc"  # how the scales share their noise
    preset: str = "aligned"  # schedule preset, see ``layered.schedule``
    shifts: tuple[float, ...] | None = None  # natural log, one per scale coarse to fine; None: the preset's
    solver: Solver = "ddim"
    eta: float = 0.0  # DDIM only: 0 deterministic, 1 ancestral
    ddpm_noise: float = 0.2  # DDPM only: simple diffusion's interpolation between the two variance bounds, 0 to 1
    states: StateMode = "per-scale"
    clipping: Clipping = "static"  # of the predicted picture
    spacing: Spacing = "logsnr"  # of the steps: equal in t, or equal in log-SNR of an unshifted schedule
    sleep_below: float | None = None  # levels whose log-SNR lies below it are enlarged from below, not computed
    scales: tuple[int, ...] | None = None  # None: all of the model's; else the coarsest few

    def __post_init__(self) -> None:
        _whole("steps", self.steps, 1, 250)
        _whole("seed", self.seed, 0, 2**32 - 1)
        weights = self.guidance if isinstance(self.guidance, (tuple, list)) else (self.guidance,)
        object.__setattr__(self, "guidance", tuple(weights) if len(weights) > 1 else weights[0])
        for weight in weights:
            _number("guidance", weight, 0.0, 20.0)
        for name in ("guidance_interval", "shifts", "scales"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        for bound in self.guidance_interval:
            _number("guidance interval", bound, 0.0, 1.0)
        if len(self.guidance_interval) != 2 or self.guidance_interval[0] > self.guidance_interval[1]:
            raise ValueError("The guidance interval is two times between 0 and 1, the smaller first.")
        for shift in self.shifts or ():
            _number("shift", shift, -15.0, 15.0)
        _number("eta", self.eta, 0.0, 1.0)
        _number("DDPM noise", self.ddpm_noise, 0.0, 1.0)
        if self.sleep_below is not None:
            _number("sleep_below", self.sleep_below, -40.0, 40.0)
        _one_of("noise mode", self.noise, NOISE_MODES)
        _one_of("schedule preset", self.preset, PRESETS)
        _one_of("solver", self.solver, SOLVERS)
        _one_of("state mode", self.states, STATE_MODES)
        _one_of("clipping", self.clipping, CLIPPINGS)
        _one_of("spacing", self.spacing, SPACINGS)


def _number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {value!r}.")
    if not low <= value <= high:
        raise ValueError(f"{name}: {value:g} is outside {low:g} to {high:g}.")


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name}: expected a whole number from {low} to {high}, got {value!r}.")
    if not low <= value <= high:
        raise ValueError(f"{name}: {value} is outside {low} to {high}.")


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"Unknown {name} {value!r}: choose one of {', '.join(choices)}.")
