"""The words of a text, and those that a model has seen in its captions."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable

_QUIET = frozenset(
    "a an the of and or in on at with by to from for as is are was were be been being it its this that these those there here "
    "his her their our my your i you he she we they him them me us who whose which where while some do does did".split()
)  # function words, never reported
_NUMBERS = dict(enumerate("zero one two three four five six seven eight nine ten eleven twelve".split()))
_IRREGULAR = {
    "men": "man",
    "women": "woman",
    "people": "person",
    "children": "child",
    "geese": "goose",
    "mice": "mouse",
    "feet": "foot",
}
_ENDING = re.compile(r"(?:n't|'(?:s|re|ll|ve|d|m|t)?)$")


def words_of(text: str) -> list[str]:
    """The words of a text in order: lower case, any script, split at hyphens, without possessive endings; emoji are words."""
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    runs = ("".join(run) for kind, run in itertools.groupby(text, _kind) if kind)
    words = (_ENDING.sub("", run.strip("'")) for run in runs)
    return [word for word in words if any(_kind(letter) for letter in word if letter not in "'\ufe0f\u200d")]


def _kind(letter: str) -> str:
    """The run a character belongs to: "word", "sign" (emoji with their joiners), or none."""
    if letter in "\ufe0f\u200d" or "\U0001f3fb" <= letter <= "\U0001f3ff":
        return "sign"
    if letter > "\u2100" and unicodedata.category(letter) == "So":
        return "sign"
    return "word" if letter == "'" or unicodedata.category(letter)[0] in "LMN" else ""


class Vocabulary:
    """The words that a model's training captions contained."""

    def __init__(self, words: Iterable[str]) -> None:
        """Take single words or whole captions."""
        self.words: frozenset[str] = frozenset(itertools.chain.from_iterable(map(words_of, words)))

    def __contains__(self, word: str) -> bool:
        """Whether a word, its singular or its plural was seen; numbers may be digits or words."""
        if word in _QUIET or not self.words.isdisjoint(_forms(word)):
            return True
        return word.isdecimal() and len(word) < 3 and _NUMBERS.get(int(word)) in self.words

    def unknown(self, prompt: str) -> list[str]:
        """Words of the prompt that were never seen, in their order, each once."""
        return list(dict.fromkeys(word for word in words_of(prompt) if word not in self))

    def meaningful(self) -> list[str]:
        """Its words that mean something alone: no function words, no digits, no single letters; in alphabetical order."""
        return sorted(word for word in self.words - _QUIET if len(word) > 1 and not word.isdecimal())


def in_place_of(text: str, word: str, other: str) -> str:
    """``text`` with ``other`` wherever ``word`` stands, as ``words_of`` finds it; "a" and "an" before it follow suit."""
    article, text = ("an" if other[:1] in "aeiou" else "a"), unicodedata.normalize("NFKC", text)

    def put(found: re.Match[str]) -> str:
        before, gap = found[1] or "", found[2] or ""
        return (before[:1] + article[1:] if before else "") + gap + other

    return re.sub(rf"(?:\b(an?)(\s+))?(?<![^\W_]){re.escape(word)}(?![^\W_])", put, text, flags=re.IGNORECASE)


def alike(word: str, other: str) -> bool:
    """Whether two words may be forms of one, such as a plural and its singular."""
    return not _forms(word).isdisjoint(_forms(other))


def plural_like(word: str) -> bool:
    """Whether a word ends as English plurals do."""
    return word.endswith("s") and not word.endswith("ss")


def _forms(word: str) -> set[str]:
    """A word with its likely singulars and plurals."""
    forms = {word, word + "s", word + "es", _IRREGULAR.get(word, word)}
    forms |= {plural for plural, singular in _IRREGULAR.items() if singular == word}
    if word.endswith("s") and len(word) > 3 and not word.endswith("ss"):
        forms.add(word[:-1])
    for ending, singulars in (("es", ("",)), ("ies", ("y",)), ("ves", ("f", "fe"))):
        if word.endswith(ending) and len(word) > 4:
            forms |= {word[: -len(ending)] + singular for singular in singulars}
    for ending, plural in (("y", "ies"), ("f", "ves"), ("fe", "ves")):
        if word.endswith(ending):
            forms.add(word[: -len(ending)] + plural)
    return forms
