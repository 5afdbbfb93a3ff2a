"""Ships, the train and the car, by their strokes."""

from __future__ import annotations

import math

import torch

from layered.world.brush import Brush, Paints, smooth
from layered.world.strokes.parts import rounded


def sailboat(b: Brush, p: Paints) -> None:
    lean = b.x + 0.035 * b.y * torch.where(p.draw > 0.5, 1.0, -1.0)
    s = b.at(lean, b.y)
    b.fill(s.line(-0.01, 0.12, -0.01, 1.0, 0.016), p.wood, 0.75)
    belly = 0.05 * torch.sin(((b.y - 0.2) / 0.75).clamp(0, 1) * math.pi)
    sail = b.at(lean - belly, b.y)
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


def steamship(b: Brush, p: Paints) -> None:
    for x, size in ((-0.28, 0.040), (-0.40, 0.055), (-0.55, 0.068), (-0.71, 0.075)):
        y = 0.955 - 0.6 * (size - 0.04)
        b.fill(b.ellipse(x, y, size * 1.5, size) * 0.75, p.white, 0.86 + 1.6 * (b.y - y))
    for x in (-0.02, 0.30):
        w = b.near(x - 0.13, x + 0.13, 0.42, 0.90)
        n = w.x - x + 0.06 * (w.y - 0.5)
        w.fill(w.span(n, -0.085, 0.085) * w.span(w.y, 0.44, 0.88), p.main, rounded(w, p, n, 0.085))
        w.fill(w.span(n, -0.085, 0.085) * w.span(w.y, 0.69, 0.745), p.white, rounded(w, p, n, 0.085))
        w.fill(w.span(n, -0.092, 0.092) * w.span(w.y, 0.82, 0.885), p.roof, rounded(w, p, n, 0.092) * 0.7)
    w = b.near(-0.70, 0.82, 0.26, 1.02)
    w.fill(w.line(0.62, 0.28, 0.58, 1.0, 0.016), p.wood, 0.8)
    w.fill(w.line(-0.66, 0.28, -0.68, 0.80, 0.016), p.wood, 0.8)
    w.fill(w.line(0.585, 0.95, 0.80, 0.37, 0.005) + w.line(0.585, 0.95, 0.34, 0.55, 0.005), p.roof, 0.6)
    w = b.near(-0.52, 0.52, 0.26, 0.50)
    w.fill(w.box(-0.46, 0.47, 0.27, 0.395), p.white, 0.90 + 0.10 * w.x * p.side)
    w.fill(w.box(-0.30, 0.40, 0.395, 0.475), p.white, 0.95 + 0.10 * w.x * p.side)
    w.fill(w.box(-0.50, 0.50, 0.385, 0.402), p.main, 0.75)
    w.fill(w.box(-0.33, 0.45, 0.468, 0.486), p.main, 0.75)
    for k in range(11):
        w.fill(w.box(-0.42 + 0.08 * k, -0.375 + 0.08 * k, 0.305, 0.360), p.glass)
    for k in range(8):
        w.fill(w.box(-0.26 + 0.08 * k, -0.22 + 0.08 * k, 0.415, 0.455), p.glass)
    hull = b.outline(((-0.72, 0.0), (0.70, 0.0), (0.84, 0.345), (0.60, 0.285), (-0.74, 0.275), (-0.84, 0.295), (-0.80, 0.12)))
    plates = 1.0 - 0.06 * (b.wave(b.y, 0.06) - 0.5).clamp(min=0.0) - 0.05 * (b.wave(b.x, 0.13) - 0.8).clamp(min=0.0)
    b.fill(hull, p.main, (0.86 + 0.55 * (b.y - 0.12) + 0.10 * b.x * p.side) * plates)
    b.fill(hull * b.span(b.y, -0.1, 0.055), p.dark, 0.7)
    b.fill(hull * b.span(b.y - 0.06 * b.x.clamp(min=0.3), 0.225, 0.245), p.white, 0.95)
    w = b.near(-0.66, 0.66, 0.12, 0.18)
    for k in range(14):
        w.fill(w.ellipse(-0.62 + 0.095 * k, 0.150, 0.017, 0.017), p.glass)
    w = b.near(0.62, 0.70, 0.11, 0.22)
    w.fill(w.line(0.66, 0.20, 0.66, 0.13, 0.014) + w.line(0.64, 0.135, 0.68, 0.135, 0.012), p.roof, 0.5)  # the anchor
    w = b.near(-0.83, 0.72, 0.26, 0.36)
    for k in range(12):
        x = -0.80 + 0.03 * k if k < 9 else 0.53 + 0.05 * (k - 9)
        w.fill(w.line(x, 0.28, x, 0.335, 0.005), p.white, 0.9)
    w.fill(w.line(-0.81, 0.335, -0.55, 0.335, 0.007) + w.line(0.52, 0.335, 0.70, 0.345, 0.007), p.white, 0.9)


