"""Buildings, by their strokes."""

from __future__ import annotations

import math

import torch

from layered.world.brush import Brush, Paints
from layered.world.scene import constant
from layered.world.strokes.parts import rounded, window


def lighthouse(b: Brush, p: Paints) -> None:
    half = 0.155 - 0.075 * (b.y / 0.76).clamp(0.0, 1.0)
    b.fill(b.box(-0.205, 0.205, 0.0, 0.045), p.stone, rounded(b, p, b.x, 0.22) * b.courses(0.022, 0.5))
    body = b.edge(b.x.abs() - half) * b.span(b.y, 0.03, 0.76)
    shade = rounded(b, p, b.x, half)
    b.fill(body, p.main, shade * b.courses(0.030, 0.16))
    for y in (0.245, 0.545):
        b.fill(body * b.span(b.y + 0.14 * b.x * b.x, y, y + 0.016), p.dark, shade)
    w = b.near(-0.13, 0.13, 0.03, 1.01)
    w.fill(w.box(-0.038, 0.038, 0.04, 0.135), p.wood, 0.7)
    for y in (0.33, 0.63):
        w.fill(w.box(-0.018, 0.018, y, y + 0.062), p.glass)
    w.fill(w.box(-0.125, 0.125, 0.755, 0.782), p.dark, 0.55)
    for k in range(9):
        w.fill(w.line(-0.118 + 0.0295 * k, 0.78, -0.118 + 0.0295 * k, 0.822, 0.006), p.dark, 0.5)
    w.fill(w.line(-0.12, 0.822, 0.12, 0.822, 0.008), p.dark, 0.5)
    w.fill(w.box(-0.062, 0.062, 0.782, 0.885), p.glass, 1.05)
    for x in (-0.06, -0.02, 0.02, 0.06):
        w.fill(w.line(x, 0.782, x, 0.885, 0.007), p.dark, 0.5)
    w.fill(w.polygon(((-0.085, 0.882), (0.085, 0.882), (0.0, 0.972))), p.main, 0.75 + 2.0 * w.x * p.side)
    w.fill(w.line(0.0, 0.96, 0.0, 1.0, 0.010), p.dark, 0.5)


def cabin(b: Brush, p: Paints) -> None:
    w = b.near(0.17, 0.35, 0.58, 1.01)
    w.fill(w.box(0.20, 0.32, 0.60, 1.0), p.stone, (0.9 + 2.0 * (w.x - 0.26) * p.side) * w.courses(0.035, 0.5))
    w.fill(w.box(0.185, 0.335, 0.965, 1.0), p.stone, 0.7)
    b.fill(b.box(-0.52, 0.52, 0.0, 0.04), p.stone, b.courses(0.03, 0.5) * 0.9)
    planks = 1.0 - 0.16 * (b.wave(b.y, 0.052) - 0.4).clamp(min=0.0)
    b.fill(b.box(-0.50, 0.50, 0.035, 0.68), p.main, (0.90 + 0.22 * b.x * p.side) * planks)
    b.fill(b.box(-0.50, 0.50, 0.62, 0.68), p.dark, 0.7)
    roof = b.polygon(((-0.60, 0.635), (0.60, 0.635), (0.46, 0.90), (-0.46, 0.90)))
    tiles = (
        1.0
        - 0.20 * (b.wave(b.y, 0.048) - 0.3).clamp(min=0.0)
        - 0.10 * (b.wave(b.x + 0.02 * torch.floor(b.y / 0.048), 0.06) - 0.6).clamp(min=0.0)
    )
    b.fill(roof, p.roof, (0.72 + 0.5 * (b.y - 0.60)) * tiles)
    b.fill(b.box(-0.47, 0.47, 0.885, 0.91), p.roof, 0.55)
    b.fill(b.box(-0.075, 0.095, 0.035, 0.375), p.white, 0.9)
    b.fill(b.box(-0.06, 0.08, 0.035, 0.36), p.dark, 0.80 + 0.12 * b.wave(b.x, 0.035))
    b.fill(b.ellipse(0.055, 0.19, 0.012, 0.012), p.glass)
    window(b, p, -0.285, 0.24, 0.16, 0.19)
    window(b, p, 0.295, 0.24, 0.16, 0.19)


