"""Strategic cropping (paper, section 3.1): nested windows, half the field of view at every doubling beyond the crop."""

from __future__ import annotations

import torch

from layered.config import ModelConfig
from layered.unet import Window


def nested_windows(config: ModelConfig, top: int, crop: int | None, batch: int, generator: torch.Generator) -> dict[int, Window]:
    """A window per scale finer than ``crop`` pixels, each inside the one below; none for the others.

    Step 1 to 4 of section 3.1: the coarsest cropped scale gets a random square, the next one a random square inside it, and
    so on. Corners lie on the grid cells of the level and of the level below, so that features can be cut at the same place.
    """
    if crop is None:
        return {}
    windows: dict[int, Window] = {}
    outer: Window | None = None
    for below, level in zip(config.levels, config.levels[1:], strict=False):
        if level.size > top or level.size <= crop:
            continue
        cell = max(level.patch, 2 * below.patch)
        if crop % cell:
            raise ValueError(f"A crop of {crop} pixels does not fit the cells of {cell} pixels of level {level.size}.")
        corners = []
        for axis in range(2):
            room = (2 * outer.side if outer else level.size) - crop
            steps = torch.randint(0, room // cell + 1, (batch,), generator=generator) * cell
            origin = [2 * v for v in (outer.top, outer.left)[axis]] if outer else [0] * batch
            corners.append(tuple(o + int(s) for o, s in zip(origin, steps, strict=True)))
        outer = windows[level.size] = Window(corners[0], corners[1], crop)
    return windows
