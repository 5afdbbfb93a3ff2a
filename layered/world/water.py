"""Lake and sea: a rippled mirror of what stands above the horizon, water colour, glitter below the sun or moon, foam."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from layered.world.noise import noise2
from layered.world.scene import Scene, constant, smooth


def ripples(scene: Scene, first: int) -> Tensor:
    """Slopes of the waves for rows from `first` down, about unit variance, (B, R, S); waves shrink towards the horizon."""
    y = scene.y[first:]
    near = ((y[None, :] - scene.horizon[:, 0]) / (1.0 - scene.horizon[:, 0])).clamp(min=0.0)  # (B, R)
    scale = near + 0.03
    distance = (torch.log(scale) + 3.51) / 3.55
    footprint = scene.px / (scale * (1.0 - scene.horizon[:, 0])) / 3.55
    total = torch.zeros((), device=y.device)
    for octave in range(6):
        fx, fy = 4.0 * 2.0**octave, 44.0 * 1.12**octave
        size = torch.log(fx * scale / 4.5)
        weight = torch.exp(-(size * size) / 1.3)
        fade = (1.6 - fx * scene.px * 1.2) * torch.exp(-((footprint * fy * 0.7) ** 2))
        total = total + (weight * fade.clamp(0.0, 1.0))[:, :, None] * noise2(
            scene.seeds, 300 + octave, scene.x, distance, fx, fy, scene.px, footprint
        )
    return total * 0.75


def water(scene: Scene, image: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Replaces rows from `first` down by water that mirrors the rows above the horizon. Returns the pictures and the ripples."""
    waves = ripples(scene, first)
    sea = scene.number(lambda s: s.ground == "sea")
    y = scene.y[None, first:, None]
    near = ((y - scene.horizon) / (1.0 - scene.horizon)).clamp(0.0, 1.0)
    sway = (0.006 + 0.030 * near) * (0.55 + 0.9 * sea)
    source_y = 2.0 * scene.horizon - y + sway * waves - 0.25 * sea * near
    source_x = scene.x[None, None, :] + 0.10 * sway * waves
    source_y = torch.minimum(source_y, scene.horizon - 0.5 * scene.px).abs()
    grid = torch.stack([source_x * 2.0 - 1.0, source_y * 2.0 - 1.0], dim=-1)
    mirrored = F.grid_sample(image, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    deep = torch.lerp(constant((0.10, 0.30, 0.36), image), constant((0.06, 0.27, 0.42), image), sea[:, None])
    deep = deep * (scene.ambient + 0.8 * scene.key)
    share = (0.10 + 0.16 * near + sea * (0.12 + 0.34 * near)) * (1.0 + 0.30 * (sea + 0.3) * waves).clamp(0.2, 1.6)
    result = torch.lerp(mirrored * 0.95, deep, share.clamp(0.0, 0.9)[:, None])
    crest = smooth(waves, 0.5, 2.4) * sea
    result = result + (0.10 * crest)[:, None] * (scene.ambient + scene.key)
    dx = scene.x[None, None, :] - scene.sun_x
    path = torch.exp(-((dx / (0.045 + 0.10 * near)) ** 2))
    bright = scene.number(lambda s: 1.0 if s.body == "sun" else 0.7 if s.body else 0.0) * (0.35 + 0.65 * scene.sharp)
    spark = smooth(waves, 0.35, 1.5) * path * bright * (1.0 - 0.45 * near)
    shine = torch.lerp(scene.glow, constant((1.0, 0.98, 0.9), image), 0.35)
    result = torch.lerp(result, shine.expand_as(result), (0.85 * spark).clamp(max=0.9)[:, None])
    foam = smooth(waves + 0.5 * torch.sin(2 * math.pi * (near * 3.0)), 1.9, 2.6) * sea * near
    result = torch.lerp(result, (scene.ambient + 0.75 * scene.key).clamp(max=1.0).expand_as(result), (0.55 * foam)[:, None])
    shore = torch.exp(-(near / 0.010)) * 0.30
    result = torch.lerp(result, scene.veil.expand_as(result), shore[:, None])
    below = ((y - scene.horizon) / scene.px + 0.5).clamp(0.0, 1.0)[:, None]
    out = image.clone()
    out[:, :, first:] = torch.lerp(image[:, :, first:], result, below)
    return out, waves
