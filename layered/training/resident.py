"""Pictures that stay in the memory of an accelerator, which draws batches faster than a processor reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from layered.pyramid import downsample_image
from layered.training.transfer import sent
from layered.world import VOCABULARY, caption
from layered.world.cache import open_cache
from layered.world.spec import VistaSpec

AVERAGED_AT_ONCE = 1024  # pictures
LINES_A_JOB = 4096  # descriptions whose captions one process makes at a time


class ResidentVistas:
    """The pictures of caches of one size on a device, each with a few captions of its own; a batch is one look-up there.

    Draws what ``CachedVistas`` draws.
    """

    words = VOCABULARY

    def __init__(self, folders: Sequence[str | Path], device: str, captions: int = 4, size: int | None = None) -> None:
        """``size``: larger pictures are averaged down to it; None: all are of one size, and stay as they are.

        Raises FileNotFoundError for a folder without a cache. Memory: 3 size² bytes per picture.
        """
        caches = [open_cache(folder) for folder in folders]
        self.size, self.captions_each = size or caches[0][0].shape[1], captions
        self.pixels = torch.cat([_resident(pictures, self.size, device) for pictures, _ in caches])  # (N, S, S, 3) uint8
        self._captions = _captions([line for _, lines in caches for line in lines], captions)

    def __len__(self) -> int:
        return len(self.pixels)

    def draw(self, count: int, generator: torch.Generator, part: slice = slice(None)) -> tuple[Tensor, list[str]]:
        picks = torch.randint(0, len(self), (count,), generator=generator)[part]
        variants = torch.randint(0, self.captions_each, (count,), generator=generator)[part]
        pixels = self.pixels[sent(picks, self.pixels.device)]
        captions = [self._captions[row] for row in (picks * self.captions_each + variants).tolist()]
        return as_pictures(pixels), captions

    def captions(self) -> Iterator[str]:
        return iter(self._captions)

    def prompts(self, count: int) -> list[str]:
        return []


def _resident(pictures: np.ndarray, size: int, device: str) -> Tensor:
    """Pictures (N, S, S, 3) on the device, each of their pixels the mean of those that it covers: (N, size, size, 3) uint8."""
    parts = []
    for start in range(0, len(pictures), AVERAGED_AT_ONCE):
        part = torch.from_numpy(np.array(pictures[start : start + AVERAGED_AT_ONCE])).to(device)
        if part.shape[1] != size:
            part = downsample_image(part.permute(0, 3, 1, 2).float(), size).round().to(torch.uint8).permute(0, 2, 3, 1)
        parts.append(part)
    return torch.cat(parts) if parts else torch.empty(0, size, size, 3, dtype=torch.uint8, device=device)


def as_pictures(pixels: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 to (B, 3, S, S) in [−1, 1]."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def _captions(lines: Sequence[str], each: int) -> list[str]:
    """``each`` captions of every description in turn, made by all processors where there are many."""
    jobs = [(lines[start : start + LINES_A_JOB], each) for start in range(0, len(lines), LINES_A_JOB)]
    if len(jobs) < 4:
        made = [_captions_of_lines(job) for job in jobs]
    else:
        with ProcessPoolExecutor(min(len(jobs), os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
            made = list(pool.map(_captions_of_lines, jobs))
    return [text for part in made for text in part]


def _captions_of_lines(job: tuple[Sequence[str], int]) -> list[str]:
    lines, each = job
    specs = (VistaSpec.from_dict(json.loads(line)) for line in lines)
    return [caption(spec, variant) for spec in specs for variant in range(each)]
