"""A sweep as data: what an axis may vary, how its values are written, and the cells of the grid. It draws nothing."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from layered.config import NOISE_MODES, PRESETS, SOLVERS, STATE_MODES, SampleConfig
from layered.studio.links import CUSTOM, WHOLE, flatten, shift_name, to_config

NONE = "none"  # the second axis where there is one only
PROMPT = "prompt"
ALL_SHIFTS = "shift_all"
TEXT_LIMIT = 40_000  # characters of typed values: as many prompts as a grid can have
COARSEST_USUAL = 128  # pixels: where a sweep stops unless told otherwise

NUMBER = r"[+-]?(?:\d{1,12}(?:\.\d{1,9})?|\.\d{1,9})"
RANGE = re.compile(rf"({NUMBER})\s*\.\.\s*({NUMBER})(?:\s*step\s*({NUMBER}))?", re.IGNORECASE)
HINT = "Write a list such as 1, 2, 4 or a range such as 1..9 step 2."


# ------------------------------------------------------------------ what an axis may vary


@dataclass(frozen=True)
class Setting:
    """One setting that an axis can vary."""

    name: str  # of the flat value, see ``links``; or ``PROMPT`` or ``ALL_SHIFTS``
    label: str
    kind: str  # "number", "whole", "name" or "text"
    usual: tuple[Any, ...]  # values to start from
    choices: tuple[str, ...] = ()  # of kind "name"


def sweepable(scales: Sequence[int], prompts: Sequence[str] = ()) -> dict[str, Setting]:
    """Every setting that an axis can vary, by name. ``prompts`` are the ones to start from."""
    all_of_them = [
        Setting("guidance", "Guidance", "number", (1, 2, 4, 8)),
        Setting("steps", "Steps", "whole", (5, 10, 25, 50)),
        Setting(PROMPT, "Prompt", "text", tuple(prompts)),
        Setting("seed", "Seed", "whole", (1, 2, 3, 4)),
        Setting(ALL_SHIFTS, "Shift of all scales, added", "number", (-2, 0, 2)),
        *(Setting(shift_name(size), f"Shift δ {size}", "number", (-4, -2, 0)) for size in scales),
        Setting("preset", "Shift preset", "name", PRESETS, PRESETS),
        Setting("noise", "Noise across scales", "name", NOISE_MODES, NOISE_MODES),
        Setting("solver", "Solver", "name", SOLVERS, SOLVERS),
        Setting("states", "States", "name", STATE_MODES, STATE_MODES),
        Setting("ddpm_noise", "DDPM noise", "number", (0, 0.2, 0.5, 1)),
        Setting("eta", "Eta (DDIM)", "number", (0, 0.5, 1)),
    ]
    return {setting.name: setting for setting in all_of_them}


def usual_size(scales: Sequence[int]) -> int:
    """The scale that a sweep draws unless told otherwise."""
    return max((size for size in scales if size <= COARSEST_USUAL), default=scales[0])


@dataclass(frozen=True)
class Axis:
    """A setting with its values, in order and each once."""

    setting: Setting
    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The values for people; shifts that are added keep their sign."""
        if self.setting.kind in ("name", "text"):
            return self.values
        sign = "+" if self.setting.name == ALL_SHIFTS else ""
        return tuple(
            str(v) if isinstance(v, int) else format(v, (sign if v else "") + ".6g").replace("-", "−") for v in self.values
        )


def read_axis(asked: Any, settings: Mapping[str, Setting], limit: int, which: str) -> Axis | None:
    """``{"setting": name, "values": list or text}`` → an axis; None for none. ``limit`` values at most.

    Raises ValueError with a sentence for whatever is wrong; ``which`` names the axis in it.
    """
    if asked is None or (isinstance(asked, Mapping) and asked.get("setting") == NONE):
        return None
    if not isinstance(asked, Mapping) or not isinstance(asked.get("setting"), str):
        raise ValueError(f'{which}: expected {{"setting": …, "values": …}}, got {_short(asked)}.')
    setting = settings.get(asked["setting"])
    if setting is None:
        raise ValueError(f"{which}: {_short(asked['setting'])} cannot be varied. Choose one of {', '.join(settings)}.")
    given = asked.get("values")
    if isinstance(given, str) and len(given) > TEXT_LIMIT:
        raise ValueError(f"{setting.label}: the list of values is too long.")
    if not isinstance(given, (str, list, tuple)):
        raise ValueError(f"{setting.label}: expected a list of values, got {_short(given)}.")
    if setting.kind == "text":
        values = _texts(given, setting.label)
    elif setting.kind == "name":
        values = _names(given, setting)
    else:
        numbers = parse_numbers(given, setting.label, limit) if isinstance(given, str) else [_json(v, setting) for v in given]
        values = [_whole(v, setting.label) for v in numbers] if setting.kind == "whole" else [float(v) for v in numbers]
    if not values:
        raise ValueError(f"{setting.label} has no values: {'choose at least one.' if setting.choices else 'write at least one.'}")
    if len(values) > limit:
        raise ValueError(f"{setting.label} has {len(values):,} values: at most {limit} pictures are drawn in one sweep.")
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"{setting.label}: {_short(value)} is listed twice.")
    return Axis(setting, tuple(values))


