"""The sky: gradient of the hour, glow, stars, sun and moon, clouds, rainbow and aurora."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from layered.world.noise import cells, fbm, noise2, uniform
from layered.world.scene import Scene, constant, smooth
from layered.world.volcano import smoke

SUN_RADIUS = 0.036
MOON_RADIUS = 0.034


def sky(scene: Scene, rows: int) -> Tensor:
    """The first `rows` pixel rows of the sky, (B, 3, rows, S), in [0, about 1.2]."""
    y = scene.y[:rows][None, :, None]
    down = (y / scene.horizon).clamp(max=1.0)[:, None]  # 0 at the top, 1 at the horizon
    image = torch.lerp(scene.zenith, scene.middle, smooth(down, 0.0, 0.72))
    image = torch.lerp(image, scene.low, down**3.2).expand(-1, -1, -1, scene.size)
    image = _stars(scene, image, rows)
    image = _glow(scene, image, rows)
    for holds, paint in (
        (lambda s: s.weather == "aurora", _aurora),
        (lambda s: s.body is not None, _body),
        (lambda s: s.weather != "aurora", _clouds),
        (lambda s: s.weather == "rainbow", _rainbow),
        (lambda s: s.weather == "storm", _lightning),
        (lambda s: s.terrain == "volcano", smoke),
    ):
        some = scene.where(holds)
        if len(some) == len(scene.specs):
            image = paint(scene, image, rows)
        elif some:
            image = image.index_copy(0, torch.tensor(some, device=image.device), paint(scene.part(some), image[some], rows))
    return image


def _glow(scene: Scene, image: Tensor, rows: int) -> Tensor:
    """Light spread around the sun or moon; a low sun also lights a band along the horizon."""
    dx, dy = scene.x[None, None, :] - scene.sun_x, scene.y[:rows][None, :, None] - scene.sun_y
    near = torch.exp(-(dx * dx).expand(-1, rows, -1) / 0.05 - dy * dy / 0.03)
    wide = torch.exp(-(dx * dx) / 0.28 - dy * dy / 0.05)
    sun = scene.number(lambda s: {"sun": 1.0, None: 0.25 if s.time not in ("night",) else 0.0}.get(s.body, 0.45)) * (
        0.35 + 0.65 * scene.sharp
    )
    warm = scene.number(lambda s: {"sunset": 0.75, "dawn": 0.6, "afternoon": 0.5, "dusk": 0.15, "noon": 0.25}.get(s.time, 0.18))
    amount = (sun * (0.34 * near + warm * wide)).clamp(max=0.80)[:, None]
    return torch.lerp(image, scene.glow.expand_as(image), amount)


def _stars(scene: Scene, image: Tensor, rows: int) -> Tensor:
    """Stars smaller than a pixel, of the same total light at every size, and a faint milky way."""
    some = scene.where(lambda s: s.time in ("night", "dusk") and s.weather in ("clear", "aurora", "cloudy"))
    if not some:
        return image
    part = scene.part(some)
    count = 260
    number = torch.arange(count, device=image.device)
    seeds = part.seeds

    def draw(salt: int) -> Tensor:
        return cells(seeds, salt, (number // 64)[None].expand(len(some), -1), (number % 64)[None].expand(len(some), -1))

    sx, sy = draw(1), draw(2) * part.horizon[:, :, 0]
    bright = (0.25 + 2.2 * draw(3) ** 6) * part.stars[:, :, 0]
    # A star is a Gaussian spot: wide as 0.0011 of the picture, or as a pixel, whichever is larger, with the same integral.
    own = 0.0010 * (1.0 + 0.8 * draw(4))
    sigma = torch.sqrt(own * own + (0.30 * part.px) ** 2)
    level = bright * own / sigma
    across = torch.exp(-(((part.x[None, None, :] - sx[:, :, None]) / sigma[:, :, None]) ** 2) / 2) * level[:, :, None]
    down = torch.exp(-(((part.y[None, None, :rows] - sy[:, :, None]) / sigma[:, :, None]) ** 2) / 2) * (own / sigma)[:, :, None]
    spots = torch.einsum("bnr,bnc->brc", down, across)
    y, x = part.y[None, :rows, None], part.x[None, None, :]
    slope = uniform(seeds, 5) * 1.2 - 0.6
    band = torch.exp(-((y - 0.25 - slope * (x - 0.5)) ** 2) / 0.012)
    dust = fbm(seeds, 6, part.x, part.y[:rows], 5.0, 5.0, part.px, 5, 0.6)
    way = (band * (0.55 + 0.3 * dust)).clamp(min=0.0) * 0.16 * part.stars
    fade = smooth(y, part.horizon, part.horizon * 0.6)
    light = (spots * fade)[:, None] * constant((1.0, 0.97, 0.92), image) + (way * fade)[:, None] * constant(
        (0.75, 0.8, 1.0), image
    )
    return image.index_add(0, torch.tensor(some, device=image.device), light)


def _body(scene: Scene, image: Tensor, rows: int) -> Tensor:
    """The disc of the sun or the moon, drawn on its own square of the sky."""
    x, y = scene.x[None, None, :], scene.y[None, :rows, None]
    dx, dy = x - scene.sun_x, y - scene.sun_y
    moon = scene.number(lambda s: s.body != "sun")
    crescent = scene.number(lambda s: s.body == "crescent moon")
    radius = (
        SUN_RADIUS
        + (MOON_RADIUS - SUN_RADIUS) * moon
        + 0.012 * scene.number(lambda s: s.body == "sun" and s.time in ("sunset", "dawn"))
    )
    r = torch.sqrt(dx * dx + dy * dy)
    disc = ((radius - r) / scene.px + 0.5).clamp(0.0, 1.0)
    side = torch.sign(0.5 - scene.sun_x) * 0.55 * radius
    bite = torch.sqrt((dx - side) ** 2 + (dy + 0.25 * radius) ** 2)
    disc = disc * (1.0 - crescent * ((radius * 0.92 - bite) / scene.px + 0.5).clamp(0.0, 1.0))
    halo = torch.exp(-((r / radius - 1.0).clamp(min=0.0)) * 1.1) * (0.42 - 0.10 * moon)
    image = torch.lerp(image, torch.lerp(scene.glow, constant((0.95, 0.96, 1.0), image), 0.5).expand_as(image), halo[:, None])
    seas = fbm(scene.seeds, 11, scene.x, scene.y[:rows], 45.0, 45.0, scene.px, 3)
    sun_colour = torch.lerp(scene.glow, constant((1.25, 1.18, 0.98), image), 0.80)
    colour = torch.lerp(sun_colour, constant((0.98, 0.97, 0.92), image), moon[:, None])
    colour = colour * (1.0 - 0.10 * (moon * seas.clamp(0.0, 1.0))[:, None])
    dim = 1.0 - 0.25 * scene.number(lambda s: s.weather == "fog")
    return torch.lerp(image, colour, (disc * dim)[:, None])


def _clouds(scene: Scene, image: Tensor, rows: int) -> Tensor:
    """Clouds from noise that grows flatter towards the horizon, lit from the side of the sun."""
    y = scene.y[:rows]
    flat = torch.log1p(y * 2.2) * 0.9  # denser rows near the horizon
    px = scene.px
    fx, fy = 3.0, 7.5
    shape = fbm(scene.seeds, 21, scene.x, flat, fx, fy, px, 7, 0.52)
    lifted = fbm(scene.seeds, 21, scene.x, flat - 0.014, fx, fy, px, 4, 0.52)
    wisps = fbm(scene.seeds, 33, scene.x, flat, 2.0, 16.0, px, 6, 0.55)
    cover = 1.15 - 1.9 * scene.clouds
    # Broad clearings, so that clouds come in groups.
    cover = cover - 0.5 * noise2(scene.seeds, 35, scene.x, y, 1.6, 2.2, px)
    density = smooth(shape, cover, cover + 0.9)
    thin = smooth(wisps, 0.4, 2.6) * (0.55 - 0.35 * scene.clouds)
    dx = scene.x[None, None, :] - scene.sun_x
    towards = torch.exp(-(dx * dx) / 0.2)
    lit = (0.55 + 0.55 * (shape - lifted) - 0.16 * (shape - cover) + 0.25 * towards).clamp(0.0, 1.0)
    colour = torch.lerp(scene.shade, scene.cloud, lit[:, None])
    fade = 1.0 - 0.6 * smooth(y[None, :, None], scene.horizon * 0.75, scene.horizon)
    amount = ((density * 0.92 + thin * (1.0 - density)) * fade)[:, None]
    return torch.lerp(image, colour, amount)


def _rainbow(scene: Scene, image: Tensor, rows: int) -> Tensor:
    """An arc opposite the light, about the anti-solar point below the horizon, with Alexander's darker band outside."""
    x, y = scene.x[None, None, :], scene.y[None, :rows, None]
    centre = 0.5 + 0.22 * torch.sign(0.5 - scene.sun_x)
    r = torch.sqrt((x - centre) ** 2 + (y - scene.horizon - 0.10) ** 2)
    inner, width = 0.44, 0.062
    band = (r - inner) / width  # 0 violet inside, 1 red outside
    inside = smooth(band, -0.15, 0.15) * (1.0 - smooth(band, 0.85, 1.15))
    hue = torch.stack([torch.exp(-(((band - c) / w) ** 2)) for c, w in ((0.85, 0.30), (0.52, 0.26), (0.18, 0.24))], dim=1)
    hue = hue + 0.35 * torch.stack([torch.exp(-((band / 0.14) ** 2)), torch.zeros_like(band), torch.zeros_like(band)], dim=1)
    lighter = 0.06 * (1.0 - smooth(r, inner - 0.02, inner + 0.02))[:, None]
    fade = (0.65 + 0.35 * smooth(y, 0.0, scene.horizon))[:, None]
    return torch.lerp(image + lighter, 0.35 * image + 0.85 * hue, 0.62 * inside[:, None] * fade)


