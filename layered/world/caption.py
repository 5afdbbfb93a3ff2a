"""Captions: a small grammar with synonyms that says more or less of what a vista holds."""

from __future__ import annotations

import hashlib
import random
import re

from layered.world.spec import SKY_KINDS, WATER, ObjectSpec, VistaSpec
from layered.world.words import (
    BODY_WORDS,
    COLOUR_WORDS,
    GROUND_WORDS,
    HELD_OUT,
    KIND_WORDS,
    OPENINGS,
    PLACE_WORDS,
    SIZE_WORDS,
    TERRAIN_WORDS,
    TIME_PHRASES,
    TIME_TAGS,
    WEATHER_PHRASES,
    WEATHER_TAGS,
)

__all__ = ["HELD_OUT", "VOCABULARY", "caption"]

_OVER = ("over", "above", "floating over", "high above", "drifting over", "flying over")
_BEFORE = ("in front of", "before", "with", "near", "against")
_BY = ("on", "by", "in", "at")
_JOIN = (" and ", " and ", " with ")
_MORE = ("with", "and")
_GLUE = "a an the and with of"


def caption(spec: VistaSpec, variant: int = 0) -> str:
    """A caption of the vista; `variant` chooses among endlessly many. Attributes may be left unsaid; what is said is true."""
    digest = hashlib.sha256(f"caption:{spec.index}:{spec.detail}:{variant}".encode()).digest()
    rng = random.Random(int.from_bytes(digest[:16], "big"))
    said = [o for o in spec.objects if rng.random() < 0.92]
    rng.shuffle(said)
    land = _land(spec, rng)
    time = rng.random() < 0.75
    weather = spec.weather != "clear" and rng.random() < 0.82 or spec.weather == "clear" and rng.random() < 0.12
    body = spec.body is not None and rng.random() < 0.55
    if not (said or land or time):
        time = True
    if rng.random() < 0.14:
        text = _tags(spec, said, land, time, weather, body, rng)
    else:
        text = _prose(spec, said, land, time, weather, body, rng)
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def _object(item: ObjectSpec, rng: random.Random, article: bool = True) -> str:
    words = []
    if rng.random() < 0.50:
        words.append(rng.choice(SIZE_WORDS[item.size]))
    if rng.random() < 0.88:
        words.append(item.colour if rng.random() < 0.4 else rng.choice(COLOUR_WORDS[item.colour]))
    words.append(rng.choice(KIND_WORDS[item.kind]))
    if article:
        words.insert(0, "a")
    if rng.random() < 0.60:
        words.append(rng.choice(PLACE_WORDS[item.place]))
    return " ".join(words)


def _land(spec: VistaSpec, rng: random.Random) -> tuple[str | None, str | None] | None:
    """Phrases for the terrain and the ground, either of which may be left out."""
    terrain = rng.choice(TERRAIN_WORDS[spec.terrain]) if spec.terrain != "none" and rng.random() < 0.76 else None
    if spec.terrain == "none" and rng.random() < 0.15:
        terrain = rng.choice(TERRAIN_WORDS["none"])
    ground = rng.choice(GROUND_WORDS[spec.ground]) if rng.random() < 0.78 else None
    return (terrain, ground) if terrain or ground else None


def _body(spec: VistaSpec, rng: random.Random) -> str:
    assert spec.body is not None and spec.body_place is not None
    words = rng.choice(BODY_WORDS[spec.body])
    return f"{words} {rng.choice(PLACE_WORDS[spec.body_place])}" if rng.random() < 0.8 else words


def _tags(spec: VistaSpec, said: list[ObjectSpec], land, time: bool, weather: bool, body: bool, rng: random.Random) -> str:
    tags = [_object(o, rng, article=False) for o in said]
    rest = [words.removeprefix("a ").removeprefix("the ") for words in (land or ()) if words]
    if time:
        rest.append(rng.choice(TIME_TAGS[spec.time]))
    if weather:
        rest.append(rng.choice(WEATHER_TAGS[spec.weather]))
    if body:
        rest.append(_body(spec, rng).removeprefix("a ").removeprefix("the "))
    rng.shuffle(rest)
    return ", ".join(tags + rest if rng.random() < 0.75 else rest + tags)


def _prose(spec: VistaSpec, said: list[ObjectSpec], land, time: bool, weather: bool, body: bool, rng: random.Random) -> str:
    terrain, ground = land or (None, None)
    things = rng.choice(_JOIN).join(_object(o, rng) for o in said)
    if terrain and ground:
        order = [terrain, ground] if rng.random() < 0.6 else [ground, terrain]
        links = ("and", "and", "with", "by") if order[0] == terrain else ("and", "with", "below", "and")
        place = f"{order[0]} {rng.choice(links)} {order[1]}"
    else:
        place = terrain or ground or ""
    when = rng.choice(TIME_PHRASES[spec.time]) if time else ""
    how = rng.choice(WEATHER_PHRASES[spec.weather]) if weather else ""
    if things and place:
        first = said[0]
        if rng.random() < 0.25:
            text = f"{place} {rng.choice(_MORE)} {things}"
        elif first.kind in SKY_KINDS:
            text = f"{things} {rng.choice(_OVER)} {place}"
        elif ground and not terrain:
            text = f"{things} {'on' if spec.ground in WATER else rng.choice(_BY)} {place}"
        elif terrain and not ground:
            text = f"{things} {rng.choice(_BEFORE)} {place}"
        else:
            text = f"{things} {'on' if spec.ground in WATER else rng.choice(_BY)} {ground} {rng.choice(_BEFORE)} {terrain}"
    else:
        text = things or place
    if not text:
        text = rng.choice(("a landscape", "a view", "a scene", "a sky"))
    elif rng.random() < 0.12:
        text = f"{rng.choice(OPENINGS)} {text}"
    if when:
        text = f"{text} {when}" if rng.random() < 0.75 else f"{when}, {text}"
    if how:
        text = (
            f"{text}, {how}"
            if rng.random() < 0.7
            else f"{text} {rng.choice(('and', 'with')) if how.startswith(('a ', 'the ')) else ''} {how}".replace("  ", " ")
        )
    if body:
        text = f"{text}{rng.choice((', ', ', ', ' with ', ', with '))}{_body(spec, rng)}"
    return text


def _vocabulary() -> frozenset[str]:
    words: set[str] = set()
    tables = (
        COLOUR_WORDS,
        KIND_WORDS,
        SIZE_WORDS,
        PLACE_WORDS,
        TIME_PHRASES,
        TIME_TAGS,
        WEATHER_PHRASES,
        WEATHER_TAGS,
        TERRAIN_WORDS,
        GROUND_WORDS,
        BODY_WORDS,
    )
    loose = (_GLUE, *_OVER, *_BEFORE, *_BY, *OPENINGS, "by below", "landscape view scene sky", *COLOUR_WORDS)
    for phrase in (*loose, *(p for table in tables for phrases in table.values() for p in phrases)):
        words.update(re.findall(r"[a-z]+", phrase.lower()))
    return frozenset(words)


VOCABULARY: frozenset[str] = _vocabulary()
