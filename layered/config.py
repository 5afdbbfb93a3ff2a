"""The settings of a run as data, and both configs to JSON and back; the architecture is in ``layered.architecture``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from layered.architecture import LevelConfig, ModelConfig, TrunkConfig
from layered.fields import from_dict, mapping, number, one_of, plain, several, shown, whole

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

Order = Literal["together", "coarse-first"]
ORDERS: tuple[Order, ...] = ("together", "coarse-first")

PRESETS: tuple[str, ...] = ("staggered", "aligned", "paper", "unshifted", "interpolated")

SHIFT_BOUNDS = (-30.0, 15.0)  # of δ: those of every preset and ladder lie within

# ------------------------------------------------------------------ one sampling run

MAX_PROMPT = 1000  # characters


@dataclass(frozen=True)
class SampleConfig:
    """Everything that decides a run besides the prompt and the weights."""

    steps: int = 25  # denoising steps, 1 to 250
    guidance: float | tuple[float, ...] = 3.0  # classifier-free guidance weight, 0 to 20; 1 is none; or one per scale
    guidance_parallel: float = 0.0  # how much of what guidance changes along the picture itself stays, 0 to 1; see ``guide``
    guidance_interval: tuple[float, float] = (0.0, 1.0)  # t between which guidance is applied
    detail: float = 1.0  # levels above the base: what they add to the one below, times this, 0 to 2; see ``Level.predict``
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
        whole("steps", self.steps, 1, 250)
        whole("seed", self.seed, 0, 2**32 - 1)
        whole("guided_up_to", self.guided_up_to, 1, 2**14)
        weights = several("guidance", self.guidance) if isinstance(self.guidance, (tuple, list)) else (self.guidance,)
        if not weights:
            raise ValueError("guidance: expected one weight, or one per scale, got none.")
        for weight in weights:
            number("guidance", weight, 0.0, 20.0)
        object.__setattr__(self, "guidance", weights if len(weights) > 1 else weights[0])
        interval = several("guidance interval", self.guidance_interval)
        for bound in interval:
            number("guidance interval", bound, 0.0, 1.0)
        if len(interval) != 2 or interval[0] > interval[1]:
            raise ValueError(f"guidance interval: expected two times from 0 to 1, the smaller first, got {shown(interval)}.")
        object.__setattr__(self, "guidance_interval", interval)
        if self.shifts is not None:
            object.__setattr__(self, "shifts", several("shifts", self.shifts))
            for shift in self.shifts:
                number("shifts", shift, *SHIFT_BOUNDS)
        if self.scales is not None:
            object.__setattr__(self, "scales", several("scales", self.scales))
            for size in self.scales:
                whole("scales", size, 1, 2**14)
            if not self.scales or any(hi != 2 * lo for lo, hi in zip(self.scales, self.scales[1:], strict=False)):
                raise ValueError(
                    f"scales: expected sizes from coarse to fine, each twice the one before, got {shown(self.scales)}."
                )
        number("parallel guidance", self.guidance_parallel, 0.0, 1.0)
        number("detail", self.detail, 0.0, 2.0)
        number("eta", self.eta, 0.0, 1.0)
        number("DDPM noise", self.ddpm_noise, 0.0, 1.0)
        if self.sleep_below is not None:
            number("sleep_below", self.sleep_below, -40.0, 40.0)
        one_of("noise mode", self.noise, NOISE_MODES)
        one_of("schedule preset", self.preset, PRESETS)
        one_of("solver", self.solver, SOLVERS)
        one_of("state mode", self.states, STATE_MODES)
        one_of("clipping", self.clipping, CLIPPINGS)
        one_of("spacing", self.spacing, SPACINGS)
        one_of("order", self.order, ORDERS)
        object.__setattr__(self, "detail_prompt", _detail_prompt(self.detail_prompt))
        if self.order == "coarse-first" and self.states == "top-down":
            raise ValueError(
                "The coarse scales cannot be drawn first with states top-down, where they follow from the finest prediction: "
                "choose states per-scale, or the order together."
            )

    @property
    def from_finest(self) -> bool:
        """Whether coarse pictures depend on the finest scale drawn: by states that follow from it, or noise brought down."""
        return self.states == "top-down" or self.noise in ("box", "bilinear")


def _detail_prompt(value: Any) -> str | tuple[tuple[int, str], ...]:
    """The prompt without surrounding space, or pairs of a size in pixels and a prompt, coarse to fine."""
    if isinstance(value, str):
        if len(value.strip()) > MAX_PROMPT:
            raise ValueError(f"The detail prompt has {len(value.strip()):,} characters, {MAX_PROMPT:,} are the most: shorten it.")
        return value.strip()
    pairs = several("detail prompt", tuple(value.items()) if isinstance(value, Mapping) else value)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[1], str) or not pair[1].strip():
            raise ValueError(f"detail prompt: expected a prompt, or pairs of a size in pixels and a prompt, got {shown(pair)}.")
        whole("size of a detail prompt", pair[0], 1, 2**14)
    found = {size: _detail_prompt(prompt) for size, prompt in pairs}
    if len(found) < len(pairs):
        raise ValueError(f"detail prompt: each size has one, got the sizes {shown([size for size, _ in pairs])}.")
    return tuple(sorted(found.items())) or ""


# ------------------------------------------------------------------ JSON


def to_json_dict(config: ModelConfig | SampleConfig) -> dict[str, Any]:
    """A config as dicts, lists, numbers and strings: what ``json`` writes and reads back unchanged."""
    return plain(config)


def sample_config_from_dict(data: Any) -> SampleConfig:
    """The settings that ``to_json_dict`` gave. Missing ones take their default; an unknown or bad one is a ValueError."""
    return from_dict(SampleConfig, data, "the settings of a run")


def model_config_from_dict(data: Any) -> ModelConfig:
    """The architecture that ``to_json_dict`` gave. Missing settings with a default take it; a bad one is a ValueError."""
    data = dict(mapping(data, "a model"))
    if "levels" in data:
        levels = several("levels", data["levels"])
        data["levels"] = tuple(from_dict(LevelConfig, level, "a level") for level in levels)
    if "trunk" in data:
        data["trunk"] = from_dict(TrunkConfig, data["trunk"], "the trunk")
    return from_dict(ModelConfig, data, "a model")
