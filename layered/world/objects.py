"""The things one can ask for, each drawn by its own few strokes: coordinates are in object heights, the foot at (0, 0)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layered.world.brush import Brush, Paints


def _round(brush: Brush, paints: Paints, x: Tensor, half: float | Tensor) -> Tensor:
    """Shading of an upright round body of half width `half`, lit from the side of the light."""
    n = (x / half).clamp(-1.0, 1.0)
    front = torch.sqrt((1.0 - n * n).clamp(min=0.0))
    return 0.60 + 0.26 * front + 0.26 * n * paints.side


def balloon(b: Brush, p: Paints) -> None:
    cx, cy, r = 0.0, 0.655, 0.345
    # Envelope: round above, drawn in to the mouth below.
    low = ((cy - b.y) / 0.44).clamp(0.0, 1.0)
    half = torch.where(
        b.y > cy, torch.sqrt((r * r - (b.y - cy) ** 2).clamp(min=0.0)), r * (1.0 - low) ** 0.72 * (1.0 + 0.55 * low) + 0.045 * low
    )
    cover = torch.where(b.y > cy, b.ellipse(cx, cy, r, r), b.edge((b.x.abs() - half) * 0.86) * b.edge(0.215 - b.y))
    n = (b.x / half.clamp(min=1e-3)).clamp(-1.0, 1.0)
    gore = torch.asin(n * 0.999) * (12.0 / math.pi)
    wide = (12.0 / math.pi) * b.pixel / (half.clamp(min=0.05) * torch.sqrt((1.0 - n * n).clamp(min=0.02)))
    seam = torch.cos(2 * math.pi * gore) * torch.exp(-((wide * 1.3) ** 2))
    panel = torch.tanh(3.0 * torch.cos(math.pi * gore)) * torch.exp(-((wide * 0.8) ** 2))
    shade = 0.66 + 0.24 * torch.sqrt((1 - n * n).clamp(min=0.0)) + 0.24 * n * p.side + 0.16 * (b.y - cy) / r
    tone = torch.lerp(p.main, p.dark, (0.30 + 0.30 * panel)[:, None])
    b.fill(cover, tone, shade * (1.0 - 0.10 * seam.clamp(min=0.0)))
    b.fill(cover * b.span(b.y, cy - 0.055, cy - 0.020), p.light, shade)
    b.fill(cover * b.span(b.y, cy - 0.115, cy - 0.095), p.light, shade)
    for x in (-0.06, -0.022, 0.022, 0.06):
        b.fill(b.line(x * 0.9, 0.115, x * 0.95, 0.225, 0.006), p.wood, 0.6)
    b.fill(
        b.box(-0.068, 0.068, 0.0, 0.115),
        p.wood,
        _round(b, p, b.x, 0.075) * (1.0 + 0.18 * b.wave(b.y, 0.02) + 0.12 * b.wave(b.x, 0.026)),
    )
    b.fill(b.box(-0.074, 0.074, 0.103, 0.122), p.wood, 0.7)
    b.fill(b.ellipse(0.0, 0.19, 0.016, 0.03), p.glass, 1.15)


def airship(b: Brush, p: Paints) -> None:
    cy, rx, ry = 0.58, 0.92, 0.36
    nose = torch.where(p.draw > 0.5, 1.0, -1.0)
    x = b.x * nose
    tail = Brush(x, b.y, b.pixel)
    for points in (
        ((-0.92, 0.66), (-0.62, 0.66), (-0.70, 0.80), (-0.92, 1.0)),
        ((-0.92, 0.16), (-0.70, 0.36), (-0.62, 0.50), (-0.92, 0.50)),
    ):
        b.fill(tail.polygon(points), p.dark, 0.9)
    cover = b.ellipse(0.0, cy, rx, ry)
    across = torch.sqrt((1.0 - (b.x / rx) ** 2).clamp(min=0.01)) * ry
    n = ((b.y - cy) / across).clamp(-1.0, 1.0)
    shade = 0.74 + 0.28 * n + 0.10 * torch.sqrt((1 - n * n).clamp(min=0.0)) + 0.10 * (b.x / rx) * p.side
    ribs = 1.0 - 0.07 * b.wave(n * 0.36, 0.11).clamp(min=0.0) - 0.05 * b.wave(b.x, 0.153).clamp(min=0.0)
    b.fill(cover, p.main.expand_as(b.rgb), shade * ribs)
    b.fill(cover * b.span(n * ry, -0.055, 0.055), p.light, shade)
    b.fill(tail.polygon(((-0.98, 0.54), (-0.55, 0.565), (-0.55, 0.60), (-0.98, 0.63))), p.dark, 1.0)
    b.fill(b.polygon(((-0.24, 0.235), (-0.18, 0.08), (0.18, 0.08), (0.24, 0.235))), p.dark, 0.72)
    for k in range(6):
        b.fill(b.box(-0.165 + 0.057 * k, -0.125 + 0.057 * k, 0.13, 0.185), p.glass)


def sailboat(b: Brush, p: Paints) -> None:
    lean = b.x + 0.035 * b.y * torch.where(p.draw > 0.5, 1.0, -1.0)
    s = Brush(lean, b.y, b.pixel)
    b.fill(s.line(-0.01, 0.12, -0.01, 1.0, 0.016), p.wood, 0.75)
    belly = 0.05 * torch.sin(((b.y - 0.2) / 0.75).clamp(0, 1) * math.pi)
    sail = Brush(lean - belly, b.y, b.pixel)
    panels = 1.0 - 0.08 * (b.wave(b.y + 0.18 * lean, 0.115) - 0.7).clamp(min=0.0) * 3.0
    b.fill(
        sail.polygon(((0.015, 0.225), (0.36, 0.225), (0.015, 0.97))), p.main, (0.86 + 0.5 * lean * p.side + 0.10 * b.y) * panels
    )
    b.fill(
        sail.polygon(((-0.40, 0.235), (-0.035, 0.225), (-0.03, 0.86))),
        torch.lerp(p.main, p.light, 0.35),
        (0.84 + 0.30 * lean * p.side + 0.12 * b.y) * panels,
    )
    b.fill(s.line(-0.03, 0.215, 0.37, 0.215, 0.014), p.wood, 0.8)
    hull = b.polygon(((-0.43, 0.165), (-0.33, 0.0), (0.33, 0.0), (0.43, 0.175)))
    b.fill(hull, p.dark, 0.80 + 0.9 * (b.y - 0.03) + 0.25 * b.x * p.side + 0.04 * b.wave(b.y, 0.045))
    b.fill(hull * b.span(b.y, 0.115, 0.150), p.white, 0.95)
    for x in (-0.2, -0.06, 0.08, 0.22):
        b.fill(b.ellipse(x, 0.075, 0.018, 0.018), p.glass)


def lighthouse(b: Brush, p: Paints) -> None:
    half = 0.155 - 0.075 * (b.y / 0.76).clamp(0.0, 1.0)
    b.fill(b.box(-0.205, 0.205, 0.0, 0.045), p.stone, _round(b, p, b.x, 0.22) * b.courses(0.022, 0.5))
    body = b.edge(b.x.abs() - half) * b.span(b.y, 0.03, 0.76)
    shade = _round(b, p, b.x, half)
    b.fill(body, p.main, shade * b.courses(0.030, 0.16))
    for y in (0.20, 0.50):
        b.fill(body * b.span(b.y + 0.14 * b.x * b.x, y, y + 0.085), p.white, shade)
    b.fill(b.box(-0.038, 0.038, 0.04, 0.135), p.wood, 0.7)
    for y in (0.33, 0.63):
        b.fill(b.box(-0.018, 0.018, y, y + 0.062), p.glass)
    b.fill(b.box(-0.125, 0.125, 0.755, 0.782), p.dark, 0.55)
    for k in range(9):
        b.fill(b.line(-0.118 + 0.0295 * k, 0.78, -0.118 + 0.0295 * k, 0.822, 0.006), p.dark, 0.5)
    b.fill(b.line(-0.12, 0.822, 0.12, 0.822, 0.008), p.dark, 0.5)
    b.fill(b.box(-0.062, 0.062, 0.782, 0.885), p.glass, 1.05)
    for x in (-0.06, -0.02, 0.02, 0.06):
        b.fill(b.line(x, 0.782, x, 0.885, 0.007), p.dark, 0.5)
    b.fill(b.polygon(((-0.085, 0.882), (0.085, 0.882), (0.0, 0.972))), p.main, 0.75 + 2.0 * b.x * p.side)
    b.fill(b.line(0.0, 0.96, 0.0, 1.0, 0.010), p.dark, 0.5)


def _window(b: Brush, p: Paints, x: float, y: float, w: float, h: float) -> None:
    b.fill(b.box(x - w / 2 - 0.014, x + w / 2 + 0.014, y - 0.014, y + h + 0.014), p.white, 0.92)
    b.fill(b.box(x - w / 2, x + w / 2, y, y + h), p.glass)
    b.fill(b.box(x - 0.006, x + 0.006, y, y + h), p.white, 0.85)
    b.fill(b.box(x - w / 2, x + w / 2, y + h / 2 - 0.006, y + h / 2 + 0.006), p.white, 0.85)


def cabin(b: Brush, p: Paints) -> None:
    b.fill(b.box(0.20, 0.32, 0.60, 1.0), p.stone, (0.9 + 2.0 * (b.x - 0.26) * p.side) * b.courses(0.035, 0.5))
    b.fill(b.box(0.185, 0.335, 0.965, 1.0), p.stone, 0.7)
    b.fill(b.box(-0.50, 0.50, 0.0, 0.04), p.stone, b.courses(0.03, 0.5) * 0.9)
    planks = 1.0 - 0.16 * (b.wave(b.y, 0.052) - 0.4).clamp(min=0.0)
    b.fill(b.box(-0.48, 0.48, 0.035, 0.56), p.main, (0.90 + 0.22 * b.x * p.side) * planks)
    b.fill(b.box(-0.48, 0.48, 0.50, 0.56), p.dark, 0.7)
    roof = b.polygon(((-0.62, 0.50), (0.62, 0.50), (0.46, 0.90), (-0.46, 0.90)))
    tiles = (
        1.0
        - 0.20 * (b.wave(b.y, 0.048) - 0.3).clamp(min=0.0)
        - 0.10 * (b.wave(b.x + 0.02 * torch.floor(b.y / 0.048), 0.06) - 0.6).clamp(min=0.0)
    )
    b.fill(roof, p.roof, (0.72 + 0.5 * (b.y - 0.5)) * tiles)
    b.fill(b.box(-0.47, 0.47, 0.885, 0.91), p.roof, 0.55)
    b.fill(b.box(-0.075, 0.095, 0.035, 0.375), p.white, 0.9)
    b.fill(b.box(-0.06, 0.08, 0.035, 0.36), p.wood, 0.75 + 0.12 * b.wave(b.x, 0.035))
    b.fill(b.ellipse(0.055, 0.19, 0.012, 0.012), p.glass)
    _window(b, p, -0.285, 0.19, 0.17, 0.19)
    _window(b, p, 0.295, 0.19, 0.17, 0.19)


def tree(b: Brush, p: Paints) -> None:
    bend = 0.03 * torch.sin(b.y * 5.0 + p.draw * 6.0)
    trunk = b.edge((b.x - bend).abs() - (0.030 + 0.035 * (1.0 - b.y / 0.5).clamp(min=0.0) ** 2)) * b.span(b.y, 0.0, 0.55)
    bark = 0.72 + 3.0 * (b.x - bend) * p.side + 0.12 * b.wave(b.x + 0.01 * torch.sin(b.y * 40.0), 0.022)
    b.fill(trunk, p.wood, bark)
    for x, y in ((-0.2, 0.58), (0.19, 0.60)):
        b.fill(b.line(bend, 0.30, x, y, 0.026), p.wood, 0.72)
    # Leaves: lumps of clumps of leaves, darker below, the outline broken by the small ones.
    a = torch.atan2(b.y - 0.66, b.x)
    r = torch.sqrt(b.x * b.x + (b.y - 0.66) ** 2 + 1e-9)
    lumps = 0.020 * torch.sin(5.0 * a + p.draw * 6.0) + 0.014 * torch.sin(11.0 * a + p.draw * 17.0)
    lumps = lumps + 0.010 * torch.sin(23.0 * a + p.draw * 31.0 + 20.0 * r)
    rim = 0.010 * b.wave(b.x + 0.5 * b.y, 0.031) * b.wave(b.y - 0.3 * b.x, 0.027)
    crown = b.edge((torch.sqrt((b.x / 0.40) ** 2 + ((b.y - 0.665) / 0.325) ** 2 + 1e-9) - 1.0) * 0.36 - lumps - rim)
    clump = torch.sin(b.x * 19.0 + p.draw * 9.0 + 1.5 * torch.sin(b.y * 17.0)) * torch.sin(
        b.y * 23.0 + 1.7 * torch.sin(b.x * 15.0)
    )
    bent_x, bent_y = b.x + 0.020 * torch.sin(b.y * 61.0 + b.x * 23.0), b.y + 0.020 * torch.sin(b.x * 53.0 - b.y * 31.0)
    leaf = b.wave(bent_x + 0.4 * bent_y, 0.034) * b.wave(bent_y - 0.3 * bent_x, 0.029)
    shade = 0.80 + 0.45 * (b.y - 0.66) + 0.42 * b.x * p.side + 0.13 * clump + 0.08 * leaf
    b.fill(crown, torch.lerp(p.main, p.light, (0.18 * clump.clamp(min=0.0))[:, None]), shade)


def tent(b: Brush, p: Paints) -> None:
    b.fill(b.line(-0.70, 0.0, -0.02, 0.92, 0.010), p.wood, 0.8)
    b.fill(b.line(0.70, 0.0, 0.02, 0.92, 0.010), p.wood, 0.8)
    left, right = b.polygon(((-0.60, 0.0), (0.0, 0.0), (0.0, 0.95))), b.polygon(((0.0, 0.0), (0.60, 0.0), (0.0, 0.95)))
    fold = 1.0 - 0.07 * b.wave(b.x.abs() / (1.0 - b.y).clamp(min=0.08), 0.16) * (b.y < 0.9)
    b.fill((left + right).clamp(max=1.0), p.main, fold * (0.82 + 0.22 * torch.sign(b.x) * p.side + 0.10 * b.y))
    b.fill((left + right).clamp(max=1.0) * b.span(b.y, 0.0, 0.055), p.dark, 0.85)
    b.fill(b.polygon(((-0.17, 0.0), (0.17, 0.0), (0.0, 0.60))), p.glass, 0.80)
    b.fill(b.polygon(((-0.17, 0.0), (-0.09, 0.0), (0.0, 0.60))), p.light, 0.9)
    b.fill(b.polygon(((0.09, 0.0), (0.17, 0.0), (0.0, 0.60))), p.light, 0.75)
    b.fill(b.line(0.0, 0.92, 0.0, 1.0, 0.016), p.wood, 0.8)


def windmill(b: Brush, p: Paints) -> None:
    half = 0.185 - 0.085 * (b.y / 0.60).clamp(0.0, 1.0)
    body = b.edge(b.x.abs() - half) * b.span(b.y, 0.0, 0.60)
    b.fill(body, p.main, _round(b, p, b.x, half) * b.courses(0.034, 0.22))
    b.fill(b.ellipse(0.0, 0.60, 0.115, 0.10) * b.span(b.y, 0.585, 2.0), p.dark, 0.8 + 1.5 * b.x * p.side)
    b.fill(b.box(-0.15, 0.15, 0.245, 0.262), p.wood, 0.7)
    b.fill(b.box(-0.04, 0.04, 0.0, 0.13), p.wood, 0.7)
    _window(b, p, 0.0, 0.36, 0.055, 0.075)
    angle = 0.35 + p.draw * 0.9
    for turn in range(4):
        c, s = torch.cos(angle + turn * math.pi / 2), torch.sin(angle + turn * math.pi / 2)
        along, across = b.x * c + (b.y - 0.62) * s, (b.y - 0.62) * c - b.x * s
        vane = b.span(along, 0.09, 0.40) * b.span(across, 0.0, 0.085)
        lattice = 0.78 + 0.22 * b.wave(along, 0.040) + 0.10 * b.wave(across, 0.030)
        b.fill(vane, p.white, lattice)
        b.fill(b.span(along, 0.0, 0.41) * b.span(across, -0.011, 0.011), p.wood, 0.75)
    b.fill(b.ellipse(0.0, 0.62, 0.028, 0.028), p.dark, 0.6)


def _tower(b: Brush, p: Paints, x: float, half: float, top: float, roof: float) -> None:
    n = b.x - x
    b.fill(b.box(x - half, x + half, 0.0, top), p.main, _round(b, p, n, half) * b.courses(0.036, 0.22))
    b.fill(b.box(x - half - 0.018, x + half + 0.018, top - 0.045, top), p.main, _round(b, p, n, half + 0.02) * 0.86)
    b.fill(
        b.polygon(((x - half - 0.03, top), (x + half + 0.03, top), (x, top + roof))),
        p.roof,
        (0.78 + 2.2 * n * p.side) * (1.0 + 0.1 * b.wave(b.y, 0.03)),
    )
    b.fill(b.box(x - 0.014, x + 0.014, top - 0.15, top - 0.085), p.glass)
    b.fill(b.line(x, top + roof - 0.01, x, top + roof + 0.075, 0.008), p.wood, 0.7)
    flutter = 0.006 * torch.sin(n * 60.0)
    flag = b.span(n, 0.0, 0.075) * b.span(b.y + flutter, top + roof + 0.032, top + roof + 0.072)
    b.fill(flag, p.light, 0.95)


def castle(b: Brush, p: Paints) -> None:
    _tower(b, p, 0.02, 0.125, 0.70, 0.22)
    _tower(b, p, -0.40, 0.095, 0.54, 0.19)
    _tower(b, p, 0.40, 0.095, 0.60, 0.19)
    stone = b.courses(0.036, 0.22) * (0.92 + 0.15 * b.x * p.side)
    b.fill(b.box(-0.40, 0.40, 0.0, 0.36), p.main, stone)
    for k in range(9):
        b.fill(b.box(-0.395 + 0.094 * k, -0.345 + 0.094 * k, 0.355, 0.405), p.main, stone * 0.96)
    b.fill(b.box(-0.40, 0.40, 0.325, 0.345), p.dark, 0.75)
    gate = (b.box(-0.085, 0.085, 0.0, 0.13) + b.ellipse(0.0, 0.13, 0.085, 0.085) * b.span(b.y, 0.13, 1.0)).clamp(max=1.0)
    b.fill(gate, p.wood, 0.45 + 0.15 * b.wave(b.x, 0.034) + 0.10 * b.wave(b.y, 0.034))
    for x in (-0.235, 0.235):
        b.fill(b.box(x - 0.024, x + 0.024, 0.17, 0.255), p.glass)
        b.fill(b.box(x - 0.003, x + 0.003, 0.17, 0.255), p.dark, 0.5)


def pagoda(b: Brush, p: Paints) -> None:
    b.fill(b.box(-0.30, 0.30, 0.0, 0.05), p.stone, b.courses(0.025, 0.4))
    for level in range(4):
        y, half = 0.05 + 0.205 * level, 0.225 - 0.036 * level
        b.fill(b.box(-half, half, y, y + 0.125), p.white, _round(b, p, b.x, half * 1.3) * 0.92)
        for k in range(5):
            x = -half + half * 0.5 * k
            b.fill(b.box(x - 0.010, x + 0.010, y, y + 0.125), p.dark, 0.7)
        b.fill(b.box(-half * 0.38, half * 0.38, y + 0.015, y + 0.10), p.glass)
        for x in (-0.19, 0.0, 0.19):
            b.fill(b.box(half * x * 2 - 0.004, half * x * 2 + 0.004, y + 0.015, y + 0.10), p.dark, 0.5)
        eave = half + 0.135
        n = (b.x.abs() / eave).clamp(max=1.0)
        sag = 0.035 * n**3  # upturned corners
        top = y + 0.115 + 0.125 * (1.0 - n) ** 0.75 + sag
        foot = y + 0.085 + sag
        roof = b.edge(b.y - top) * b.edge(foot - b.y) * b.span(b.x, -eave, eave)
        b.fill(
            roof,
            p.main,
            (0.70 + 2.2 * (b.y - y - 0.09)).clamp(0.5, 1.15) * (1.0 + 0.13 * b.wave(b.x, 0.030)) + 0.14 * (b.x / eave) * p.side,
        )
    b.fill(b.line(0.0, 0.86, 0.0, 1.0, 0.018), p.roof, 0.9)
    b.fill(b.ellipse(0.0, 0.93, 0.020, 0.020), p.glass)


def island(b: Brush, half: float) -> tuple[Tensor, Tensor]:
    """The rock that carries an object on water: its cover and a shading (both (B, T, T))."""
    rough = 0.014 * torch.sin(b.x * 21.0) + 0.010 * torch.sin(b.x * 47.0 + 1.0) + 0.006 * b.wave(b.x, 0.06)
    top = 0.055 + rough - 0.05 * (b.x.abs() / half) ** 2
    foot = -0.075 + 0.03 * (b.x / half) ** 2
    cover = b.edge(b.y - top) * b.edge(foot - b.y) * b.edge((b.x.abs() - half) * 0.7)
    facets = 0.18 * torch.sin(b.x * 33.0 + b.y * 60.0) * torch.sin(b.x * 19.0 - b.y * 85.0) + 0.10 * b.wave(
        b.x + b.y, 0.035
    ) * b.wave(b.y - 0.4 * b.x, 0.05)
    return cover, 0.78 + facets


STROKES = {
    "balloon": balloon,
    "airship": airship,
    "sailboat": sailboat,
    "lighthouse": lighthouse,
    "cabin": cabin,
    "tree": tree,
    "tent": tent,
    "windmill": windmill,
    "castle": castle,
    "pagoda": pagoda,
}
