"""A sweep as data: the cells of a grid over one or two settings of a run, checked before the first is drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layered.config import SampleConfig
from layered.schedule import Schedule
from layered.studio.axes import ALL_SHIFTS, PROMPT, Axis, Setting, short
from layered.studio.links import CUSTOM, WHOLE, flatten, shift_name, to_config

COARSEST_USUAL = 128  # pixels: where a sweep stops unless told otherwise


def sweep_sizes(scales: Sequence[int], isolated: bool) -> tuple[int, ...]:
    """Where a sweep may stop: anywhere, but at the finest scale alone of a network that computes all in one pass."""
    return tuple(scales) if isolated else tuple(scales[-1:])


def usual_size(sizes: Sequence[int]) -> int:
    """The one of ``sweep_sizes`` that a sweep draws unless told otherwise."""
    return max((size for size in sizes if size <= COARSEST_USUAL), default=sizes[0])


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
    sizes: Sequence[int]  # see ``sweep_sizes``


def make_grid(
    columns: Axis, rows: Axis | None, size: Any, prompt: str, values: Mapping[str, Any], scales: Sequence[int], limits: Limits
) -> Grid:
    """The cells of two axes over a run's prompt and flat values. ValueError with a sentence for what does not fit."""
    axes = (columns, rows) if rows else (columns,)
    to_config(values, scales)  # what no axis varies must be right too
    if rows and rows.setting == columns.setting:
        raise ValueError(f"Both axes vary «{columns.setting.label}»: choose another, or none, for the rows.")
    if isinstance(size, bool) or size not in limits.sizes:
        only = f"one of {', '.join(map(str, limits.sizes))} pixels"
        if len(limits.sizes) == 1:
            only = f"{limits.sizes[0]} pixels, as this model draws all its scales in one pass"
        raise ValueError(f"Draw at: expected {only}, got {short(size)}.")
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
    added = varied.get(ALL_SHIFTS)
    if added or any(name.startswith("shift_") for name in own):
        if flat["preset"] != CUSTOM and Schedule.preset(flat["preset"], scales).end_shifts:
            raise ValueError(f"Preset {flat['preset']} moves its shifts over t: choose another preset to vary single ones.")
        flat["preset"] = CUSTOM
    if added:
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
    if setting.name in ("noise", "states", "detail_prompt") and len(drawn) == 1:
        raise ValueError(f"At {drawn[-1]} px there is one scale only: {setting.label.lower()} would change nothing.")


def _in_range(axis: Axis, ranges: Mapping[str, tuple[float, float]]) -> None:
    name = axis.setting.name
    shift = name.startswith("shift_")
    for value in axis.values if axis.setting.kind in ("number", "whole") else ():
        if shift and round(value, 2) != value:
            raise ValueError(
                f"{axis.setting.label}: {short(value)} is finer than a hundredth, which is as fine as shifts are set."
            )
        if name in ranges and not ranges[name][0] <= value <= ranges[name][1]:
            low, high = (str(v) if name in WHOLE else f"{v:g}" for v in ranges[name])
            raise ValueError(f"{axis.setting.label}: {short(value)} is outside {low} to {high}.")


def _solver_listens(setting: Setting, cells: Sequence[Cell]) -> None:
    needed = {"eta": ("ddim", "DDIM"), "ddpm_noise": ("ddpm", "DDPM")}.get(setting.name)
    if needed and all(cell.config.solver != needed[0] for cell in cells):
        raise ValueError(
            f"{setting.label} changes {needed[1]} only: choose that solver in Explore, or make the solver the other axis."
        )
