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
    "plane": Kind(2.0, "sky", 0.50),
    "bird": Kind(1.7, "sky", 0.50),
    "kite": Kind(0.75, "sky", 0.85),
    "sailboat": Kind(0.85, "water"),
    "steamship": Kind(1.7, "water", 0.62),
    "lighthouse": Kind(0.42),
    "cabin": Kind(1.25, "land", 0.80),
    "tree": Kind(0.8),
    "palm": Kind(0.85),
    "tent": Kind(1.35, "land", 0.78),
    "windmill": Kind(0.85),
    "castle": Kind(1.05),
    "pagoda": Kind(0.75),
    "church": Kind(0.95),
    "bridge": Kind(2.0, "land", 0.55),
    "train": Kind(2.1, "land", 0.50),
    "car": Kind(1.8, "land", 0.52),
    "deer": Kind(0.95, "land", 0.85),
    "horse": Kind(1.15, "land", 0.80),
    "mushroom": Kind(0.9, "land", 0.85),
    "snowman": Kind(0.6, "land", 0.85),
    "rocket": Kind(0.45),
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
