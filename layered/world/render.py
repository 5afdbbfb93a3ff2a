"""From descriptions to pictures, in batches, at any size and on any device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from layered.world.ground import ground
from layered.world.place import objects
from layered.world.scene import Scene
from layered.world.sky import sky
from layered.world.spec import WATER, VistaSpec
from layered.world.terrain import terrain
from layered.world.water import water
from layered.world.weather import air, grade

CHUNK_PIXELS = 2**20  # pictures drawn at once on a CPU hold about this many pixels


@torch.no_grad()
def render(specs: Sequence[VistaSpec], size: int, device: str | torch.device = "cpu") -> Tensor:
    """Pictures of the given descriptions: (B, 3, size, size), float32 in [-1, 1].

    Each picture depends on its own description alone. Raises ValueError if size is below 16 or there is nothing to draw.
    """
    if size < 16:
        raise ValueError(f"size is {size}; vistas need at least 16 pixels")
    if not specs:
        raise ValueError("no descriptions given: there is nothing to render")
    chunk = max(1, (CHUNK_PIXELS if torch.device(device).type == "cpu" else 16 * CHUNK_PIXELS) // size**2)
    order = sorted(range(len(specs)), key=lambda i: (specs[i].ground, specs[i].terrain))
    out = torch.empty(len(specs), 3, size, size, device=device)
    for start in range(0, len(order), chunk):
        some = order[start : start + chunk]
        out[torch.tensor(some, device=device)] = _render([specs[i] for i in some], size, device)
    return out


def _render(specs: list[VistaSpec], size: int, device: str | torch.device) -> Tensor:
    scene = Scene(specs, size, device)
    highest, lowest = min(s.horizon for s in specs), max(s.horizon for s in specs)
    shore = min(size, math.ceil((lowest + 0.03) * size))  # rows above hold sky and terrain
    start = max(0, math.floor((highest - 0.045) * size))  # rows below hold ground and water
    image = torch.zeros(len(specs), 3, size, size, device=device)
    image[:, :, :shore] = sky(scene, shore)
    image[:, :, shore:] = image[:, :, shore - 1 : shore]
    image = terrain(scene, image, max(0, math.floor((highest - 0.42) * size)), shore)
    image = objects(scene, image, in_sky=True)
    wet = scene.where(lambda s: s.ground in WATER)
    dry = scene.where(lambda s: s.ground not in WATER)
    if wet:
        part = scene.part(wet)
        below, waves = water(part, image[wet], start)
        image[wet] = objects(part, below, in_sky=False, waves=waves, first=start)
    if dry:
        part = scene.part(dry)
        image[dry] = objects(part, ground(part, image[dry], start), in_sky=False)
    return grade(scene, air(scene, image))
