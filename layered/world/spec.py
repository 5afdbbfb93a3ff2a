"""What a vista holds: the tables of its attributes, its description as plain data, and drawing descriptions from a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from layered.world.kinds import KINDS, group_offsets

TIMES = ("dawn", "noon", "afternoon", "sunset", "dusk", "night")
WEATHERS = ("clear", "cloudy", "fog", "rain", "snow", "storm", "rainbow", "aurora")
TERRAINS = (
    "snowy mountains",
    "rocky mountains",
    "green hills",
    "red canyon",
    "sand dunes",
    "pine forest",
    "volcano",
    "city skyline",
    "none",
)
GROUNDS = ("lake", "sea", "river", "meadow", "lavender field", "snow field", "desert", "wheat field")
WATER = ("lake", "sea")
BODIES = ("sun", "full moon", "crescent moon")
SKY_KINDS = tuple(name for name, kind in KINDS.items() if kind.where == "sky")
WATER_KINDS = tuple(name for name, kind in KINDS.items() if kind.where == "water")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown")
PLACES = ("left", "centre", "right")
SIZES = ("small", "large")
PATTERNS = ("plain", "striped")
STYLES = ("natural", "watercolour", "pixel art", "ink sketch", "neon")
SEASONS = ("spring", "summer", "autumn", "winter")

SEASONAL = ("green hills", "pine forest", "river", "meadow", "lavender field", "wheat field")  # where a season shows

_HEIGHTS = {"large": 0.56, "small": 0.30}
_FEWER = {1: 1.0, 2: 0.82, 3: 0.72}  # height of each of several beside that of one alone


@dataclass(frozen=True)
class ObjectSpec:
    """One kind of object, once or up to three times side by side: words for the caption, and where the middle one's foot is
    (x, y in picture widths from the top left; height of each likewise)."""

    kind: str
    colour: str
    place: str
    size: str
    x: float
    y: float
    height: float
    pattern: str = "plain"
    count: int = 1


@dataclass(frozen=True)
class VistaSpec:
    """One picture as plain data: everything that the renderer and the captions need. Positions are fractions of the picture."""

    index: int  # number of the picture in its world
    detail: int  # seed of all noise, 0 <= detail < 2**31
    time: str
    weather: str
    terrain: str
    ground: str
    body: str | None  # sun or moon in sight
    body_place: str | None
    body_x: float
    body_y: float
    horizon: float  # y of the horizon, from the top
    relief: float  # height of the terrain relative to the usual, about 1
    objects: tuple[ObjectSpec, ...] = ()
    style: str = "natural"
    season: str = "summer"

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries and lists, ready for JSON."""
        data = asdict(self)
        data["objects"] = [asdict(item) for item in self.objects]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VistaSpec:
        """The inverse of to_dict; of older data, what is missing keeps its default. Raises TypeError for unknown keys."""
        values = dict(data)
        values["objects"] = tuple(ObjectSpec(**item) for item in values.get("objects", ()))
        return cls(**values)


@dataclass(frozen=True)
class Vistas:
    """An endless numbered collection of vistas; picture n depends on (seed, n) alone."""

    seed: int = 0

    def spec(self, index: int) -> VistaSpec:
        """Draws the description of picture `index` (>= 0)."""
        digest = hashlib.sha256(f"vista:{self.seed}:{index}".encode()).digest()
        return draw_spec(index, random.Random(int.from_bytes(digest[:16], "big")))

    def specs(self, start: int, count: int) -> list[VistaSpec]:
        """Descriptions of the pictures start, start + 1, ..., start + count - 1."""
        return [self.spec(index) for index in range(start, start + count)]


def place_x(place: str, half_width: float, rng: random.Random) -> float:
    """A position across the picture for one of PLACES, with at least half the thing's width to the border where possible."""
    low, high = {"left": (0.17, 0.29), "centre": (0.45, 0.55), "right": (0.71, 0.83)}[place]
    x = rng.uniform(low, high)
    margin = min(half_width + 0.01, 0.30)
    return min(max(x, margin), 1.0 - margin)


def tallest_of(kind: str, size: str) -> float:
    """The greatest height of an object of a kind and size, in picture heights."""
    return _HEIGHTS[size] * KINDS[kind].scale * 1.07


def group_reach(kind: str, count: int) -> tuple[float, float, float, float]:
    """How far a group reaches left, right, up and down from its point, in object heights (up and left negative)."""
    places = group_offsets(kind, count)
    half = KINDS[kind].aspect / 2
    return (
        min(dx - half * scale for dx, _, scale in places),
        max(dx + half * scale for dx, _, scale in places),
        min(dy - scale for _, dy, scale in places),
        max(dy for _, dy, _ in places),
    )


def draw_object(
    kind: str, colour: str, place: str, size: str, horizon: float, rng: random.Random, count: int = 1, widest: float = 0.9
) -> ObjectSpec:
    """Puts an object or a group, at most `widest` wide, on a plausible spot: in the sky, or on the ground below the horizon."""
    left, right, top, bottom = group_reach(kind, count)
    height = _HEIGHTS[size] * KINDS[kind].scale * _FEWER[count] * rng.uniform(0.93, 1.07)
    if count == 1 and place != "centre":
        widest = min(widest, 0.58)  # so that it is seen to be at one side
    height = min(height, widest / (right - left))
    if kind in SKY_KINDS:
        height = min(height, (horizon - 0.12) / (bottom - top))
    x = place_x(place, height * KINDS[kind].aspect / 2, rng)
    x = min(max(x, 0.01 - left * height), 0.99 - right * height)
    if kind in SKY_KINDS:
        first, last = 0.05 - top * height, horizon - 0.06 - bottom * height
        y = rng.uniform(first, max(first + 0.01, last))
    else:
        depth = rng.uniform(0.40, 0.62) if size == "large" else rng.uniform(0.16, 0.36)
        y = horizon + (1.0 - horizon) * depth
    pattern = "striped" if rng.random() < 0.18 else "plain"
    return ObjectSpec(kind, colour, place, size, x, y, height, pattern, count)


