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
    fronds = (
        (0.27, 0.44, 0.80), (-0.25, 0.44, 0.80), (0.36, -0.02, 0.78), (-0.37, -0.02, 0.78), (0.46, 0.16, 0.92),
        (-0.48, 0.16, 0.92), (0.40, 0.36, 1.00), (-0.42, 0.36, 1.00), (0.16, 0.50, 1.05), (-0.18, 0.48, 1.05),
        (0.24, -0.30, 0.90), (-0.26, -0.30, 0.90),
    )  # fmt: skip
    for reach, rise, tone in fronds:
        w = b.near(min(reach, 0.0), max(reach, 0.0) + 0.04, 0.10, 1.10)
        along = (w.x - cx) / reach
        t = along.clamp(0.0, 1.0)
        rib = cy + rise * t * (1.45 - t) * 1.35 - 0.30 * t * t
        steep = torch.sqrt(1.0 + ((1.35 * rise * (1.45 - 2.0 * t) - 0.60 * t) / reach) ** 2)
        broad = (t * (1.02 - t)).clamp(min=0.0) ** 0.6 * 0.155 + 0.015 * (1.0 - t)
        lean = 0.7 if reach > 0 else -0.7
        slant = w.wave(w.x + lean * (rib - w.y), 0.030)
        hang = broad * (0.90 + 0.26 * slant * t) * steep.clamp(max=1.7)
        rise_above = broad * (0.42 + 0.12 * slant) * steep.clamp(max=1.7)
        cover = w.edge((w.y - rib - rise_above) / steep) * w.edge((rib - hang - w.y) / steep)
        cover = cover * w.edge(-along * abs(reach)) * w.edge((along - 0.995) * abs(reach))
        shade = tone * (0.86 + 0.10 * slant + 0.9 * (w.y - rib) + 0.10 * math.copysign(1.0, reach) * p.side)
        w.fill(cover, p.main, shade)
        w.fill(w.edge((w.y - rib).abs() / steep - 0.005) * (along > 0.02) * (along < 0.95), p.light, 0.92 * tone)
    for x, y in ((-0.035, 0.655), (0.05, 0.645), (0.0, 0.675), (0.085, 0.685)):
        w = b.near(x - 0.04, x + 0.04, y - 0.04, y + 0.04)
        w.fill(w.ellipse(x, y, 0.034, 0.038), p.wood, 0.65 + 6.0 * (w.y - y))


def mushroom(b: Brush, p: Paints) -> None:
    half = 0.150 + 0.07 * ((0.16 - b.y) / 0.16).clamp(0.0, 1.0) ** 2 + 0.03 * ((b.y - 0.25) / 0.2).clamp(0.0, 1.0)
    stem = b.edge(b.x.abs() - half) * b.span(b.y, 0.0, 0.45)
    fibres = (1.0 - 0.07 * b.wave(b.x, 0.030)) * (0.97 - 0.9 * (b.y - 0.22).clamp(min=0.0))
    b.fill(stem, p.white, rounded(b, p, b.x, half) * fibres)
    ring = b.ellipse(0.0, 0.265, 0.225, 0.055) * b.edge(0.245 - b.y - 0.3 * b.x * b.x)
    b.fill(ring, p.white, rounded(b, p, b.x, 0.23) * (0.9 + 0.1 * b.wave(b.x, 0.03)))
    # Gills below the rim, then the cap.
    b.fill(b.ellipse(0.0, 0.405, 0.43, 0.085), p.white, 0.66 + 0.12 * b.wave(b.x / (0.3 + (b.y - 0.7).abs()), 0.06))
    cap = b.ellipse(0.0, 0.405, 0.485, 0.595) * b.edge(0.405 - 0.24 * b.x * b.x - b.y)
    cap = torch.maximum(cap, b.limb((-0.45, 0.385, 0.035), (0.0, 0.405, 0.02), (0.45, 0.385, 0.035)))
    glow = torch.exp(-(((b.x - 0.18 * p.side) / 0.18) ** 2) - ((b.y - 0.80) / 0.14) ** 2)
    b.fill(cap, p.main, 0.74 + 0.34 * (b.y - 0.40) + 0.32 * b.x * p.side + 0.16 * glow)
    spots = (
        (0.03, 0.755, 0.105, 0.085), (-0.245, 0.640, 0.085, 0.085), (0.275, 0.615, 0.085, 0.085), (0.02, 0.525, 0.085, 0.065),
        (-0.395, 0.465, 0.040, 0.058), (0.420, 0.455, 0.034, 0.050), (-0.165, 0.475, 0.050, 0.036), (0.20, 0.470, 0.045, 0.032),
        (-0.14, 0.905, 0.050, 0.030), (0.17, 0.895, 0.042, 0.028),
    )  # fmt: skip
    for x, y, rx, ry in spots:
        w = b.near(x - rx - 0.01, x + rx + 0.01, y - ry - 0.02, y + ry)
        inside = w.ellipse(0.0, 0.405, 0.485, 0.595)
        w.fill(w.ellipse(x, y - 0.008, rx + 0.006, ry + 0.006) * inside, p.dark, 0.85)
        w.fill(w.ellipse(x, y, rx, ry) * inside, p.white, 0.92 + 0.8 * (w.y - y) + 0.2 * w.x * p.side)
    w = b.near(-0.30, 0.32, -0.02, 0.14)
    for k in range(9):  # blades of grass at the foot
        x = -0.26 + 0.065 * k
        w.fill(
            w.limb((x, 0.0, 0.013), (x + 0.03 * math.sin(2.0 * k), 0.09 + 0.03 * math.cos(3.0 * k), 0.003)),
            p.leaf,
            0.9 + 0.1 * (k % 3),
        )


