"""The words that a checkpoint knows, grouped where they are the vistas' own, and those held out of every caption."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from layered.vocabulary import words_of
from layered.world import phrases as world
from layered.world import words as plain
from layered.world.caption import VOCABULARY
from layered.world.heldout import HELD_OUT

Phrases = Mapping[Any, Iterable[str]]

MOST = 5000  # words of a checkpoint's own that the page lists
GROUPS: tuple[tuple[str, tuple[Phrases, ...]], ...] = (
    ("Objects", (world.KIND_WORDS,)),
    ("Colours", (world.COLOUR_WORDS,)),
    ("Patterns", (plain.PATTERN_BEFORE, plain.PATTERN_AFTER)),
    ("Counts", (plain.COUNT_WORDS,)),
    ("Sizes", (world.SIZE_WORDS,)),
    ("Places", (world.PLACE_WORDS,)),
    ("Times of day", (world.TIME_PHRASES,)),
    ("Seasons", (world.SEASON_PHRASES,)),
    ("Weather", (world.WEATHER_PHRASES,)),
    ("Sun and moon", (world.BODY_WORDS,)),
    ("Terrain", (world.TERRAIN_WORDS,)),
    ("Ground", (world.GROUND_WORDS,)),
    ("Styles", (world.STYLE_AFTER,)),
)


def vocabulary(known: Iterable[str]) -> dict[str, Any]:
    """The words of a checkpoint's captions for the page: ``say``, and ``groups`` of ``name``, ``held`` and ``rows``, each with
    ``name`` and ``words``."""
    known = frozenset(known)
    if not known:
        return {"say": "This checkpoint does not say which words its captions had.", "groups": []}
    if not of_vistas(known):
        listed = sorted(known)[:MOST]
        more = f" Here are the first {MOST:,}." if len(known) > MOST else ""
        return {"say": f"{len(known):,} words of its captions.{more}", "groups": [_group("Words", {"": listed})]}
    groups = [_group(name, _known(tables, known)) for name, tables in GROUPS]
    listed = {word for group in groups for row in group["rows"] for phrase in row["words"] for word in words_of(phrase)}
    groups.append(_group("Other words", {"": sorted(known - listed)}))
    held = {
        f"{value}, {attribute}": [word for word in words if word not in known]
        for attribute, values in HELD_OUT.items()
        for value, words in values.items()
    }
    groups.append(_group("Never in a caption", held, held=True))
    say = f"Its captions are made of {len(known):,} words. Press one to add it to Explore's prompt."
    return {"say": say, "groups": [group for group in groups if group["rows"]]}


def of_vistas(known: frozenset[str]) -> bool:
    """Whether a vocabulary is the vistas' grammar: hardly a word besides, and most of its words."""
    shared = len(known & VOCABULARY)
    return shared >= 0.9 * len(known) and shared >= 0.5 * len(VOCABULARY)


def _known(tables: Iterable[Phrases], known: frozenset[str]) -> dict[str, list[str]]:
    """Per value, its phrases of known words, each once."""
    found: dict[str, list[str]] = {}
    for table in tables:
        for value, phrases in table.items():
            found.setdefault(str(value), []).extend(p for p in phrases if known.issuperset(words_of(p)))
    return {value: list(dict.fromkeys(phrases)) for value, phrases in found.items()}


def _group(name: str, rows: Mapping[str, list[str]], held: bool = False) -> dict[str, Any]:
    return {"name": name, "held": held, "rows": [{"name": value, "words": words} for value, words in rows.items() if words]}