def _draw_objects(ground: str, horizon: float, places: list[str], rng: random.Random) -> tuple[ObjectSpec, ...]:
    """None to two kinds of object, each once or in a group, at different places and in different colours."""
    kinds = [k for k in KINDS if k not in WATER_KINDS or ground in WATER]
    weights = [2.6 if k in WATER_KINDS else 1.0 for k in kinds]
    number = rng.choices((0, 1, 2), (0.08, 0.76, 0.16))[0]
    colours = rng.sample(COLOURS, 2)
    sizes = [rng.choices(SIZES, (0.25, 0.75))[0], rng.choices(SIZES, (0.5, 0.5))[0]]
    objects: list[ObjectSpec] = []
    for n in range(number):
        free = [0.0 if any(o.kind == k for o in objects) else w for k, w in zip(kinds, weights, strict=True)]
        kind = rng.choices(kinds, free)[0]
        count = rng.choices((1, 2, 3), (0.80, 0.13, 0.07))[0]
        widest = (0.86 if number == 1 else 0.44) * (1.0 if sizes[n] == "large" else 0.7)
        objects.append(draw_object(kind, colours[n], places[n], sizes[n], horizon, rng, count, widest))
    return tuple(objects)


def _draw_season(weather: str, ground: str, rng: random.Random) -> str:
    """A season that suits what else is seen: summers are rare in falling snow, and lavender does not stand in winter."""
    chances = {"spring": 0.2, "summer": 0.4, "autumn": 0.2, "winter": 0.2}
    for holds, factors in (
        (weather == "snow", {"spring": 0.4, "summer": 0.05, "winter": 5.0}),
        (weather == "storm", {"winter": 0.5}),
        (ground == "snow field", {"spring": 0.5, "summer": 0.2, "autumn": 0.5, "winter": 5.0}),
        (ground == "lavender field", {"autumn": 0.5, "winter": 0.0}),
        (ground == "wheat field", {"winter": 0.0}),
    ):
        if holds:
            chances = {season: chance * factors.get(season, 1.0) for season, chance in chances.items()}
    return rng.choices(SEASONS, [chances[s] for s in SEASONS])[0]


def draw_spec(index: int, rng: random.Random) -> VistaSpec:
    """Draws one description: attributes first, then positions that suit them."""
    time = rng.choice(TIMES)
    allowed = [
        w for w in WEATHERS if not (w == "aurora" and time != "night") and not (w == "rainbow" and time in ("night", "dusk"))
    ]
    chances = {"clear": 0.34, "cloudy": 0.18, "fog": 0.10, "rain": 0.09, "snow": 0.09, "storm": 0.09, "rainbow": 0.08}
    weather = rng.choices(allowed, [chances.get(w, 0.22) for w in allowed])[0]
    terrain = rng.choices(TERRAINS, [0.55 if t == "none" else 1.0 for t in TERRAINS])[0]
    ground = rng.choices(GROUNDS, [{"lake": 1.5, "sea": 1.3}.get(g, 1.0) for g in GROUNDS])[0]
    season = _draw_season(weather, ground, rng)
    style = rng.choices(STYLES, [0.60 if s == "natural" else 0.10 for s in STYLES])[0]
    horizon = rng.uniform(0.56, 0.66)
    places = rng.sample(PLACES, 3)
    objects = _draw_objects(ground, horizon, places, rng)
    body, shown = None, rng.random()
    if time == "night" or time == "dusk":
        if shown < (0.75 if time == "night" else 0.5) and weather != "storm":
            body = rng.choice(BODIES[1:])
    elif shown < 0.62 and weather not in ("rain", "snow", "storm", "rainbow"):
        body = "sun"
    place = places[2] if rng.random() < 0.8 or any(o.kind in SKY_KINDS for o in objects) else rng.choice(PLACES)
    body_x = place_x(place if body else rng.choice(("left", "right")), 0.05, rng)
    low = {
        "dawn": (0.20, 0.30),
        "noon": (0.42, 0.50),
        "afternoon": (0.33, 0.42),
        "sunset": (0.12, 0.26),
        "dusk": (0.3, 0.45),
        "night": (0.36, 0.5),
    }
    body_y = horizon - rng.uniform(*low[time])
    if terrain in ("snowy mountains", "rocky mountains", "red canyon", "volcano", "city skyline") and time in ("dawn", "sunset"):
        body_y -= 0.08
    return VistaSpec(
        index=index,
        detail=rng.randrange(2**31),
        time=time,
        weather=weather,
        terrain=terrain,
        ground=ground,
        body=body,
        body_place=place if body else None,
        body_x=body_x,
        body_y=max(body_y, 0.08),
        horizon=horizon,
        relief=rng.uniform(0.82, 1.18),
        objects=objects,
        style=style,
        season=season,
    )
