"""What lies in front: meadow, river, lavender, wheat, snow and desert, as perspective profiles with blades and drifts."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layered.world.noise import cells, fbm, noise2, scattered
from layered.world.relief import facing, lit, look_up, spikes
from layered.world.river import course, mirror
from layered.world.scene import Scene, constant, smooth
from layered.world.season import BLOSSOM, dusted, foliage

DEPTHS = 60


class Plane:
    """The ground seen in perspective at DEPTHS distances: y of each profile, distance, and ground coordinates of its points."""

    def __init__(self, scene: Scene) -> None:
        k = (torch.arange(DEPTHS, device=scene.device) + 0.5) / DEPTHS
        self.near = (1.0 - k)[None, :, None]  # 1 near, 0 at the horizon
        fall = self.near**1.7
        self.y = scene.horizon + (1.05 - scene.horizon) * fall
        self.scale = fall + 0.035  # size of things, 1 at the lower border
        self.u = (scene.x[None, None, :] - 0.5) / self.scale
        self.v = (1.0 / self.scale).expand(len(scene.specs), -1, scene.size)
        self.u = self.u.expand_as(self.v)
        self.footprint = scene.px / self.scale
        self.k = k


def ground(scene: Scene, image: Tensor, first: int) -> Tensor:
    """Draws every picture's dry ground over rows from `first` down (B, 3, S, S)."""
    for kind, shape in _SHAPES.items():
        some = scene.where(lambda s, kind=kind: s.ground == kind)
        if some:
            part = scene if len(some) == len(scene.specs) else scene.part(some)
            image[some, :, first:] = _draw(part, image[some], shape, first)
    return image


def _draw(scene: Scene, image: Tensor, shape, first: int) -> Tensor:
    plane, y = Plane(scene), scene.y[first:]
    bump, albedo, light, contrast, *wet = shape(scene, plane)
    broad = noise2(scene.seeds, 200, scene.x, plane.k, 1.5, 3.0, scene.px, 1 / DEPTHS)
    light = light * (0.88 + 0.12 * broad).clamp(0.4, 1.3)
    haze = ((0.75 * (1.0 - plane.near) ** 5 + 0.10) * scene.haze).clamp(max=0.85)[:, None]
    colour = torch.lerp(lit(scene, albedo, light), scene.veil.expand(-1, -1, DEPTHS, scene.size), haze)
    paint = torch.cat([colour, wet[0][:, None]], dim=1) if wet else colour
    shown, cover = look_up(plane.y - bump, torch.full_like(scene.horizon, 1.2), paint, y, scene.px)
    # Fine grain grows towards the viewer: one field per band of distance.
    near = ((y[None, :, None] - scene.horizon) / (1.0 - scene.horizon)).clamp(0.0, 1.0)
    grain = (1.0 - near) * fbm(scene.seeds, 201, scene.x, y, 90.0, 200.0, scene.px, 2, 0.7)
    grain = grain + near * fbm(scene.seeds, 202, scene.x, y, 40.0, 55.0, scene.px, 4, 0.75)
    shaded = shown[:, :3] * (1.0 + (contrast * grain)[:, None].clamp(-0.5, 0.5)) * (1.0 - 0.16 * smooth(near, 0.55, 1.0)[:, None])
    if wet:
        shaded = torch.lerp(shaded, mirror(scene, image, first), smooth(shown[:, 3:], 0.25, 0.75))
    return torch.lerp(image[:, :, first:], shaded, cover)


def _meadow(scene: Scene, plane: Plane):
    return _grass(scene, plane, 1.0)


def _river(scene: Scene, plane: Plane):
    """Grass with water winding through it; the water is flat and mirrors what stands above."""
    away = (plane.u - course(scene, plane.v)).abs()
    rough = scattered(scene.seeds, 217, plane.u * 6.0, plane.v * 2.0, plane.footprint * 6.0)
    shore = away - 0.17 - 0.022 * rough
    soft = (0.012 + 0.7 * plane.footprint).expand_as(shore)
    wet = ((soft - shore) / (2.0 * soft)).clamp(0.0, 1.0)
    bump, albedo, light, contrast = _grass(scene, plane, 0.25)
    bank = torch.exp(-(((shore - 0.03) / 0.035) ** 2))[:, None] * 0.75
    albedo = torch.lerp(albedo, dusted(scene, constant((0.46, 0.38, 0.25), shore).expand_as(albedo), 0.5), bank)
    return bump * smooth(shore, 0.0, 0.10) - plane.scale * 0.02 * wet, albedo, light, contrast, wet


