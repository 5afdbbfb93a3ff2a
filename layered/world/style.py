"""Picture styles as finishing touches: watercolour, pixel art, ink sketch and neon light.

All patterns are defined in picture widths, and what a pixel cannot show fades to its average. Styles that draw edges find them on
a canvas of at least CANVAS pixels, averaged afterwards, so that a small picture is the average of a large one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from layered.world.noise import fbm, noise2
from layered.world.scene import Scene, constant, smooth, smooth_number
from layered.world.weather import fallen

CANVAS = 256
CELLS = 64  # pixel art: cells across
_STEPS = 6  # pixel art: steps of brightness


def canvas(style: str, size: int) -> int:
    """At how many pixels a picture of a size is drawn before it is averaged or enlarged to that size."""
    if style == "natural":
        return size
    if style == "pixel art":
        return 2 * CELLS
    return size * min(4, max(1, math.ceil(CANVAS / size)))


def styled(scene: Scene, image: Tensor, subject: Tensor, fall: Tensor | None) -> Tensor:
    """The pictures (B, 3, S, S) in [0, 1] in their styles.

    subject (B, 1, S, S): the share of each pixel that shows objects; fall (B, 1, S, S): that of raindrops and snowflakes before
    everything, if there are any, which every style draws in its own way.
    """
    fall = torch.zeros_like(subject) if fall is None else fall
    for style, paint in _STYLES.items():
        some = scene.where(lambda s, style=style: s.style == style)
        if some:
            image[some] = paint(scene.part(some), image[some], subject[some], fall[some]).clamp(0.0, 1.0)
    return image


def fitted(image: Tensor, style: str, size: int) -> Tensor:
    """Pictures of a style on their canvas, brought to a size."""
    if style == "pixel art":
        times = math.ceil(size / CELLS)
        image = image[:, :, ::2, ::2].repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)
    return image if image.shape[-1] == size else F.adaptive_avg_pool2d(image, size)


def blur(image: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur (B, C, S, S) -> same, sigma in picture widths; what the pixels blur by themselves is taken off."""
    size = image.shape[-1]
    wide = math.sqrt(max((sigma * size) ** 2 - 1 / 12, 0.0))
    if wide < 0.25:
        return image
    if wide > 6.0 and size % 4 == 0:  # wide ones on a quarter of the size
        small = blur(F.avg_pool2d(image, 4), sigma)
        return F.interpolate(small, size=size, mode="bilinear", align_corners=False)
    reach = min(math.ceil(2.5 * wide), size - 1)
    kernel = [math.exp(-0.5 * (k / wide) ** 2) for k in range(-reach, reach + 1)]
    kernel = [weight / sum(kernel) for weight in kernel]
    padded = F.pad(image, (reach, reach, reach, reach), mode="replicate")
    return _weighted(_weighted(padded, kernel, 3), kernel, 2)


def _weighted(image: Tensor, kernel: Sequence[float], dim: int) -> Tensor:
    """The weighted sums of neighbours along a dimension, which shrinks by len(kernel) - 1; several times faster than conv2d."""
    size = image.shape[dim] - len(kernel) + 1
    total = image.narrow(dim, 0, size) * kernel[0]
    for k, weight in enumerate(kernel[1:], start=1):
        total.add_(image.narrow(dim, k, size), alpha=weight)
    return total


def _edges(soft: Tensor, calm: float = 1.1) -> Tensor:
    """How strongly colours change (B, 1, S, S), about 1 at an outline; `calm` takes it down where all around changes."""
    lifted = soft.clamp(min=1e-4).sqrt()
    padded = F.pad(lifted, (1, 1, 1, 1), mode="replicate")
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    change = torch.sqrt((across.square() + down.square()).amax(dim=1, keepdim=True) + 1e-10) * (0.5 * soft.shape[-1] * 0.0045)
    return change / (0.055 + calm * blur(change, 0.020))


def _level(image: Tensor) -> Tensor:
    return (image * constant((0.30, 0.56, 0.14), image)).sum(dim=1, keepdim=True)


