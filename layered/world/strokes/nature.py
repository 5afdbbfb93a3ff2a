"""Plants and the snowman, by their strokes."""

from __future__ import annotations

import math

import torch

from layered.world.brush import Brush, Paints
from layered.world.scene import constant
from layered.world.strokes.parts import rounded


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


def palm(b: Brush, p: Paints) -> None:
    up = (b.y / 0.70).clamp(0.0, 1.0)
    bend = 0.10 * (up * up - 0.5) - 0.03
    trunk = b.edge((b.x - bend).abs() - (0.060 - 0.028 * up)) * b.span(b.y, 0.0, 0.70)
    rings = 1.0 - 0.30 * (b.wave(b.y - 0.15 * (b.x - bend).abs(), 0.042) - 0.2).clamp(min=0.0)
    b.fill(trunk, p.wood, (1.05 + 4.0 * (b.x - bend) * p.side) * rings)
    cx, cy = 0.02, 0.70
    # Fronds: arcs from the crown, far ones first, each a rib with leaflets that hang from it.
    fronds = ((0.30, 0.42, 0.9), (-0.30, 0.42, 0.9), (0.40, 0.04, 0.8), (-0.40, 0.04, 0.8), (0.12, 0.36, 1.0), (-0.14, 0.34, 1.0),
              (0.40, 0.24, 1.0), (-0.42, 0.24, 1.0), (0.25, -0.18, 0.9), (-0.26, -0.18, 0.9))  # fmt: skip
    for k, (reach, rise, tone) in enumerate(fronds):
        t = ((b.x - cx) / reach).clamp(0.0, 1.0)
        rib = cy + rise * t * (1.55 - t) * 1.25 - 0.34 * t * t
        broad = (t * (1.0 - t)).clamp(min=0.0) ** 0.5 * 0.16 + 0.012 * (1.0 - t)
        slant = b.wave(b.x + (0.55 if reach > 0 else -0.55) * (rib - b.y), 0.036)
        hang = broad * (0.86 + 0.20 * slant)
        steep = torch.sqrt(1.0 + ((rise * (1.94 - 2.5 * t) - 0.68 * t) / reach) ** 2)
        cover = b.edge((b.y - rib - 0.22 * broad) / steep) * b.edge((rib - hang - b.y) / steep)
        cover = cover * b.span((b.x - cx) / reach * abs(reach), 0.0, 0.995 * abs(reach))
        shade = tone * (0.86 + 0.12 * slant + 1.1 * (b.y - rib) + 0.10 * (1 if reach > 0 else -1) * p.side + 0.02 * (k % 3))
        b.fill(cover, p.main, shade)
        b.fill(b.edge((b.y - rib).abs() / steep - 0.006) * (t > 0) * (t < 1), p.light, 0.95)
    for x, y in ((-0.035, 0.655), (0.05, 0.645), (0.0, 0.675), (0.085, 0.685)):
        b.fill(b.ellipse(x, y, 0.034, 0.038), p.wood, 0.65 + 6.0 * (b.y - y))