def parse_numbers(text: str, label: str, limit: int) -> list[Decimal]:
    """«1, 2, 4» and «1..9 step 2», mixed as one likes → exact numbers. A range counts down where it ends below its start."""
    numbers: list[Decimal] = []
    for part in re.split(r"[,;\n]", text.replace("−", "-").replace("…", "..")):
        if found := RANGE.fullmatch(part.strip()):
            numbers += _range(*found.groups(), label=label, limit=limit)
            continue
        for word in part.split():
            if not re.fullmatch(NUMBER, word):
                raise ValueError(f"{label}: «{_cut(part.strip())}» is not a number. {HINT}")
            numbers.append(Decimal(word))
    return numbers


def _range(first: str, last: str, step: str | None, label: str, limit: int) -> list[Decimal]:
    start, end, by = Decimal(first), Decimal(last), Decimal(step or "1")
    if by <= 0:
        raise ValueError(f"{label}: the step of a range is a number above 0, got {by}.")
    count = int(abs(end - start) / by) + 1
    if count > limit:
        raise ValueError(f"{label}: {first}..{last} has {count:,} values: at most {limit} pictures are drawn in one sweep.")
    return [start + (by if end >= start else -by) * index for index in range(count)]


def _json(value: Any, setting: Setting) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{setting.label}: {_short(value)} is not a number.")
    return Decimal(str(value))


def _whole(value: Decimal, label: str) -> int:
    if value != value.to_integral_value():
        raise ValueError(f"{label}: {value} is not a whole number.")
    return int(value)


def _texts(given: str | Sequence[Any], label: str) -> list[str]:
    lines = given.splitlines() if isinstance(given, str) else list(given)
    if not all(isinstance(line, str) for line in lines):
        raise ValueError(f"{label}: every value must be text.")
    return [line.strip() for line in lines if line.strip()]


def _names(given: str | Sequence[Any], setting: Setting) -> list[str]:
    names = [name for name in re.split(r"[,;\s]+", given) if name] if isinstance(given, str) else list(given)
    for name in names:
        if name not in setting.choices:
            raise ValueError(f"{setting.label}: {_short(name)} is none of {', '.join(setting.choices)}.")
    return names


def _short(value: Any) -> str:
    return f"«{_cut(value)}»" if isinstance(value, str) else _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + " …"


# ------------------------------------------------------------------ the grid


@dataclass(frozen=True)
class Cell:
    """One picture of a grid."""

    index: int  # in the order of drawing, row by row
    row: int
    column: int
    prompt: str
    config: SampleConfig  # of the whole run, up to the model's finest scale
    config_drawn: SampleConfig  # the same, cut to the scales that the sweep draws


