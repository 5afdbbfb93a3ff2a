"""What the sweep's events call: check a grid, say what it would take, draw it cell by cell, write its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from torch import Tensor

from layered.config import SampleConfig
from layered.sampler import Step
from layered.studio import grid_files
from layered.studio.axes import PROMPT, read_axis, sweepable
from layered.studio.encode import image, jpeg_url, numbers, predictions
from layered.studio.exports import new_file, save_png
from layered.studio.grid import Cell, Grid, Limits, make_grid, sweep_sizes
from layered.studio.handlers import Handlers, Measures, check_prompt, refused
from layered.studio.links import CUSTOM, NEVER_SLEEP, shift_name, to_config, to_query
from layered.studio.settings import StudioSettings
from layered.studio.store import Kept, Store

LIVE_SIZE = 128  # pixels: the finest scale of the picture that is forming
LIVE_QUALITY = 80  # JPEG
CELLS_AT_ONCE = 16  # cells that the page may fetch in one request
GONE = "This sweep is no longer kept here: draw it again, then download."
NOTHING = "There is nothing to download yet: draw a sweep first."


@dataclass(frozen=True)
class Result:
    """A finished cell."""

    picture: Tensor  # (1, 3, S, S) in [−1, 1], half precision, at the finest scale drawn
    measures: dict[str, dict[int, float]]  # of the last step, with ``difference`` to the first cell at the finest scale
    seconds: float  # that the cell took
    shown: dict[str, Any]  # the same for the page


@dataclass
class Sweep(Kept):
    """A sweep of one visitor: what was asked, and the cells that are finished, in order."""

    grid: Grid
    settings: dict[str, Any]  # for people: of the first cell, with both axes
    results: list[Result] = field(default_factory=list)


Made = tuple[Result | None, str | None, float]  # of a step: the finished cell, else the forming picture; seconds of the cell


class Sweeper:
    """The sweep's answers, over the page's handlers. One sweep per tab is kept."""

    def __init__(self, handlers: Handlers, settings: StudioSettings, ranges: Mapping[str, tuple[float, float]]) -> None:
        self.handlers, self.scales = handlers, handlers.scales
        sizes = sweep_sizes(handlers.scales, handlers.isolated)
        self.limits = Limits(settings.sweep_cells, settings.sweep_steps, ranges, sizes)
        self.settings = sweepable(handlers.scales, usual=handlers.usual, adds=handlers.adds)
        self.example = settings.examples[0][1] if settings.examples else ""
        self.store: Store[Sweep] = handlers.sweeps

    # ------------------------------------------------------------ before it starts

    def grid(self, prompt: Any, values: Mapping[str, Any], asked: Mapping[str, Any]) -> Grid:
        """The grid of ``{"columns": axis, "rows": axis or None, "size": pixels}``. ValueError with a sentence for what is wrong.

        An empty prompt is replaced by the first example's, which the page says.
        """
        columns = read_axis(asked.get("columns"), self.settings, self.limits.cells, "Columns")
        rows = read_axis(asked.get("rows"), self.settings, self.limits.cells, "Rows")
        if columns is None:
            raise ValueError("The columns vary nothing: choose a setting for them.")
        if PROMPT not in (columns.setting.name, rows.setting.name if rows else None):
            prompt = check_prompt(self.prompt(prompt))
        grid = make_grid(columns, rows, asked.get("size"), str(prompt), values, self.scales, self.limits)
        for cell in grid.cells:
            check_prompt(cell.prompt)
        return grid

    def prompt(self, prompt: Any) -> Any:
        """The prompt, or the first example where there is none."""
        return self.example if isinstance(prompt, str) and not prompt.strip() else prompt

    def plan(self, prompt: Any, values: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a sweep would draw and take, for the page: it never fails, and says what is wrong instead."""
        try:
            grid = self.grid(prompt, values, asked)
        except ValueError as error:
            return {"ok": False, "say": str(error)[:300], "time": "", "base": [], "sheet": None}
        return {
            "ok": True,
            "say": self.size_of(grid),
            "time": self.time_of(grid),
            "base": base_lines(grid, self.scales, self.prompt(prompt) != prompt, self.handlers.isolated, self.handlers.adds),
            "sheet": sheet(grid, self.scales, self.handlers.usual),
        }

    def size_of(self, grid: Grid) -> str:
        """«4 × 3 = 12 pictures at 128 px, 300 steps»."""
        (height, width), count = grid.shape, len(grid.cells)
        many = f"{width} × {height} = {count} pictures" if height > 1 else f"{count} picture{'s' * (count > 1)}"
        return f"{many} at {grid.size} px, {grid.steps:,} steps"

    def time_of(self, grid: Grid) -> str:
        """How long it will take, as far as this process can know."""
        known = self.handlers.pace.per_step(grid.size)
        if known is None:
            return f"No run up to {grid.size} px has been timed here yet: the first picture will tell how long it takes."
        per_step, at = known
        words = duration(per_step * grid.steps)
        if at == grid.size:
            return f"About {words}, by the runs so far ({per_step:.2g} s a step at {at} px)."
        return f"Less than {words}: runs up to {at} px took {per_step:.2g} s a step."

    # ------------------------------------------------------------ drawing

    def run(self, grid: Grid, session: str | None) -> Iterator[tuple[Sweep, Result | None, dict[str, Any]]]:
        """Every step: the sweep, the cell that it finished or None, and what the page is told of it.

        Closing it stops the work; what was finished is kept for downloads, unless ``session`` is None. A sweep replaces the one
        before of the same tab.
        """
        with refused():
            settings = self.describe(grid)
        sweep = Sweep(self.store.name(), session or "", grid, settings)
        if session is not None:
            self.store.drop_session(session)
            self.store.put(sweep)
        shared = {"sweep": sweep.id, "sheet": sheet(grid, self.scales, self.handlers.usual)}
        before, first = 0.0, None
        for cell in grid.cells:
            seconds = 0.0
            for result, live, seconds in self.handlers.steps(cell.prompt, cell.config_drawn, maker(cell, first)):
                if result is not None:
                    first = result.picture if first is None else first
                    size = result.picture.numel() * result.picture.element_size() + len(result.shown["picture"])
                    self.store.grow(sweep, size, lambda result=result: sweep.results.append(result))
                yield sweep, result, shared | self._told(cell, grid, result, live, before + seconds)
            before += seconds

    def describe(self, grid: Grid) -> dict[str, Any]:
        """Settings of the first cell for people, with the axes: what a file of the sweep carries."""
        first = grid.cells[0]
        axes = {"columns": grid.columns, "rows": grid.rows}
        said = {name: {"setting": a.setting.name, "values": list(a.values)} if a else None for name, a in axes.items()}
        return self.handlers.describe(first.prompt, first.config) | {"sweep": said | {"size": grid.size}}

    @staticmethod
    def _told(cell: Cell, grid: Grid, result: Result | None, live: str | None, elapsed: float) -> dict[str, Any]:
        """The same keys at every step, so that unchanged ones cost nothing on the wire."""
        done = cell.index + (result is not None)
        return {
            "state": "done" if done == len(grid.cells) else "running",
            "made": done,
            "cell": result.shown if result else None,
            "live": {"index": cell.index, "picture": live} if live else None,
            "seconds": round(elapsed, 2),
        }

    def cells(self, asked: Any) -> list[dict[str, Any]]:
        """Finished cells of a kept sweep for the page's script, which may have missed some: ``{"sweep": id, "cells": [...]}``.

        The script may be anyone's: nothing that it asks is trusted.
        """
        if not isinstance(asked, dict) or not isinstance(asked.get("cells"), list):
            return []
        sweep = self.store.get(asked.get("sweep"))
        kept = list(sweep.results) if sweep else []
        wanted = {i for i in asked["cells"][:CELLS_AT_ONCE] if isinstance(i, int) and not isinstance(i, bool)}
        return [kept[i].shown for i in sorted(wanted) if 0 <= i < len(kept)]

    # ------------------------------------------------------------ to take home

    def picture(self, name: Any, folder: str) -> str:
        """Path of the labelled picture of a sweep, with its settings inside."""

        def write(sweep: Sweep) -> Path:
            drawn = grid_files.picture(sweep.grid, [result.picture for result in sweep.results], self.handlers.model)
            return save_png(drawn, sweep.settings, new_file(folder, f"sweep-{sweep.grid.size}px.png"))

        return self._file(name, "picture", write)

    def table(self, name: Any, folder: str) -> str:
        """Path of the measures of a sweep as CSV, a line per cell and scale."""

        def write(sweep: Sweep) -> Path:
            path = new_file(folder, f"sweep-{sweep.grid.size}px.csv")
            found = [(result.measures, result.seconds) for result in sweep.results]
            path.write_text(grid_files.table(sweep.grid, found), encoding="utf-8")
            return path

        return self._file(name, "table", write)

    def _file(self, name: Any, kind: str, write: Callable[[Sweep], Path]) -> str:
        sweep = self.store.get(name)
        if sweep is None or not sweep.results:
            raise gr.Error(GONE if name else NOTHING, title="Nothing to download", print_exception=False)
        key = f"{kind}{len(sweep.results)}"
        if key not in sweep.files or not Path(sweep.files[key]).exists():
            sweep.files[key] = str(self.handlers.worker.call(write, sweep))
        return sweep.files[key]


