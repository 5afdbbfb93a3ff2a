"""Where training pictures and their captions come from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from layered.training.pictures import PictureSet
from layered.world import VOCABULARY, Vistas, caption, render
from layered.world.cache import cache_size, load_cache
from layered.world.spec import VistaSpec


class Source(Protocol):
    """Where pictures and captions come from."""

    size: int  # pixels on a side
    words: set[str] | frozenset[str]  # of its captions, in lower case
    own_prompts: bool  # whether sample sheets show captions of its own, and not the fixed prompts of the vistas

    def draw(self, count: int, generator: torch.Generator, part: slice = slice(None)) -> tuple[Tensor, list[str]]:
        """``count`` pictures (B, 3, size, size) in [−1, 1] and a caption for each; of them those in ``part``."""
        ...

    def captions(self) -> Iterator[str]:
        """Every caption that ``draw`` can give, some perhaps more than once. ValueError where there is no end to them."""
        ...


class CachedVistas:
    """Pictures that ``python -m layered.world --cache`` rendered before, each with a few captions of its own.

    Several folders of one size are drawn from as one; a folder that is named twice counts twice.
    """

    words, own_prompts = VOCABULARY, False

    def __init__(self, *folders: str | Path, captions: int = 4) -> None:
        self.caches = [load_cache(folder) for folder in folders]
        self.size, self.captions_each = self.caches[0][0].shape[1], captions

    def draw(self, count: int, generator: torch.Generator, part: slice = slice(None)) -> tuple[Tensor, list[str]]:
        total = sum(len(specs) for _, specs in self.caches)
        picks = torch.randint(0, total, (count,), generator=generator).tolist()[part]
        variants = torch.randint(0, self.captions_each, (count,), generator=generator).tolist()[part]
        pixels, specs = zip(*map(self._vista, picks), strict=True)
        images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1
        return images, [caption(spec, variant) for spec, variant in zip(specs, variants, strict=True)]

    def captions(self) -> Iterator[str]:
        specs = (spec for _, specs in self.caches for spec in specs)
        return (caption(spec, variant) for spec in specs for variant in range(self.captions_each))

    def _vista(self, index: int) -> tuple[np.ndarray, VistaSpec]:
        """Picture number ``index`` of all caches together, and its description."""
        for pictures, specs in self.caches:
            if index < len(specs):
                return pictures[index], specs[index]
            index -= len(specs)
        raise IndexError(index)


class LiveVistas:
    """Pictures rendered while training, never the same one twice; for machines where rendering costs nothing."""

    words, own_prompts = VOCABULARY, False

    def __init__(self, size: int, seed: int = 0, device: str = "cpu") -> None:
        self.size, self.world, self.device = size, Vistas(seed), device

    def draw(self, count: int, generator: torch.Generator, part: slice = slice(None)) -> tuple[Tensor, list[str]]:
        start = int(torch.randint(0, 2**40, (1,), generator=generator))
        specs = [self.world.spec(index) for index in range(start, start + count)[part]]
        variants = torch.randint(0, 2**31, (count,), generator=generator).tolist()[part]
        return render(specs, self.size, self.device), [caption(s, v) for s, v in zip(specs, variants, strict=True)]

    def captions(self) -> Iterator[str]:
        raise ValueError(
            "Vistas that are rendered on the way have captions without end, which cannot be encoded beforehand: "
            "make a cache with python -m layered.world --cache."
        )


def open_sources(data: Sequence[str], scales: Sequence[int], seed: int, device: str) -> list[Source]:
    """What ``--data`` names: caches of vistas, folders of pictures, sets of 🤗 Datasets; vistas rendered on the way for nothing.

    A set of pictures is read once per scale, so that a small stage decodes small pictures. Raises what the sources raise.
    """
    caches = [name for name in data if (Path(name) / "world.json").exists()]
    by_size = itertools.groupby(sorted(caches, key=cache_size), cache_size)
    sources: list[Source] = [CachedVistas(*folders) for _, folders in by_size]
    sources += [PictureSet(name, size) for name in data if name not in caches for size in scales]
    return sources or [LiveVistas(scales[-1], seed, device)]
