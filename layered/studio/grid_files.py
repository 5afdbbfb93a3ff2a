"""A sweep as files: one labelled picture, and a table of what every cell measures."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from layered.plots import scale_colour
from layered.studio.axes import PROMPT
from layered.studio.encode import image
from layered.studio.grid import Grid

PAPER, INK, DIM, WELL = "#ffffff", "#1b1f29", "#596173", "#e9ecf1"
LEAST_CELL = 96  # pixels: smaller pictures are enlarged to it by whole factors
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a text that begins so
TABLE_MEASURES = ("logsnr", "change", "agreement", "detail", "difference")
TABLE_NAMES = ("logsnr", "change", "agreement_db", "detail", "difference_to_first")


# ------------------------------------------------------------------ the picture


@lru_cache(maxsize=8)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib carries it: nothing of the system's is needed."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def picture(grid: Grid, pictures: Sequence[Tensor], model: str) -> Image.Image:
    """Every cell so far, (1, 3, S, S) in [−1, 1], under its labels; cells that were not drawn are grey.

    Pictures keep their pixels: small ones are enlarged by a whole factor.
    """
    height, width = grid.shape
    cell = grid.size * -(-LEAST_CELL // grid.size)
    text = max(13, cell // 14)
    gap, margin, line = max(4, cell // 32), text * 2, round(text * 1.4)
    beside = [_wrapped(label, cell, text) for label in grid.rows.labels] if grid.rows else []
    above = [_wrapped(label, cell, text) for label in grid.columns.labels]
    corner = _wrapped(grid.rows.setting.label, cell, text) if grid.rows else []
    left = margin + (max(_width(lines, text) for lines in [*beside, corner]) + 2 * gap if grid.rows else 0)
    full = left + width * (cell + gap) - gap + margin
    notes = _wrapped(_notes(grid, model), full - 2 * margin, text)
    head = margin + (len(notes) + 1) * line + max(len(corner), 1 + max(map(len, above))) * line + gap
    sheet = Image.new("RGB", (full, head + height * (cell + gap) - gap + margin), PAPER)
    draw = ImageDraw.Draw(sheet)

    for index, words in enumerate(notes):
        draw.text((margin, margin + index * line), words, fill=DIM, font=_font(text))
    name = head - gap - (1 + max(map(len, above))) * line
    _lines(draw, (left, name), [grid.columns.setting.label], text, bold=True)
    _lines(draw, (margin, head - gap - len(corner) * line), corner, text, bold=True)
    for column, words in enumerate(above):
        start = head - gap - len(words) * line
        _lines(draw, (left + column * (cell + gap), start), words, text)
    for row, words in enumerate(beside):
        _lines(draw, (margin, head + row * (cell + gap) + (cell - len(words) * line) // 2), words, text)
    for place in grid.cells:
        at = (left + place.column * (cell + gap), head + place.row * (cell + gap))
        if place.index < len(pictures):
            sheet.paste(image(pictures[place.index]).resize((cell, cell), Image.Resampling.NEAREST), at)
        else:
            draw.rectangle((*at, at[0] + cell - 1, at[1] + cell - 1), fill=WELL)
    draw.rectangle((0, 0, full, max(3, text // 4)), fill=scale_colour(grid.size))
    return sheet


def _notes(grid: Grid, model: str) -> str:
    """What all cells share, in a sentence above them."""
    first, varied = grid.cells[0].config, {axis.setting.name for axis in grid.axes}
    said = [] if PROMPT in varied else [f"«{grid.prompt}»"]
    said += [f"details «{first.detail_prompt}»"] if first.detail_prompt and "detail_prompt" not in varied else []
    said.append(f"{model}, {grid.size} px")
    shared = {"seed": first.seed, "steps": first.steps, "guidance": first.guidance, "solver": first.solver}
    said += [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in shared.items()
        if name not in varied
    ]
    return " · ".join(said)


def _wrapped(label: str, width: int, text: int) -> list[str]:
    """A label in lines of about ``width`` pixels, six at most."""
    return textwrap.wrap(label, max(6, int(width / (text * 0.62))), max_lines=6, placeholder=" …") or [""]


def _width(lines: Sequence[str], text: int) -> int:
    return max(round(_font(text, bold=True).getlength(words)) for words in lines)


def _lines(draw: ImageDraw.ImageDraw, at: tuple[int, int], lines: Sequence[str], text: int, bold: bool = False) -> None:
    for index, words in enumerate(lines):
        draw.text((at[0], at[1] + index * round(text * 1.4)), words, fill=INK, font=_font(text, bold))


# ------------------------------------------------------------------ the table


def table(grid: Grid, found: Sequence[tuple[Mapping[str, Mapping[int, float]], float]]) -> str:
    """CSV with a line per finished cell and scale: both axes' values, prompt, seed, steps, what the last step measures, seconds.

    Units as in ``step_measures``; ``difference_to_first`` is the root mean square of the finest picture minus the first cell's.
    """
    varied = [axis.setting.name for axis in grid.axes]
    fixed = [name for name in (PROMPT, "seed", "steps") if name not in varied]
    written = io.StringIO()
    out = csv.writer(written, lineterminator="\n")
    out.writerow(["cell", "row", "column", *varied, *fixed, "scale", *TABLE_NAMES, "seconds"])
    for cell, (measures, seconds) in zip(grid.cells, found, strict=False):
        places = (cell.column, cell.row)
        values = [axis.values[place] for axis, place in zip(grid.axes, places, strict=False)]
        told = {PROMPT: cell.prompt, "seed": cell.config.seed, "steps": cell.config.steps}
        shared = [cell.index + 1, cell.row + 1, cell.column + 1, *map(_safe, [*values, *(told[name] for name in fixed)])]
        for size in sorted(measures["logsnr"]):
            numbers = [measures[name].get(size) for name in TABLE_MEASURES]
            out.writerow([*shared, size, *("" if v is None else f"{v:.6g}" for v in numbers), f"{seconds:.3f}"])
    return written.getvalue()


def _safe(value: Any) -> Any:
    return "'" + value if isinstance(value, str) and value.startswith(FORMULA) else value
