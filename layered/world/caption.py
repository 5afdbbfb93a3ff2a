"""Captions: a small grammar with synonyms that says more or less of what a vista holds."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Sequence

from layered.world.heldout import HELD_OUT
from layered.world.phrases import (
    BODY_WORDS,
    COLOUR_WORDS,
    GROUND_WORDS,
    KIND_WORDS,
    PLACE_WORDS,
    SEASON_PHRASES,
    SEASON_TAGS,
    SIZE_WORDS,
    STYLE_AFTER,
    STYLE_BEFORE,
    TERRAIN_WORDS,
    TIME_PHRASES,
    TIME_TAGS,
    WEATHER_PHRASES,
    WEATHER_TAGS,
)
from layered.world.spec import SEASONAL, SKY_KINDS, WATER, ObjectSpec, VistaSpec
from layered.world.words import COUNT_WORDS, OPENINGS, PATTERN_AFTER, PATTERN_BEFORE, plural

__all__ = ["HELD_OUT", "VOCABULARY", "caption"]

_OVER = ("over", "above", "floating over", "high above", "drifting over", "flying over")
_BEFORE = ("in front of", "before", "with", "near", "against")
_BY = ("on", "by", "in", "at")
_JOIN = (" and ", " and ", " with ")
_MORE = ("with", "and")
_GLUE = "a an the and with of"


def _bright(spec: VistaSpec) -> bool:
    return spec.weather not in ("fog", "rain", "snow", "storm")


def _green(spec: VistaSpec) -> bool:
    return spec.season in ("spring", "summer") and spec.weather != "snow"


# Parts of phrases that say more than the attribute they belong to, and when they are true.
_CLAIMS: tuple[tuple[str, Callable[[VistaSpec], bool]], ...] = (
    ("star", lambda s: s.weather in ("clear", "cloudy", "aurora")),
    ("bright day", _bright),
    ("sunshine", _bright),
    ("warm afternoon", _bright),
    ("golden afternoon", _bright),
    ("setting sun", _bright),
    ("a blue sea", lambda s: s.time in ("dawn", "noon", "afternoon") and _bright(s) and s.style != "ink sketch"),
    ("calm", lambda s: s.weather != "storm"),
    ("still", lambda s: s.weather != "storm"),
    ("quiet", lambda s: s.weather != "storm"),
    ("green hills", _green),
    ("green meadow", _green),
    ("grass", _green),
    ("flower", _green),
    ("golden wheat", lambda s: s.season in ("summer", "autumn")),
    ("ripe", lambda s: s.season in ("summer", "autumn")),
    ("ears of corn", lambda s: s.season in ("summer", "autumn")),
    ("blooming", _green),
    ("daisies", _green),
    ("poppies", _green),
    ("hay", _green),
)


def caption(spec: VistaSpec, variant: int = 0) -> str:
    """A caption of the vista; `variant` chooses among endlessly many. Attributes may be left unsaid; what is said is true."""
    digest = hashlib.sha256(f"caption:{spec.index}:{spec.detail}:{variant}".encode()).digest()
    rng = random.Random(int.from_bytes(digest[:16], "big"))
    said = [o for o in spec.objects if rng.random() < 0.92]
    rng.shuffle(said)
    brief = bool(said) and rng.random() < 0.12  # "a red balloon"
    land = None if brief else _land(spec, rng)
    when, how = _when(spec, brief, rng), _how(spec, brief, rng)
    body = spec.body is not None and not brief and rng.random() < 0.55
    if not (said or land or when):
        when = [(_TIME, spec.time)]
    styled = rng.random() < (0.12 if spec.style == "natural" else 0.86)
    if rng.random() < 0.14:
        text = _tags(spec, said, land, when, how, body, styled, rng)
    else:
        text = _prose(spec, said, land, when, how, body, styled, rng)
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


_Tables = tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]  # phrases and tags
_TIME: _Tables = (TIME_PHRASES, TIME_TAGS)
_SEASON: _Tables = (SEASON_PHRASES, SEASON_TAGS)


def _when(spec: VistaSpec, brief: bool, rng: random.Random) -> list[tuple[_Tables, str]]:
    """What is said of the time of day and of the year; the latter only where it shows."""
    chosen = []
    if rng.random() < (0.2 if brief else 0.75):
        chosen.append((_TIME, spec.time))
    shows = spec.terrain in SEASONAL or spec.ground in SEASONAL
    if shows and rng.random() < (0.3 if spec.season == "summer" else 0.6) * (0.4 if brief else 1.0):
        chosen.insert(rng.randrange(len(chosen) + 1), (_SEASON, spec.season))
    return chosen


def _how(spec: VistaSpec, brief: bool, rng: random.Random) -> bool:
    """Whether the weather is said."""
    return rng.random() < (0.12 if spec.weather == "clear" else 0.82) * (0.3 if brief else 1.0)


def _choose(phrases: Sequence[str], spec: VistaSpec, rng: random.Random) -> str:
    """One of the phrases that are true."""
    return rng.choice([p for p in phrases if all(holds(spec) for part, holds in _CLAIMS if part in p)])


def _object(item: ObjectSpec, rng: random.Random, article: bool = True) -> str:
    words = []
    if rng.random() < 0.50:
        words.append(rng.choice(SIZE_WORDS[item.size]))
    if rng.random() < 0.88:
        words.append(item.colour if rng.random() < 0.4 else rng.choice(COLOUR_WORDS[item.colour]))
    noun = rng.choice(KIND_WORDS[item.kind])
    words.append(noun if item.count == 1 else plural(noun))
    if rng.random() < (0.80 if item.pattern == "striped" else 0.05):
        if rng.random() < 0.65:
            words.insert(rng.randrange(len(words)), rng.choice(PATTERN_BEFORE[item.pattern]))
        else:
            after = rng.choice(PATTERN_AFTER[item.pattern])
            words.append(after.replace("white", "grey") if item.colour == "white" else after)
    if item.count > 1 and rng.random() < 0.88 or item.count == 1 and article:
        words.insert(0, rng.choice(COUNT_WORDS[item.count]))
    if rng.random() < 0.60:
        words.append(rng.choice(PLACE_WORDS[item.place]))
    return " ".join(words)


def _land(spec: VistaSpec, rng: random.Random) -> tuple[str | None, str | None] | None:
    """Phrases for the terrain and the ground, either of which may be left out."""
    terrain = _choose(TERRAIN_WORDS[spec.terrain], spec, rng) if spec.terrain != "none" and rng.random() < 0.76 else None
    if spec.terrain == "none" and rng.random() < 0.15:
        terrain = rng.choice(TERRAIN_WORDS["none"])
    ground = _choose(GROUND_WORDS[spec.ground], spec, rng) if rng.random() < 0.78 else None
    return (terrain, ground) if terrain or ground else None


def _body(spec: VistaSpec, rng: random.Random) -> str:
    assert spec.body is not None and spec.body_place is not None
    words = rng.choice(BODY_WORDS[spec.body])
    return f"{words} {rng.choice(PLACE_WORDS[spec.body_place])}" if rng.random() < 0.8 else words


def _tags(spec: VistaSpec, said: list[ObjectSpec], land, when, weather: bool, body: bool, styled: bool, rng) -> str:
    tags = [_object(o, rng, article=False) for o in said]
    rest = [words.removeprefix("a ").removeprefix("the ") for words in (land or ()) if words]
    rest += [_choose(tables[1][value], spec, rng) for tables, value in when]
    if weather:
        rest.append(rng.choice(WEATHER_TAGS[spec.weather]))
    if body:
        rest.append(_body(spec, rng).removeprefix("a ").removeprefix("the "))
    if styled:
        rest.append(rng.choice(STYLE_AFTER[spec.style]))
    rng.shuffle(rest)
    return ", ".join(tags + rest if rng.random() < 0.75 else rest + tags)


def _prose(spec: VistaSpec, said: list[ObjectSpec], land, when, weather: bool, body: bool, styled: bool, rng) -> str:
    text = _scene(spec, said, land, rng)
    before = styled and rng.random() < 0.55
    if before:
        text = f"{rng.choice(STYLE_BEFORE[spec.style])} {text or rng.choice(_BARE)}"
    elif not text:
        text = rng.choice(_BARE)
    elif rng.random() < 0.12:
        text = f"{rng.choice(OPENINGS)} {text}"
    for tables, value in when:
        phrase = _choose(tables[0][value], spec, rng)
        text = f"{text} {phrase}" if before or rng.random() < 0.75 else f"{phrase}, {text}"
    if weather:
        how = rng.choice(WEATHER_PHRASES[spec.weather])
        link = rng.choice(("and ", "with ")) if how.startswith(("a ", "the ")) else ""
        text = f"{text}, {how}" if rng.random() < 0.7 else f"{text} {link}{how}"
    if body:
        text = f"{text}{rng.choice((', ', ', ', ' with ', ', with '))}{_body(spec, rng)}"
    if styled and not before:
        text = f"{text}, {rng.choice(STYLE_AFTER[spec.style])}"
    return text


def _scene(spec: VistaSpec, said: list[ObjectSpec], land, rng: random.Random) -> str:
    """What stands where: things, ground and terrain; empty if none is said."""
    terrain, ground = land or (None, None)
    things = rng.choice(_JOIN).join(_object(o, rng) for o in said)
    if terrain and ground:
        order = [terrain, ground] if rng.random() < 0.6 else [ground, terrain]
        links = ("and", "and", "with", "by") if order[0] == terrain else ("and", "with", "below", "and")
        place = f"{order[0]} {rng.choice(links)} {order[1]}"
    else:
        place = terrain or ground or ""
    if not (things and place):
        return things or place
    wet = spec.ground in WATER
    by = "on" if wet else "by" if spec.ground == "river" else rng.choice(_BY)
    if rng.random() < 0.25:
        return f"{place} {rng.choice(_MORE)} {things}"
    if said[0].kind in SKY_KINDS:
        return f"{things} {rng.choice(_OVER)} {place}"
    if ground and not terrain:
        return f"{things} {by} {place}"
    if terrain and not ground:
        return f"{things} {rng.choice(_BEFORE)} {place}"
    return f"{things} {by} {ground} {rng.choice(_BEFORE)} {terrain}"


_BARE = ("a landscape", "a view", "a scene", "a sky")


def _vocabulary() -> frozenset[str]:
    words: set[str] = set()
    tables = (
        COLOUR_WORDS,
        COUNT_WORDS,
        PATTERN_BEFORE,
        PATTERN_AFTER,
        SEASON_PHRASES,
        SEASON_TAGS,
        STYLE_BEFORE,
        STYLE_AFTER,
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
    plurals = [plural(noun) for nouns in KIND_WORDS.values() for noun in nouns]
    loose = (_GLUE, *_OVER, *_BEFORE, *_BY, *OPENINGS, "by below", *_BARE, *COLOUR_WORDS, *plurals)
    for phrase in (*loose, *(p for table in tables for phrases in table.values() for p in phrases)):
        words.update(re.findall(r"[a-z]+", phrase.lower()))
    return frozenset(words)


VOCABULARY: frozenset[str] = _vocabulary()
