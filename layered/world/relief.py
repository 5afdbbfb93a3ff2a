"""Surfaces as stacks of profiles from near to far: which point of the surface does a pixel show, and how is it lit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from layered.world.noise import cells
from layered.world.scene import Scene


def look_up(edges: Tensor, start: Tensor, paint: Tensor, y: Tensor, px: float) -> tuple[Tensor, Tensor]:
    """Shows a surface given by K profiles, near to far.

    edges (B, K, S): the y of each profile (from the top); start (B, 1, 1): the y of the near border; paint (B, C, K, S):
    colour along the profiles; y (R,) pixel rows. Between neighbouring profiles the surface is continuous; a profile hides
    what is behind and below it.
    Returns the paint at every pixel (B, C, R, S) and the share of the pixel that the surface covers (B, 1, R, S).
    """
    batch, count, width = edges.shape
    rows = y[None, :, None]
    depth = torch.zeros(batch, y.numel(), width, device=edges.device)
    seen = torch.cummin(edges, dim=1).values
    below = start.expand(batch, 1, width)
    near = torch.cat([below, seen[:, :-1]], dim=1)
    # Each gap between two profiles adds one to the depth, linearly over its height (at least a pixel, for smooth outlines).
    gap = (near - seen).clamp(min=px)
    scale = 1.0 / gap
    offset = 0.5 + 0.5 * (near + seen) * scale
    for k in range(count):
        depth += torch.addcmul(offset[:, k : k + 1], rows, scale[:, k : k + 1], value=-1.0).clamp_(0.0, 1.0)
    cover = ((rows - seen[:, -1:]) / px + 0.5).clamp_(0.0, 1.0)[:, None]
    across = torch.linspace(-1.0 + 1.0 / width, 1.0 - 1.0 / width, width, device=edges.device).expand(batch, y.numel(), width)
    down = (2.0 * depth - 1.0) / count - 1.0
    shown = F.grid_sample(paint, torch.stack([across, down], dim=-1), mode="bilinear", padding_mode="border", align_corners=False)
    return shown, cover


def slope(height: Tensor, spacing: float) -> Tensor:
    """Rise of (B, K, S) along x per unit, central differences, the borders repeated."""
    padded = F.pad(height, (1, 1), mode="replicate")
    return (padded[..., 2:] - padded[..., :-2]) / (2.0 * spacing)


def facing(scene: Scene, height: Tensor, strength: float) -> Tensor:
    """How much the slopes of (B, K, S) look to the light, 0 to 1, one half where they are level."""
    side = scene.light_x / (scene.light_x.abs() + 0.15)
    return 0.5 - 0.5 * torch.tanh(strength * slope(height, scene.px) * side)


def shadow(scene: Scene, height: Tensor, fall: float, soft: float) -> Tensor:
    """Cast shadows along x of (B, K, S): 0 in shadow, 1 in light. fall: how fast the rays sink along x; soft: its edge."""
    ramp = scene.x[None, None, :] * fall
    from_left = torch.cummax(height + ramp, dim=2).values - ramp
    from_right = (torch.cummax((height - ramp).flip(2), dim=2).values).flip(2) + ramp
    blocker = torch.where(scene.light_x > 0, from_right, from_left)
    return (1.0 - (blocker - height) / soft).clamp(0.0, 1.0)


def spikes(scene: Scene, salt: int, frequency: Tensor, sharp: float = 1.0) -> tuple[Tensor, Tensor]:
    """Pointed shapes side by side along every profile: their height in [0, 1] (B, K, S) and a random number per shape.

    frequency (K,): shapes per unit of x on each profile.
    """
    count = frequency.numel()
    row = torch.arange(count, device=frequency.device)[None, :, None]
    u = scene.x[None, None, :] * frequency[None, :, None] + row * 0.37
    cell = u.floor()
    index = cell.long().expand(len(scene.specs), -1, -1)
    row = row.expand_as(index)
    draw = cells(scene.seeds, salt, row, index)
    centre = 0.5 + 0.3 * (draw - 0.5)
    across = (1.0 - 2.0 * (u - cell - centre).abs()).clamp(0.0, 1.0)
    fine = (1.5 - frequency * scene.px)[None, :, None].clamp(0.0, 1.0)
    shape = across**sharp * (0.45 + 0.55 * draw)
    return torch.lerp(torch.full_like(shape, 0.36), shape, fine), draw


def lit(scene: Scene, albedo: Tensor, light: Tensor) -> Tensor:
    """Colour of a surface: albedo (B, 3, K, S) under the sky's light and a share (B, K, S) of the sun's."""
    return albedo * (scene.ambient + scene.key * light[:, None])
