"""Craft of air, water and road, by their strokes."""

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
    b.fill(cover * b.span(b.y, cy - 0.055, cy - 0.020), p.light, shade)
    b.fill(cover * b.span(b.y, cy - 0.115, cy - 0.095), p.light, shade)
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
