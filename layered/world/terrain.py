"""What stands on the horizon: mountains, hills, mesas, dunes and forests as lit height fields with haze between their ridges."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layered.world.city import city
from layered.world.noise import fbm, noise2
from layered.world.relief import facing, lit, look_up, shadow, slope, spikes
from layered.world.scene import Scene, constant, smooth
from layered.world.season import dusted, foliage
from layered.world.volcano import volcano

DEPTHS = 36  # profiles from near to far


def terrain(scene: Scene, image: Tensor, first: int, last: int) -> Tensor:
    """Draws every picture's terrain over rows first .. last - 1 of the sky (B, 3, R, S with R >= last)."""
    parts = []
    for kind, shape in _SHAPES.items():
        some = scene.where(lambda s, kind=kind: s.terrain == kind)
        if some:
            part = scene if len(some) == len(scene.specs) else scene.part(some)
            parts.append((some, _draw(part, image[some, :, first:last], shape, scene.y[first:last])))
    some = scene.where(lambda s: s.terrain == "city skyline")
    if some:
        parts.append((some, city(scene.part(some), image[some, :, first:last], scene.y[first:last])))
    out = image.clone()
    for some, drawn in parts:
        out[some, :, first:last] = drawn
    return out


def _draw(scene: Scene, behind: Tensor, shape, y: Tensor) -> Tensor:
    z = (torch.arange(DEPTHS, device=y.device) + 0.5) / DEPTHS  # 0 near, 1 far
    height, crest, albedo, light, contrast = shape(scene, z)
    base = scene.horizon + 0.012 * (1.0 - z)[None, :, None]
    haze = ((0.10 + 0.75 * z[None, :, None] ** 1.3) * scene.haze + 0.12 * scene.haze).clamp(max=0.90)
    low = torch.exp(-(height.clamp(min=0.0)) / 0.05) * (0.15 + 0.35 * scene.haze) * z[None, :, None]
    haze = (haze + (1.0 - haze) * low)[:, None]
    colour = torch.lerp(lit(scene, albedo, light), scene.veil.expand(-1, -1, DEPTHS, scene.size), haze)
    shown, cover = look_up(base - height - crest, scene.horizon + 0.02, torch.cat([colour, haze], dim=1), y, scene.px)
    grain = fbm(scene.seeds, 71, scene.x, y, 48.0, 80.0, scene.px, 4, 0.75)
    band = 0.0
    if shape is _canyon:
        bent = y[None, :, None] - scene.horizon + 0.004 * noise2(scene.seeds, 72, scene.x, y, 5.0, 5.0, scene.px)
        fade = math.exp(-((scene.px * 95.0) ** 2))
        band = 0.10 * torch.sin(bent * 130.0 + 2.0 * torch.sin(bent * 57.0)) + 0.06 * fade * torch.sin(bent * 410.0)
    texture = 1.0 + ((contrast * grain + band).clamp(-0.5, 0.5))[:, None] * (1.0 - shown[:, 3:])
    return torch.lerp(behind, shown[:, :3] * texture, cover)


def _ridged(scene: Scene, salt: int, z: Tensor, fx: float, fy: float, octaves: int, gain: float) -> Tensor:
    """Sharp crests: octaves of 1 - |noise|, finer ones stronger where the coarser are high; about [-0.5, 1]."""
    total = torch.zeros((), device=z.device)
    weight: Tensor | float = 1.0
    amplitude = 1.0
    for octave in range(octaves):
        if fx * scene.px > 0.7:
            break
        crest = 1.0 - 0.9 * noise2(scene.seeds, salt + 7 * octave, scene.x, z, fx, fy, scene.px, 1.0 / DEPTHS).abs()
        total = total + amplitude * weight * crest
        weight = (0.35 + 0.65 * crest).clamp(0.0, 1.0)
        fx, fy, amplitude = fx * 2.1, fy * 1.7, amplitude * gain
    return total