def _campfire(b: Brush, p: Paints, x: float) -> None:
    w = b.near(x - 0.40, x + 0.40, -0.01, 0.45)
    for k in range(7):
        w.fill(w.ellipse(x - 0.105 + 0.035 * k, 0.012, 0.022, 0.016), p.stone, 0.75 + 0.1 * (k % 3))
    w.fill(w.limb((x - 0.085, 0.018, 0.016), (x + 0.06, 0.055, 0.014)), p.wood, 0.7)
    w.fill(w.limb((x + 0.085, 0.018, 0.016), (x - 0.06, 0.055, 0.014)), p.wood, 0.6)
    glow = torch.exp(-(((w.x - x) / 0.13) ** 2) - ((w.y - 0.08) / 0.12) ** 2)
    flames = ((1.0, 0.38, 0.08), (1.0, 0.66, 0.14), (1.0, 0.93, 0.55))
    w.fill(0.25 * glow * w.span(w.y, 0.0, 2.0), constant(flames[0], w.x))
    for (top, width), colour in zip(((0.23, 0.060), (0.17, 0.042), (0.10, 0.024)), flames, strict=True):
        up = ((w.y - 0.03) / (top - 0.03)).clamp(0.0, 1.0)
        lick = 0.016 * torch.sin(w.y * 42.0 + p.draw * 6.0) * up
        half = width * torch.sqrt(up + 0.05) * (1.0 - up) * 2.2
        tongue = w.edge((w.x - x - lick).abs() - half) * w.span(w.y, 0.02, top)
        w.fill(tongue, constant(colour, w.x))


def tent(b: Brush, p: Paints) -> None:
    _campfire(b, p, 0.67)
    b = b.at(b.x + 0.10, b.y)
    b.fill(b.line(-0.66, 0.0, -0.02, 0.92, 0.010), p.wood, 0.8)
    b.fill(b.line(0.66, 0.0, 0.02, 0.92, 0.010), p.wood, 0.8)
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
    b.fill(body, p.main, rounded(b, p, b.x, half) * b.courses(0.034, 0.22))
    b.fill(b.ellipse(0.0, 0.60, 0.115, 0.10) * b.span(b.y, 0.585, 2.0), p.dark, 0.8 + 1.5 * b.x * p.side)
    b.fill(b.box(-0.15, 0.15, 0.245, 0.262), p.wood, 0.7)
    b.fill(b.box(-0.04, 0.04, 0.0, 0.13), p.wood, 0.7)
    window(b, p, 0.0, 0.36, 0.055, 0.075)
    angle = 0.35 + p.draw * 0.9
    for turn in range(4):
        c, s = torch.cos(angle + turn * math.pi / 2), torch.sin(angle + turn * math.pi / 2)
        along, across = b.x * c + (b.y - 0.62) * s, (b.y - 0.62) * c - b.x * s
        vane = b.span(along, 0.09, 0.40) * b.span(across, 0.0, 0.085)
        lattice = 0.78 + 0.22 * b.wave(along, 0.040) + 0.10 * b.wave(across, 0.030)
        b.fill(vane, torch.lerp(p.light, p.main, 0.4), lattice)
        b.fill(b.span(along, 0.0, 0.41) * b.span(across, -0.011, 0.011), p.wood, 0.75)
    b.fill(b.ellipse(0.0, 0.62, 0.028, 0.028), p.dark, 0.6)


def _tower(b: Brush, p: Paints, x: float, half: float, top: float, roof: float) -> None:
    w = b.near(x - half - 0.05, x + half + 0.05, 0.0, top + roof + 0.09)
    n = w.x - x
    w.fill(w.box(x - half, x + half, 0.0, top), p.main, rounded(w, p, n, half) * w.courses(0.036, 0.22))
    w.fill(w.box(x - half - 0.018, x + half + 0.018, top - 0.045, top), p.main, rounded(w, p, n, half + 0.02) * 0.86)
    w.fill(
        w.polygon(((x - half - 0.03, top), (x + half + 0.03, top), (x, top + roof))),
        p.roof,
        (0.78 + 2.2 * n * p.side) * (1.0 + 0.1 * w.wave(w.y, 0.03)),
    )
    w.fill(w.box(x - 0.014, x + 0.014, top - 0.15, top - 0.085), p.glass)
    w.fill(w.line(x, top + roof - 0.01, x, top + roof + 0.075, 0.008), p.wood, 0.7)
    flutter = 0.006 * torch.sin(n * 60.0)
    flag = w.span(n, 0.0, 0.075) * w.span(w.y + flutter, top + roof + 0.032, top + roof + 0.072)
    w.fill(flag, p.light, 0.95)


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
    w = b.near(-0.26, 0.26, 0.16, 0.26)
    for x in (-0.235, 0.235):
        w.fill(w.box(x - 0.024, x + 0.024, 0.17, 0.255), p.glass)
        w.fill(w.box(x - 0.003, x + 0.003, 0.17, 0.255), p.dark, 0.5)


