"""From descriptions to pictures, in batches, at any size and on any device."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from layered.world.ground import ground
from layered.world.place import objects
from layered.world.scene import Scene, smooth
from layered.world.sky import sky
from layered.world.spec import WATER, VistaSpec
from layered.world.style import canvas, fitted, styled
from layered.world.terrain import terrain
from layered.world.water import water
from layered.world.weather import air, fallen, grade

CHUNK_PIXELS = 2**20  # pictures drawn at once on a CPU hold about this many pixels, on an accelerator 32 times as many


@torch.no_grad()
def render(specs: Sequence[VistaSpec], size: int, device: str | torch.device = "cpu") -> Tensor:
    """Pictures of the given descriptions: (B, 3, size, size), float32 in [-1, 1].

    Each picture depends on its own description alone. Raises ValueError if size is below 16 or there is nothing to draw.
    """
    if size < 16:
        raise ValueError(f"size is {size}; vistas need at least 16 pixels")
    if not specs:
        raise ValueError("no descriptions given: there is nothing to render")
    out = torch.empty(len(specs), 3, size, size, device=device)
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for number, spec in enumerate(specs):
        groups[spec.style, canvas(spec.style, size)].append(number)
    for (style, side), members in groups.items():
        chunk = max(1, (CHUNK_PIXELS if torch.device(device).type == "cpu" else 32 * CHUNK_PIXELS) // side**2)
        order = sorted(members, key=lambda i: _likeness(specs[i]))
        for start in range(0, len(order), chunk):
            some = order[start : start + chunk]
            drawn = fitted(_render([specs[i] for i in some], side, device), style, size)
            out[torch.tensor(some, device=device)] = drawn * 2.0 - 1.0
    return out


def _likeness(spec: VistaSpec) -> tuple:
    """Pictures next to each other in this order have most drawing steps in common, so that a chunk takes few."""
    return sorted(group.kind for group in spec.objects), spec.ground, spec.terrain


def _render(specs: list[VistaSpec], size: int, device: str | torch.device) -> Tensor:
    """Pictures of one style on their canvas, (B, 3, size, size) in [0, 1]."""
    scene = Scene(specs, size, device)
    highest, lowest = min(s.horizon for s in specs), max(s.horizon for s in specs)
    shore = min(size, math.ceil((lowest + 0.03) * size))  # rows above hold sky and terrain
    start = max(0, math.floor((highest - 0.045) * size))  # rows below hold ground and water
    image = torch.zeros(len(specs), 3, size, size, device=device)
    image[:, :, :shore] = sky(scene, shore)
    image[:, :, shore:] = image[:, :, shore - 1 : shore]
    image = terrain(scene, image, max(0, math.floor((highest - 0.42) * size)), shore)
    subject = _Subject(scene, image)
    image = subject.added(objects(scene, image, in_sky=True))
    wet = scene.where(lambda s: s.ground in WATER)
    dry = scene.where(lambda s: s.ground not in WATER)
    parts = []
    if wet:
        below, waves = water(scene.part(wet), image[wet], start)
        parts.append((wet, below, waves))
    if dry:
        parts.append((dry, ground(scene.part(dry), image[dry], start), None))
    for some, below, _ in parts:
        image[some] = below
    subject.begin(image)
    for some, _, waves in parts:
        image[some] = objects(scene.part(some), image[some], in_sky=False, waves=waves, first=start)
    image, fall = air(scene, subject.added(image))
    if subject.shown is not None:
        return styled(scene, grade(scene, image), subject.shown, fall)
    return grade(scene, image if fall is None else torch.lerp(image, fallen(scene).expand_as(image), fall))


class _Subject:
    """Where objects show, found by what they change; kept only for styles, which treat them with care. shown (B, 1, S, S)."""

    def __init__(self, scene: Scene, image: Tensor) -> None:
        wanted = any(s.style != "natural" for s in scene.specs)
        self.shown = torch.zeros_like(image[:, :1]) if wanted else None
        self.begin(image)

    def begin(self, image: Tensor) -> None:
        self.before = None if self.shown is None else image.clone()

    def added(self, image: Tensor) -> Tensor:
        if self.shown is not None and self.before is not None:
            change = (image - self.before).abs().amax(dim=1, keepdim=True)
            self.shown = torch.maximum(self.shown, smooth(change, 0.04, 0.20))
        return image