# ------------------------------------------------------------------ for the page


def maker(cell: Cell, first: Tensor | None) -> Callable[[Step, Measures, float], Made]:
    """What to make of a cell's steps, in the worker: the result of the last, a small picture of the others.

    ``first`` is the picture of the first cell, (1, 3, S, S), None while that is drawn.
    """

    def make(step: Step, measures: Measures, elapsed: float) -> Made:
        if not step.ends:
            size = max(size for size in step.x0 if size <= max(LIVE_SIZE, min(step.x0)))
            return None, jpeg_url(image(step.x0[size]), LIVE_QUALITY), elapsed
        finest = max(step.x0)
        picture = step.x0[finest].detach().to("cpu").half()
        apart = 0.0 if first is None else float((picture.float() - first.float()).square().mean().sqrt())
        full = measures | {"difference": {finest: apart}}
        shown = {
            "index": cell.index,
            "picture": predictions({finest: picture})[str(finest)],
            "measures": {name: numbers(by_size) for name, by_size in full.items()},
            "seconds": round(elapsed, 3),
        }
        return Result(picture, full, elapsed, shown), None, elapsed

    return make


def sheet(grid: Grid, scales: tuple[int, ...], usual: SampleConfig | None = None) -> dict[str, Any]:
    """The empty grid for the page: its labels, and per cell its steps, seed and the query that opens it in Explore."""
    rows = grid.rows
    return {
        "size": grid.size,
        "columns": {"label": grid.columns.setting.label, "values": list(grid.columns.labels)},
        "rows": {"label": rows.setting.label, "values": list(rows.labels)} if rows else None,
        "steps": [cell.config.steps for cell in grid.cells],
        "seeds": [cell.config.seed for cell in grid.cells],
        "queries": [to_query(cell.prompt, cell.config, scales, usual) for cell in grid.cells],
    }


