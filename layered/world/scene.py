"""A batch of vistas on their way to becoming pictures: coordinates, and the light of the hour as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from layered.world.spec import VistaSpec

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Hour:
    """The light of a time of day; colours in [0, 1]."""

    zenith: Colour
    middle: Colour
    horizon: Colour
    key: Colour  # light that comes from the sun or moon
    ambient: Colour  # light that comes from the sky
    glow: Colour  # around the sun
    cloud: Colour  # lit side of clouds
    shade: Colour  # shaded side of clouds
    stars: float
    floor: float  # how bright objects stay, so that their colour can be told


HOURS = {
    "dawn": Hour((0.36, 0.46, 0.74), (0.80, 0.66, 0.76), (1.00, 0.82, 0.66), (1.00, 0.78, 0.66), (0.56, 0.54, 0.70),
                 (1.00, 0.72, 0.50), (1.00, 0.80, 0.74), (0.62, 0.52, 0.68), 0.0, 0.90),
    "noon": Hour((0.13, 0.40, 0.84), (0.38, 0.66, 0.95), (0.80, 0.92, 0.98), (1.00, 0.97, 0.90), (0.52, 0.60, 0.72),
                 (1.00, 0.98, 0.86), (1.00, 1.00, 1.00), (0.70, 0.77, 0.87), 0.0, 1.00),
    "afternoon": Hour((0.26, 0.56, 0.76), (0.62, 0.78, 0.78), (0.99, 0.91, 0.66), (1.00, 0.88, 0.58), (0.54, 0.54, 0.52),
                      (1.00, 0.86, 0.46), (1.00, 0.95, 0.80), (0.72, 0.68, 0.66), 0.0, 0.98),
    "sunset": Hour((0.24, 0.20, 0.44), (0.80, 0.36, 0.38), (1.00, 0.64, 0.24), (1.00, 0.56, 0.26), (0.48, 0.36, 0.46),
                   (1.00, 0.58, 0.18), (1.00, 0.56, 0.36), (0.42, 0.25, 0.40), 0.0, 0.86),
    "dusk": Hour((0.09, 0.11, 0.31), (0.30, 0.25, 0.52), (0.80, 0.46, 0.54), (0.46, 0.36, 0.54), (0.34, 0.31, 0.50),
                 (0.95, 0.50, 0.50), (0.62, 0.40, 0.56), (0.24, 0.20, 0.38), 0.35, 0.77),
    "night": Hour((0.015, 0.025, 0.09), (0.04, 0.08, 0.21), (0.12, 0.19, 0.36), (0.42, 0.50, 0.72), (0.17, 0.21, 0.36),
                  (0.55, 0.66, 0.95), (0.26, 0.32, 0.46), (0.07, 0.09, 0.18), 1.0, 0.70),
}  # fmt: skip

# weather -> (greying of the sky, brightness of the sky, strength of the key light, haze, clouds)
_WEATHER = {
    "clear": (0.0, 1.0, 1.0, 0.30, 0.12),
    "cloudy": (0.28, 0.94, 0.72, 0.36, 0.80),
    "fog": (0.45, 0.98, 0.45, 1.00, 0.20),
    "rain": (0.72, 0.74, 0.35, 0.62, 1.00),
    "snow": (0.62, 1.0, 0.45, 0.62, 0.55),
    "storm": (0.76, 0.54, 0.34, 0.52, 1.05),
    "rainbow": (0.30, 0.88, 0.85, 0.40, 0.45),
    "aurora": (0.0, 1.0, 1.0, 0.25, 0.0),
}


def _greyed(colour: Colour, amount: float, brightness: float) -> Colour:
    level = 0.3 * colour[0] + 0.55 * colour[1] + 0.15 * colour[2]
    tint = (0.97, 1.0, 1.05)
    return tuple((c + (level * t - c) * amount) * brightness for c, t in zip(colour, tint, strict=True))  # type: ignore[return-value]


class Scene:
    """Coordinates and light of a batch of B pictures of one size.

    x, y: (S,) pixel centres in [0, 1] from the top left; px: width of a pixel; horizon, sun_x, ...: (B, 1, 1);
    colours: (B, 3, 1, 1).
    """

    def __init__(self, specs: Sequence[VistaSpec], size: int, device: str | torch.device = "cpu") -> None:
        self.specs = list(specs)
        self.size, self.px, self.device = size, 1.0 / size, torch.device(device)
        self.x = (torch.arange(size, device=self.device, dtype=torch.float32) + 0.5) / size
        self.y = self.x
        self.seeds = torch.tensor([s.detail for s in specs], dtype=torch.int64, device=self.device)
        self.horizon = self.number(lambda s: s.horizon)
        self.sun_x, self.sun_y = self.number(lambda s: s.body_x), self.number(lambda s: s.body_y)
        self.light_x = (self.sun_x - 0.5) * 2.0
        self.relief = self.number(lambda s: s.relief)
        weather = {
            name: self.number(lambda s, i=i: _WEATHER[s.weather][i])
            for i, name in enumerate(("grey", "level", "sharp", "haze", "clouds"))
        }
        self.sharp, self.haze, self.clouds = weather["sharp"], weather["haze"], weather["clouds"]
        self.stars = self.number(lambda s: HOURS[s.time].stars)
        self.floor = self.number(lambda s: HOURS[s.time].floor)[:, None]

        def sky(name: str) -> Tensor:
            return self.colour(lambda s: _greyed(getattr(HOURS[s.time], name), *_WEATHER[s.weather][:2]))

        self.zenith, self.middle, self.low = sky("zenith"), sky("middle"), sky("horizon")
        self.cloud, self.shade = sky("cloud"), sky("shade")
        self.key = sky("key") * self.sharp[:, None]
        self.ambient = sky("ambient") * (1.25 - 0.25 * self.sharp[:, None])
        self.glow = self.colour(lambda s: HOURS[s.time].glow)
        self.veil = torch.lerp(self.low, self.middle, 0.35)

    def number(self, of: Callable[[VistaSpec], float]) -> Tensor:
        """One number per picture as (B, 1, 1)."""
        return torch.tensor([float(of(s)) for s in self.specs], dtype=torch.float32, device=self.device)[:, None, None]

    def colour(self, of: Callable[[VistaSpec], Colour]) -> Tensor:
        """One colour per picture as (B, 3, 1, 1)."""
        return torch.tensor([of(s) for s in self.specs], dtype=torch.float32, device=self.device)[:, :, None, None]

    def where(self, holds: Callable[[VistaSpec], bool]) -> list[int]:
        """Indices of the pictures for which a condition holds."""
        return [i for i, s in enumerate(self.specs) if holds(s)]

    def part(self, indices: Sequence[int]) -> Scene:
        """The scene of some of the pictures."""
        return Scene([self.specs[i] for i in indices], self.size, self.device)


def constant(colour: Colour, like: Tensor) -> Tensor:
    """A colour as (1, 3, 1, 1) on the device of another tensor."""
    return torch.tensor(colour, device=like.device, dtype=torch.float32)[None, :, None, None]


def smooth(x: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """Smoothstep from 0 at low to 1 at high."""
    t = ((x - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def smooth_number(x: float, low: float, high: float) -> float:
    """smooth for a plain number."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)