def _grass(scene: Scene, plane: Plane, flowers: float):
    frequency = (55.0 / (plane.scale[0, :, 0] ** 0.8)).clamp(max=420.0)
    blade, draw = spikes(scene, 210, frequency, 1.4)
    patch = scattered(scene.seeds, 211, plane.u * 3.0, plane.v * 1.3, plane.footprint * 3.0)
    bump = plane.scale * (0.048 * blade + 0.01 * patch)
    green = torch.lerp(
        constant((0.24, 0.46, 0.13), patch),
        constant((0.50, 0.66, 0.22), patch),
        (0.5 + 0.3 * patch + 0.25 * (draw - 0.5)).clamp(0, 1)[:, None],
    )
    tips = smooth(blade + 0.35 * patch, 0.15, 0.75)
    green = foliage(scene, green * (0.62 + 0.55 * blade)[:, None], frost=0.45, warm=0.22)
    green = dusted(scene, green, 0.80 * tips)
    petals, size = 30.0, 0.30
    u = plane.u * petals + 100.0
    row = torch.arange(DEPTHS, device=scene.device)[None, :, None]
    cell = u.floor().long()
    here = cells(scene.seeds, 213, row.expand_as(cell), cell)
    kind = cells(scene.seeds, 214, row.expand_as(cell), cell)
    crowd = smooth(scattered(scene.seeds, 215, plane.u * 2.0, plane.v * 0.9, plane.footprint * 2.0), -0.5, 0.6)
    across = (u - u.floor() - 0.5).abs()
    wide = plane.footprint * petals
    dot = ((size - across) / wide.clamp(min=0.12) + 0.5).clamp(0.0, 1.0)
    dot = torch.lerp(dot, torch.full_like(dot, 0.6), smooth(wide, 0.6, 1.2)) * (here > 0.88 - 0.15 * crowd)
    bloom = scene.number(lambda s: {"autumn": 0.0, "winter": 0.0}.get(s.season, flowers))
    dot = dot * (bloom > cells(scene.seeds, 216, row.expand_as(cell), cell))
    spring = scene.number(lambda s: s.season == "spring")[:, None]
    hues = ((0.95, 0.25, 0.22), (0.98, 0.85, 0.20), (0.96, 0.95, 0.92), (0.72, 0.36, 0.82))
    colour = torch.zeros_like(green)
    for number, hue in enumerate(hues):
        chosen = ((kind >= number / len(hues)) & (kind < (number + 1) / len(hues))).float()
        fresh = BLOSSOM if number < 2 else (0.98, 0.93, 0.96)
        colour = colour + torch.lerp(constant(hue, dot), constant(fresh, dot), 0.85 * spring) * chosen[:, None]
    albedo = torch.lerp(green, colour, (dot * 0.92)[:, None])
    bump = bump + plane.scale * 0.012 * dot
    return bump, albedo, 0.55 + 0.45 * blade + 0.25 * dot, 0.12


