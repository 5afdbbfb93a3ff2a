"""Unpicked sheets: fixed prompts, seeds 0, 1, 2, …, every scale side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from layered.command_line import open_folder
from layered.config import SampleConfig
from layered.pipeline import LayeredPipeline
from layered.trajectory import to_uint8

SHEET_PROMPTS = (
    "a red hot air balloon over snowy mountains at sunset",
    "a white sailboat on the sea at night, full moon on the right",
    "a large yellow cabin on a snow field at dusk",
    "a blue lighthouse on the left, red canyon behind a lake at noon",
    "green hills and a lavender field at dawn, sun on the left",
    "a pink tree on a meadow, foggy",
    "a purple balloon over a lake with sand dunes, cloudy",
    "rocky mountains and the sea at sunset",
    "a large black castle in front of a pine forest, rain",
    "an orange tent on a snow field under the stars",
    "a small green windmill on the right of a wheat field",
    "a rainbow over green hills and a lake in the afternoon",
    "a white pagoda on the left of a lake at dawn",
    "a large red airship over the desert at noon",
    "a crimson balloon over the ocean at twilight",
    "a fortress by moonlight, snow capped peaks",
)


def draw_sheet(
    pipeline: LayeredPipeline,
    prompts: Sequence[str],
    config: SampleConfig,
    sizes: Sequence[int] | None,
    file: Path,
    cell: int = 256,
    columns: int = 1,
) -> None:
    """``columns`` prompts per row, each drawn from the seed of its number and shown at every size, ``cell`` pixels wide.

    ``sizes``: some of the run's scales, by default the three finest. Raises ValueError for any other size, for a sheet of nothing
    and for a file that cannot be written, before anything is drawn.
    """
    scales = pipeline.run_scales(config)
    sizes = sizes or scales[-3:]
    if unknown := [size for size in sizes if size not in scales]:
        raise ValueError(f"No picture of {unknown[0]} pixels is drawn: choose among the scales {', '.join(map(str, scales))}.")
    if min(len(prompts), cell, columns) < 1:
        raise ValueError("A sheet needs at least one prompt, one column and one pixel for a picture.")
    if Image.registered_extensions().get(file.suffix.lower()) not in Image.SAVE:
        raise ValueError(f"{file} has not the ending of a picture: name it {file.stem}.jpg or {file.stem}.png.")
    open_folder(file.parent)
    if pipeline.isolated and config.shifts is None and not config.from_finest:  # finer scales would change nothing
        config = dataclasses.replace(config, scales=pipeline.scales_up_to(max(sizes)))
    rows = -(-len(prompts) // columns)
    sheet = Image.new("RGB", (columns * len(sizes) * cell, rows * cell))
    for number, prompt in enumerate(tqdm(prompts, unit="prompt")):
        final = pipeline.generate(prompt, dataclasses.replace(config, seed=number)).final
        row, first = number // columns, number % columns * len(sizes)
        for column, size in enumerate(sizes):
            resample = Image.Resampling.NEAREST if size < cell else Image.Resampling.BOX
            picture = Image.fromarray(to_uint8(final[size])[0]).resize((cell, cell), resample)
            sheet.paste(picture, ((first + column) * cell, row * cell))
    sheet.save(file, quality=90)