def pagoda(b: Brush, p: Paints) -> None:
    b.fill(b.box(-0.30, 0.30, 0.0, 0.05), p.stone, b.courses(0.025, 0.4))
    for level in range(4):
        y, half = 0.05 + 0.205 * level, 0.225 - 0.036 * level
        w = b.near(-half - 0.14, half + 0.14, y, y + 0.29)
        w.fill(w.box(-half, half, y, y + 0.125), p.white, rounded(w, p, w.x, half * 1.3) * 0.92)
        for k in range(5):
            x = -half + half * 0.5 * k
            w.fill(w.box(x - 0.010, x + 0.010, y, y + 0.125), p.dark, 0.7)
        w.fill(w.box(-half * 0.38, half * 0.38, y + 0.015, y + 0.10), p.glass)
        for x in (-0.19, 0.0, 0.19):
            w.fill(w.box(half * x * 2 - 0.004, half * x * 2 + 0.004, y + 0.015, y + 0.10), p.dark, 0.5)
        eave = half + 0.135
        n = (w.x.abs() / eave).clamp(max=1.0)
        sag = 0.035 * n**3  # upturned corners
        top = y + 0.115 + 0.125 * (1.0 - n) ** 0.75 + sag
        foot = y + 0.085 + sag
        roof = w.edge(w.y - top) * w.edge(foot - w.y) * w.span(w.x, -eave, eave)
        w.fill(
            roof,
            p.main,
            (0.70 + 2.2 * (w.y - y - 0.09)).clamp(0.5, 1.15) * (1.0 + 0.13 * w.wave(w.x, 0.030)) + 0.14 * (w.x / eave) * p.side,
        )
    b.fill(b.line(0.0, 0.86, 0.0, 1.0, 0.018), p.roof, 0.9)
    b.fill(b.ellipse(0.0, 0.93, 0.020, 0.020), p.glass)


def church(b: Brush, p: Paints) -> None:
    planks = 1.0 - 0.12 * (b.wave(b.y, 0.036) - 0.4).clamp(min=0.0)
    # Nave to the right, with its roof.
    b.fill(b.box(-0.20, 0.45, 0.0, 0.42), p.main, (0.86 + 0.20 * b.x * p.side) * planks)
    b.fill(b.box(-0.20, 0.465, 0.0, 0.035), p.stone, b.courses(0.025, 0.5))
    roof = b.polygon(((-0.20, 0.405), (0.485, 0.405), (0.42, 0.595), (-0.20, 0.595)))
    b.fill(roof, p.roof, (0.78 + 0.8 * (b.y - 0.40)) * (1.0 - 0.20 * (b.wave(b.y, 0.034) - 0.3).clamp(min=0.0)))
    b.fill(b.box(-0.20, 0.43, 0.587, 0.607), p.roof, 0.6)
    for x in (0.015, 0.165, 0.315):
        w = b.near(x - 0.06, x + 0.06, 0.11, 0.34)
        for grow, colour, shade in ((0.014, p.white, 0.95), (0.0, p.glass, 1.0)):
            arch = torch.maximum(
                w.box(x - 0.033 - grow, x + 0.033 + grow, 0.13 - grow, 0.265), w.ellipse(x, 0.265, 0.036 + grow, 0.05 + grow)
            )
            w.fill(arch, colour, shade)
        w.fill(w.box(x - 0.004, x + 0.004, 0.13, 0.31) + w.box(x - 0.033, x + 0.033, 0.20, 0.208), p.white, 0.9)
    # The tower with door, rose window, belfry and spire.
    b.fill(b.box(-0.45, -0.13, 0.0, 0.62), p.main, (0.92 - 0.45 * (b.x + 0.29).abs() + 0.35 * (b.x + 0.29) * p.side) * planks)
    b.fill(b.box(-0.465, -0.115, 0.0, 0.035), p.stone, b.courses(0.025, 0.5))
    w = b.near(-0.48, -0.10, 0.0, 1.01)
    for y in (0.385, 0.605):
        w.fill(w.box(-0.468, -0.112, y, y + 0.022), p.white, 0.92)
    for x in (-0.345, -0.235):
        arch = torch.maximum(w.box(x - 0.032, x + 0.032, 0.435, 0.53), w.ellipse(x, 0.53, 0.032, 0.036))
        w.fill(arch, p.roof, 0.50 + 0.25 * w.wave(w.y, 0.022))
    w.fill(w.ellipse(-0.29, 0.305, 0.060, 0.060), p.white, 0.95)
    w.fill(w.ellipse(-0.29, 0.305, 0.048, 0.048), p.glass)
    for k in range(3):
        c, s = 0.048 * math.cos(k * math.pi / 3), 0.048 * math.sin(k * math.pi / 3)
        w.fill(w.line(-0.29 - c, 0.305 - s, -0.29 + c, 0.305 + s, 0.006), p.white, 0.9)
    for grow, colour, shade in ((0.014, p.white, 0.92), (0.0, p.dark, 0.70)):
        door = torch.maximum(w.box(-0.345 - grow, -0.235 + grow, 0.0, 0.125), w.ellipse(-0.29, 0.125, 0.055 + grow, 0.065 + grow))
        w.fill(door, colour, shade)
    w.fill(w.line(-0.29, 0.0, -0.29, 0.185, 0.006), p.dark, 0.5)
    spire = w.polygon(((-0.475, 0.625), (-0.105, 0.625), (-0.29, 0.925)))
    w.fill(spire, p.dark, (0.85 + 1.6 * (w.x + 0.29) * p.side) * (1.0 - 0.18 * (w.wave(w.y, 0.034) - 0.3).clamp(min=0.0)))
    w.fill(w.line(-0.29, 0.91, -0.29, 1.0, 0.016) + w.line(-0.325, 0.968, -0.255, 0.968, 0.014), p.white, 0.95)


