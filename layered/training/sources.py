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
from layered.training.resident import ResidentVistas, as_pictures
from layered.world import VOCABULARY, Vistas, caption, render
from layered.world.cache import cache_size, load_cache
from layered.world.spec import VistaSpec

CAPTIONS_EACH = 4  # of every picture of a cache, unless more or fewer are asked for
RENDERED_AT_LEAST = 128  # pixels on a side of vistas that are rendered on the way, unless the network is smaller


class Source(Protocol):
    """Where pictures and captions come from."""

    size: int  # pixels on a side
    words: set[str] | frozenset[str]  # of its captions, in lower case

    def draw(self, count: int, generator: torch.Generator, part: slice = slice(None)) -> tuple[Tensor, list[str]]:
        """``count`` pictures (B, 3, size, size) in [−1, 1] and a caption for each; of them those in ``part``."""
        ...

    def captions(self) -> Iterator[str]:
        """Every caption that ``draw`` can give, some perhaps more than once. ValueError where there is no end to them."""
        ...

    def prompts(self, count: int) -> list[str]:
        """So many captions of its own for sample sheets; none where the fixed prompts of the vistas serve."""
        ...


class Listed(Source, Protocol):
    """A source whose pictures are counted."""

    def __len__(self) -> int: ...

    def read(self, index: int, chance: float) -> tuple[Tensor, str]:
        """A picture (3, size, size) in [−1, 1] and a caption of it, picked by a number from 0 to 1."""
        ...


class CachedVistas:
    """Pictures that ``python -m layered.world --cache`` rendered before, each with a few captions of its own.

    Several folders of one size are drawn from as one; a folder that is named twice counts twice.
    """

    words = VOCABULARY

    def __init__(self, *folders: str | Path, captions: int = CAPTIONS_EACH) -> None:
        self.caches = [load_cache(folder) for folder in folders]
        self.size, self.captions_each = self.caches[0][0].shape[1], captions

    def __len__(self) -> int:
        return sum(len(specs) for _, specs in self.caches)

    def read(self, index: int, chance: float) -> tuple[Tensor, str]:
        pixels, spec = self._vista(index)
        return as_pictures(torch.from_numpy(np.stack([pixels])))[0], caption(spec, int(chance * self.captions_each))

    def draw(self, count: int, generator: torch.Generator, part: slice = slice(None)) -> tuple[Tensor, list[str]]:
        picks = torch.randint(0, len(self), (count,), generator=generator).tolist()[part]
        variants = torch.randint(0, self.captions_each, (count,), generator=generator).tolist()[part]
        pixels, specs = zip(*map(self._vista, picks), strict=True)
        captions = [caption(spec, variant) for spec, variant in zip(specs, variants, strict=True)]
        return as_pictures(torch.from_numpy(np.stack(pixels))), captions

    def captions(self) -> Iterator[str]:
        specs = (spec for _, specs in self.caches for spec in specs)
        return (caption(spec, variant) for spec in specs for variant in range(self.captions_each))

    def prompts(self, count: int) -> list[str]:
        return []

    def _vista(self, index: int) -> tuple[np.ndarray, VistaSpec]:
        """Picture number ``index`` of all caches together, and its description."""
        for pictures, specs in self.caches:
            if index < len(specs):
                return pictures[index], specs[index]
            index -= len(specs)
        raise IndexError(index)


class LiveVistas:
    """Pictures rendered while training, never the same one twice; for machines where rendering costs nothing."""

    words = VOCABULARY

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

    def prompts(self, count: int) -> list[str]:
        return []


class Together:
    """Several sources of one size, drawn from as one: any picture of theirs is as likely as any other."""

    def __init__(self, *sources: Listed) -> None:
        """ValueError where one is streamed: nobody knows how many pictures it has."""
        if streams := [source.name for source in sources if isinstance(source, PictureSet) and source.streamed]:
            raise ValueError(
                f"{streams[0]} is streamed, so it cannot be drawn from together with other pictures of its size: "
                "train on it alone, or save it as a folder first."
            )
        self.sources, self.size = sources, sources[0].size
        self.words = frozenset().union(*(source.words for source in sources))

    def __len__(self) -> int:
        return sum(map(len, self.sources))

    def read(self, index: int, chance: float) -> tuple[Tensor, str]:
        for source in self.sources:
            if index < len(source):
                return source.read(index, chance)
            index -= len(source)
        raise IndexError(index)

    def draw(self, count: int, generator: torch.Generator, part: slice = slice(None)) -> tuple[Tensor, list[str]]:
        picks = torch.randint(0, len(self), (count,), generator=generator).tolist()[part]
        chances = torch.rand(count, generator=generator, dtype=torch.float64).tolist()[part]
        pictures, captions = zip(*map(self.read, picks, chances), strict=True)
        return torch.stack(pictures), list(captions)

    def captions(self) -> Iterator[str]:
        return itertools.chain.from_iterable(source.captions() for source in self.sources)

    def prompts(self, count: int) -> list[str]:
        """Of every source in turn."""
        each = [source.prompts(count) for source in self.sources]
        return [prompt for in_turn in zip(*filter(None, each), strict=True) for prompt in in_turn][:count]


def open_sources(
    data: Sequence[str], scales: Sequence[int], seed: int, device: str, resident: bool = False, captions: int = CAPTIONS_EACH
) -> list[Source]:
    """What ``--data`` names: caches of vistas, folders of pictures, sets of 🤗 Datasets; vistas rendered on the way for nothing.
    One source per size, small ones first. Raises what the sources raise.

    ``resident``: caches of vistas are put into the device's memory, at the finest scale where they are larger; ValueError where
    there is anything else. ``captions``: how many each picture of a cache has.

    A set of pictures is read once per scale, so that a small stage decodes small pictures. Vistas are rendered at the size of a
    stage too, but not below ``RENDERED_AT_LEAST``, where they would no longer be the large ones' averages.
    """
    if resident and not (data and all((Path(name) / "world.json").exists() for name in data)):
        raise ValueError("Only caches of vistas are held in the device's memory: make them with python -m layered.world --cache.")
    if not data:
        sizes = sorted({min(max(size, RENDERED_AT_LEAST), scales[-1]) for size in scales})
        return [LiveVistas(size, seed, device) for size in sizes]
    caches = [name for name in data if (Path(name) / "world.json").exists()]

    def side(folder: str) -> int:
        """That of a cache's pictures as they are held."""
        size = cache_size(folder)
        return scales[-1] if resident and size in (scales[-1] << halvings for halvings in range(16)) else size

    by_size = [(size, list(folders)) for size, folders in itertools.groupby(sorted(caches, key=side), side)]
    if resident:
        return [ResidentVistas(folders, device, captions, size) for size, folders in by_size]
    sources: list[Listed] = [CachedVistas(*folders, captions=captions) for _, folders in by_size]
    sources += [PictureSet(name, size) for name in data if name not in caches for size in scales]
    same = itertools.groupby(sorted(sources, key=lambda source: source.size), lambda source: source.size)
    grouped = [tuple(group) for _, group in same]
    return [group[0] if len(group) == 1 else Together(*group) for group in grouped]