def _lightning(scene: Scene, image: Tensor, rows: int) -> Tensor:
    """A bolt from the clouds to the horizon with two branches, and the light it throws on the clouds."""
    x, y = scene.x[None, None, :], scene.y[None, :rows, None]
    down = y / scene.horizon

    def jagged(salt: int) -> Tensor:
        """A broken line over y: linear between random points, coarse and fine, (B, R, 1)."""
        total = torch.zeros((), device=image.device)
        for points, amplitude in ((9.0, 0.075), (27.0, 0.030), (70.0, 0.008)):
            at = y * points
            cell = at.floor()
            index = cell.long().expand(len(scene.specs), -1, -1)
            here, after = cells(scene.seeds, salt, index, index * 0), cells(scene.seeds, salt, index + 1, index * 0)
            total = total + amplitude * (torch.lerp(here, after, at - cell) - 0.5)
            salt += 1
        return total

    foot = 0.14 + 0.72 * uniform(scene.seeds, 70)
    trunk = foot + 0.22 * (uniform(scene.seeds, 71) - 0.5) * (1.0 - down) + jagged(72)
    core = torch.zeros((), device=image.device)
    glow = core
    lines = [(trunk, 0.0, 1.0, 0.0034)]
    for number in range(2):
        start = 0.18 + 0.34 * uniform(scene.seeds, 76 + number)
        side = (1.0 if number else -1.0) * (0.35 + 0.3 * uniform(scene.seeds, 78 + number))
        lines.append(
            (trunk + side * (down - start) * scene.horizon + 0.5 * jagged(480 + 4 * number), start, start + 0.33, 0.0020)
        )
    for line, start, end, width in lines:
        taper = smooth(down, start - 0.005, start + 0.005) * smooth(down, end, end - 0.25 * (end - start))
        half = 0.5 * width * (0.5 + 0.5 * taper)
        steep = 1.0 / torch.sqrt(1.0 + ((line[:, 1:] - line[:, :-1]) / scene.px).square())
        away = (x - line).abs() * torch.cat([steep, steep[:, -1:]], dim=1)
        stroke = ((away + half) / scene.px + 0.5).clamp(0.0, 1.0) - ((away - half) / scene.px + 0.5).clamp(0.0, 1.0)
        core = torch.maximum(core, stroke * taper)
        glow = torch.maximum(glow, taper * (0.55 * torch.exp(-away / 0.010) + 0.35 * torch.exp(-away / 0.055)))
    cloud = torch.exp(-(((x - foot) / 0.30) ** 2) - (y / 0.22) ** 2)
    image = image + constant((0.34, 0.36, 0.52), image) * (0.55 * cloud + 0.8 * glow)[:, None]
    return torch.lerp(image, constant((1.12, 1.12, 1.2), image).expand_as(image), core[:, None])


