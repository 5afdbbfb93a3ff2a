"""Drawing with exact pixel coverage in an object's own coordinates: boxes, polygons, ellipses and lines thinner than a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def smooth(points: Sequence[tuple[float, float]], parts: int = 4) -> list[tuple[float, float]]:
    """A closed curve through points, as a polygon with `parts` corners for each (the spline of Catmull and Rom)."""
    curve = []
    for i in range(len(points)):
        before, here, there, after = (points[(i + k) % len(points)] for k in (-1, 0, 1, 2))
        for step in range(parts):
            t = step / parts
            weights = (
                -0.5 * t + t**2 - 0.5 * t**3,
                1 - 2.5 * t**2 + 1.5 * t**3,
                0.5 * t + 2 * t**2 - 1.5 * t**3,
                0.5 * t**3 - 0.5 * t**2,
            )
            at = [sum(w * p[axis] for w, p in zip(weights, (before, here, there, after), strict=True)) for axis in (0, 1)]
            curve.append((at[0], at[1]))
    return curve


@dataclass(frozen=True)
class Paints:
    """Colours of a batch of objects under the light of their pictures, (B, 3, 1, 1) each, and where the light comes from."""

    main: Tensor
    dark: Tensor
    light: Tensor
    white: Tensor
    wood: Tensor
    stone: Tensor
    leaf: Tensor
    roof: Tensor
    glass: Tensor  # windows: lit in the dark
    side: Tensor  # (B, 1, 1): -1 light from the left, 1 from the right
    draw: Tensor  # (B, 1, 1): a random number in [0, 1)
    afloat: Tensor  # (B, 1, 1): 1 where the object stands on water


@dataclass(frozen=True)
class Frame:
    """Coordinates of one canvas: x of the middle of its first pixel and what each column adds, and y likewise with the rows."""

    x: float
    column: float
    y: float
    row: float


class Brush:
    """A batch of small canvases. x (B, 1, T) and y (B, T, 1) or both (B, T, T): coordinates in object heights, y up.

    pixel (B, 1, 1): width of a pixel in the same unit. canvas (B, 4, T, T): colour times alpha, and alpha; fill changes it.
    frames: where the canvases lie, known without a look at the tensors, so that `near` can tell which part of them matters.
    """

    def __init__(
        self, x: Tensor, y: Tensor, pixel: Tensor, canvas: Tensor | None = None, frames: Sequence[Frame] | None = None
    ) -> None:
        self.x, self.y, self.pixel, self.frames = x, y, pixel, frames
        if canvas is None:
            shape = torch.broadcast_shapes(x.shape, y.shape)
            canvas = torch.zeros(shape[0], 4, *shape[1:], device=x.device)
        self.canvas = canvas

    def at(self, x: Tensor, y: Tensor) -> Brush:
        """A brush on the same canvas with other coordinates."""
        return Brush(x, y, self.pixel, self.canvas)

    def near(self, x0: float, x1: float, y0: float, y1: float) -> Brush:
        """A brush on the part of the canvas around a box: strokes that lie inside it come out the same, at less cost."""
        if self.frames is None:
            return self
        rows, columns = self.canvas.shape[2:]
        slack = 0.03  # an object on an island stands a little higher
        across = [(x - frame.x) / frame.column for frame in self.frames for x in (x0, x1)]
        down = [(y - frame.y) / frame.row for frame in self.frames for y in (y0 - slack, y1 + slack)]
        left, top = min(max(int(min(across)) - 2, 0), columns - 1), min(max(int(min(down)) - 2, 0), rows - 1)
        right, foot = max(min(int(max(across)) + 3, columns), left + 1), max(min(int(max(down)) + 3, rows), top + 1)
        x, y = self.x[:, :, left:right], self.y[:, top:foot]
        return Brush(x, y, self.pixel, self.canvas[:, :, top:foot, left:right])

    def turned(self, angle: float | Tensor, cx: float, cy: float) -> Brush:
        """A brush on the same canvas whose drawings are turned counter-clockwise around a point, angle in radians."""
        turn = torch.as_tensor(angle, device=self.x.device)
        c, s = torch.cos(turn), torch.sin(turn)
        dx, dy = self.x - cx, self.y - cy
        return self.at(cx + c * dx + s * dy, cy + c * dy - s * dx)

    def edge(self, distance: Tensor) -> Tensor:
        """Coverage of the half plane distance < 0."""
        return (0.5 - distance / self.pixel).clamp(0.0, 1.0)

    def span(self, x: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
        """Exact share of the pixel with low < x < high."""
        return (((x - low) / self.pixel + 0.5).clamp(0.0, 1.0) - ((x - high) / self.pixel + 0.5).clamp(0.0, 1.0)).clamp(min=0.0)

    def box(self, x0: float | Tensor, x1: float | Tensor, y0: float | Tensor, y1: float | Tensor) -> Tensor:
        return self.span(self.x, x0, x1) * self.span(self.y, y0, y1)

    def ellipse(self, cx: float | Tensor, cy: float | Tensor, rx: float | Tensor, ry: float | Tensor) -> Tensor:
        a, b = (self.x - cx) / rx, (self.y - cy) / ry
        r = torch.sqrt(a * a + b * b + 1e-9)
        # First-order distance: (r - 1) over the length of its gradient.
        steep = torch.sqrt((a / rx) ** 2 + (b / ry) ** 2 + 1e-9) / r
        return self.edge((r - 1.0) / steep.clamp(min=1e-3))

    def polygon(self, points: Sequence[tuple[float, float]]) -> Tensor:
        """A convex polygon, corners counter-clockwise."""
        cover: Tensor | None = None
        for (x0, y0), (x1, y1) in zip(points, list(points[1:]) + [points[0]], strict=True):
            length = math.hypot(x1 - x0, y1 - y0)
            part = self.edge(((self.x - x0) * (y1 - y0) - (self.y - y0) * (x1 - x0)) / length)
            cover = part if cover is None else torch.minimum(cover, part)
        assert cover is not None
        return cover

    def outline(self, points: Sequence[tuple[float, float]]) -> Tensor:
        """Any polygon without crossings: its distance function (Quilez, "2D distance functions"), corners in either order."""
        nearest: Tensor | None = None
        inside: Tensor | None = None
        for (x0, y0), (x1, y1) in zip(points, list(points[1:]) + [points[0]], strict=True):
            ex, ey = x1 - x0, y1 - y0
            dx, dy = self.x - x0, self.y - y0
            along = ((dx * ex + dy * ey) / (ex * ex + ey * ey)).clamp(0.0, 1.0)
            square = (dx - along * ex) ** 2 + (dy - along * ey) ** 2
            crosses = ((self.y >= y0) != (self.y >= y1)) & ((dx * ey < dy * ex) == (y1 > y0))
            nearest = square if nearest is None else torch.minimum(nearest, square)
            inside = crosses if inside is None else inside ^ crosses
        assert nearest is not None and inside is not None
        distance = torch.sqrt(nearest + 1e-12)
        return self.edge(torch.where(inside, -distance, distance))

    def line(self, x0: float | Tensor, y0: float | Tensor, x1: float | Tensor, y1: float | Tensor, width: float) -> Tensor:
        """A stroke between two points, as faint as it should be where thinner than a pixel."""
        dx, dy = x1 - x0, y1 - y0
        along = ((self.x - x0) * dx + (self.y - y0) * dy) / (dx * dx + dy * dy)
        along = along.clamp(0.0, 1.0)
        d = torch.sqrt((self.x - x0 - along * dx) ** 2 + (self.y - y0 - along * dy) ** 2 + 1e-12)
        return self.span(d, -width / 2, width / 2)

    def limb(self, *joints: tuple[float, float, float]) -> Tensor:
        """A bent stroke through joints (x, y, radius) with round ends, its width changing evenly from joint to joint."""
        cover: Tensor | None = None
        for start, end in zip(joints[:-1], joints[1:], strict=True):
            d, radius = self._axis(start, end)
            part = self.span(d, -radius, radius)
            cover = part if cover is None else torch.maximum(cover, part)
        assert cover is not None
        return cover

    def flesh(self, soft: float, *bones: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Tensor:
        """Signed distance from a body of bones, each from (x, y, radius) to (x, y, radius), grown together over a length `soft`.

        The union is the quadratic smooth minimum of Quilez, "Smooth minimum".
        """
        body: Tensor | None = None
        for start, end in bones:
            d, radius = self._axis(start, end)
            d = d - radius
            if body is None:
                body = d
            else:
                h = (soft - (body - d).abs()).clamp(min=0.0) / soft
                body = torch.minimum(body, d) - h * h * (soft / 4)
        assert body is not None
        return body

    def _axis(self, start: tuple[float, float, float], end: tuple[float, float, float]) -> tuple[Tensor, Tensor]:
        """Distance from the segment between two joints, and the radius there."""
        (x0, y0, r0), (x1, y1, r1) = start, end
        ex, ey = x1 - x0, y1 - y0
        dx, dy = self.x - x0, self.y - y0
        along = ((dx * ex + dy * ey) / max(ex * ex + ey * ey, 1e-9)).clamp(0.0, 1.0)
        return torch.sqrt((dx - along * ex) ** 2 + (dy - along * ey) ** 2 + 1e-12), r0 + (r1 - r0) * along

    def wave(self, x: Tensor, period: float) -> Tensor:
        """cos(2 pi x / period), faded as the average over a pixel fades it."""
        phase = math.pi * self.pixel / period
        fade = torch.where(phase < math.pi, torch.sin(phase) / phase, torch.zeros_like(phase))
        return torch.cos(x * (2 * math.pi / period)) * fade

    def courses(self, period: float, depth: float) -> Tensor:
        """Brick or stone work as a factor around 1: level joints, staggered upright ones."""
        row = torch.floor(self.y / period)
        joint = (self.wave(self.y, period) - 0.55).clamp(min=0.0)
        upright = (self.wave(self.x + 0.5 * period * (row % 2), period * 2.0) - 0.8).clamp(min=0.0)
        return 1.0 - depth * (joint + 1.5 * upright)

    def fill(self, cover: Tensor, colour: Tensor, shade: Tensor | float = 1.0) -> None:
        """Lays colour (B, 3, 1, 1) or (B, 3, T, T), times shade (B, T, T), over the canvas where cover (B, T, T) says."""
        if isinstance(shade, Tensor):
            shade = shade[:, None]
        cover = cover[:, None]
        rgb, alpha = self.canvas[:, :3], self.canvas[:, 3:]
        rgb.add_(cover * (colour * shade - rgb))
        alpha.add_(cover * (1.0 - alpha))
