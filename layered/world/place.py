"""Puts objects into pictures: the light on their colours, the tile each is drawn on, shadow, island and mirror image."""

from __future__ import annotations

import math
from collections import defaultdict

import torch
import torch.nn.functional as F
from torch import Tensor

from layered.world.brush import Brush, Paints
from layered.world.kinds import KINDS
from layered.world.noise import uniform
from layered.world.objects import STROKES, island
from layered.world.scene import Colour, Scene
from layered.world.spec import SKY_KINDS, WATER, WATER_KINDS, ObjectSpec, tallest_of

PALETTE: dict[str, Colour] = {
    "red": (0.86, 0.10, 0.11),
    "orange": (0.98, 0.50, 0.06),
    "yellow": (0.99, 0.87, 0.14),
    "green": (0.13, 0.62, 0.22),
    "blue": (0.12, 0.32, 0.90),
    "purple": (0.50, 0.16, 0.74),
    "pink": (1.00, 0.50, 0.74),
    "white": (0.97, 0.97, 0.96),
    "black": (0.07, 0.07, 0.09),
    "brown": (0.45, 0.26, 0.12),
}
_ROOFS: dict[str, Colour] = {"white": (0.70, 0.24, 0.18), "black": (0.42, 0.42, 0.46)}


def objects(scene: Scene, image: Tensor, in_sky: bool, waves: Tensor | None = None, first: int = 0) -> Tensor:
    """Draws the objects that float in the sky, or those that stand below the horizon, far ones first; changes image."""
    for turn in (0, 1):
        groups: dict[tuple[str, str, bool], list[tuple[int, ObjectSpec]]] = defaultdict(list)
        for number, spec in enumerate(scene.specs):
            chosen = sorted((o for o in spec.objects if (o.kind in SKY_KINDS) == in_sky), key=lambda o: o.y)
            if turn < len(chosen):
                groups[chosen[turn].kind, chosen[turn].size, spec.ground in WATER].append((number, chosen[turn]))
        for (kind, _, _), members in groups.items():
            _draw(scene, image, kind, members, waves, first)
    return image


def _paints(part: Scene, members: list[tuple[int, ObjectSpec]]) -> Paints:
    """Light tints the colours only so far, and never darkens them below a floor, so that their names stay true."""
    light = part.ambient + 0.55 * part.key
    tint = part.floor * (0.70 + 0.30 * light / light.amax(dim=1, keepdim=True))

    def tinted(colour: Colour) -> Tensor:
        return torch.tensor(colour, device=part.device)[None, :, None, None] * tint

    base = torch.tensor([PALETTE[o.colour] for _, o in members], device=part.device)[:, :, None, None]
    grey = torch.tensor([0.16 if o.colour == "black" else 0.0 for _, o in members], device=part.device)[:, None, None, None]
    pale = torch.tensor([0.30 if o.colour == "black" else 0.5 for _, o in members], device=part.device)[:, None, None, None]
    dark = torch.tensor([0.80 if o.colour == "white" else 0.66 for _, o in members], device=part.device)[:, None, None, None]
    roof = torch.tensor([_ROOFS.get(o.colour, (0.30, 0.22, 0.24)) for _, o in members], device=part.device)[:, :, None, None]
    night = part.number(lambda s: {"night": 1.0, "dusk": 0.9, "sunset": 0.45, "dawn": 0.3}.get(s.time, 0.0))[:, None]
    warm, pane = torch.tensor((1.0, 0.83, 0.42), device=part.device), torch.tensor((0.20, 0.27, 0.36), device=part.device)
    glass = torch.lerp(pane[None, :, None, None] * tint, warm[None, :, None, None], night)
    afloat = part.number(lambda s: s.ground in WATER)
    main = (base + 0.4 * grey) * tint
    return Paints(
        main=main,
        dark=(base * dark + 0.1 * grey) * tint,
        light=(base + (1.0 - base) * pale) * tint,
        white=tinted((0.95, 0.94, 0.91)),
        wood=tinted((0.46, 0.31, 0.19)),
        stone=tinted((0.50, 0.48, 0.47)),
        leaf=tinted((0.30, 0.42, 0.18)),
        roof=torch.lerp(roof, base * 0.45, 0.35) * tint,
        glass=glass,
        side=(part.light_x / (part.light_x.abs() + 0.2)),
        draw=uniform(part.seeds, 400),
        afloat=afloat,
    )


