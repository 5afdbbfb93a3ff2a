"""A city on the horizon: rows of towers behind each other, with windows that are lit in the dark."""

from __future__ import annotations

import torch
from torch import Tensor

from layered.world.noise import cells
from layered.world.scene import Scene, constant, smooth_number

# Rows of towers from far to near: towers across the picture, height of the tallest, distance (1 far), salt.
_ROWS = ((17.0, 0.27, 0.85, 150), (13.0, 0.21, 0.50, 160), (10.0, 0.145, 0.20, 170), (19.0, 0.055, 0.05, 180))
_TONES = ((0.46, 0.50, 0.58), (0.62, 0.56, 0.50), (0.36, 0.42, 0.52), (0.56, 0.40, 0.34))


def city(scene: Scene, image: Tensor, y: Tensor) -> Tensor:
    """Draws the towers over the pixel rows y (R,) of pictures (B, 3, R, S)."""
    for across, tallest, far, salt in _ROWS:
        image = _row(scene, image, y[None, :, None], across, tallest * scene.relief, far, salt)
    return image


def _row(scene: Scene, image: Tensor, y: Tensor, across: float, tallest: Tensor, far: float, salt: int) -> Tensor:
    u = scene.x[None, None, :] * across + 0.37 * salt
    cell = u.floor()
    index = cell.long().expand(len(scene.specs), -1, -1)  # (B, 1, S)
    row = torch.zeros_like(index)
    draw = [cells(scene.seeds, salt + i, row, index) for i in range(5)]
    centre = (cell + 0.5 - 0.37 * salt) / across
    height = tallest * (0.25 + 0.75 * draw[0]) * (0.45 + 0.55 * torch.exp(-(((centre - 0.5) / 0.34) ** 2)))
    half = 0.34 + 0.20 * draw[1]
    local = u - cell - 0.5
    foot = across * scene.px
    side = _cover(half - local.abs(), foot)
    # A narrower upper part on some, a mast on few.
    step = height * torch.where(draw[2] > 0.5, 0.72 + 0.2 * draw[3], torch.ones_like(height))
    above = scene.horizon - y
    body = side * _cover(step - above, scene.px)
    upper = _cover(0.62 * half - local.abs(), foot) * _cover(height - above, scene.px)
    mast = _cover(0.022 - local.abs(), foot) * _cover(height * 1.18 - above, scene.px) * (draw[4] > 0.7) * (far > 0.3)
    cover = torch.maximum(torch.maximum(body, upper), mast) * _cover(above + 0.012, scene.px)
    lit = _lit(scene, draw, local, half, above, far)
    return torch.lerp(image, lit, cover[:, None])


def _cover(distance: Tensor, footprint: float) -> Tensor:
    return (distance / footprint + 0.5).clamp(0.0, 1.0)


def _lit(scene: Scene, draw: list[Tensor], local: Tensor, half: Tensor, above: Tensor, far: float) -> Tensor:
    """The fronts: tone, light from the side, rows of windows, haze."""
    tone = torch.zeros_like(draw[0])[:, None].expand(-1, 3, -1, -1)
    for number, colour in enumerate(_TONES):
        tone = tone + constant(colour, above) * ((draw[3] * 4).floor() == number)[:, None]
    side = torch.sign(scene.light_x)
    light = (0.50 + 0.30 * (local / half) * side + 0.25 * (above / 0.25)).clamp(0.05, 1.0)
    front = tone * (scene.ambient + scene.key * light[:, None]) * 0.85
    wide, tall = 0.085 + 0.05 * far, 0.0105 - 0.003 * far
    columns, rows = local / wide, above / tall
    inside = ((columns - columns.floor() - 0.5).abs() < 0.30) & ((rows - rows.floor() - 0.5).abs() < 0.28)
    base = (draw[4] * 400.0).floor()
    chance = cells(scene.seeds, 190, (rows.floor() + base).long(), (columns.floor() + base).long().expand_as(rows.floor() + base))
    dark = scene.number(lambda s: {"night": 1.0, "dusk": 0.9, "sunset": 0.4, "dawn": 0.3}.get(s.time, 0.0))
    gloom = scene.number(lambda s: {"storm": 0.5, "fog": 0.2, "rain": 0.3}.get(s.weather, 0.0))
    share = 0.55 * torch.maximum(dark, gloom)
    fine = smooth_number(tall / scene.px, 1.6, 3.2)
    pane = torch.lerp(torch.full_like(chance, 0.34), inside.float(), fine)
    on = torch.lerp(share.expand_as(chance), (chance < share).float(), fine)
    glass = torch.lerp(front * 0.62, scene.middle.expand_as(front) * 0.8, 0.35)
    warm = constant((1.0, 0.82, 0.45), above) * (0.75 + 0.35 * chance[:, None])
    window = torch.lerp(glass.expand(-1, -1, chance.shape[1], -1), warm.expand(-1, -1, -1, chance.shape[2]), on[:, None])
    front = torch.lerp(front.expand_as(window), window, pane[:, None] * 0.9)
    return torch.lerp(
        front, scene.veil.expand_as(front), (0.10 + 0.55 * far * scene.haze + 0.15 * scene.haze)[:, None].clamp(max=0.85)
    )
