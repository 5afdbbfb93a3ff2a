"""People's own pictures: a folder of images with captions, or any text-image set of 🤗 Datasets by name."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from layered.training.errors import TrainingError

IMAGE_COLUMNS = ("image", "img", "jpg", "png", "webp")
CAPTION_COLUMNS = ("text", "caption", "captions", "prompt", "txt", "description")
BUFFER = 1000  # pictures of a stream that are shuffled among each other
WORDS_AT_MOST = 50_000  # of the captions that are remembered as known


class PictureSet:
    """A text-image set, each picture cut to its central square and brought to ``size`` pixels.

    A folder (🤗's imagefolder convention: pictures, and ``metadata.jsonl`` with ``file_name`` and a caption) is read at random
    places: a step's batch is then a function of the step, and a run resumes to the bit. A set by name is streamed and shuffled
    in a buffer; a run that resumes goes on with another shuffle of it.
    """

    def __init__(self, name: str, size: int, split: str = "train") -> None:
        """name: a folder, or a set's name on the hub. ImportError, FileNotFoundError or ValueError with a sentence."""
        try:
            from datasets import Image as Pictures
            from datasets import load_dataset
        except ImportError as error:
            raise ImportError("Training on your own pictures needs 🤗 Datasets: pip install datasets") from error
        self.name, self.size = name, size
        self.words: set[str] = set()
        self.streamed = not Path(name).is_dir()
        if self.streamed:
            rows = load_dataset(name, split=split, streaming=True)
        else:
            rows = load_dataset("imagefolder", data_dir=name, split=split)
        columns = tuple(rows.column_names or next(iter(rows)))
        self.image, self.caption = (
            _column(name, columns, wanted, what) for wanted, what in ((IMAGE_COLUMNS, "pictures"), (CAPTION_COLUMNS, "captions"))
        )
        self.rows = rows.select_columns([self.image, self.caption]).cast_column(self.image, Pictures(decode=False))
        self._stream: Iterator[Mapping[str, Any]] | None = None
        if not self.streamed:
            if not len(self.rows):
                raise ValueError(f"{name} holds no pictures.")
            for said in self.rows[self.caption]:
                self._learn(said if isinstance(said, (list, tuple)) else [said])

    def __len__(self) -> int:
        """Number of pictures in a folder."""
        return len(self.rows)

    def read(self, index: int, chance: float) -> tuple[Tensor, str]:
        """A folder's picture (3, size, size) in [−1, 1] and a caption of it, picked by a number from 0 to 1."""
        row = self.rows[index]
        return self._picture(row), _one_said(row[self.caption], chance)

    def draw(self, count: int, generator: torch.Generator, part: slice = slice(None)) -> tuple[Tensor, list[str]]:
        """``count`` pictures (B, 3, size, size) in [−1, 1] and a caption for each; of them those in ``part``."""
        chances = torch.rand(count, generator=generator, dtype=torch.float64).tolist()
        if not self.streamed:
            picks = torch.randint(0, len(self), (count,), generator=generator).tolist()
            pictures, captions = zip(*map(self.read, picks[part], chances[part]), strict=True)
            return torch.stack(pictures), list(captions)
        if self._stream is None:
            self._stream = self._endless(int(torch.randint(0, 2**31, (1,), generator=generator)))
        rows = list(itertools.islice(self._stream, count))
        captions = [_one_said(row[self.caption], chance) for row, chance in zip(rows, chances, strict=True)]
        self._learn(captions)  # of all, also where another process trains on them
        return torch.stack([self._picture(row) for row in rows[part]]), captions[part]

    def prompts(self, count: int) -> list[str]:
        """Captions for sample sheets: some of a folder's, the first ones of a stream, whose shuffle stays open."""
        if self.streamed:
            return [_one_said(row[self.caption], 0.0) for row in self.rows.take(count)]
        generator = torch.Generator().manual_seed(0)
        said = self.rows[self.caption]
        return [_one_said(said[pick], 0.0) for pick in torch.randint(0, len(said), (count,), generator=generator).tolist()]

    def captions(self) -> Iterator[str]:
        """Every caption of a folder. ValueError for a set that is streamed."""
        if self.streamed:
            raise ValueError(f"{self.name} is streamed, so its captions cannot be encoded beforehand: save it as a folder first.")
        return (one for said in self.rows[self.caption] for one in _said(said))

    def _endless(self, seed: int) -> Iterator[Mapping[str, Any]]:
        rows, epoch = self.rows.shuffle(seed=seed, buffer_size=BUFFER), 0
        while True:
            rows.set_epoch(epoch)
            empty = True
            for row in rows:
                empty = False
                yield row
            if empty:
                raise TrainingError(f"{self.name} holds no pictures.")
            epoch += 1

    def _learn(self, captions: Iterable[str | None]) -> None:
        """Words that the trained model will call known."""
        if len(self.words) < WORDS_AT_MOST:
            self.words.update(re.findall(r"[^\W\d_]+", " ".join(said or "" for said in captions).lower()))

    def _picture(self, row: Mapping[str, Any]) -> Tensor:
        held = row[self.image] or {"bytes": None, "path": None}
        try:
            with Image.open(io.BytesIO(held["bytes"]) if held["bytes"] else held["path"] or io.BytesIO()) as file:
                file.draft("RGB", (self.size, self.size))  # a JPEG is decoded no larger than needed
                picture = ImageOps.fit(ImageOps.exif_transpose(file).convert("RGB"), (self.size,) * 2, Image.Resampling.LANCZOS)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # what PIL raises for damaged files
            file = held["path"] or "its file has no name"
            raise TrainingError(
                f"A picture of {self.name} cannot be read ({file}): {error}. Mend it, or leave it out."
            ) from error
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def _one_said(held: Any, chance: float) -> str:
    """A row's caption, or one of several, picked by a number from 0 to 1."""
    said = _said(held)
    return said[int(chance * len(said))]


def _said(held: Any) -> list[str]:
    """The captions of a row, which may hold one, several or none."""
    return [str(one) for one in held] if isinstance(held, (list, tuple)) and held else [str(held or "")]


def _column(name: str, columns: tuple[str, ...], wanted: tuple[str, ...], what: str) -> str:
    found = next((column for column in wanted if column in columns), None)
    if found is None:
        raise ValueError(f"{name} has the columns {', '.join(columns)}: none of {', '.join(wanted)} for its {what}.")
    return found