def _aurora(scene: Scene, image: Tensor, rows: int) -> Tensor:
    """Curtains of light: wavy lower edges, rays above them, green below and violet on top."""
    x, y = scene.x, scene.y[None, :rows, None]
    level = torch.zeros((), device=image.device)
    high = level
    for number in range(3):
        fold = fbm(scene.seeds, 41 + number, x, torch.zeros(1, device=image.device), 2.2, 1.0, scene.px, 3, 0.5)
        rays = fbm(scene.seeds, 51 + number, x, torch.zeros(1, device=image.device), 26.0, 1.0, scene.px, 4, 0.7)
        foot = 0.40 - 0.11 * number + 0.055 * fold + 0.06 * (uniform(scene.seeds, 61 + number) - 0.5)
        length = 0.17 + 0.035 * rays
        above = (foot - y) / length.clamp(min=0.06)
        curtain = smooth(above, -0.10, 0.10) * torch.exp(-above.clamp(min=0.0) * 1.7)
        curtain = (
            curtain
            * (0.55 + 0.22 * rays).clamp(0.1, 1.4)
            * (0.75 + 0.25 * torch.sin(2 * math.pi * (x[None, None] * 1.3 + number * 0.4)))
        )
        level, high = level + curtain, high + curtain * above.clamp(0.0, 2.0)
    green = level[:, None] * constant((0.12, 0.85, 0.48), image)
    violet = high[:, None] * constant((0.42, 0.02, 0.40), image)
    return image + 0.75 * green + 0.55 * violet
