"""Noise that does not depend on resolution: random lattices interpolated at coordinates, averaged over the pixel."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

TABLE = 512  # the lattice of all noise repeats after this many points; pictures and salts start at different places
_MASK = 0xFFFFFFFF


def mix(value: Tensor) -> Tensor:
    """A 32-bit integer hash (int64 tensor in, values in [0, 2**32) out)."""
    value = value & _MASK
    value = ((value ^ (value >> 16)) * 0x45D9F3B) & _MASK
    value = ((value ^ (value >> 16)) * 0x45D9F3B) & _MASK
    return value ^ (value >> 16)


@lru_cache(maxsize=8)
def table(device: str) -> Tensor:
    """The lattice values, uniform in [-1, 1), shape (TABLE, TABLE)."""
    cells = mix(mix(torch.arange(TABLE * TABLE, dtype=torch.int64) + 0x9E3779B9) + 0x7F4A7C15)
    return ((cells >> 8).to(torch.float32) / 2**23 - 1.0).reshape(TABLE, TABLE).to(device)


def uniform(seeds: Tensor, salt: int) -> Tensor:
    """One number in [0, 1) per seed: (B,) int64 -> (B, 1, 1)."""
    return ((mix(mix(seeds) + salt * 7919 + 13) >> 8).to(torch.float32) / 2**24)[:, None, None]


def lattice(seeds: Tensor, salt: int, rows: int, columns: int) -> Tensor:
    """Lattice values for every seed, shape (B, rows, columns), uniform in [-1, 1)."""
    start = mix(mix(seeds) + salt * 7919)
    at_row = (start[:, None] % TABLE + torch.arange(rows, device=seeds.device)) % TABLE
    at_column = ((start[:, None] >> 12) % TABLE + torch.arange(columns, device=seeds.device)) % TABLE
    return table(str(seeds.device))[at_row[:, :, None], at_column[:, None, :]]


def weights(coordinates: Tensor, footprint: Tensor | float, count: int) -> Tensor:
    """Cubic B-spline weights (..., N, count) of lattice points from -1 on at coordinates (..., N), averaged over a footprint."""
    points = torch.arange(count, device=coordinates.device, dtype=torch.float32) - 1.0
    total = torch.zeros((), device=coordinates.device)
    for shift in (-1 / 3, 0.0, 1 / 3):
        distance = ((coordinates + shift * footprint)[..., None] - points).abs()
        outer = (2.0 - distance).clamp(min=0.0)
        inner = (1.0 - distance).clamp(min=0.0)
        total = total + (outer * outer * outer - 4.0 * inner * inner * inner)
    return total / 18.0


def noise2(
    seeds: Tensor, salt: int, x: Tensor, y: Tensor, fx: float, fy: float, px: float, py: Tensor | float | None = None
) -> Tensor:
    """Smooth noise, about unit variance, at the grid x (N,) by y (M,) or (B, M), coordinates in [0, about 1]; shape (B, M, N).

    fx and fy are lattice cells per unit; px is the footprint of a sample in x and py in y (default the same).
    """
    columns, rows = int(fx * 1.02) + 5, int(fy * 1.1) + 5
    across = weights(x * fx + 0.5, px * fx, columns)
    down = weights(y * fy + 0.5, (px if py is None else py) * fy, rows)
    return (down @ lattice(seeds, salt, rows, columns)) @ across.T * 3.6


def fbm(
    seeds: Tensor,
    salt: int,
    x: Tensor,
    y: Tensor,
    fx: float,
    fy: float,
    px: float,
    octaves: int,
    gain: float = 0.5,
    py: float | None = None,
) -> Tensor:
    """Sum of octaves of noise2, amplitudes 1, gain, gain**2, ...; those finer than the footprint are left out. (B, M, N)."""
    total = noise2(seeds, salt, x, y, fx, fy, px, py)
    amplitude = 1.0
    for octave in range(1, octaves):
        fx, fy, amplitude = fx * 2.03, fy * 2.03, amplitude * gain
        if fx * px > 1.0 and fy * (px if py is None else py) > 1.0:
            break
        total = total + amplitude * noise2(seeds, salt + 101 * octave, x, y, fx, fy, px, py)
    return total


def cells(seeds: Tensor, salt: int, row: Tensor, column: Tensor) -> Tensor:
    """A random value in [0, 1) for integer cells (B, ...) int64, by look-up."""
    start = mix(mix(seeds) + salt * 7919)
    shape = (-1,) + (1,) * (column.dim() - 1)
    at_row = (row + (start % TABLE).reshape(shape)) % TABLE
    at_column = (column + ((start >> 12) % TABLE).reshape(shape)) % TABLE
    return table(str(seeds.device))[at_row, at_column] * 0.5 + 0.5


def scattered(seeds: Tensor, salt: int, u: Tensor, v: Tensor, footprint: Tensor | float) -> Tensor:
    """Value noise in about [-1, 1] at arbitrary coordinates (B, M, N) in cells, fading where the footprint reaches a cell."""
    iu, iv = u.floor(), v.floor()
    fu, fv = u - iu, v - iv
    fu, fv = fu * fu * (3.0 - 2.0 * fu), fv * fv * (3.0 - 2.0 * fv)
    iu, iv = iu.long(), iv.long()
    top = torch.lerp(cells(seeds, salt, iv, iu), cells(seeds, salt, iv, iu + 1), fu)
    bottom = torch.lerp(cells(seeds, salt, iv + 1, iu), cells(seeds, salt, iv + 1, iu + 1), fu)
    value = torch.lerp(top, bottom, fv) * 2.0 - 1.0
    fade = 1.5 - torch.as_tensor(footprint, device=u.device)
    return value * fade.clamp(0.0, 1.0)
