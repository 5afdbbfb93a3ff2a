"""Parts that several drawings share: shading of round bodies, windows, the rock below objects on water."""

from __future__ import annotations

import torch
from torch import Tensor

from layered.world.brush import Brush, Paints


def rounded(brush: Brush, paints: Paints, x: Tensor, half: float | Tensor) -> Tensor:
    """Shading of an upright round body of half width `half`, lit from the side of the light."""
    n = (x / half).clamp(-1.0, 1.0)
    front = torch.sqrt((1.0 - n * n).clamp(min=0.0))
    return 0.60 + 0.26 * front + 0.26 * n * paints.side


def window(b: Brush, p: Paints, x: float, y: float, w: float, h: float) -> None:
    n = b.near(x - w / 2 - 0.014, x + w / 2 + 0.014, y - 0.014, y + h + 0.014)
    n.fill(n.box(x - w / 2 - 0.014, x + w / 2 + 0.014, y - 0.014, y + h + 0.014), p.white, 0.92)
    n.fill(n.box(x - w / 2, x + w / 2, y, y + h), p.glass)
    n.fill(n.box(x - 0.006, x + 0.006, y, y + h), p.white, 0.85)
    n.fill(n.box(x - w / 2, x + w / 2, y + h / 2 - 0.006, y + h / 2 + 0.006), p.white, 0.85)


def island(b: Brush, half: float) -> tuple[Tensor, Tensor]:
    """The rock that carries an object on water: its cover and a shading (both (B, T, T))."""
    rough = 0.014 * torch.sin(b.x * 21.0) + 0.010 * torch.sin(b.x * 47.0 + 1.0) + 0.006 * b.wave(b.x, 0.06)
    top = 0.055 + rough - 0.05 * (b.x.abs() / half) ** 2
    foot = -0.075 + 0.03 * (b.x / half) ** 2
    cover = b.edge(b.y - top) * b.edge(foot - b.y) * b.edge((b.x.abs() - half) * 0.7)
    facets = 0.18 * torch.sin(b.x * 33.0 + b.y * 60.0) * torch.sin(b.x * 19.0 - b.y * 85.0) + 0.10 * b.wave(
        b.x + b.y, 0.035
    ) * b.wave(b.y - 0.4 * b.x, 0.05)
    return cover, 0.78 + facets