def mushroom(b: Brush, p: Paints) -> None:
    half = 0.125 + 0.06 * ((0.14 - b.y) / 0.14).clamp(0.0, 1.0) ** 2 + 0.03 * ((b.y - 0.3) / 0.2).clamp(0.0, 1.0)
    stem = b.edge(b.x.abs() - half) * b.span(b.y, 0.0, 0.50)
    b.fill(
        stem, p.white, rounded(b, p, b.x, half) * (1.0 - 0.07 * b.wave(b.x, 0.030)) * (0.95 - 0.3 * (b.y - 0.30).clamp(min=0.0))
    )
    ring = b.ellipse(0.0, 0.335, 0.19, 0.05) * b.edge(0.318 - b.y - 0.3 * b.x * b.x)
    b.fill(ring, p.white, rounded(b, p, b.x, 0.2) * (0.9 + 0.1 * b.wave(b.x, 0.03)))
    # Gills below the rim, then the cap.
    b.fill(b.ellipse(0.0, 0.475, 0.40, 0.075), p.white, 0.66 + 0.12 * b.wave(b.x / (0.3 + (b.y - 0.7).abs()), 0.06))
    cap = b.ellipse(0.0, 0.475, 0.45, 0.525) * b.edge(0.475 - 0.28 * b.x * b.x - b.y)
    cap = torch.maximum(cap, b.limb((-0.415, 0.455, 0.035), (0.0, 0.475, 0.02), (0.415, 0.455, 0.035)))
    glow = torch.exp(-(((b.x - 0.16 * p.side) / 0.16) ** 2) - ((b.y - 0.82) / 0.12) ** 2)
    b.fill(cap, p.main, 0.72 + 0.38 * (b.y - 0.45) + 0.36 * b.x * p.side + 0.16 * glow)
    for x, y, rx, ry in ((0.02, 0.80, 0.085, 0.065), (-0.22, 0.70, 0.062, 0.062), (0.24, 0.68, 0.066, 0.068), (0.03, 0.60, 0.062, 0.050),
                         (-0.345, 0.535, 0.036, 0.050), (0.365, 0.525, 0.034, 0.048), (-0.14, 0.535, 0.040, 0.032),
                         (0.20, 0.53, 0.036, 0.028), (-0.13, 0.90, 0.038, 0.024)):  # fmt: skip
        b.fill(b.ellipse(x, y - 0.008, rx + 0.006, ry + 0.006) * cap, p.dark, 0.85)
        b.fill(b.ellipse(x, y, rx, ry) * cap, p.white, 0.92 + 0.8 * (b.y - y) + 0.2 * b.x * p.side)
    for k in range(9):  # blades of grass at the foot
        x = -0.26 + 0.065 * k
        b.fill(
            b.limb((x, 0.0, 0.013), (x + 0.03 * math.sin(2.0 * k), 0.09 + 0.03 * math.cos(3.0 * k), 0.003)),
            p.leaf,
            0.9 + 0.1 * (k % 3),
        )


def snowman(b: Brush, p: Paints) -> None:
    for side in (-1.0, 1.0):
        b.fill(b.limb((side * 0.13, 0.45, 0.011), (side * 0.28, 0.56, 0.009)), p.wood, 0.7)
        for x, y in ((0.285, 0.62), (0.30, 0.56), (0.25, 0.60)):
            b.fill(b.limb((side * 0.24, 0.53, 0.008), (side * x, y, 0.005)), p.wood, 0.7)
    for cy, r in ((0.225, 0.245), (0.495, 0.180), (0.715, 0.130)):
        n, m = b.x / r, (b.y - cy) / r
        sparkle = 0.04 * b.wave(b.x + 0.5 * b.y, 0.017) * b.wave(b.y - 0.4 * b.x, 0.019)
        front = torch.sqrt((1.0 - n * n - m * m).clamp(min=0.0))
        cover = b.ellipse(0.0, cy, r, r * 0.985) * b.edge(-b.y)
        b.fill(cover, p.main, 0.62 + 0.26 * front + 0.16 * m + 0.14 * n * p.side + sparkle)
    for y in (0.40, 0.48, 0.555):
        b.fill(b.ellipse(0.0, y, 0.021, 0.021), p.roof, 0.45 + 5.0 * (b.y - y).clamp(min=0.0))
    # Scarf, face, hat.
    b.fill(b.limb((-0.115, 0.625, 0.030), (0.0, 0.605, 0.033), (0.115, 0.625, 0.030)), p.light, 0.92 + 0.12 * b.wave(b.x, 0.045))
    b.fill(b.polygon(((0.045, 0.44), (0.115, 0.43), (0.115, 0.61), (0.06, 0.61))), p.light, 0.86 + 0.12 * b.wave(b.y, 0.045))
    for x in (-0.046, 0.046):
        b.fill(b.ellipse(x, 0.755, 0.017, 0.019), p.roof, 0.4)
    for k in range(5):
        x = -0.052 + 0.026 * k
        b.fill(b.ellipse(x, 0.662 + 4.5 * x * x, 0.009, 0.009), p.roof, 0.4)
    b.fill(
        b.outline(((-0.015, 0.735), (0.13, 0.700), (-0.010, 0.695))),
        constant((0.95, 0.50, 0.12), b.x) * p.white,
        1.0,
    )
    b.fill(b.limb((-0.155, 0.825, 0.016), (0.155, 0.825, 0.016)), p.dark, 0.60)
    b.fill(b.polygon(((-0.100, 0.83), (0.100, 0.83), (0.108, 0.995), (-0.108, 0.995))), p.dark, 0.72 * rounded(b, p, b.x, 0.11))
    b.fill(b.box(-0.102, 0.102, 0.845, 0.880), p.light, rounded(b, p, b.x, 0.11))
