"""The architecture (paper, section 2.1) and the settings of a run as data: frozen dataclasses that go to JSON and back."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
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

LevelInput = Literal["z", "detail"]
LEVEL_INPUTS: tuple[LevelInput, ...] = ("z", "detail")

Order = Literal["together", "coarse-first"]
ORDERS: tuple[Order, ...] = ("together", "coarse-first")

PRESETS: tuple[str, ...] = ("aligned", "paper", "unshifted", "interpolated")


# ------------------------------------------------------------------ checks


def _number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {_shown(value)}.")


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name}: expected a whole number from {low} to {high}, got {_shown(value)}.")


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {_shown(value)}.")


def _several(name: str, value: Any) -> tuple:
    if not isinstance(value, (tuple, list)):
        raise ValueError(f"{name}: expected a list, got {_shown(value)}.")
    return tuple(value)


def _shown(value: Any) -> str:
    """The value as people typed it, cut to a line."""
    return reprlib.repr(value)


# ------------------------------------------------------------------ architecture


@dataclass(frozen=True)
class LevelConfig:
    """One scale of the layered U-Net (paper, section 2.1)."""

    size: int  # pixels on a side of this scale's picture
    patch: int  # side of the patch that the input and output convolutions take (1 is the paper's)
    width: int  # channels on this level's grid of size / patch
    blocks_down: int = 1  # residual blocks between the input convolution and the skip
    blocks_up: int = 2  # residual blocks after the fusion with the level below
    prediction: Prediction = "x"  # what the output convolution predicts
    input: LevelInput = "z"  # what the input convolution is shown: z, or z less what the level below knows, and that knowledge
    detail_std: float | None = None  # standard deviation of what this level adds to the enlarged one below; None: nothing below

    def __post_init__(self) -> None:
        _whole("size of a level", self.size, 1, 2**14)
        for name in ("patch", "width"):
            _whole(f"{name} of level {self.size}", getattr(self, name), 1, 2**14)
        for name in ("blocks_down", "blocks_up"):
            _whole(f"{name} of level {self.size}", getattr(self, name), 0, 256)
        if self.detail_std is not None:
            _number(f"detail_std of level {self.size}", self.detail_std, 0.0, 10.0)
        elif self.prediction == "posterior":
            raise ValueError(f'Level {self.size} predicts "posterior": it needs a detail_std, a number above 0.')
        elif self.input == "detail":
            raise ValueError(f'Level {self.size} takes in "detail": it needs a detail_std, a number above 0.')
        _one_of(f"prediction of level {self.size}", self.prediction, PREDICTIONS)
        _one_of(f"input of level {self.size}", self.input, LEVEL_INPUTS)
        if self.size % self.patch:
            raise ValueError(f"Patch {self.patch} does not divide the {self.size} pixels of its level.")

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

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "stages", tuple(_several("trunk stages", stage) for stage in _several("trunk stages", self.stages))
        )
        for stage in self.stages:
            if len(stage) != 2:
                raise ValueError(f"trunk stages: each is a width and a number of blocks, got {_shown(stage)}.")
            _whole("trunk stages: width", stage[0], 1, 2**14)
            _whole("trunk stages: blocks", stage[1], 0, 256)
        _whole("trunk width", self.width, 1, 2**14)
        _whole("trunk depth", self.depth, 0, 256)
        _whole("trunk head_width", self.head_width, 1, 2**14)
        if self.width % self.head_width:
            raise ValueError(f"Attention heads of {self.head_width} channels do not divide the trunk width of {self.width}.")


@dataclass(frozen=True)
class ModelConfig:
    """A whole layered U-Net."""

    levels: tuple[LevelConfig, ...]  # coarse to fine, each twice the size of the one before
    trunk: TrunkConfig = TrunkConfig()
    text_width: int = 384  # channels of the text encoder's token states
    time_width: int = 256  # channels of the conditioning vector
    layered: bool = True  # False: the single-resolution twin, one picture scale and ordinary downsampling

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", _several("levels", self.levels))
        if not self.levels:
            raise ValueError("A model needs at least one level.")
        _whole("text_width", self.text_width, 1, 2**14)
        _whole("time_width", self.time_width, 1, 2**14)
        if not isinstance(self.layered, bool):
            raise ValueError(f"layered: expected true or false, got {_shown(self.layered)}.")
        if (coarsest := self.levels[0]).input == "detail":
            raise ValueError(f'Level {coarsest.size} is the coarsest: nothing lies below it, so its input is "z", not "detail".')
        for low, high in zip(self.levels, self.levels[1:], strict=False):
            if high.size != 2 * low.size:
                raise ValueError(f"Every level doubles the one below: {high.size} does not follow {low.size}.")
            if high.grid not in (low.grid, 2 * low.grid):
                raise ValueError(
                    f"The grid of level {high.size} is {high.grid}: it must equal the grid below ({low.grid}) or be twice it."
                )
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
        plain = {"input": "z", "detail_std": None}  # nothing lies below the one picture
        levels = (
            dataclasses.replace(level, prediction="v" if level.prediction == "v" else "x", **plain) for level in self.levels
        )
        return dataclasses.replace(self, levels=tuple(levels), layered=False)


def compact(top: int = 512) -> ModelConfig:
    """The compact ladder, 32 to 512 pixels: the paper's isolated downsampling carried on down to a base of 32."""
    detail = {"prediction": "posterior", "input": "detail"}  # detail_std: measured on vistas
    levels = (
        LevelConfig(size=32, patch=2, width=96, blocks_down=1, blocks_up=2, prediction="x"),
        LevelConfig(size=64, patch=2, width=96, detail_std=0.065, **detail),
        LevelConfig(size=128, patch=2, width=64, detail_std=0.057, **detail),
        LevelConfig(size=256, patch=2, width=48, detail_std=0.049, **detail),
        LevelConfig(size=512, patch=2, width=32, detail_std=0.040, **detail),
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

MAX_PROMPT = 1000  # characters


@dataclass(frozen=True)
class SampleConfig:
    """Everything that decides a run besides the prompt and the weights."""

    steps: int = 25  # denoising steps, 1 to 250
    guidance: float | tuple[float, ...] = 4.0  # classifier-free guidance weight, 0 to 20; 1 is none; or one per scale
    guidance_interval: tuple[float, float] = (0.0, 1.0)  # t between which guidance is applied
    guided_up_to: int = 128  # pixels: finer scales take over what guidance did below them, at half the cost
    seed: int = 0  # 0 to 2**32 - 1
    noise: NoiseMode = "sinc"  # how the scales share their noise
    preset: str = "aligned"  # schedule preset, see ``layered.schedule``
    shifts: tuple[float, ...] | None = None  # natural log, one per scale coarse to fine, the same at every t; None: the preset's
    solver: Solver = "ddpm"
    eta: float = 0.0  # DDIM only: 0 deterministic, 1 ancestral
    ddpm_noise: float = 0.2  # DDPM only: simple diffusion's interpolation between the two variance bounds, 0 to 1
    states: StateMode = "per-scale"
    clipping: Clipping = "static"  # of the predicted picture
    spacing: Spacing = "logsnr"  # of the steps: equal in t, or equal in log-SNR of an unshifted schedule
    sleep_below: float | None = -2.0  # levels whose log-SNR lies below it are enlarged from below, not computed
    scales: tuple[int, ...] | None = None  # None: all of the model's; else the coarsest few
    order: Order = "together"  # all scales at every step, or all steps up to 128 pixels first; the same pictures either way
    detail_prompt: str | tuple[tuple[int, str], ...] = ""  # of the scales above the base, "": the run's; or one from each size on

    def __post_init__(self) -> None:
        _whole("steps", self.steps, 1, 250)
        _whole("seed", self.seed, 0, 2**32 - 1)
        _whole("guided_up_to", self.guided_up_to, 1, 2**14)
        weights = _several("guidance", self.guidance) if isinstance(self.guidance, (tuple, list)) else (self.guidance,)
        if not weights:
            raise ValueError("guidance: expected one weight, or one per scale, got none.")
        for weight in weights:
            _number("guidance", weight, 0.0, 20.0)
        object.__setattr__(self, "guidance", weights if len(weights) > 1 else weights[0])
        interval = _several("guidance interval", self.guidance_interval)
        for bound in interval:
            _number("guidance interval", bound, 0.0, 1.0)
        if len(interval) != 2 or interval[0] > interval[1]:
            raise ValueError(f"guidance interval: expected two times from 0 to 1, the smaller first, got {_shown(interval)}.")
        object.__setattr__(self, "guidance_interval", interval)
        if self.shifts is not None:
            object.__setattr__(self, "shifts", _several("shifts", self.shifts))
            for shift in self.shifts:
                _number("shifts", shift, -15.0, 15.0)
        if self.scales is not None:
            object.__setattr__(self, "scales", _several("scales", self.scales))
            for size in self.scales:
                _whole("scales", size, 1, 2**14)
            if not self.scales or any(hi != 2 * lo for lo, hi in zip(self.scales, self.scales[1:], strict=False)):
                raise ValueError(
                    f"scales: expected sizes from coarse to fine, each twice the one before, got {_shown(self.scales)}."
                )
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
        _one_of("order", self.order, ORDERS)
        object.__setattr__(self, "detail_prompt", _detail_prompt(self.detail_prompt))
        if self.order == "coarse-first" and self.states == "top-down":
            raise ValueError(
                "The coarse scales cannot be drawn first with states top-down, where they follow from the finest prediction: "
                "choose states per-scale, or the order together."
            )


def _detail_prompt(value: Any) -> str | tuple[tuple[int, str], ...]:
    """The prompt without surrounding space, or pairs of a size in pixels and a prompt, coarse to fine."""
    if isinstance(value, str):
        if len(value.strip()) > MAX_PROMPT:
            raise ValueError(f"The detail prompt has {len(value.strip()):,} characters, {MAX_PROMPT:,} are the most: shorten it.")
        return value.strip()
    pairs = _several("detail prompt", tuple(value.items()) if isinstance(value, Mapping) else value)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[1], str) or not pair[1].strip():
            raise ValueError(f"detail prompt: expected a prompt, or pairs of a size in pixels and a prompt, got {_shown(pair)}.")
        _whole("size of a detail prompt", pair[0], 1, 2**14)
    found = {size: _detail_prompt(prompt) for size, prompt in pairs}
    if len(found) < len(pairs):
        raise ValueError(f"detail prompt: each size has one, got the sizes {_shown([size for size, _ in pairs])}.")
    return tuple(sorted(found.items())) or ""