def _watercolour(scene: Scene, image: Tensor, subject: Tensor, fall: Tensor) -> Tensor:
    x, y, px = scene.x, scene.y, scene.px
    # Bleeding: outlines wander, colours run into flat patches.
    wander = [fbm(scene.seeds, 600 + i, x, y, 16.0, 16.0, px, 3, 0.6) * 0.0032 for i in (0, 1)]
    grid = torch.stack([x[None, None, :] + wander[0], y[None, :, None] + wander[1]], dim=-1) * 2.0 - 1.0
    image = F.grid_sample(image, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    flat = _patches(image, max(1, round(0.0085 * scene.size)))
    edge = smooth(_edges(blur(flat, 0.0026)), 0.5, 1.6)
    level = _level(flat)
    steps = level.clamp(min=1e-3).sqrt() * 6.0
    stepped = (steps.floor() + smooth(steps - steps.floor(), 0.30, 0.70)) / 6.0
    flat = flat * torch.lerp(torch.ones_like(level), (stepped.square() / level.clamp(min=1e-3)).clamp(0.6, 1.6), 0.55)
    pool = fbm(scene.seeds, 604, x, y, 5.0, 5.0, px, 4, 0.6)[:, None]  # where pigment gathers
    grain = fbm(scene.seeds, 608, x, y, 95.0, 95.0, px, 2, 0.8)[:, None]
    flat = flat * (1.0 - 0.30 * edge) * (1.0 + 0.075 * pool * (1.15 - level)) * (1.0 - 0.045 * grain * (1.2 - level))
    pale = 1.0 - (1.0 - torch.lerp(flat, fallen(scene).expand_as(flat), 0.9 * fall)) * 0.87
    rough = 0.010 * noise2(scene.seeds, 611, x, y, 13.0, 13.0, px) + 0.004 * noise2(scene.seeds, 612, x, y, 50.0, 50.0, px)
    rim = torch.minimum(torch.minimum(x, 1.0 - x)[None, None, :], torch.minimum(y, 1.0 - y)[None, :, None]) - 0.034 - rough
    pale = pale * (1.0 - 0.13 * torch.exp(-((rim / 0.006) ** 2)))[:, None]
    paper = constant((0.975, 0.965, 0.935), image) * (1.0 - 0.012 * grain)
    return torch.lerp(paper, pale, smooth(rim, -0.004, 0.004)[:, None])


def _patches(image: Tensor, reach: int) -> Tensor:
    """The Kuwahara filter: each pixel takes the mean of the calmest of the four squares that touch it (softly chosen)."""
    side = reach + 1
    padded = F.pad(image, (reach, reach, reach, reach), mode="replicate")
    level = _level(padded)
    kernel = [1.0 / side] * side
    mean, first, second = (_weighted(_weighted(x, kernel, 3), kernel, 2) for x in (padded, level, level * level))
    spread = (second - first * first).clamp(min=0.0) + 1e-5
    weight = spread**-3
    size, total, out = image.shape[-1], 0.0, 0.0
    for top in (0, reach):
        for left in (0, reach):
            share = weight[:, :, top : top + size, left : left + size]
            out = out + share * mean[:, :, top : top + size, left : left + size]
            total = total + share
    return out / total


def _pixels(scene: Scene, image: Tensor, subject: Tensor, fall: Tensor) -> Tensor:
    """Cells of one colour from a small palette, ordered dither between its steps, a dark outline around objects."""
    image = torch.lerp(image, fallen(scene).expand_as(image), (2.6 * fall - 0.25).clamp(0.0, 0.9))
    cells, shown = F.avg_pool2d(image, 2), F.avg_pool2d(subject, 2)
    whole = -F.max_pool2d(-F.max_pool2d(F.pad(shown, (2, 2, 2, 2)), 3, 1), 3, 1)  # holes closed
    around = smooth(F.max_pool2d(whole, 3, 1, 1) - whole, 0.30, 0.9)
    level = _level(cells)
    tint = (1.35 * (cells - level) * 8.0).round() / 8.0
    order = torch.tensor([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], device=image.device)
    dither = ((order + 0.5) / 16.0 - 0.5).repeat(CELLS // 4, CELLS // 4)
    bright = (level * (1.0 - 0.60 * around)).clamp(min=0.0) ** 0.4 * 1.03 * _STEPS
    bright = ((bright + 0.42 * dither).round() / _STEPS) ** 2.5
    cells = (bright + tint * (1.0 - 0.7 * around)).clamp(0.0, 1.0)
    return cells.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def _sketch(scene: Scene, image: Tensor, subject: Tensor, fall: Tensor) -> Tensor:
    """Black outlines and hatching that grows denser with the dark, on warm paper; a wash of colour, above all on objects."""
    x, y, px = scene.x, scene.y, scene.px
    soft = blur(image, 0.0022)
    line = smooth(_edges(soft), 0.55, 1.5)
    bolt = scene.number(lambda s: s.weather == "storm")[:, None] * smooth(_level(image), 0.74, 0.90) * (1.0 - subject)
    line = torch.maximum(line, bolt)  # lightning is drawn in ink as well
    tone = blur(_level(image), 0.004).clamp(min=1e-4).sqrt()
    wobble = 0.006 * noise2(scene.seeds, 620, x, y, 5.0, 5.0, px) + 0.0011 * noise2(scene.seeds, 622, x, y, 40.0, 40.0, px)
    press = 0.035 * noise2(scene.seeds, 623, x, y, 45.0, 45.0, px)[:, None]  # strokes swell and break off
    light = torch.ones_like(tone)
    for slant, rise, start, strength in ((1.0, 0.8, 0.80, 0.85), (0.9, -1.0, 0.55, 0.85), (0.12, 1.0, 0.30, 1.1)):
        width = ((start - tone + press) * strength).clamp(0.0, 0.62) * (1.0 - 0.75 * subject)
        period = 1.0 / 84.0
        at = (slant * x[None, None, :] + rise * y[None, :, None]) / math.hypot(slant, rise) + wobble
        away = ((at / period - (at / period).floor()) - 0.5).abs()[:, None] * 2.0
        stroke = ((width - away) * (0.5 * period / px) + 0.5).clamp(0.0, 1.0) * smooth(width, 0.0, 0.06)
        fine = smooth_number(period / px, 1.5, 3.0)
        light = light * (1.0 - torch.lerp(width, stroke, fine))
    grain = fbm(scene.seeds, 621, x, y, 80.0, 80.0, px, 2, 0.8)[:, None]
    paper = constant((0.965, 0.935, 0.855), image) * (1.0 - 0.012 * grain)
    tint = soft / (soft.mean(dim=1, keepdim=True) + 0.06)
    wash = paper * torch.lerp(torch.ones_like(tint), tint.clamp(0.45, 1.25), 0.30)
    wash = torch.lerp(wash, soft.clamp(min=0.0) ** 0.85, 0.85 * subject)
    ink = constant((0.10, 0.09, 0.13), image)
    snow = scene.number(lambda s: s.weather == "snow")[:, None]
    drawn = torch.lerp(smooth(fall, 0.02, 0.22), smooth(fall, 0.12, 0.3) * smooth(fall, 0.62, 0.42), snow)
    light = torch.lerp(light * (1.0 - 0.92 * line), torch.ones_like(light), snow * smooth(fall, 0.3, 0.6))
    return torch.lerp(ink, wash, light * (1.0 - (0.45 + 0.25 * snow) * drawn))


def _neon(scene: Scene, image: Tensor, subject: Tensor, fall: Tensor) -> Tensor:
    """Outlines as tubes of coloured light with a glow, in the dark."""
    soft = blur(image, 0.0022)
    line = smooth(_edges(soft, 0.65), 0.60, 1.6)
    high = soft.amax(dim=1, keepdim=True)
    hue = soft - 0.80 * soft.amin(dim=1, keepdim=True)
    hue = hue / (hue.amax(dim=1, keepdim=True) + 0.02)
    grey = (1.0 - 1.6 * (high - soft.amin(dim=1, keepdim=True)) / (high + 0.02)).clamp(min=0.0)  # grey things glow blue
    hue = torch.lerp(hue, constant((0.45, 0.70, 1.0), hue).expand_as(hue), grey * (1.0 - subject))
    tube = line * hue * torch.lerp(0.55 + 0.45 * high.sqrt(), 0.25 + 0.75 * high, subject)
    glow = 0.9 * blur(tube, 0.006) + 2.0 * blur(tube, 0.024)
    base = hue * (0.02 + 0.26 * high) + constant((0.055, 0.010, 0.090), image)
    away = (scene.x[None, None, :] - scene.sun_x).square() + (scene.y[None, :, None] - scene.sun_y).square()
    disc = scene.number(lambda s: s.body is not None) * smooth(away.sqrt(), 0.056, 0.046)  # sun and moon shine themselves
    base = base + scene.glow * 0.6 * disc[:, None] * smooth(_level(soft), 0.55, 0.85)
    base = torch.lerp(base, image * 0.72, subject)
    lit = base + (1.0 - base) * (glow * (1.0 - 0.75 * subject)).clamp(0.0, 0.85)
    bright = torch.lerp(tube, torch.ones_like(tube), 0.22 * line * (1.0 - subject))
    return torch.lerp(lit, bright, 0.9 * line) + constant((0.32, 0.50, 0.75), image) * fall


_STYLES = {"watercolour": _watercolour, "pixel art": _pixels, "ink sketch": _sketch, "neon": _neon}