@dataclass(frozen=True)
class Grid:
    """Every cell of a sweep, checked, before the first is drawn."""

    columns: Axis
    rows: Axis | None
    size: int  # pixels: the finest scale that is drawn
    prompt: str  # of the cells whose axes do not say another
    values: Mapping[str, Any]  # the settings that no axis varies, flat, and those that one does, as they were
    cells: tuple[Cell, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (len(self.rows.values) if self.rows else 1), len(self.columns.values)

    @property
    def steps(self) -> int:
        """Denoising steps of all cells together."""
        return sum(cell.config.steps for cell in self.cells)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Columns, and rows where there are any."""
        return (self.columns, self.rows) if self.rows else (self.columns,)


@dataclass(frozen=True)
class Limits:
    """What one sweep may ask for."""

    cells: int  # pictures
    steps: int  # denoising steps, all pictures together
    ranges: Mapping[str, tuple[float, float]]  # lowest and highest value of every numeric setting


def make_grid(
    columns: Axis, rows: Axis | None, size: Any, prompt: str, values: Mapping[str, Any], scales: Sequence[int], limits: Limits
) -> Grid:
    """The cells of two axes over a run's prompt and flat values. ValueError with a sentence for what does not fit."""
    axes = (columns, rows) if rows else (columns,)
    to_config(values, scales)  # what no axis varies must be right too
    if rows and rows.setting == columns.setting:
        raise ValueError(f"Both axes vary «{columns.setting.label}»: choose another, or none, for the rows.")
    if isinstance(size, bool) or size not in scales:
        raise ValueError(f"Draw at: expected one of {', '.join(map(str, scales))} pixels, got {_short(size)}.")
    height, width = len(rows.values) if rows else 1, len(columns.values)
    if height * width > limits.cells:
        raise ValueError(f"{width} × {height} are {height * width} pictures: at most {limits.cells} are drawn in one sweep.")
    drawn = tuple(scales[: list(scales).index(size) + 1])
    for axis in axes:
        _has_effect(axis.setting, drawn, scales)
        _in_range(axis, limits.ranges)
    cells = []
    for row in range(height):
        for column in range(width):
            varied = {columns.setting.name: columns.values[column]} | ({rows.setting.name: rows.values[row]} if rows else {})
            said, flat = _vary(prompt, values, varied, scales, limits.ranges)
            config = to_config(flat, scales)
            cells.append(Cell(len(cells), row, column, said, config, cut(config, drawn, scales)))
    for axis in axes:
        _solver_listens(axis.setting, cells)
    grid = Grid(columns, rows, size, prompt, dict(values), tuple(cells))
    if grid.steps > limits.steps:
        raise ValueError(
            f"{len(cells)} pictures take {grid.steps:,} steps together: at most {limits.steps:,} are made in one sweep. "
            "Draw fewer pictures, or fewer steps each."
        )
    return grid


def cut(config: SampleConfig, drawn: Sequence[int], scales: Sequence[int]) -> SampleConfig:
    """A run that stops at the last scale of ``drawn``, the coarsest few of ``scales``, with the shifts of those."""
    if len(drawn) == len(scales):
        return config
    shifts = None if config.shifts is None else config.shifts[: len(drawn)]
    return dataclasses.replace(config, scales=tuple(drawn), shifts=shifts)


def _vary(
    prompt: str,
    values: Mapping[str, Any],
    varied: Mapping[str, Any],
    scales: Sequence[int],
    ranges: Mapping[str, tuple[float, float]],
) -> tuple[str, dict[str, Any]]:
    """Prompt and flat values of one cell: a preset sets the shifts, then single shifts, then what is added to all."""
    flat = dict(values)
    if preset := varied.get("preset"):
        fresh = flatten(SampleConfig(preset=preset), scales)
        flat |= {name: fresh[name] for name in ("preset", *map(shift_name, scales))}
    own = {name: value for name, value in varied.items() if name not in (PROMPT, ALL_SHIFTS, "preset")}
    flat |= own
    if any(name.startswith("shift_") for name in own):
        flat["preset"] = CUSTOM
    if added := varied.get(ALL_SHIFTS):
        flat["preset"] = CUSTOM
        for size in scales:
            name = shift_name(size)
            flat[name] = round(flat[name] + added, 2)
            low, high = ranges[name]
            if not low <= flat[name] <= high:
                raise ValueError(f"Adding {added:g} makes δ {size} {flat[name]:g}: a shift is from {low:g} to {high:g}.")
    return varied.get(PROMPT, prompt), flat


# ------------------------------------------------------------------ what would be in vain


def _has_effect(setting: Setting, drawn: Sequence[int], scales: Sequence[int]) -> None:
    unseen = {shift_name(size): size for size in scales[len(drawn) :]}
    if size := unseen.get(setting.name):
        raise ValueError(f"A sweep that stops at {drawn[-1]} px does not draw {size} px: its shift would change nothing.")
    if setting.name in ("noise", "states") and len(drawn) == 1:
        raise ValueError(f"At {drawn[-1]} px there is one scale only: {setting.label.lower()} would change nothing.")


def _in_range(axis: Axis, ranges: Mapping[str, tuple[float, float]]) -> None:
    name = axis.setting.name
    shift = name.startswith("shift_")
    for value in axis.values if axis.setting.kind in ("number", "whole") else ():
        if shift and round(value, 2) != value:
            raise ValueError(
                f"{axis.setting.label}: {_short(value)} is finer than a hundredth, which is as fine as shifts are set."
            )
        if name in ranges and not ranges[name][0] <= value <= ranges[name][1]:
            low, high = (str(v) if name in WHOLE else f"{v:g}" for v in ranges[name])
            raise ValueError(f"{axis.setting.label}: {_short(value)} is outside {low} to {high}.")


def _solver_listens(setting: Setting, cells: Sequence[Cell]) -> None:
    needed = {"eta": ("ddim", "DDIM"), "ddpm_noise": ("ddpm", "DDPM")}.get(setting.name)
    if needed and all(cell.config.solver != needed[0] for cell in cells):
        raise ValueError(
            f"{setting.label} changes {needed[1]} only: choose that solver in Explore, or make the solver the other axis."
        )
