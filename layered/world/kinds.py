"""The kinds of object one can ask for: proportions, and where each is found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """Data of one kind."""

    aspect: float  # width in units of its height
    where: str = "land"  # or "sky" or "water"
    scale: float = 1.0  # height beside the usual
    faces: bool = False  # drawn to the right as a rule, and mirrored in half of the pictures


KINDS: dict[str, Kind] = {
    "balloon": Kind(0.72, "sky"),
    "airship": Kind(1.9, "sky", 0.54),
    "plane": Kind(2.0, "sky", 0.50, faces=True),
    "bird": Kind(1.7, "sky", 0.57, faces=True),
    "kite": Kind(0.75, "sky", 0.85),
    "sailboat": Kind(0.85, "water"),
    "steamship": Kind(1.7, "water", 0.62, faces=True),
    "lighthouse": Kind(0.42),
    "cabin": Kind(1.25, "land", 0.80),
    "tree": Kind(0.8),
    "palm": Kind(0.95, faces=True),
    "tent": Kind(1.6, "land", 0.78, faces=True),
    "windmill": Kind(0.85),
    "castle": Kind(1.05),
    "pagoda": Kind(0.75),
    "church": Kind(0.98, "land", 1.0, faces=True),
    "bridge": Kind(2.0, "land", 0.55),
    "train": Kind(2.1, "land", 0.50, faces=True),
    "car": Kind(1.8, "land", 0.52, faces=True),
    "deer": Kind(0.95, "land", 0.85, faces=True),
    "horse": Kind(1.15, "land", 0.80, faces=True),
    "mushroom": Kind(1.0, "land", 0.85),
    "snowman": Kind(0.6, "land", 0.85),
    "rocket": Kind(0.46),
}


def group_offsets(kind: str, count: int) -> tuple[tuple[float, float, float], ...]:
    """Where `count` (1 to 3) objects of a kind stand around a common point, from left to right: (dx, dy, scale) of each.

    dx and dy are in object heights (dy negative: further back, higher in the picture), scale is about 1. Wide kinds of the sky
    fly in echelon, which takes less width; all others stand side by side with hardly a gap. Raises ValueError for other counts.
    """
    aspect = KINDS[kind].aspect
    if KINDS[kind].where == "sky" and aspect > 1.2:
        step, rise, smaller = 0.70 * aspect, -0.80, 0.92
    else:
        step, rise, smaller = aspect + 0.05, -0.09, 0.94
    if count == 1:
        return ((0.0, 0.0, 1.0),)
    if count == 2:
        return ((-step / 2, 0.0, 1.0), (step / 2, rise, smaller))
    if count == 3:
        return ((-step, rise, smaller), (0.0, 0.0, 1.0), (step, 0.75 * rise, smaller + 0.03))
    raise ValueError(f"count is {count}; groups hold 1 to 3 objects")
