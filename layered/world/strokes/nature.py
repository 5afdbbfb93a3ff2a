"""Plants and animals, by their strokes."""

from __future__ import annotations

import torch

from layered.world.brush import Brush, Paints


def tree(b: Brush, p: Paints) -> None:
    bend = 0.03 * torch.sin(b.y * 5.0 + p.draw * 6.0)
    trunk = b.edge((b.x - bend).abs() - (0.030 + 0.035 * (1.0 - b.y / 0.5).clamp(min=0.0) ** 2)) * b.span(b.y, 0.0, 0.55)
    bark = 0.72 + 3.0 * (b.x - bend) * p.side + 0.12 * b.wave(b.x + 0.01 * torch.sin(b.y * 40.0), 0.022)
    b.fill(trunk, p.wood, bark)
    for x, y in ((-0.2, 0.58), (0.19, 0.60)):
        b.fill(b.line(bend, 0.30, x, y, 0.026), p.wood, 0.72)
    # Leaves: lumps of clumps of leaves, darker below, the outline broken by the small ones.
    a = torch.atan2(b.y - 0.66, b.x)
    r = torch.sqrt(b.x * b.x + (b.y - 0.66) ** 2 + 1e-9)
    lumps = 0.020 * torch.sin(5.0 * a + p.draw * 6.0) + 0.014 * torch.sin(11.0 * a + p.draw * 17.0)
    lumps = lumps + 0.010 * torch.sin(23.0 * a + p.draw * 31.0 + 20.0 * r)
    rim = 0.010 * b.wave(b.x + 0.5 * b.y, 0.031) * b.wave(b.y - 0.3 * b.x, 0.027)
    crown = b.edge((torch.sqrt((b.x / 0.40) ** 2 + ((b.y - 0.665) / 0.325) ** 2 + 1e-9) - 1.0) * 0.36 - lumps - rim)
    clump = torch.sin(b.x * 19.0 + p.draw * 9.0 + 1.5 * torch.sin(b.y * 17.0)) * torch.sin(
        b.y * 23.0 + 1.7 * torch.sin(b.x * 15.0)
    )
    bent_x, bent_y = b.x + 0.020 * torch.sin(b.y * 61.0 + b.x * 23.0), b.y + 0.020 * torch.sin(b.x * 53.0 - b.y * 31.0)
    leaf = b.wave(bent_x + 0.4 * bent_y, 0.034) * b.wave(bent_y - 0.3 * bent_x, 0.029)
    shade = 0.80 + 0.45 * (b.y - 0.66) + 0.42 * b.x * p.side + 0.13 * clump + 0.08 * leaf
    b.fill(crown, torch.lerp(p.main, p.light, (0.18 * clump.clamp(min=0.0))[:, None]), shade)
