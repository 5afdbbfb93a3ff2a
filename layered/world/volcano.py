"""A volcano: one cone with streams of lava, and the smoke that rises from it, lit from below in the dark."""

from __future__ import annotations

import torch
from torch import Tensor

from layered.world.noise import fbm, noise2, uniform
from layered.world.relief import facing, shadow
from layered.world.scene import Scene, constant, smooth
from layered.world.spec import VistaSpec

_LAVA = (1.25, 0.42, 0.06)
_MIDDLE = 0.50  # depth of the summit, 0 near to 1 far


def summit(scene: Scene) -> tuple[Tensor, Tensor]:
    """Where the crater is, x and height above the horizon, (B, 1, 1) each."""
    return scene.number(_centre), 0.285 * scene.relief


def _centre(spec: VistaSpec) -> float:
    """Anywhere, but not in front of the sun or moon."""
    draw = spec.detail % 1009 / 1009
    low, high = {None: (0.30, 0.70), "left": (0.54, 0.74), "right": (0.26, 0.46), "centre": (0.17, 0.23)}[spec.body_place]
    centre = low + (high - low) * draw
    return 1.0 - centre if spec.body_place == "centre" and spec.detail % 2 else centre


def glow_share(scene: Scene) -> Tensor:
    """How much the fire shows, (B, 1, 1): all of it at night."""
    return scene.number(lambda s: {"night": 1.0, "dusk": 0.9, "sunset": 0.6, "dawn": 0.55}.get(s.time, 0.42))


def volcano(scene: Scene, z: Tensor, depths: int):
    """Height, crest, albedo, light and contrast along the profiles z (K,), as terrain wants them."""
    z3 = z[None, :, None]
    centre, top = summit(scene)
    dx, dz = (scene.x[None, None] - centre) / 0.36, (z3 - _MIDDLE) / 0.85
    r = torch.sqrt(dx * dx + dz * dz + 1e-5)
    # Gullies follow the fall line: noise over the direction, deeper down the slope.
    rough = fbm(scene.seeds, 142, scene.x, z, 15.0, 5.0, scene.px, 5, 0.55, 1 / depths)
    bend = fbm(scene.seeds, 143, scene.x, z, 4.0, 3.0, scene.px, 2, 0.5, 1 / depths)
    angle = torch.atan2(dz, dx) + 0.10 * bend
    gully = torch.sin(angle * 17.0 + 6.0 * uniform(scene.seeds, 144)) + 0.6 * torch.sin(angle * 41.0 + 1.3 * bend)
    crater = 0.115
    slope = (1.0 - (r - crater).clamp(min=0.0) / 0.92).clamp(min=0.0) ** 1.75
    mouth = 0.10 * smooth(r, crater, 0.4 * crater)
    height = top * (slope - mouth) + 0.010 * slope * (1.0 - slope) * 4.0 * (0.4 * gully + 0.5 * rough) + 0.004 * rough * slope
    hills = noise2(scene.seeds, 145, scene.x, z, 4.5, 3.0, scene.px, 1 / depths)
    height = torch.maximum(height, scene.relief * (0.028 + 0.014 * hills) * smooth(z3, 0.0, 0.5))
    light = (0.10 + 0.85 * facing(scene, height, 1.6)) * (0.4 + 0.6 * shadow(scene, height, 1.0, 0.05))
    tone = (0.5 + 0.25 * rough + 0.12 * gully).clamp(0.0, 1.0)[:, None]
    rock = torch.lerp(constant((0.24, 0.20, 0.21), rough), constant((0.44, 0.36, 0.34), rough), tone)
    grass = smooth(0.055 + 0.012 * rough - height, 0.0, 0.025)[:, None] * 0.8
    rock = torch.lerp(rock, constant((0.26, 0.31, 0.18), rough), grass)
    # Streams start at the rim and thin out on their way down.
    down = ((r - crater) / 0.55).clamp(min=0.0)
    path = torch.sin(angle * 3.0 + 5.0 * uniform(scene.seeds, 146) + 0.9 * bend * down + 0.35 * rough * down)
    stream = smooth(path, 0.86 + 0.10 * down, 0.97 + 0.02 * down) * smooth(down, 1.0, 0.55)
    fire = torch.maximum(stream, smooth(r, crater * 1.15, crater * 0.7)) * (0.55 + 0.45 * glow_share(scene))
    hot = torch.lerp(constant(_LAVA, rough), constant((1.4, 0.95, 0.35), rough), (0.5 + 0.4 * rough).clamp(0, 1)[:, None] * 0.6)
    ember = torch.exp(-(((1.0 - path) / 0.22) ** 2)) * smooth(down, 1.2, 0.3) * 0.5 * glow_share(scene)
    shine = (scene.ambient + scene.key * light[:, None]).clamp(min=0.05)  # fire gives its own light: taken out here
    albedo = rock + constant((0.55, 0.12, 0.02), rough) * ember[:, None] / shine
    albedo = torch.lerp(albedo, hot / shine, fire[:, None])
    return height, torch.zeros_like(height), albedo, light, 0.05


def smoke(scene: Scene, image: Tensor, rows: int) -> Tensor:
    """The plume over the crater, drawn on the sky before the cone: widening, drifting, billowing; its foot lit by the fire."""
    y = scene.y[:rows]
    centre, top = summit(scene)
    rise = (scene.horizon - 0.95 * top - y[None, :, None]).clamp(min=0.0)
    lean = (uniform(scene.seeds, 147) - 0.5) * 1.6
    billow = fbm(scene.seeds, 148, scene.x, y, 9.0, 9.0, scene.px, 6, 0.55)
    lifted = fbm(scene.seeds, 148, scene.x, y - 0.012, 9.0, 9.0, scene.px, 3, 0.55)
    middle = centre + lean * rise + 0.012 * billow
    wide = 0.028 + 0.34 * rise
    across = (scene.x[None, None] - middle).abs() / wide
    edge = 1.0 - across + 0.30 * billow
    amount = smooth(edge, 0.0, 0.55) * smooth(rise, 0.46, 0.16) * smooth(rise, 0.0, 0.006)
    lit = (0.45 + 0.55 * (billow - lifted) + 0.25 * (scene.x[None, None] - middle) / wide * torch.sign(scene.light_x)).clamp(0, 1)
    dark = 0.55 * scene.shade + 0.10 * scene.ambient
    colour = torch.lerp(dark, torch.lerp(scene.cloud, scene.shade, 0.35), lit[:, None])
    fire = (torch.exp(-rise / 0.055) * glow_share(scene) * (0.6 + 0.3 * billow)).clamp(0, 1)
    colour = torch.lerp(colour, constant((1.1, 0.45, 0.14), image), fire[:, None] * 0.9)
    image = torch.lerp(image, colour, 0.9 * amount[:, None])
    halo = glow_share(scene) * torch.exp(
        -(((scene.x[None, None] - centre) / 0.12) ** 2) - ((y[None, :, None] - scene.horizon + top) / 0.10) ** 2
    )
    return image + 0.30 * halo[:, None] * constant((1.0, 0.36, 0.10), image)
