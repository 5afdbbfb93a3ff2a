"""Puts objects into pictures: the light on their colours, the tile each is drawn on, shadow, island and mirror image."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from layered.world.brush import Brush, Frame, Paints
from layered.world.kinds import KINDS, group_offsets
from layered.world.noise import uniform
from layered.world.scene import Colour, Scene
from layered.world.spec import SKY_KINDS, WATER, WATER_KINDS, VistaSpec
from layered.world.strokes import STROKES
from layered.world.strokes.parts import island

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


_SLATE: Colour = (0.27, 0.29, 0.34)  # the stripes of white objects; those of all others are white
_STEP = 1.25  # tiles come in sizes that grow by this factor, so that objects of about one height are drawn together


@dataclass(frozen=True)
class _Item:
    """One object of a group: its picture, kind, words and own position and height, and its turn (far ones come first)."""

    picture: int
    turn: int
    copy: int  # its number in the group
    kind: str
    colour: str
    striped: bool
    x: float
    y: float
    height: float
    facing: float  # 1 as drawn, -1 mirrored

    @property
    def tile(self) -> int:
        """The number of its tile size."""
        return math.ceil(math.log(self.height) / math.log(_STEP))


def objects(scene: Scene, image: Tensor, in_sky: bool, waves: Tensor | None = None, first: int = 0) -> Tensor:
    """Draws the objects that float in the sky, or those that stand below the horizon, far ones first; changes image.

    waves (B, S - first, S): slopes of the water from row `first` down, which mirrors the objects.
    """
    items = [item for number, spec in enumerate(scene.specs) for item in _line_up(number, spec, in_sky)]
    batches: dict[tuple[str, int, bool], list[_Item]] = defaultdict(list)
    for item in items:
        batches[item.kind, item.tile, scene.specs[item.picture].ground in WATER].append(item)
    layers = [layer for batch in batches.values() for layer in _draw(scene, batch, waves, first)]
    for turn in range(max((item.turn for item in items), default=-1) + 1):
        for layer in layers:
            chosen = [i for i, item in enumerate(layer.items) if item.turn == turn]
            if chosen:
                _compose(image, layer, chosen)
    return image


def _line_up(number: int, spec: VistaSpec, in_sky: bool) -> list[_Item]:
    """The single objects of a picture, far ones first; those of a group differ a little in height and place."""
    found = []
    for group in spec.objects:
        if (group.kind in SKY_KINDS) != in_sky:
            continue
        draw = random.Random(f"{spec.detail} {group.kind}")
        facing = draw.choice((1.0, -1.0)) if KINDS[group.kind].faces else 1.0
        loose = 0.0 if group.count == 1 else 1.0
        for copy, (dx, dy, scale) in enumerate(group_offsets(group.kind, group.count)):
            x, y, height = (loose * draw.uniform(-1.0, 1.0) for _ in range(3))
            found.append(
                _Item(
                    picture=number,
                    turn=0,
                    copy=copy,
                    kind=group.kind,
                    colour=group.colour,
                    striped=group.pattern == "striped",
                    x=group.x + (dx + 0.02 * x) * group.height,
                    y=group.y + (dy + 0.02 * y) * group.height,
                    height=group.height * scale * (1.0 + 0.03 * height),
                    facing=facing,
                )
            )
    found.sort(key=lambda item: item.y)
    return [replace(item, turn=turn) for turn, item in enumerate(found)]


def _paints(part: Scene, items: Sequence[_Item], second: bool) -> Paints:
    """The colours of the objects, or of their stripes (second), under the light of their pictures.

    Light tints the colours only so far, and never darkens them below a floor, so that their names stay true.
    """
    device = part.device
    light = part.ambient + 0.55 * part.key
    tint = part.floor * (0.70 + 0.30 * light / light.amax(dim=1, keepdim=True))

    def tinted(colour: Colour) -> Tensor:
        return torch.tensor(colour, device=device)[None, :, None, None] * tint

    def each(values: Sequence[float] | Sequence[Colour]) -> Tensor:
        return torch.tensor(values, device=device).reshape(len(items), -1, 1, 1)

    facing = each([item.facing for item in items])[:, 0]
    own = each([PALETTE[item.colour] for item in items])
    base, names = own, [item.colour for item in items]
    if second:
        base = each([_SLATE if name == "white" else PALETTE["white"] for name in names])
        names = ["" if name == "white" else "white" for name in names]
    grey = each([0.16 if name == "black" else 0.0 for name in names])
    pale = each([0.30 if name == "black" else 0.5 for name in names])
    dark = each([0.80 if name == "white" else 0.66 for name in names])
    roof = each([_ROOFS.get(item.colour, (0.30, 0.22, 0.24)) for item in items])
    night = part.number(lambda s: {"night": 1.0, "dusk": 0.9, "sunset": 0.45, "dawn": 0.3}.get(s.time, 0.0))[:, None]
    pane = tinted((0.20, 0.27, 0.36))
    warm = torch.tensor((1.0, 0.83, 0.42), device=device)[None, :, None, None]
    return Paints(
        main=(base + 0.4 * grey) * tint,
        dark=(base * dark + 0.1 * grey) * tint,
        light=(base + (1.0 - base) * pale) * tint,
        white=tinted((0.95, 0.94, 0.91)),
        wood=tinted((0.46, 0.31, 0.19)),
        stone=tinted((0.50, 0.48, 0.47)),
        leaf=tinted((0.30, 0.42, 0.18)),
        roof=torch.lerp(roof, own * 0.45, 0.35) * tint,
        glass=torch.lerp(pane, warm, night),
        side=facing * part.light_x / (part.light_x.abs() + 0.2),
        draw=uniform(part.seeds + 7919 * torch.tensor([item.copy for item in items], device=device), 400),
        afloat=part.number(lambda s: s.ground in WATER),
    )


@dataclass(frozen=True)
class _Layer:
    """Tiles to be laid over pictures: tile (n, 4, rows, columns), and where their first pixels lie."""

    items: list[_Item]
    tile: Tensor
    left: list[int]
    top: list[int]


def _draw(scene: Scene, items: list[_Item], waves: Tensor | None, first: int) -> list[_Layer]:
    """Objects of one kind and about one height, drawn together: their mirror images, if they stand on water, and themselves."""
    kind, px, size, device = items[0].kind, scene.px, scene.size, scene.device
    floats = scene.specs[items[0].picture].ground in WATER and kind not in SKY_KINDS
    tallest = _STEP ** items[0].tile
    margin = 0.10 if kind in SKY_KINDS + WATER_KINDS else 0.18 if floats else 0.28
    half = max(KINDS[kind].aspect / 2 + margin, 0.52 if floats else 0.0)
    # A tile larger than the picture is cut, and all tiles are moved inside it: what lies outside is not seen.
    columns, rows = min(math.ceil(2 * half * tallest / px) + 2, size), min(math.ceil(1.20 * tallest / px) + 2, size)
    left = [_inside(math.floor(item.x / px - columns / 2), columns, size) for item in items]
    top = [_inside(math.floor((item.y - 1.05 * tallest) / px), rows, size) for item in items]
    height = torch.tensor([item.height for item in items], device=device)[:, None, None]
    foot = torch.tensor([(item.x, item.y) for item in items], device=device)[:, :, None, None]

    def coordinates(tops: list[int]) -> tuple[Tensor, Tensor]:
        at_x, at_y = _pixels(left, columns, device)[:, None, :], _pixels(tops, rows, device)[:, :, None]
        return ((at_x + 0.5) * px - foot[:, 0]) / height, (foot[:, 1] - (at_y + 0.5) * px) / height

    x, y = coordinates(top)
    frames = [
        Frame(
            item.facing * ((at_x + 0.5) * px - item.x) / item.height,
            item.facing * px / item.height,
            (item.y - (at_y + 0.5) * px) / item.height,
            -px / item.height,
        )
        for item, at_x, at_y in zip(items, left, top, strict=True)
    ]
    tile = _paint(scene, items, x, y, px / height, frames)
    layers = [_Layer(items, tile, left, top)]
    if floats and waves is not None:
        # The mirror image hangs below the foot, swayed by the waves there.
        starts = [math.floor(item.y / px) - 1 for item in items]
        tops = [_inside(start, rows, size) for start in starts]
        mirrored_x, depth = coordinates(tops)
        picture = torch.tensor([item.picture for item in items], device=device)[:, None, None]
        row = _pixels(tops, rows, device)[:, :, None]
        sway = waves[picture, (row - first).clamp(min=0), _pixels(left, columns, device)[:, None, :]]
        sea = scene.part([item.picture for item in items]).number(lambda s: s.ground == "sea")
        far = (-depth).clamp(0.0, 1.0)
        sway = sway * (1.0 + sea)
        to_x, to_y = mirrored_x + (0.012 + 0.05 * far) * sway, -depth + (0.03 + 0.07 * far) * sway
        # Back from object heights to the tile's own [-1, 1].
        at_x = (to_x - x[:, :, :1]) * (height / px) + 0.5
        at_y = (y[:, :1] - to_y) * (height / px) + 0.5
        grid = torch.stack([at_x * (2.0 / columns) - 1.0, at_y * (2.0 / rows) - 1.0], dim=-1)
        below = row >= torch.tensor(starts, device=device)[:, None, None]
        fade = ((0.80 - 0.25 * far - sea * (0.22 + 0.15 * far)) * below)[:, None]
        mirrored = F.grid_sample(tile, grid, mode="bilinear", padding_mode="zeros", align_corners=False) * fade
        mirrored[:, :3] *= 0.86
        layers.insert(0, _Layer(items, mirrored, left, tops))
    return layers


def _inside(start: int, length: int, size: int) -> int:
    return min(max(start, 0), size - length)


def _pixels(start: Sequence[int], length: int, device: torch.device) -> Tensor:
    """Rows or columns of tiles: (n, length)."""
    return torch.tensor(start, device=device)[:, None] + torch.arange(length, device=device)


def _paint(scene: Scene, items: list[_Item], x: Tensor, y: Tensor, pixel: Tensor, frames: list[Frame]) -> Tensor:
    """The tiles of objects (n, 4, rows, columns), shadow and island included; striped ones are two coats in bands."""
    x = x * torch.tensor([item.facing for item in items], device=x.device)[:, None, None]
    tile = _coat(scene, items, Brush(x, y, pixel, frames=frames), second=False)
    striped = [i for i, item in enumerate(items) if item.striped]
    if striped:
        some = torch.tensor(striped, device=x.device)
        x, y, pixel = x[some], y[some], pixel[some]
        brush = Brush(x, y, pixel, frames=[frames[i] for i in striped])
        over = _coat(scene, [items[i] for i in striped], brush, second=True)
        kind = KINDS[items[0].kind]
        # Level bands on what is tall, upright ones on what is wide, of one width beside the picture.
        across = y + 0.18 * x * x if kind.aspect < 0.9 else x + 0.12 * y
        period = 0.29 / kind.scale
        turn = across / period
        band = (0.20 - (turn - turn.round()).abs()) * period / pixel + 0.5
        tile[some] = torch.lerp(tile[some], over, band.clamp(0.0, 1.0)[:, None])
    return tile


def _coat(scene: Scene, items: list[_Item], brush: Brush, second: bool) -> Tensor:
    """The objects in their main colour, or in that of their stripes (second)."""
    kind = items[0].kind
    paints = _paints(scene.part([item.picture for item in items]), items, second)
    if kind not in SKY_KINDS:
        _shade_ground(brush, paints, kind)
    _stand(brush, paints, kind)
    return brush.canvas


def _stand(brush: Brush, paints: Paints, kind: str) -> None:
    """The object with its island where it needs one."""
    if kind not in SKY_KINDS + WATER_KINDS:
        cover, shade = island(brush, max(KINDS[kind].aspect / 2 + 0.13, 0.46))
        tone = torch.lerp(paints.stone, paints.leaf, ((brush.y - 0.0) / 0.05).clamp(0.0, 0.8)[:, None])
        brush.fill(cover * paints.afloat, tone, shade)
        brush = Brush(brush.x, brush.y - 0.02 * paints.afloat, brush.pixel, brush.canvas, brush.frames)
    STROKES[kind](brush, paints)


def _shade_ground(brush: Brush, paints: Paints, kind: str) -> None:
    """A soft shadow on dry ground, thrown away from the light."""
    half = KINDS[kind].aspect / 2
    cx = -paints.side * 0.10
    d = ((brush.x - cx) / (half * 1.15 + 0.1)) ** 2 + ((brush.y + 0.005) / 0.055) ** 2
    amount = (torch.exp(-2.2 * d) - 0.12).clamp(min=0.0) * 0.62 * (1.0 - paints.afloat)
    brush.fill(amount, torch.zeros_like(paints.main))


def _compose(image: Tensor, layer: _Layer, chosen: list[int]) -> None:
    """Lays some of the tiles (colour times alpha, and alpha) over their pictures, at most one on each; changes image."""
    tile = layer.tile[torch.tensor(chosen, device=image.device)]
    picture = torch.tensor([layer.items[i].picture for i in chosen], device=image.device)[:, None, None, None]
    channel = torch.arange(3, device=image.device)[None, :, None, None]
    row = _pixels([layer.top[i] for i in chosen], tile.shape[2], image.device)[:, None, :, None]
    column = _pixels([layer.left[i] for i in chosen], tile.shape[3], image.device)[:, None, None, :]
    image[picture, channel, row, column] = image[picture, channel, row, column] * (1.0 - tile[:, 3:]) + tile[:, :3]