def _mountains(scene: Scene, z: Tensor, snowy: bool):
    z3 = z[None, :, None]
    crest = _ridged(scene, 80, z, 2.4, 1.5, 7, 0.42)
    swell = noise2(scene.seeds, 79, scene.x, z, 1.7, 1.0, scene.px, 1 / DEPTHS)
    rise = smooth(z3, 0.0, 0.85)
    height = scene.relief * (rise * (0.045 + 0.235 * (crest / 1.45).clamp(min=0.0) ** 1.6 + 0.032 * swell) + 0.008)
    rock = fbm(scene.seeds, 90, scene.x, z, 22.0, 9.0, scene.px, 4, 0.6, 1 / DEPTHS)
    steep = slope(height, scene.px).abs()
    face = facing(scene, height, 1.5)
    light = (0.04 + 0.80 * face) * (0.30 + 0.70 * shadow(scene, height, 1.0, 0.05))
    if snowy:
        stone = torch.lerp(
            constant((0.32, 0.34, 0.40), rock), constant((0.48, 0.46, 0.46), rock), (0.5 + 0.3 * rock).clamp(0, 1)[:, None]
        )
        line = height / scene.relief + 0.022 * rock - 0.035 * (steep - 0.9).clamp(min=0.0)
        white = smooth(line, 0.085, 0.115)[:, None]
        pines = smooth(0.06 + 0.012 * rock - height, 0.0, 0.02)[:, None]
        trees = foliage(scene, constant((0.16, 0.25, 0.22), rock).expand_as(stone), frost=0.45, warm=0.7)
        stone = torch.lerp(stone, trees, pines * 0.8)
        albedo = torch.lerp(stone, constant((0.84, 0.87, 0.93), rock), white)
        return height, torch.zeros_like(height), albedo, light * (1.0 + 0.1 * white[:, 0]), 0.035
    warm = constant((0.50, 0.43, 0.37), rock)
    albedo = torch.lerp(warm * 0.72, warm * 1.12, (0.5 + 0.35 * rock).clamp(0, 1)[:, None])
    grass = smooth(0.075 + 0.02 * rock - height, 0.0, 0.03)[:, None] * 0.75
    albedo = torch.lerp(albedo, foliage(scene, constant((0.33, 0.37, 0.20), rock).expand_as(albedo)), grass)
    albedo = dusted(scene, albedo, 0.45 * smooth(rock - 1.2 * steep + 0.9, 0.0, 0.9))
    return height, torch.zeros_like(height), albedo, light, 0.055


def _snowy(scene: Scene, z: Tensor):
    return _mountains(scene, z, True)


def _rocky(scene: Scene, z: Tensor):
    return _mountains(scene, z, False)


def _hills(scene: Scene, z: Tensor):
    z3 = z[None, :, None]
    swell = fbm(scene.seeds, 100, scene.x, z, 2.4, 3.6, scene.px, 3, 0.32, 1 / DEPTHS)
    height = scene.relief * (0.075 * smooth(z3, 0.0, 1.0) + 0.034 * (0.3 + z3) * (swell + 0.6)).clamp(min=0.0)
    field = noise2(scene.seeds, 105, scene.x, z, 9.0, 9.0, scene.px, 1 / DEPTHS)
    woods = fbm(scene.seeds, 106, scene.x, z, 5.0, 6.0, scene.px, 2, 0.6, 1 / DEPTHS)
    frequency = 70.0 + 60.0 * z
    bush, draw = spikes(scene, 107, frequency, 0.4)
    wooded = smooth(woods, 0.7, 1.1)
    crest = 0.011 * (1.2 - z3) * bush * wooded
    green = torch.lerp(
        constant((0.34, 0.56, 0.18), swell), constant((0.58, 0.68, 0.26), swell), smooth(field, -0.8, 0.8)[:, None]
    )
    green = torch.lerp(green, constant((0.13, 0.30, 0.12), swell) * (0.75 + 0.5 * draw)[:, None], (0.9 * wooded)[:, None])
    bare = foliage(scene, green, frost=0.70, warm=0.25)
    green = torch.lerp(bare, foliage(scene, green, draw, frost=0.42, warm=1.0), (0.9 * wooded * smooth(bush, 0.0, 0.3))[:, None])
    light = 0.25 + 0.75 * facing(scene, height, 2.6)
    return height, crest, green, light, 0.05