def snowman(b: Brush, p: Paints) -> None:
    w = b.near(-0.32, 0.32, 0.42, 0.64)
    for side in (-1.0, 1.0):
        w.fill(w.limb((side * 0.13, 0.45, 0.011), (side * 0.28, 0.56, 0.009)), p.wood, 0.7)
        for x, y in ((0.285, 0.62), (0.30, 0.56), (0.25, 0.60)):
            w.fill(w.limb((side * 0.24, 0.53, 0.008), (side * x, y, 0.005)), p.wood, 0.7)
    for cy, r in ((0.225, 0.245), (0.495, 0.180), (0.715, 0.130)):
        w = b.near(-r, r, cy - r, cy + r)
        n, m = w.x / r, (w.y - cy) / r
        bent = w.x + 0.02 * torch.sin(w.y * 53.0 + 7.0 * torch.sin(w.x * 31.0))
        sparkle = 0.05 * w.wave(bent + 0.5 * w.y, 0.023) * w.wave(w.y - 0.4 * bent, 0.031)
        front = torch.sqrt((1.0 - n * n - m * m).clamp(min=0.0))
        cover = w.ellipse(0.0, cy, r, r * 0.985) * w.edge(-w.y)
        w.fill(cover, p.main, 0.62 + 0.26 * front + 0.16 * m + 0.14 * n * p.side + sparkle)
    w = b.near(-0.19, 0.19, 0.37, 1.01)
    for y in (0.40, 0.48, 0.555):
        w.fill(w.ellipse(0.0, y, 0.021, 0.021), p.roof, 0.45 + 5.0 * (w.y - y).clamp(min=0.0))
    # Scarf, face, hat.
    w.fill(w.limb((-0.115, 0.625, 0.030), (0.0, 0.605, 0.033), (0.115, 0.625, 0.030)), p.light, 0.92 + 0.12 * w.wave(w.x, 0.045))
    w.fill(w.polygon(((0.045, 0.44), (0.115, 0.43), (0.115, 0.61), (0.06, 0.61))), p.light, 0.86 + 0.12 * w.wave(w.y, 0.045))
    for x in (-0.046, 0.046):
        w.fill(w.ellipse(x, 0.755, 0.017, 0.019), p.roof, 0.4)
    for k in range(5):
        x = -0.052 + 0.026 * k
        w.fill(w.ellipse(x, 0.662 + 4.5 * x * x, 0.009, 0.009), p.roof, 0.4)
    w.fill(
        w.outline(((-0.015, 0.735), (0.13, 0.700), (-0.010, 0.695))),
        constant((0.95, 0.50, 0.12), w.x) * p.white,
        1.0,
    )
    w.fill(w.limb((-0.165, 0.825, 0.018), (0.165, 0.825, 0.018)), p.roof, 0.62)
    w.fill(w.polygon(((-0.105, 0.83), (0.105, 0.83), (0.113, 0.995), (-0.113, 0.995))), p.roof, 0.85 * rounded(w, p, w.x, 0.115))
    w.fill(w.box(-0.107, 0.107, 0.845, 0.885), p.light, rounded(w, p, w.x, 0.115))
