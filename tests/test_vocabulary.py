"""The words of a text, those that a model knows, and known ones near those that it does not."""

from __future__ import annotations

import pytest

from layered.near_words import MOST_WORDS, NearWords
from layered.text import TextEncoder
from layered.vocabulary import Vocabulary, in_place_of, words_of
from tests.test_text import minilm, needs_package  # noqa: F401


def test_unknown_words_come_in_order_and_once() -> None:
    known = Vocabulary(["A red balloon over the lake, at dusk.", "two boats"])
    assert known.unknown("A purple dragon over a purple lake with the dragon") == ["purple", "dragon"]
    assert known.unknown("red balloon") == known.unknown("") == known.unknown(" ,.!?") == []


@pytest.mark.parametrize(
    "word", ["balloons", "Balloon's", "BALLOONS’", "boat", "lakes", "berry", "wolves", "women", "foxes", "3", "three"]
)
def test_plurals_possessives_and_numbers_are_known(word: str) -> None:
    assert Vocabulary(["balloon", "boats", "lake", "berries", "wolf", "woman", "fox", "three"]).unknown(word) == []


@pytest.mark.parametrize("word", ["glass", "lens", "7", "1000000000000000000000", "café", "富士山", "дракон", "🐉"])
def test_what_was_never_seen_is_unknown(word: str) -> None:
    assert Vocabulary(["glasses of len", "three", "cafe"]).unknown(f"a {word}") == ([] if word in ("glass", "lens") else [word])


def test_words_of_any_script() -> None:
    assert words_of("Snow-capped CAFÉ, e\u0301t\u00e9; don't!") == ["snow", "capped", "café", "été", "do"]
    assert words_of("बालक مرحبا 富士山") == ["बालक", "مرحبا", "富士山"]
    assert words_of("a 👩\u200d🚀 & ☀\ufe0f <b>") == ["a", "👩\u200d🚀", "☀\ufe0f", "b"]
    assert words_of("\u200d \ufe0f ' _ ^ `") == []


def test_the_words_survive_a_round_trip() -> None:
    known = Vocabulary(["snow-capped peaks", "the keeper's cabin"])
    assert Vocabulary(sorted(known.words)).words == known.words == {"snow", "capped", "peaks", "the", "keeper", "cabin"}


@pytest.mark.parametrize(
    ("text", "word", "other", "result"),
    [
        ("A crimson balloon, crimson!", "crimson", "red", "A red balloon, red!"),
        ("an aircraft over the Alps", "aircraft", "plane", "a plane over the Alps"),
        ("a Mansion's tower", "mansion", "old castle", "an old castle's tower"),
        ("elks and an elk-like elk", "elk", "deer", "elks and a deer-like deer"),
        ("ein Wald (c++)", "c", "x", "ein Wald (x++)"),
        ("é_elk ﬁr", "fir", "\\1", "é_elk \\1"),
    ],
)
def test_a_word_in_place_of_another(text: str, word: str, other: str, result: str) -> None:
    assert in_place_of(text, word, other) == result


@needs_package
def test_known_words_near_an_unknown_one(minilm: TextEncoder) -> None:  # noqa: F811
    known = Vocabulary(["a red house and two houses, boats or a boat at sea", "x 7", "a castle with towers"])
    near = NearWords(known, minilm)
    assert near.words == ["boat", "boats", "castle", "house", "houses", "red", "sea", "towers", "two"]
    assert near.near("ocean") == ["sea", "boat"] and near.near("ocean", 1) == ["sea"]
    assert near.near("yacht")[0] == "boat" and near.near("yachts") == ["boats"]
    assert near.near("qwzx") == []
    assert near.reworded("An ocean and a fortress, qwzx, a red yacht") == "A sea and a castle, qwzx, a red boat"


@needs_package
def test_a_vocabulary_too_large_to_look_through_has_nothing_near(minilm: TextEncoder) -> None:  # noqa: F811
    many = Vocabulary(f"castle{'abcdefghijklmnopqrstuvwxyz'[i % 26]}{i}x" for i in range(MOST_WORDS + 1))
    assert NearWords(many, minilm).near("castle") == []