def _canyon(scene: Scene, z: Tensor):
    z3 = z[None, :, None]
    n = fbm(scene.seeds, 110, scene.x, z, 2.6, 1.5, scene.px, 5, 0.36, 1 / DEPTHS) + 0.18
    tall = smooth(z3, 0.05, 0.5)
    height = 0.012 * (n + 1.0).clamp(min=0.0)
    for level, step in ((0.15, 0.060), (0.62, 0.062), (1.15, 0.060)):
        height = height + step * smooth(n, level, level + 0.16)
        height = height + 0.020 * smooth(n, level - 0.40, level)  # the scree below each wall
    height = scene.relief * height * tall
    rough = fbm(scene.seeds, 115, scene.x, z, 26.0, 8.0, scene.px, 4, 0.6, 1 / DEPTHS)
    tone = (0.5 + 0.3 * rough).clamp(0.0, 1.0)[:, None]
    albedo = torch.lerp(constant((0.66, 0.27, 0.15), n), constant((0.86, 0.45, 0.25), n), tone)
    light = (0.15 + 0.85 * facing(scene, height, 0.8)) * (0.4 + 0.6 * shadow(scene, height, 0.8, 0.03))
    return height, torch.zeros_like(height), albedo, light, 0.055


def _dunes(scene: Scene, z: Tensor):
    z3 = z[None, :, None]
    lean = noise2(scene.seeds, 120, scene.x, z, 1.7, 3.4, scene.px, 1 / DEPTHS)
    small = noise2(scene.seeds, 121, scene.x, z, 4.0, 6.0, scene.px, 1 / DEPTHS)
    ridge = (1.0 - (lean + 0.25 * small).abs()).clamp(min=-0.6)
    height = scene.relief * (0.055 * z3 + 0.075 * smooth(z3, 0.0, 0.6) * (ridge + 0.45)).clamp(min=0.0)
    ripple = fbm(scene.seeds, 122, scene.x, z, 14.0, 30.0, scene.px, 2, 0.5, 1 / DEPTHS)
    albedo = torch.lerp(
        constant((0.84, 0.63, 0.36), lean), constant((0.93, 0.76, 0.48), lean), (0.5 + 0.25 * ripple).clamp(0, 1)[:, None]
    )
    light = 0.08 + 0.92 * facing(scene, height, 3.0)
    return height, torch.zeros_like(height), albedo, light, 0.035


def _forest(scene: Scene, z: Tensor):
    z3 = z[None, :, None]
    swell = fbm(scene.seeds, 130, scene.x, z, 2.2, 3.0, scene.px, 2, 0.4, 1 / DEPTHS)
    height = scene.relief * (0.085 * smooth(z3, 0.1, 1.0) + 0.028 * z3 * (swell + 0.5)).clamp(min=0.0)
    shape, draw = spikes(scene, 133, 22.0 + 46.0 * z, 1.15)
    teeth = 0.10 * torch.sin(shape * 34.0) * (1.0 - shape) * max(0.0, 1.0 - 90.0 * scene.px)
    crest = scene.relief * (0.088 - 0.048 * z3) * (shape + teeth)
    green = torch.lerp(
        constant((0.07, 0.22, 0.15), swell),
        constant((0.18, 0.36, 0.20), swell),
        (0.75 * draw + 0.35 * shape - 0.1).clamp(0, 1)[:, None],
    )
    # Some larches among the pines: these blossom and turn. Snow lies on the tips.
    larch = smooth(noise2(scene.seeds, 136, scene.x, z, 8.0, 5.0, scene.px, 1 / DEPTHS) + 0.7 * (draw - 0.5), 0.0, 0.5)
    other = foliage(scene, green * 1.7, draw, frost=0.5, warm=0.9)
    special = scene.number(lambda s: {"autumn": 0.9, "spring": 0.55}.get(s.season, 0.0))
    green = torch.lerp(green, other, (special * larch * smooth(z3, 0.0, 0.12))[:, None])
    green = dusted(scene, green, (0.25 + 0.60 * smooth(shape, 0.35, 0.8)) * smooth(z3, 0.0, 0.16))
    light = 0.15 + 0.55 * shape + 0.30 * facing(scene, height, 2.0)
    return height, crest, green, light, 0.10


def _volcano(scene: Scene, z: Tensor):
    return volcano(scene, z, DEPTHS)


_SHAPES = {
    "snowy mountains": _snowy,
    "rocky mountains": _rocky,
    "green hills": _hills,
    "red canyon": _canyon,
    "sand dunes": _dunes,
    "pine forest": _forest,
    "volcano": _volcano,
}
