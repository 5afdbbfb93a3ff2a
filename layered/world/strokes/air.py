"""Things that fly, by their strokes."""

from __future__ import annotations

import math

import torch

from layered.world.brush import Brush, Paints
from layered.world.strokes.parts import rounded


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
    b.fill(cover * b.span(b.y, cy - 0.055, cy - 0.030), p.dark, shade)
    b.fill(cover * b.span(b.y, cy - 0.105, cy - 0.092), p.dark, shade)
    for x in (-0.06, -0.022, 0.022, 0.06):
        b.fill(b.line(x * 0.9, 0.115, x * 0.95, 0.225, 0.006), p.wood, 0.6)
    b.fill(
        b.box(-0.068, 0.068, 0.0, 0.115),
        p.wood,
        rounded(b, p, b.x, 0.075) * (1.0 + 0.18 * b.wave(b.y, 0.02) + 0.12 * b.wave(b.x, 0.026)),
    )
    b.fill(b.box(-0.074, 0.074, 0.103, 0.122), p.wood, 0.7)
    b.fill(b.ellipse(0.0, 0.19, 0.016, 0.03), p.glass, 1.15)


def airship(b: Brush, p: Paints) -> None:
    cy, rx, ry = 0.58, 0.92, 0.36
    nose = torch.where(p.draw > 0.5, 1.0, -1.0)
    x = b.x * nose
    tail = b.at(x, b.y)
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
    b.fill(cover, p.main, shade * ribs)
    b.fill(cover * b.span(n * ry, -0.055, 0.055), p.light, shade)
    b.fill(tail.polygon(((-0.98, 0.54), (-0.55, 0.565), (-0.55, 0.60), (-0.98, 0.63))), p.dark, 1.0)
    b.fill(b.polygon(((-0.24, 0.235), (-0.18, 0.08), (0.18, 0.08), (0.24, 0.235))), p.dark, 0.72)
    for k in range(6):
        b.fill(b.box(-0.165 + 0.057 * k, -0.125 + 0.057 * k, 0.13, 0.185), p.glass)


def plane(b: Brush, p: Paints) -> None:
    b = b.turned(0.07, 0.0, 0.5)
    body = 0.86 + 1.5 * (b.y - 0.50)
    # Far wing and far tail first, then the fuselage, the fin and what is near.
    b.fill(b.polygon(((0.20, 0.56), (-0.16, 0.56), (-0.44, 0.92), (-0.30, 0.92))[::-1]), p.dark, 0.80)
    b.fill(b.polygon(((-0.66, 0.56), (-0.86, 0.56), (-0.98, 0.70), (-0.88, 0.70))[::-1]), p.dark, 0.80)
    b.fill(
        b.outline(((-0.52, 0.60), (-0.74, 0.96), (-0.92, 0.97), (-0.86, 0.58))),
        p.main,
        0.95,
    )
    b.fill(b.outline(((-0.585, 0.70), (-0.74, 0.96), (-0.92, 0.97), (-0.905, 0.86))), p.light, 0.95)
    hull = b.edge(b.flesh(0.10, ((-0.95, 0.565, 0.025), (-0.55, 0.52, 0.115)), ((-0.55, 0.52, 0.115), (0.66, 0.49, 0.135)),
                          ((0.66, 0.49, 0.135), (0.90, 0.455, 0.055))))  # fmt: skip
    b.fill(hull, p.main, body + 0.35 * (b.y - 0.5))
    b.fill(hull * b.span(b.y, 0.30, 0.425), p.dark, 0.95)
    b.fill(hull * b.span(b.y, 0.425, 0.445), p.white, 0.98)
    for k in range(15):
        x = -0.50 + 0.072 * k
        b.fill(b.ellipse(x, 0.535, 0.017, 0.023), p.glass)
    b.fill(hull * b.polygon(((0.70, 0.50), (0.90, 0.47), (0.84, 0.545), (0.74, 0.56))), p.glass, 0.9)
    for x in (0.605, -0.575):
        b.fill(b.box(x - 0.026, x + 0.026, 0.455, 0.575), p.dark, 0.75)
        b.fill(b.box(x - 0.019, x + 0.019, 0.462, 0.568), p.main, 1.05)
    wing = b.outline(((0.24, 0.46), (-0.14, 0.44), (-0.60, 0.03), (-0.44, 0.02)))
    b.fill(wing, p.main, 0.80 + 0.30 * b.y)
    b.fill(wing * b.limb((-0.10, 0.44, 0.012), (-0.56, 0.03, 0.012)), p.dark, 0.8)
    b.fill(wing * b.limb((0.22, 0.45, 0.010), (-0.43, 0.025, 0.010)), p.light, 1.0)
    for x, y in ((0.02, 0.275), (-0.19, 0.140)):
        b.fill(b.limb((x - 0.12, y, 0.030), (x + 0.06, y - 0.006, 0.048)), p.light, 0.80 + 2.2 * (b.y - y))
        b.fill(b.ellipse(x + 0.095, y - 0.006, 0.017, 0.044), p.dark, 0.45)
    b.fill(b.outline(((-0.66, 0.55), (-0.86, 0.55), (-1.0, 0.40), (-0.90, 0.40))), p.main, 0.82)


