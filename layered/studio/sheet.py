"""The scales side by side as one picture with words: the contact sheet, and every frame of a film."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from layered.plots import plain_line, scale_colour
from layered.studio.encode import image

PANEL, GAP, MARGIN = 512, 16, 24  # pixels
GROUND, TEXT, DIM, ACCENT = "#14171d", "#e8eaf0", "#98a1b3", "#8ea2ff"
BIG, SMALL = 22, 15  # font sizes in pixels
LEADING = 1.4  # height of a line of text, in font sizes
BAR = 4  # height of the line that shows how far a film is


def side_by_side(
    x0: Mapping[int, Tensor], prompt: str, line: str, most_lines: int = 99, progress: float | None = None
) -> Image.Image:
    """Predictions (1, 3, S, S) in [−1, 1] at equal size, coarse to fine, on one dark picture with even sides.

    ``prompt`` stands above them in up to ``most_lines`` lines, ``line`` in small type below it, each scale's name under it.
    Enlarged pixels stay square; a scale finer than ``PANEL`` is averaged down. ``progress``: 0 to 1 as a line at the bottom.
    """
    width = 2 * MARGIN + len(x0) * PANEL + (len(x0) - 1) * GAP
    words = [(text, BIG, True, TEXT) for text in wrap(prompt, BIG, True, width - 2 * MARGIN, most_lines)]
    words += [(text, SMALL, False, DIM) for text in wrap(line, SMALL, False, width - 2 * MARGIN, most_lines)]
    top = MARGIN + sum(round(size * LEADING) for _, size, _, _ in words) + 12
    height = top + PANEL + round(SMALL * LEADING) + MARGIN + 8
    sheet = Image.new("RGB", (width + width % 2, height + height % 2), GROUND)
    draw = ImageDraw.Draw(sheet)
    y = MARGIN - 6
    for text, size, bold, colour in words:
        draw.text((MARGIN, y), text, fill=colour, font=_font(size, bold))
        y += round(size * LEADING)
    for index, size in enumerate(sorted(x0)):
        x = MARGIN + index * (PANEL + GAP)
        sheet.paste(_at(image(x0[size])), (x, top))
        draw.text((x, top + PANEL + 10), f"{size} px", fill=scale_colour(size), font=_font(SMALL, True))
    if progress is not None:
        draw.rectangle((0, sheet.height - BAR, round(progress * sheet.width) - 1, sheet.height - 1), fill=ACCENT)
    return sheet


def wrap(text: str, size: int, bold: bool, width: int, most: int) -> list[str]:
    """Text in lines of at most ``width`` pixels and at most ``most`` lines; an ellipsis stands for what is left out."""
    font = _font(size, bold)
    lines: list[str] = []
    for word in plain_line(text).split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += " " + word
        elif len(lines) == most:
            return [*lines[:-1], _cut(lines[-1], font, width)]
        else:
            lines.append(word if font.getlength(word) <= width else _cut(word, font, width))
    return lines


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The longest start of a text that fits with an ellipsis after it."""
    while text and font.getlength(text + " …") > width:
        text = text[:-1]
    return text.rstrip() + " …"


def _at(picture: Image.Image) -> Image.Image:
    """A square picture at ``PANEL`` pixels."""
    filtering = Image.Resampling.NEAREST if picture.width <= PANEL else Image.Resampling.BOX
    return picture.resize((PANEL, PANEL), filtering)


@functools.cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: Latin, Greek, Cyrillic, Arabic and more, the same everywhere."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
