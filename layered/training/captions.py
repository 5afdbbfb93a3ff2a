"""Text states of captions, remembered: the frozen encoder would otherwise take a third of the time of a small base's step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from layered.layers import TextStates


class CaptionMemory:
    """Encodes every distinct caption once and keeps its states in half precision, up to a number of captions."""

    def __init__(
        self, encode: Callable[[list[str]], TextStates], device: str = "cpu", autocast: bool = False, limit: int = 200_000
    ) -> None:
        """autocast: encode in bfloat16; states then err by less than a hundredth of their size."""
        self.encode, self.device, self.autocast, self.limit = encode, device, autocast, limit
        self._states: dict[str, tuple[Tensor, Tensor]] = {}  # caption → tokens (L, D), pooled (D)

    def __call__(self, captions: list[str]) -> TextStates:
        """States of a batch of captions, padded to its longest."""
        missing = sorted({c for c in captions if c not in self._states}, key=lambda caption: (len(caption), caption))
        fresh: dict[str, tuple[Tensor, Tensor]] = {}
        for start in range(0, len(missing), 16):  # of similar length, so that little is padded
            part = missing[start : start + 16]
            with torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
                states = self.encode(part)
            for index, caption in enumerate(part):
                tokens = states.tokens[index][states.mask[index]].half().cpu()
                fresh[caption] = (tokens, states.pooled[index].half().cpu())
        known = {**fresh, **{c: self._states[c] for c in captions if c in self._states}}
        if len(self._states) + len(fresh) <= self.limit:
            self._states |= fresh
        tokens = [known[caption][0].float() for caption in captions]
        padded = pad_sequence(tokens, batch_first=True)
        mask = torch.arange(padded.shape[1])[None] < torch.tensor([len(t) for t in tokens])[:, None]
        return TextStates(padded, mask, torch.stack([known[caption][1].float() for caption in captions]))