def bridge(b: Brush, p: Paints) -> None:
    rise = 0.30 * (1.0 - (b.x / 1.0) ** 2).clamp(min=0.0)
    deck = 0.50 + rise
    body = b.edge((b.y - deck) * 0.9) * b.span(b.x, -0.99, 0.99) * b.span(b.y, 0.0, 2.0)
    opening = b.ellipse(0.0, 0.0, 0.43, 0.63)
    for x in (-0.71, 0.71):
        opening = torch.maximum(opening, b.ellipse(x, 0.0, 0.17, 0.40))
    lit = 0.92 + 0.10 * b.x * p.side + 0.12 * (b.y - 0.4)
    b.fill(body * (1.0 - opening), p.main, lit * b.courses(0.062, 0.22))
    # Voussoirs around the arches, a cornice, parapet and lanterns.
    for x, rx, ry, stones in ((0.0, 0.43, 0.63, 15.0), (-0.71, 0.17, 0.40, 9.0), (0.71, 0.17, 0.40, 9.0)):
        angle = torch.atan2(b.y / ry, (b.x - x) / rx)
        rim = b.ellipse(x, 0.0, rx + 0.055, ry + 0.055) * (1.0 - b.ellipse(x, 0.0, rx, ry)) * b.span(b.y, 0.0, 2.0)
        b.fill(rim * body, p.light, 0.88 - 0.16 * (torch.cos(2.0 * stones * angle) - 0.6).clamp(min=0.0))
    b.fill(b.edge((b.y - deck - 0.01) * 0.9) * b.edge((deck - 0.045 - b.y) * 0.9) * b.span(b.x, -1.0, 1.0), p.dark, 0.85)
    rail = b.span(b.x, -0.99, 0.99) * b.edge((b.y - deck - 0.115) * 0.9) * b.edge((deck + 0.005 - b.y) * 0.9)
    posts = (0.62 + 0.9 * b.wave(b.x, 0.052)).clamp(0.0, 1.0)
    top = b.edge((deck + 0.082 - b.y) * 0.9)
    b.fill(rail * torch.maximum(posts, top), p.main, lit * 0.92)
    for x, y in ((-0.94, 0.53), (-0.47, 0.735), (0.47, 0.735), (0.94, 0.53)):
        w = b.near(x - 0.06, x + 0.06, y - 0.05, y + 0.28)
        w.fill(w.box(x - 0.042, x + 0.042, y - 0.04, y + 0.145), p.main, 0.95 + 2.0 * (w.x - x) * p.side)
        w.fill(w.box(x - 0.052, x + 0.052, y + 0.13, y + 0.155), p.dark, 0.85)
        w.fill(w.line(x, y + 0.15, x, y + 0.215, 0.014), p.roof, 0.5)
        w.fill(w.ellipse(x, y + 0.232, 0.022, 0.030), p.glass, 1.1)
    for x in (-0.435, 0.435):
        pier = b.outline(((x - 0.06, 0.0), (x + 0.06, 0.0), (x + 0.04, 0.42), (x, 0.47), (x - 0.04, 0.42)))
        b.fill(pier * body, p.main, (0.98 + 1.8 * (b.x - x) * p.side) * b.courses(0.062, 0.20))