def _lavender(scene: Scene, plane: Plane):
    rows = 7.0
    vanish = (scene.number(lambda s: (s.detail % 97) / 97.0) - 0.5) * 0.5
    u = plane.u + vanish * plane.v * 0.9
    wave = 0.5 + 0.5 * torch.cos(2 * math.pi * rows * u)
    fade = torch.exp(-((plane.footprint * rows * 1.6) ** 2))
    wave = 0.5 + (wave - 0.5) * fade
    blade, draw = spikes(scene, 220, (70.0 / plane.scale[0, :, 0] ** 0.8).clamp(max=420.0), 0.8)
    bush = smooth(wave, 0.22, 0.62)
    bump = plane.scale * (0.060 * bush + 0.030 * blade * bush)
    purple = torch.lerp(
        constant((0.36, 0.20, 0.56), wave),
        constant((0.66, 0.46, 0.86), wave),
        (0.15 + 0.55 * blade + 0.35 * draw).clamp(0, 1)[:, None],
    )
    soil = torch.lerp(constant((0.30, 0.34, 0.14), wave), constant((0.46, 0.38, 0.24), wave), (1.0 - wave)[:, None])
    purple = torch.lerp(purple, foliage(scene, purple), 0.18 * scene.number(lambda s: s.season == "autumn")[:, None])
    albedo = torch.lerp(foliage(scene, soil, warm=0.5), purple, bush[:, None])
    side = 0.25 * torch.sin(2 * math.pi * rows * u) * fade * torch.sign(scene.light_x)
    return bump, albedo, 0.45 + 0.40 * bush + 0.2 * blade + side, 0.10


def _wheat(scene: Scene, plane: Plane):
    blade, draw = spikes(scene, 230, (62.0 / plane.scale[0, :, 0] ** 0.8).clamp(max=420.0), 1.2)
    wind = scattered(scene.seeds, 231, plane.u * 1.6, plane.v * 1.1, plane.footprint * 1.6)
    bump = plane.scale * (0.070 * blade + 0.022 * wind)
    gold = torch.lerp(
        constant((0.78, 0.54, 0.14), wind),
        constant((1.0, 0.84, 0.36), wind),
        (0.42 + 0.34 * wind + 0.5 * (draw - 0.5)).clamp(0, 1)[:, None],
    )
    young = torch.lerp(
        constant((0.30, 0.52, 0.12), wind), constant((0.62, 0.76, 0.28), wind), (0.5 + 0.4 * wind).clamp(0, 1)[:, None]
    )
    gold = torch.lerp(gold, young, 0.8 * scene.number(lambda s: s.season == "spring")[:, None])
    gold = torch.lerp(gold, gold * constant((0.94, 0.77, 0.60), wind), scene.number(lambda s: s.season == "autumn")[:, None])
    albedo = gold * (0.68 + 0.52 * blade)[:, None]
    return bump, albedo, 0.55 + 0.40 * blade + 0.12 * wind, 0.11


def _snow(scene: Scene, plane: Plane):
    drift = scattered(scene.seeds, 240, plane.u * 1.5, plane.v * 0.8, plane.footprint * 1.5)
    small = scattered(scene.seeds, 241, plane.u * 5.0, plane.v * 2.6, plane.footprint * 5.0)
    height = 0.075 * drift + 0.016 * small
    albedo = torch.lerp(
        constant((0.80, 0.86, 0.97), drift),
        constant((0.97, 0.98, 1.0), drift),
        (0.5 + 0.4 * drift + 0.2 * small).clamp(0, 1)[:, None],
    )
    return plane.scale * height, albedo, 0.45 + 0.55 * facing(scene, height * plane.scale, 6.0), 0.022


def _desert(scene: Scene, plane: Plane):
    drift = scattered(scene.seeds, 250, plane.u * 1.2, plane.v * 0.7, plane.footprint * 1.2)
    warp = scattered(scene.seeds, 251, plane.u * 2.5, plane.v * 1.2, plane.footprint * 2.5)
    phase = 2 * math.pi * (9.0 * torch.log(plane.v + 0.2) * 1.6 + 1.1 * warp + plane.u * 2.0)
    ripple = torch.sin(phase) * (1.2 - plane.v / 9.0).clamp(0.0, 1.0)
    height = 0.055 * drift
    tone = (0.5 + 0.25 * drift + 0.30 * ripple).clamp(0.0, 1.0)
    albedo = torch.lerp(constant((0.80, 0.60, 0.36), drift), constant((0.95, 0.79, 0.52), drift), tone[:, None])
    return (
        plane.scale * (height + 0.006 * ripple),
        albedo,
        0.40 + 0.5 * facing(scene, height * plane.scale, 6.0) + 0.14 * ripple,
        0.03,
    )


_SHAPES = {
    "meadow": _meadow,
    "river": _river,
    "lavender field": _lavender,
    "wheat field": _wheat,
    "snow field": _snow,
    "desert": _desert,
}