def _wheel(b: Brush, p: Paints, x: float, y: float, r: float, spokes: int) -> None:
    b = b.near(x - r, x + r, y - r, y + r)
    b.fill(b.ellipse(x, y, r, r), p.roof, 0.55)
    b.fill(b.ellipse(x, y, r * 0.74, r * 0.74), p.dark, 0.95)
    for k in range(spokes):
        a = math.pi * (k + 0.3) / spokes
        c, s = 0.72 * r * math.cos(a), 0.72 * r * math.sin(a)
        b.fill(b.line(x - c, y - s, x + c, y + s, 0.14 * r), p.roof, 0.6)
    b.fill(b.ellipse(x, y, r * 0.22, r * 0.22), p.light, 0.9)


def train(b: Brush, p: Paints) -> None:
    w = b.near(-1.05, 1.05, -0.03, 0.03)
    w.fill(w.box(-1.04, 1.04, 0.0, 0.022), p.stone, 0.7)
    w.fill(w.box(-1.02, 1.02, -0.02, 0.004) * (w.wave(w.x, 0.09) > -0.2), p.wood, 0.6)
    for x, y, size in ((0.62, 0.955, 0.042), (0.50, 0.945, 0.05), (0.35, 0.945, 0.055)):
        w = b.near(x - 2.0 * size, x + 2.0 * size, y - size, y + size)
        w.fill(w.ellipse(x, y, size * 1.7, size) * 0.8, p.white, 0.9 + 1.6 * (w.y - y))
    # The carriage.
    w = b.near(-1.06, -0.07, 0.16, 0.80)
    w.fill(w.box(-0.32, -0.08, 0.17, 0.205), p.roof, 0.6)
    w.fill(w.box(-1.0, -0.29, 0.19, 0.70), p.main, 0.92 + 0.20 * (w.y - 0.4) + 0.03 * w.wave(w.x, 0.05))
    w.fill(w.box(-1.0, -0.29, 0.19, 0.235), p.dark, 0.7)
    w.fill(w.box(-1.0, -0.29, 0.36, 0.385), p.white, 0.95)
    w.fill(w.ellipse(-0.645, 0.69, 0.40, 0.085) * w.span(w.y, 0.69, 1.0), p.dark, 0.70 + 2.0 * (w.y - 0.7))
    for k in range(5):
        x = -0.925 + 0.14 * k
        w.fill(w.box(x - 0.048, x + 0.048, 0.43, 0.635), p.white, 0.9)
        w.fill(w.box(x - 0.037, x + 0.037, 0.44, 0.625), p.glass)
    # The engine: cab, boiler, chimney and domes.
    w = b.near(-0.22, 1.05, 0.0, 0.95)
    w.fill(w.box(-0.18, 0.86, 0.20, 0.275), p.dark, 0.75)
    shade = 0.72 + 0.34 * torch.sqrt((1.0 - ((w.y - 0.50) / 0.19) ** 2).clamp(min=0.0)) + 0.6 * (w.y - 0.46)
    w.fill(w.box(0.10, 0.84, 0.27, 0.655), p.main, shade)
    w.fill(w.ellipse(0.84, 0.4625, 0.05, 0.1925), p.dark, 0.85)
    for x in (0.27, 0.45, 0.63):
        w.fill(w.box(x - 0.011, x + 0.011, 0.27, 0.655), p.white, shade * 0.85)
    for x, half, top in ((0.36, 0.060, 0.755), (0.54, 0.045, 0.735)):
        w.fill(w.box(x - half, x + half, 0.64, top - 0.03), p.light, rounded(w, p, w.x - x, half))
        w.fill(w.ellipse(x, top - 0.035, half, 0.04), p.light, rounded(w, p, w.x - x, half))
    w.fill(w.polygon(((0.70, 0.64), (0.80, 0.64), (0.845, 0.90), (0.655, 0.90))), p.dark, rounded(w, p, w.x - 0.75, 0.09) * 0.9)
    w.fill(w.box(0.64, 0.86, 0.885, 0.925), p.roof, 0.6)
    w.fill(w.box(-0.17, 0.14, 0.22, 0.80), p.main, 0.95 + 0.15 * (w.y - 0.5))
    w.fill(w.box(-0.215, 0.185, 0.79, 0.845), p.dark, 0.75)
    w.fill(w.box(-0.12, 0.09, 0.50, 0.735), p.white, 0.9)
    w.fill(w.box(-0.105, 0.075, 0.515, 0.72), p.glass)
    w.fill(w.box(-0.17, 0.14, 0.40, 0.422), p.white, 0.95)
    w.fill(w.outline(((0.84, 0.24), (1.03, 0.03), (0.80, 0.03))), p.dark, 0.72 + 0.25 * w.wave(w.x - 0.5 * w.y, 0.045))
    w.fill(w.ellipse(0.89, 0.60, 0.032, 0.036), p.white)
    for x in (-0.88, -0.72, -0.52, -0.40):
        _wheel(b, p, x, 0.10, 0.082, 3)
    for x in (-0.02, 0.25, 0.52):
        _wheel(b, p, x, 0.145, 0.128, 4)
    _wheel(b, p, 0.755, 0.10, 0.082, 3)
    w = b.near(-0.05, 0.75, 0.08, 0.25)
    w.fill(w.limb((-0.02, 0.115, 0.016), (0.52, 0.115, 0.016), (0.70, 0.22, 0.014)), p.stone, 1.1)


