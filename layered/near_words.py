"""Words that a model knows, near in meaning to one that it does not know: what the frozen text encoder takes it for."""

from __future__ import annotations

import functools

import torch.nn.functional as F
from torch import Tensor, cat

from layered.text import TextEncoder
from layered.vocabulary import Vocabulary, alike, in_place_of, plural_like

NEAR = 0.5  # least cosine of the pooled states of two words, each alone: below it, they have little to do with each other
MOST_WORDS = 2000  # of a vocabulary that is looked through; they are encoded once, 400 a second on one core
AT_ONCE = 64  # words encoded in one batch


class NearWords:
    """The words of a vocabulary, by meaning. Nothing is encoded before the first question."""

    def __init__(self, vocabulary: Vocabulary, encoder: TextEncoder) -> None:
        """Of a vocabulary with more than ``MOST_WORDS`` meaningful words nothing is near anything."""
        words = vocabulary.meaningful()
        self.vocabulary, self.encoder = vocabulary, encoder
        self.words = words if len(words) <= MOST_WORDS else []

    def near(self, word: str, count: int = 3) -> list[str]:
        """At most ``count`` words of the vocabulary whose meaning is near that of ``word``, the nearest first.

        Nearness is the cosine of the pooled text states, at least ``NEAR``. A plural is only near plurals, a singular near
        singulars, as far as their last letters tell; of the forms of one word the nearest is named.
        """
        if not self.words:
            return []
        cosines = self._states @ self._encoded([word])[0]
        found: list[str] = []
        for index in cosines.argsort(descending=True).tolist():
            other = self.words[index]
            if len(found) == count or cosines[index] < NEAR:
                break
            if plural_like(other) == plural_like(word) and not any(alike(other, one) for one in found):
                found.append(other)
        return found

    def reworded(self, prompt: str) -> str:
        """The prompt with the nearest known word in place of every unknown one that has any near it."""
        for word in self.vocabulary.unknown(prompt):
            if near := self.near(word, 1):
                prompt = in_place_of(prompt, word, near[0])
        return prompt

    @functools.cached_property
    def _states(self) -> Tensor:
        return cat([self._encoded(self.words[start : start + AT_ONCE]) for start in range(0, len(self.words), AT_ONCE)])

    def _encoded(self, words: list[str]) -> Tensor:
        """Unit vectors (N, D), on the CPU."""
        return F.normalize(self.encoder.encode(words).pooled, dim=-1).cpu()