# ------------------------------------------------------------------ JSON


def to_json_dict(config: ModelConfig | SampleConfig) -> dict[str, Any]:
    """A config as dicts, lists, numbers and strings: what ``json`` writes and reads back unchanged."""
    return _plain(dataclasses.asdict(config))


def sample_config_from_dict(data: Any) -> SampleConfig:
    """The settings that ``to_json_dict`` gave. Missing ones take their default; an unknown or bad one is a ValueError."""
    return _from_dict(SampleConfig, data, "the settings of a run")


def model_config_from_dict(data: Any) -> ModelConfig:
    """The architecture that ``to_json_dict`` gave. Missing settings with a default take it; a bad one is a ValueError."""
    data = dict(_mapping(data, "a model"))
    if "levels" in data:
        levels = _several("levels", data["levels"])
        data["levels"] = tuple(_from_dict(LevelConfig, level, "a level") for level in levels)
    if "trunk" in data:
        data["trunk"] = _from_dict(TrunkConfig, data["trunk"], "the trunk")
    return _from_dict(ModelConfig, data, "a model")


def _from_dict(cls: type, data: Any, what: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if unknown := sorted(set(map(str, _mapping(data, what))) - set(fields)):
        raise ValueError(f"Unknown name in {what}: {_shown(', '.join(unknown))}. Known are {', '.join(fields)}.")
    needed = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    if missing := [name for name in needed if name not in data]:
        raise ValueError(f"Missing in {what}: {', '.join(missing)}.")
    return cls(**data)


def _mapping(data: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ValueError(f"Expected {what} as names with values, got {_shown(data)}.")
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
