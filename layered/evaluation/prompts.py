"""Prompts that come with what they state: long ones, short ones, and ones with a word that no caption ever contained.

The world's captions are text alone, so this is a smaller grammar over the same tables of words.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from layered.evaluation.probe import shows
from layered.world import HELD_OUT, ObjectSpec, Vistas, VistaSpec
from layered.world.spec import SKY_KINDS, WATER
from layered.world.words import (
    BODY_WORDS,
    COLOUR_WORDS,
    COUNT_WORDS,
    GROUND_WORDS,
    KIND_WORDS,
    PATTERN_BEFORE,
    PLACE_WORDS,
    SEASON_PHRASES,
    SIZE_WORDS,
    STYLE_BEFORE,
    TERRAIN_WORDS,
    TIME_PHRASES,
    WEATHER_PHRASES,
    plural,
)

PromptSet = Literal["long", "short", "held-out"]
PROMPT_SETS: tuple[PromptSet, ...] = ("long", "short", "held-out")
WORLDS = {"long": 2**31 - 4, "short": 2**31 - 5, "held-out": 2**31 - 6}  # seeds of the worlds whose vistas are described

SCENE_WORDS = {
    "time": TIME_PHRASES,
    "season": SEASON_PHRASES,
    "weather": WEATHER_PHRASES,
    "terrain": TERRAIN_WORDS,
    "ground": GROUND_WORDS,
    "style": STYLE_BEFORE,
    "body": BODY_WORDS,
}
OBJECT_WORDS = {
    "kind": KIND_WORDS,
    "colour": COLOUR_WORDS,
    "count": {str(count): words for count, words in COUNT_WORDS.items()},
    "place": PLACE_WORDS,
    "size": SIZE_WORDS,
    "pattern": PATTERN_BEFORE,
}
# Parts of phrases for time, terrain and ground that say more than the attribute: such phrases are left out.
_MORE = "star bright sunshine warm golden setting blue calm still quiet grass flower ripe snowfall green reflections".split()


class Claim(NamedTuple):
    """One thing that a prompt says of its picture."""

    attribute: str
    value: str
    kind: str | None = None  # of the object that it is said of; None for the scene
    held_out: bool = False  # said in a word that no caption contains


@dataclass(frozen=True)
class Prompt:
    """A prompt, the vista that it describes, and what it says of it."""

    text: str
    spec: VistaSpec
    claims: tuple[Claim, ...]


@dataclass
class _Writer:
    """Puts values into words and keeps what has been said."""

    spec: VistaSpec
    pick: Callable[[tuple[str, ...]], str]  # one of several phrases
    instead: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (attribute, value) -> held-out word
    claims: list[Claim] = field(default_factory=list)

    def scene(self, attribute: str) -> str:
        """A phrase for an attribute of the scene."""
        value = getattr(self.spec, attribute)
        self._say(attribute, value, None)
        return self.instead.get((attribute, value)) or self.pick(_plain(attribute, SCENE_WORDS[attribute][value]))

    def object(self, item: ObjectSpec, said: set[str]) -> str:
        """A noun phrase for an object: always its kind and count, and of its other attributes those in ``said``."""
        noun, count = self._of(item, "kind"), self._of(item, "count")
        noun = noun if item.count == 1 else plural(noun)
        words = [self._of(item, name) for name in ("size", "pattern", "colour") if name in said]
        after = ""
        if "place" in said:
            place = self._of(item, "place")
            if ("place", item.place) in self.instead:
                words.insert(0, place)
            else:
                after = f" {place}"
        if ("count", str(item.count)) in self.instead and count != "twin":
            count = f"a {count} of"
        return " ".join([count, *words, noun]) + after

    def _of(self, item: ObjectSpec, attribute: str) -> str:
        value = str(getattr(item, attribute))
        self._say(attribute, value, item.kind)
        return self.instead.get((attribute, value)) or self.pick(OBJECT_WORDS[attribute][value])

    def _say(self, attribute: str, value: str, kind: str | None) -> None:
        self.claims.append(Claim(attribute, value, kind, (attribute, value) in self.instead))

    def finish(self, text: str) -> Prompt:
        """The prompt, with "an" where it belongs."""
        return Prompt(re.sub(r"\ba (?=[aeiou])", "an ", text), self.spec, tuple(self.claims))


def _plain(attribute: str, phrases: tuple[str, ...]) -> tuple[str, ...]:
    if attribute not in ("time", "terrain", "ground"):
        return phrases
    return tuple(p for p in phrases if not any(part in p for part in _MORE)) or phrases[:1]


def draw_prompts(which: PromptSet, count: int) -> list[Prompt]:
    """The first ``count`` prompts of a set: always the same ones, so that checkpoints compare.

    ``long``: up to two objects with most of their attributes, and most of the scene, in any words of the captions.
    ``short``: an object with its colour, mostly at a time of day, or a piece of land at one, in the plainest words.
    ``held-out``: as short, but one attribute, each in turn, is put in a word of ``HELD_OUT``; its claim is marked.
    """
    if which == "held-out":
        return _held_out(count)
    write = {"long": _long, "short": _short}[which]
    rng = random.Random(f"prompts:{which}")
    return [write(spec, rng) for spec in Vistas(WORLDS[which]).specs(0, count)]


# ------------------------------------------------------------------ the three sets


def _long(spec: VistaSpec, rng: random.Random) -> Prompt:
    writer = _Writer(spec, rng.choice)

    def said(item: ObjectSpec) -> set[str]:
        chances = {"colour": 0.9, "place": 0.6, "size": 0.5, "pattern": 0.75 if item.pattern != "plain" else 0.0}
        return {name for name, chance in chances.items() if rng.random() < chance}

    things = " and ".join(writer.object(item, said(item)) for item in spec.objects)
    terrain = spec.terrain != "none" and rng.random() < 0.85
    ground = not terrain or rng.random() < 0.85
    land = " and ".join(writer.scene(name) for name, named in (("ground", ground), ("terrain", terrain)) if named)
    by = "on" if ground and spec.ground in WATER else "by" if ground else "in front of"
    text = f"{things} {'over' if spec.objects[0].kind in SKY_KINDS else by} {land}" if things else land
    if shows(spec, "season") and rng.random() < 0.5:
        text += f" {writer.scene('season')}"
    if rng.random() < 0.85:
        text += f" {writer.scene('time')}"
    if spec.weather != "clear" or rng.random() < 0.15:
        text += f", {writer.scene('weather')}"
    if spec.body and rng.random() < 0.5:
        text += f", {writer.scene('body')}"
    if spec.style != "natural" or rng.random() < 0.15:
        text = f"{writer.scene('style')} {text}"
    return writer.finish(text)


def _short(spec: VistaSpec, rng: random.Random) -> Prompt:
    writer = _Writer(spec, lambda phrases: phrases[0])
    if spec.objects and rng.random() < 0.75:
        text = writer.object(spec.objects[0], {"colour"})
        return writer.finish(text if rng.random() < 0.3 else f"{text} {writer.scene('time')}")
    land = writer.scene("ground" if spec.terrain == "none" or rng.random() < 0.5 else "terrain")
    return writer.finish(f"{land} {writer.scene('time')}")


def _held_out(count: int) -> list[Prompt]:
    rng = random.Random("prompts:held-out")
    attributes = [name for name in HELD_OUT if name in SCENE_WORDS or name in OBJECT_WORDS]
    vistas = _endless(Vistas(WORLDS["held-out"]))
    return [_held_out_prompt(attributes[number % len(attributes)], vistas, rng) for number in range(count)]


def _held_out_prompt(attribute: str, vistas: Iterator[VistaSpec], rng: random.Random) -> Prompt:
    """A prompt on the next vista whose ``attribute`` has held-out words; those of objects say nothing but that and the kind."""
    table = HELD_OUT[attribute]
    for spec in vistas:
        item = spec.objects[0] if spec.objects else None
        holder = spec if attribute in SCENE_WORDS else item
        value = str(getattr(holder, attribute, ""))
        if value not in table or not shows(spec, attribute) or (spec.style != "natural" and attribute != "style"):
            continue
        writer = _Writer(spec, lambda phrases: phrases[0], {(attribute, value): rng.choice(table[value])})
        if holder is item:
            return writer.finish(f"{writer.object(item, {attribute})} {writer.scene('time')}")
        land = writer.scene("terrain" if attribute == "ground" and spec.terrain != "none" else "ground")
        return writer.finish(land if attribute == "ground" and spec.terrain == "none" else f"{land}, {writer.scene(attribute)}")
    raise AssertionError("vistas are endless")


def _endless(vistas: Vistas) -> Iterator[VistaSpec]:
    index = 0
    while True:
        yield vistas.spec(index)
        index += 1
