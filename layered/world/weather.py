"""What hangs in the air before everything: banks of fog, rain, falling snow; and the last touch to the picture's tones."""

from __future__ import annotations

import torch
from torch import Tensor

from layered.world.noise import cells, fbm
from layered.world.scene import Scene, constant, smooth


def air(scene: Scene, image: Tensor) -> tuple[Tensor, Tensor | None]:
    """Lays fog and the grey of rain and snowfall over the pictures, (B, 3, S, S).

    Returns them with what falls, as share of each pixel (B, 1, S, S), or None where nothing falls.
    """
    cover = None
    for names, veil, fall in (
        (("fog",), _fog, None),
        (("rain", "storm"), 0.14, _rain),
        (("snow",), 0.16, _snowfall),
    ):
        some = scene.where(lambda s, names=names: s.weather in names)
        if not some:
            continue
        part = scene.part(some)
        if fall is None:
            image[some] = veil(part, image[some])
            continue
        cover = torch.zeros_like(image[:, :1]) if cover is None else cover
        image[some] = torch.lerp(image[some], part.veil.expand(-1, -1, scene.size, scene.size), veil)
        cover[some] = fall(part)[:, None]
    return image, cover


def fallen(scene: Scene) -> Tensor:
    """The colour of raindrops and snowflakes, (B, 3, 1, 1)."""
    drop = (0.5 * scene.low + 0.5 * scene.cloud).clamp(max=1.0)
    flake = (0.55 + 0.45 * scene.floor) * constant((0.97, 0.98, 1.0), scene.low)
    return torch.where(scene.number(lambda s: s.weather == "snow")[:, None] > 0, flake, drop)


def _fog(scene: Scene, image: Tensor) -> Tensor:
    y = scene.y[None, :, None]
    banks = fbm(scene.seeds, 500, scene.x, scene.y, 1.6, 5.5, scene.px, 6, 0.52)
    level = torch.exp(-(((y - scene.horizon) / 0.20) ** 2))
    amount = (0.16 + 0.36 * level + 0.13 * banks * (0.35 + level)).clamp(0.02, 0.62)
    return torch.lerp(image, torch.lerp(scene.veil, scene.low, 0.4).expand_as(image), amount[:, None])


def _drops(scene: Scene, salt: int, count: int) -> Tensor:
    """Random numbers (B, 4, count)."""
    number = torch.arange(count, device=scene.device)
    batch = len(scene.specs)
    rows, columns = (number // 64)[None].expand(batch, -1), (number % 64)[None].expand(batch, -1)
    return torch.stack([cells(scene.seeds, salt + i, rows, columns) for i in range(4)], dim=1)


def _rain(scene: Scene) -> Tensor:
    """Slanted streaks in three depths, from noise stretched along a sheared axis: their cover (B, S, S)."""
    slant = 0.12
    px = scene.px
    y = scene.y[None, :, None]
    total = torch.zeros((), device=scene.device)
    for layer, (fx, length, strength) in enumerate(((70.0, 7.0, 0.30), (130.0, 12.0, 0.24), (230.0, 20.0, 0.18))):
        u = scene.x[None, None, :] * fx + y * fx * slant
        column = u.floor()
        index = column.long().expand(len(scene.specs), -1, -1)
        draw = cells(scene.seeds, 510 + layer, torch.zeros_like(index), index)
        fall = y * length + draw * 37.0
        cell = fall.floor()
        chance = cells(scene.seeds, 520 + layer, cell.long(), index)
        along = fall - cell
        width = 0.16
        footprint = max(fx * px, 1e-6)
        d = (u - column - 0.5).abs()
        across = ((d + width) / footprint + 0.5).clamp(0.0, 1.0) - ((d - width) / footprint + 0.5).clamp(0.0, 1.0)
        blend = min(max(footprint - 0.6, 0.0) / 0.6, 1.0)  # too fine for this size: the average
        streak = across * smooth(along, 0.0, 0.3) * smooth(along, 1.0, 0.7) * (chance > 0.72)
        total = total + strength * torch.lerp(streak, torch.full_like(streak, 0.055), blend)
    return total.clamp(max=0.5)


def _snowfall(scene: Scene) -> Tensor:
    """Round flakes of three sizes, each drawn as the product of its profiles across and down: their cover (B, S, S)."""
    keep = torch.ones((), device=scene.device)
    for layer, (count, radius, strength) in enumerate(((330, 0.0032, 0.75), (150, 0.0056, 0.85), (40, 0.0095, 0.70))):
        draw = _drops(scene, 530 + 10 * layer, count)
        own = radius * (0.7 + 0.6 * draw[:, 2])
        sigma = torch.sqrt((0.6 * own) ** 2 + (0.30 * scene.px) ** 2)
        level = strength * (0.6 * own / sigma)
        across = torch.exp(-(((scene.x[None, None] - draw[:, 0, :, None]) / sigma[..., None]) ** 2) / 2) * level[..., None]
        down = (
            torch.exp(-(((scene.y[None, None] - draw[:, 1, :, None]) / sigma[..., None]) ** 2) / 2)
            * (0.6 * own / sigma)[..., None]
        )
        keep = keep * (1.0 - (down.transpose(1, 2) @ across)).clamp(min=0.0)
    return 1.0 - keep.clamp(0.0, 1.0)


def grade(scene: Scene, image: Tensor) -> Tensor:
    """A gentle shoulder for the lights and darker corners; [0, 1] in and out."""
    dx, dy = scene.x - 0.5, scene.y - 0.5
    vignette = 1.0 - 0.20 * ((dx * dx)[None, :] + (dy * dy)[:, None])
    image = (image * vignette).clamp(min=0.0)
    over = (image - 0.82).clamp(min=0.0)
    image = torch.minimum(image, torch.full_like(image, 0.82)) + 0.18 * (1.0 - torch.exp(-over / 0.18))
    return image.clamp(0.0, 1.0)
