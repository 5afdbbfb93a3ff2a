"""Descriptions and captions of the world: plausible, true, in words that are known, and without those held out."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from layered.world import HELD_OUT, VOCABULARY, Vistas, VistaSpec, caption
from layered.world import phrases as all_phrases
from layered.world import words as plain_words
from layered.world.kinds import KINDS
from layered.world.phrases import COLOUR_WORDS, KIND_WORDS, STYLE_AFTER, STYLE_BEFORE, TERRAIN_WORDS
from layered.world.spec import (
    COLOURS,
    GROUNDS,
    PATTERNS,
    SEASONAL,
    SEASONS,
    SKY_KINDS,
    STYLES,
    TERRAINS,
    TIMES,
    WATER,
    WATER_KINDS,
    WEATHERS,
    ObjectSpec,
    group_reach,
)
from layered.world.words import COUNT_WORDS, plural


def test_plausible_places() -> None:
    specs = Vistas(1).specs(0, 1500)
    for spec in specs:
        kinds = [o.kind for o in spec.objects]
        colours = [o.colour for o in spec.objects]
        assert len(set(kinds)) == len(kinds) and len(set(colours)) == len(colours)
        assert not set(kinds) & set(WATER_KINDS) or spec.ground in WATER
        assert not (spec.body == "sun" and spec.time in ("night", "dusk"))
        assert spec.weather != "aurora" or spec.time == "night"
        assert not (spec.season == "winter" and spec.ground in ("lavender field", "wheat field"))
        for item in spec.objects:
            assert (item.y < spec.horizon) == (item.kind in SKY_KINDS)
            left, right, top, bottom = group_reach(item.kind, item.count)
            assert item.x + left * item.height > 0.0 and item.x + right * item.height < 1.0
            assert item.y + top * item.height > 0.0 and item.y + bottom * item.height < 1.0
            if item.count == 1:
                assert {"left": item.x < 0.42, "centre": 0.4 < item.x < 0.6, "right": item.x > 0.58}[item.place]
            elif right * item.height < 0.2:
                assert {"left": item.x < 0.5, "centre": 0.4 < item.x < 0.6, "right": item.x > 0.5}[item.place]
    items = [o for s in specs for o in s.objects]
    for share, expected in (
        (sum(s.style == "natural" for s in specs) / len(specs), 0.60),
        (sum(s.season == "summer" for s in specs) / len(specs), 0.38),
        (sum(o.pattern == "striped" for o in items) / len(items), 0.18),
        (sum(o.count == 2 for o in items) / len(items), 0.13),
        (sum(o.count == 3 for o in items) / len(items), 0.07),
    ):
        assert abs(share - expected) < 0.05
    drawn = {value for s in specs for value in (s.time, s.weather, s.terrain, s.ground, s.style, s.season)}
    assert {*TIMES, *WEATHERS, *TERRAINS, *GROUNDS, *STYLES, *SEASONS} <= drawn
    assert {o.kind for o in items} == set(KINDS) and {o.colour for o in items} == set(COLOURS)


def test_a_spec_survives_json_and_old_data_is_read() -> None:
    for spec in Vistas(2).specs(0, 50):
        assert VistaSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    item = ObjectSpec("tree", "red", "left", "small", 0.25, 0.8, 0.2)
    spec = VistaSpec(0, 1, "noon", "clear", "green hills", "meadow", None, None, 0.3, 0.15, 0.6, 1.0, (item,))
    old = spec.to_dict()
    for name in ("style", "season"):
        del old[name]
    for name in ("pattern", "count"):
        del old["objects"][0][name]
    assert VistaSpec.from_dict(old) == spec


def _held_out() -> list[str]:
    return [word for values in HELD_OUT.values() for words in values.values() for word in words]


def test_words_held_out_are_in_no_caption() -> None:
    held = _held_out()
    assert len(held) == len(set(held)) >= 60
    assert not set(held) & VOCABULARY
    known = {
        "colour": COLOURS,
        "kind": KINDS,
        "size": ("small", "large"),
        "place": ("left", "centre", "right"),
        "count": ("2", "3"),
        "pattern": PATTERNS,
        "time": TIMES,
        "season": SEASONS,
        "weather": WEATHERS,
        "terrain": TERRAINS,
        "ground": GROUNDS,
        "style": STYLES,
    }
    assert {attribute: set(values) - set(known[attribute]) for attribute, values in HELD_OUT.items()} == dict.fromkeys(
        known, set()
    )
    assert sum(map(len, HELD_OUT["kind"].values())) >= 30 and sum(map(len, HELD_OUT["colour"].values())) >= 14


def test_further_phrases_mean_one_thing_each_and_are_said_half_as_often() -> None:
    tables = {name: table for name, table in vars(all_phrases).items() if name.isupper()}
    assert len(tables) >= 14
    for name, table in tables.items():
        told = getattr(plain_words, name)
        every = [phrase for value in table.values() for phrase in set(value)]
        assert len(every) == len(set(every)), name  # no phrase for two values
        for value, listed in table.items():
            further = [phrase for phrase in listed if phrase not in told[value]]
            assert further and len(further) == len(set(further)), (name, value)
            assert all(listed.count(phrase) == 2 * told[value].count(phrase) for phrase in told[value]), (name, value)
    texts = " ".join(caption(spec, variant) for spec in Vistas(8).specs(0, 800) for variant in range(3))
    counted = [texts.count(f" {noun} ") for noun in ("lighthouse tower", "harbour lighthouse")]
    assert counted[0] > counted[1] > 0


def test_phrases_for_a_value_that_is_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="Further phrases for green, which the table does not have"):
        all_phrases._with({"red": ("red",)}, {"red": "scarlet", "green": "lime"})


def test_captions_use_known_words_and_tell_the_truth() -> None:
    seen: set[str] = set()
    for spec in Vistas(5).specs(0, 1500):
        texts = [caption(spec, variant) for variant in range(3)]
        assert texts[0] == caption(spec)
        for text in texts:
            words = re.findall(r"[a-z]+", text.lower())
            assert words and set(words) <= VOCABULARY, text
            seen.update(words)
            assert "  " not in text and not text.endswith((",", " "))
        together = " ".join(texts)
        for word, value in (("rainbow", "rainbow"), ("lightning", "storm"), ("aurora", "aurora")):
            assert word not in together or spec.weather == value
        for season in SEASONS:
            shows = spec.terrain in SEASONAL or spec.ground in SEASONAL
            assert f"in {season}" not in together or spec.season == season and shows
        for terrain, phrases in TERRAIN_WORDS.items():
            telling = [phrase for phrase in phrases if " " in phrase and phrase != "pine trees"]
            assert terrain == spec.terrain or not re.search(rf"\b({'|'.join(telling)})\b", together), together
        for style in STYLES:
            said = any(t.startswith(STYLE_BEFORE[style]) or t.endswith(STYLE_AFTER[style]) for t in texts)
            assert not said or spec.style == style, texts
    assert len(seen) > 0.9 * len(VOCABULARY)
    assert len({caption(Vistas(5).spec(1), variant) for variant in range(20)}) > 12


def test_captions_name_the_object_its_colour_pattern_number_and_the_style() -> None:
    specs = [s for s in Vistas(6).specs(0, 3000) if len(s.objects) == 1]
    named = coloured = 0
    striped, styled, counted = [], [], []
    numbers = {count: re.compile(rf"\b({'|'.join(set(COUNT_WORDS[count]))})\b") for count in (2, 3)}
    for spec in specs:
        text, item = caption(spec), spec.objects[0]
        noun = [word if item.count == 1 else plural(word) for word in KIND_WORDS[item.kind]]
        here = any(re.search(rf"\b{word}\b", text) for word in noun)
        named += here
        coloured += any(word in text for word in COLOUR_WORDS[item.colour])
        assert item.pattern == "striped" or not re.search("striped|stripy|with (bold |white |grey )?stripes|in stripes", text)
        if item.pattern == "striped":
            striped.append("strip" in text)
        if spec.style != "natural":
            styled.append(any(words in text for words in STYLE_BEFORE[spec.style] + STYLE_AFTER[spec.style]))
        for count, words in numbers.items():
            assert item.count == count or not words.search(text), text
            if item.count == count and here:
                counted.append(bool(words.search(text)))
    assert 0.85 < named / len(specs) < 1.0
    assert 0.72 < coloured / len(specs) < 0.97
    assert 0.6 < np.mean(striped) < 0.9
    assert 0.80 < np.mean(styled) < 0.92
    assert 0.80 < np.mean(counted) < 0.96
    lengths = [len(caption(s).split()) for s in specs]
    assert min(lengths) <= 3 and max(lengths) > 30