def _draw(
    scene: Scene, image: Tensor, kind: str, members: list[tuple[int, ObjectSpec]], waves: Tensor | None, first: int
) -> None:
    part = scene.part([number for number, _ in members])
    paints = _paints(part, members)
    # Tiles are as large as the largest of their kind, so that a picture does not depend on its neighbours in the batch.
    tallest, px, size = tallest_of(kind, members[0][1].size), scene.px, scene.size
    floats = scene.specs[members[0][0]].ground in WATER and kind not in SKY_KINDS
    margin = 0.10 if kind in SKY_KINDS + WATER_KINDS else 0.18 if floats else 0.28
    half = max(KINDS[kind].aspect / 2 + margin, 0.52 if floats else 0.0)
    columns, rows = math.ceil(2 * half * tallest / px) + 2, math.ceil(1.20 * tallest / px) + 2
    left = [math.floor(o.x / px - columns / 2) for _, o in members]
    top = [math.floor((o.y - 1.05 * tallest) / px) for _, o in members]
    height = torch.tensor([o.height for _, o in members], device=scene.device)[:, None, None]
    foot_x = torch.tensor([o.x for _, o in members], device=scene.device)[:, None, None]
    foot_y = torch.tensor([o.y for _, o in members], device=scene.device)[:, None, None]

    def coordinates(tops: list[int]) -> tuple[Tensor, Tensor]:
        at_x = torch.tensor(left, device=scene.device)[:, None, None] + torch.arange(columns, device=scene.device)[None, None, :]
        at_y = torch.tensor(tops, device=scene.device)[:, None, None] + torch.arange(rows, device=scene.device)[None, :, None]
        return ((at_x + 0.5) * px - foot_x) / height, (foot_y - (at_y + 0.5) * px) / height

    x, y = coordinates(top)
    brush = Brush(x, y, px / height)
    if kind not in SKY_KINDS:
        _shade_ground(brush, paints, kind)
    _stand(brush, paints, kind)
    tile = torch.cat([brush.rgb, brush.alpha], dim=1)
    if floats and waves is not None:
        # The mirror image hangs below the foot, swayed by the waves there.
        tops = [math.floor(o.y / px) - 1 for _, o in members]
        mirrored_x, depth = coordinates(tops)
        sway = torch.zeros(len(members), rows, columns, device=scene.device)
        for i, (number, _) in enumerate(members):
            target, source = _window(left[i], tops[i] - first, columns, rows, size, size - first)
            if target is not None:
                sway[i][source] = waves[number][target]
        sea = part.number(lambda s: s.ground == "sea")
        far = (-depth).clamp(0.0, 1.0)
        sway = sway * (1.0 + sea)
        to_x, to_y = mirrored_x + (0.012 + 0.05 * far) * sway, -depth + (0.03 + 0.07 * far) * sway
        # Back from object heights to the tile's own [-1, 1].
        at_x = (to_x - x[:, :, :1]) * (height / px) + 0.5
        at_y = (y[:, :1] - to_y) * (height / px) + 0.5
        grid = torch.stack([at_x * (2.0 / columns) - 1.0, at_y * (2.0 / rows) - 1.0], dim=-1)
        fade = (0.80 - 0.25 * far - sea * (0.22 + 0.15 * far))[:, None]
        image_tile = F.grid_sample(tile, grid, mode="bilinear", padding_mode="zeros", align_corners=False) * fade
        image_tile[:, :3] *= 0.86
        _compose(image, members, image_tile, left, tops)
    _compose(image, members, tile, left, top)


def _stand(brush: Brush, paints: Paints, kind: str) -> None:
    """The object with its island where it needs one."""
    if kind not in SKY_KINDS + WATER_KINDS:
        cover, shade = island(brush, max(KINDS[kind].aspect / 2 + 0.13, 0.46))
        tone = torch.lerp(paints.stone, paints.leaf, ((brush.y - 0.0) / 0.05).clamp(0.0, 0.8)[:, None])
        brush.fill(cover * paints.afloat, tone, shade)
        raised = Brush(brush.x, brush.y - 0.02 * paints.afloat, brush.pixel)
        raised.rgb, raised.alpha = brush.rgb, brush.alpha
        STROKES[kind](raised, paints)
        brush.rgb, brush.alpha = raised.rgb, raised.alpha
    else:
        STROKES[kind](brush, paints)


def _shade_ground(brush: Brush, paints: Paints, kind: str) -> None:
    """A soft shadow on dry ground, thrown away from the light."""
    half = KINDS[kind].aspect / 2
    cx = -paints.side * 0.10
    d = ((brush.x - cx) / (half * 1.15 + 0.1)) ** 2 + ((brush.y + 0.005) / 0.055) ** 2
    amount = (torch.exp(-2.2 * d) - 0.12).clamp(min=0.0) * 0.62 * (1.0 - paints.afloat)
    brush.fill(amount, torch.zeros_like(paints.main))


Window = tuple[slice, slice]


def _window(left: int, top: int, columns: int, rows: int, width: int, height: int) -> tuple[Window | None, Window]:
    """The part of a tile that lies in the picture: its place there and its place in the tile."""
    x0, x1, y0, y1 = max(left, 0), min(left + columns, width), max(top, 0), min(top + rows, height)
    if x0 >= x1 or y0 >= y1:
        return None, (slice(0, 0), slice(0, 0))
    return (slice(y0, y1), slice(x0, x1)), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def _compose(image: Tensor, members: list[tuple[int, ObjectSpec]], tile: Tensor, left: list[int], top: list[int]) -> None:
    """Lays tiles (B, 4, rows, columns; colour times alpha, and alpha) over the pictures at their pixel positions."""
    rgb, keep = tile[:, :3], 1.0 - tile[:, 3:]
    for i, (number, _) in enumerate(members):
        target, source = _window(left[i], top[i], tile.shape[-1], tile.shape[-2], image.shape[-1], image.shape[-2])
        if target is not None:
            spot = image[number, :, target[0], target[1]]
            spot.mul_(keep[i, :, source[0], source[1]]).add_(rgb[i, :, source[0], source[1]])