def base_lines(grid: Grid, scales: tuple[int, ...], example: bool, isolated: bool = True, adds: bool = True) -> list[list[str]]:
    """What no axis varies, as names and values for people, without what the model does not know.

    ``example``: whether the prompt is one because Explore has none; ``isolated``: whether levels can run without the finer ones;
    ``adds``: whether the finer scales add to the coarser.
    """
    values, config = grid.values, to_config(grid.values, scales)
    varied = {axis.setting.name for axis in grid.axes}
    lines: list[list[str]] = []
    if PROMPT not in varied:
        lines.append([PROMPT, "Prompt (an example: Explore has none yet)" if example else "Prompt", grid.prompt])
    shifts = " ".join(f"{size}: {values[shift_name(size)]:+.2f}".replace("-", "−") for size in scales if size <= grid.size)
    preset = "own" if values["preset"] == CUSTOM else config.preset
    sleep = "never" if values["sleep_below"] <= NEVER_SLEEP else f"λ < {values['sleep_below']:g}".replace("-", "−")
    low, high = config.guidance_interval
    guided = (f"up to {config.guided_up_to} px, " if isolated else "") + f"t {low:g} to {high:g}"
    lines += [
        *([["detail_prompt", "Detail prompt", config.detail_prompt]] if config.detail_prompt else []),
        ["seed", "Seed", str(config.seed)],
        ["steps", "Steps", str(config.steps)],
        ["guidance", "Guidance", f"{values['guidance']:g}"],
        ["guidance_parallel", "Guidance on contrast", f"{config.guidance_parallel:g}"],
        ["guided", "Guided", guided],
        *([["detail", "Detail", f"{config.detail:g}"]] if adds and len(scales) > 1 else []),
        *([["noise", "Noise", config.noise]] if len(scales) > 1 else []),
        ["preset", "Shifts", f"{preset} ({shifts})"],
        ["solver", "Solver", config.solver],
        *([["eta", "Eta", f"{config.eta:g}"]] if config.solver == "ddim" or "solver" in varied else []),
        *([["ddpm_noise", "DDPM noise", f"{config.ddpm_noise:g}"]] if config.solver == "ddpm" or "solver" in varied else []),
        *([["states", "States", config.states]] if len(scales) > 1 else []),
        ["clipping", "Clipping", config.clipping],
        ["spacing", "Spacing", config.spacing],
        *([["sleep", "Sleep", sleep]] if isolated else []),
    ]
    if any(cell.config.from_finest for cell in grid.cells) and grid.size < scales[-1]:
        say = f"box and bilinear noise and top-down states start from the finest scale drawn, here {grid.size} px"
        lines.append(["note", "Note", say])
    return [line[1:] for line in lines if line[0] not in varied]


def duration(seconds: float) -> str:
    """«9 s», «2 min 30 s», «1 h 5 min»."""
    whole = max(1, round(seconds))
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 and whole < 600 else "")
    return f"{whole // 3600} h {whole % 3600 // 60} min"
