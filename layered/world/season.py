"""What the seasons do to plants: fresh green and blossom, ochre leaves, frost and a thin cover of snow."""

from __future__ import annotations

import torch
from torch import Tensor

from layered.world.scene import Scene, constant

BLOSSOM = (0.98, 0.55, 0.72)
FROST = (0.88, 0.92, 0.99)


def foliage(scene: Scene, albedo: Tensor, draw: Tensor | None = None, frost: float = 0.62, warm: float = 0.5) -> Tensor:
    """Colours of plants (B, 3, K, S) in the season of each picture; summer leaves them as they are.

    draw: a random number in [0, 1] per plant (B, K, S): some blossom in spring, and leaves turn differently. frost: how white
    winter makes them; warm: 0 for dry grass in autumn, 1 for glowing leaves.
    """
    spring, autumn, winter = (scene.number(lambda s, n=n: s.season == n)[:, None] for n in ("spring", "autumn", "winter"))
    level = (albedo * constant((0.3, 0.55, 0.15), albedo)).sum(dim=1, keepdim=True)
    fresh = albedo * constant((1.10, 1.22, 0.80), albedo) + 0.02
    dry, leaf = constant((1.62, 1.16, 0.46), albedo), constant((2.10, 0.98, 0.26), albedo)
    turned = level * torch.lerp(dry, leaf, warm)
    if draw is not None:
        fresh = torch.lerp(fresh, constant(BLOSSOM, albedo).expand_as(fresh), 0.9 * (draw > 0.62)[:, None].float())
        turned = turned * torch.lerp(constant((1.15, 0.72, 0.7), albedo), constant((0.95, 1.28, 1.0), albedo), draw[:, None])
    bare = torch.lerp(albedo, level * constant((1.05, 1.0, 0.95), albedo), 0.7)
    cold = torch.lerp(bare, constant(FROST, albedo).expand_as(bare), frost)
    return albedo + spring * (fresh - albedo) + autumn * (turned - albedo) + winter * (cold - albedo)


def dusted(scene: Scene, albedo: Tensor, amount: Tensor | float) -> Tensor:
    """Bare ground (B, 3, K, S) under a little snow in winter; amount (B, K, S) in [0, 1]."""
    winter = scene.number(lambda s: s.season == "winter") * amount
    return torch.lerp(albedo, constant(FROST, albedo).expand_as(albedo), winter[:, None])
