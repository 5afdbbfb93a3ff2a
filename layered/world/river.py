"""A river through grass: the course it takes around what stands there, and the mirror of its water."""

from __future__ import annotations

import math
import random

import torch
import torch.nn.functional as F
from torch import Tensor

from layered.world.noise import noise2
from layered.world.scene import Scene, constant
from layered.world.spec import SKY_KINDS, VistaSpec, group_reach

_HALF, _SWAY = 0.17, 0.22  # half its width and the reach of its bends, on the ground


def _winding(v: float, phase: float) -> float:
    return _SWAY * math.sin(3.2 * math.log(v) + phase)


def draw_course(spec: VistaSpec) -> tuple[float, float, float]:
    """(where it starts at the lower border, where it vanishes, phase of its bends): a course clear of the objects on land."""
    rng = random.Random(spec.detail)
    standing = [o for o in spec.objects if o.kind not in SKY_KINDS]
    best, widest = (0.0, 0.0, 0.0), -math.inf
    for _ in range(24):
        near, far, phase = rng.uniform(-0.75, 0.75), rng.uniform(-0.30, 0.30), rng.uniform(0.0, 2 * math.pi)
        room = 0.05
        for item in standing:
            left, right, _, _ = group_reach(item.kind, item.count)
            for y in (item.y, item.y - 0.03, item.y + 0.03):
                scale = max((y - spec.horizon) / (1.05 - spec.horizon), 0.0) + 0.035
                middle = 0.5 + far + scale * (near + _winding(1.0 / scale, phase))
                gap = max(item.x + left * item.height - middle, middle - item.x - right * item.height)
                room = min(room, gap - _HALF * scale)
        if room > widest:
            best, widest = (near, far, phase), room
        if room >= 0.05:
            break
    return best


def course(scene: Scene, v: Tensor) -> Tensor:
    """The middle of the river across the ground at distances v (B, K, S), in the ground's coordinates."""
    drawn = {id(s): draw_course(s) for s in scene.specs}
    near, far, phase = (scene.number(lambda s, i=i: drawn[id(s)][i]) for i in range(3))
    return near + far * v + _SWAY * torch.sin(3.2 * torch.log(v) + phase)


def mirror(scene: Scene, image: Tensor, first: int) -> Tensor:
    """The water for rows from `first` down: what stands above the horizon, swayed by ripples, with some colour of its own."""
    y = scene.y[first:]
    near = ((y[None, :, None] - scene.horizon) / (1.0 - scene.horizon)).clamp(0.0, 1.0)
    waves = noise2(scene.seeds, 218, scene.x, y, 9.0, 70.0, scene.px) + 0.6 * noise2(
        scene.seeds, 219, scene.x, y, 22.0, 150.0, scene.px
    )
    source_y = (2.0 * scene.horizon - y[None, :, None] + (0.004 + 0.016 * near) * waves).clamp(min=0.0)
    source_y = torch.minimum(source_y, scene.horizon - 0.5 * scene.px)
    source_x = scene.x[None, None, :].expand_as(source_y) + 0.004 * waves
    grid = torch.stack([source_x * 2.0 - 1.0, source_y * 2.0 - 1.0], dim=-1)
    shown = F.grid_sample(image, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    deep = constant((0.10, 0.30, 0.36), image) * (scene.ambient + 0.8 * scene.key)
    return torch.lerp(shown * 0.95, deep, (0.10 + 0.12 * near)[:, None])