def car(b: Brush, p: Paints) -> None:
    body = b.outline(
        smooth(
            ((0.30, 0.235), (-0.30, 0.235), (-0.80, 0.235), (-0.875, 0.275), (-0.885, 0.42), (-0.84, 0.55), (-0.72, 0.615),
             (-0.54, 0.640), (-0.39, 0.88), (-0.25, 0.975), (-0.05, 0.995), (0.12, 0.970), (0.25, 0.860), (0.41, 0.655),
             (0.64, 0.605), (0.81, 0.53), (0.885, 0.41), (0.87, 0.275), (0.80, 0.235)),
            3,
        )
    )  # fmt: skip
    shine = 0.80 + 0.32 * b.y + 0.14 * torch.exp(-(((b.y - 0.55) / 0.03) ** 2)) + 0.06 * b.x * p.side
    b.fill(body, p.main, shine)
    b.fill(body * b.span(b.y, 0.0, 0.265), p.dark, 0.65)
    w = b.near(-0.43, 0.33, 0.63, 0.94)
    rear = w.outline(((-0.41, 0.645), (-0.30, 0.87), (-0.22, 0.915), (-0.085, 0.925), (-0.085, 0.645)))
    front = w.outline(((-0.02, 0.645), (-0.02, 0.925), (0.09, 0.92), (0.155, 0.875), (0.31, 0.645)))
    for pane in (rear, front):
        w.fill(pane, p.glass, 0.9 + 0.5 * (w.y - 0.75))
        w.fill(pane * w.span(w.x - 0.5 * w.y, -0.42, -0.36), p.white, 0.9)
    w = b.near(-0.50, 0.36, 0.26, 0.66)
    w.fill(w.line(-0.05, 0.28, -0.05, 0.64, 0.010) + w.line(0.34, 0.34, 0.34, 0.60, 0.008), p.dark, 0.6)
    w.fill(w.line(-0.42, 0.34, -0.47, 0.60, 0.008), p.dark, 0.6)
    w.fill(w.box(-0.17, -0.09, 0.555, 0.575) + w.box(0.20, 0.28, 0.555, 0.575), p.white, 0.95)
    b.fill(body * b.span(b.y, 0.425, 0.442), p.white, 0.95)
    w = b.near(0.76, 0.87, 0.42, 0.55)
    w.fill(w.ellipse(0.815, 0.485, 0.045, 0.055), p.white)
    w.fill(w.ellipse(0.825, 0.485, 0.028, 0.038), p.glass, 1.1)
    w = b.near(-0.91, 0.92, 0.22, 0.54)
    w.fill(w.box(-0.885, -0.845, 0.43, 0.53), p.roof, 1.4)
    w.fill(
        w.limb((-0.87, 0.265, 0.028), (-0.74, 0.255, 0.024)) + w.limb((0.76, 0.255, 0.024), (0.88, 0.265, 0.028)), p.white, 0.85
    )
    for x in (-0.52, 0.54):
        w = b.near(x - 0.23, x + 0.23, 0.0, 0.47)
        w.fill(w.ellipse(x, 0.215, 0.225, 0.245) * w.span(w.y, 0.215, 1.0), p.dark, 0.45)
        w.fill(w.ellipse(x, 0.18, 0.18, 0.18), p.roof, 0.40)
        w.fill(w.ellipse(x, 0.18, 0.108, 0.108), p.white, 0.80 + 1.6 * (w.y - 0.18))
        w.fill(w.ellipse(x, 0.18, 0.075, 0.075), p.main, 0.9)
        w.fill(w.ellipse(x, 0.18, 0.028, 0.028), p.white, 0.95)