def kite(b: Brush, p: Paints) -> None:
    b = b.turned(-0.20 + 0.14 * p.draw, 0.0, 0.66)
    # The tail sways below, a ribbon with bows.
    sway = 0.075 * torch.sin((0.40 - b.y) * 14.0)
    b.fill(b.span(b.x - sway, -0.010, 0.010) * b.span(b.y, 0.02, 0.41), p.dark, 0.9)
    for y in (0.31, 0.21, 0.11):
        x = 0.075 * math.sin((0.40 - y) * 14.0)
        for side in (-1.0, 1.0):
            bow = b.outline(((x, y), (x + side * 0.075, y + 0.048), (x + side * 0.075, y - 0.040)))
            b.fill(bow, p.main, 0.95 + 0.12 * side * p.side)
        b.fill(b.ellipse(x, y, 0.015, 0.018), p.dark, 0.8)
    x0, y0 = 0.0, 0.76
    corners = ((0.0, 0.99), (-0.345, y0), (0.0, 0.39), (0.345, y0))
    for k, tone in enumerate((1.0, 0.84, 0.97, 0.90)):
        part = b.polygon(((x0, y0), corners[k], corners[(k + 1) % 4]))
        colour = p.main if k % 2 == 0 else torch.lerp(p.main, p.dark, 0.45)
        b.fill(part, colour, tone + 0.25 * b.x * p.side + 0.04 * b.wave(b.x + 0.5 * b.y, 0.05))
    whole = b.polygon(corners)
    inner = b.polygon(tuple((x * 0.80, y0 - 0.03 + (y - y0 + 0.03) * 0.80) for x, y in corners))
    b.fill(whole * (1.0 - inner), p.light, 0.97)
    b.fill(whole * (1.0 - b.polygon(tuple((x * 0.955, y0 + (y - y0) * 0.955) for x, y in corners))), p.dark, 0.70)
    b.fill(b.line(0.0, 0.39, 0.0, 0.99, 0.014), p.wood, 0.8)
    b.fill(b.line(-0.345, y0, 0.345, y0, 0.014), p.wood, 0.8)
    b.fill(b.ellipse(x0, y0, 0.020, 0.020), p.white)


def rocket(b: Brush, p: Paints) -> None:
    for side in (-1.0, 1.0):
        fin = b.outline(
            ((side * 0.075, 0.36), (side * 0.215, 0.16), (side * 0.220, 0.0), (side * 0.165, 0.03), (side * 0.09, 0.12))
        )
        b.fill(fin, p.dark, 0.95 + 0.25 * side * p.side)
    b.fill(b.polygon(((-0.085, 0.045), (0.085, 0.045), (0.06, 0.13), (-0.06, 0.13))), p.stone, rounded(b, p, b.x, 0.09) * 0.7)
    up = ((b.y - 0.36) / 0.64).clamp(0.0, 1.0)
    down = ((0.36 - b.y) / 0.26).clamp(0.0, 1.0)
    half = (0.165 * (1.0 - up**2.0) * (1.0 - 0.42 * down**2)).clamp(min=1e-3)
    body = b.edge((b.x.abs() - half) * 0.93) * b.span(b.y, 0.10, 1.0)
    shade = rounded(b, p, b.x, half)
    b.fill(body, p.main, shade * (1.0 - 0.08 * (b.wave(b.x / half, 0.5) - 0.6).clamp(min=0.0)))
    b.fill(body * b.span(b.y - 0.10 * b.x * b.x / 0.03, 0.80, 1.2), p.dark, shade)
    b.fill(body * b.span(b.y - 0.3 * b.x * b.x, 0.780, 0.800), p.white, shade)
    b.fill(body * b.span(b.y - 0.3 * b.x * b.x, 0.185, 0.215), p.white, shade)
    for row in (0.27, 0.48, 0.73):  # rivets along the seams of the plates
        seam = body * b.span(b.y - 0.25 * b.x * b.x, row - 0.004, row + 0.004)
        b.fill(seam, p.dark, 0.75)
        b.fill(body * b.span(b.y - 0.25 * b.x * b.x, row + 0.010, row + 0.018) * (b.wave(b.x, 0.03) > 0.3), p.dark, 0.8)
    for y, r in ((0.60, 0.062), (0.385, 0.044)):
        w = b.near(-r - 0.03, r + 0.03, y - r - 0.03, y + r + 0.03)
        w.fill(w.ellipse(0.0, y, r + 0.022, r + 0.022), p.white, 0.78 + 2.5 * (w.y - y))
        w.fill(w.ellipse(0.0, y, r, r), p.glass, 0.95 + 3.0 * (w.y - y))
        w.fill(w.ellipse(-0.3 * r, y + 0.35 * r, 0.28 * r, 0.2 * r), p.white)
    b.fill(b.polygon(((-0.022, 0.0), (0.022, 0.0), (0.016, 0.33), (-0.016, 0.33))), p.dark, 0.75)
