"""Captions of mirrored pictures, and text states: remembered, or written beforehand with ``python -m layered.training.captions``.

The frozen encoder would otherwise take a third of the time of a small base's step, and a large one (T5) memory besides.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from layered.layers import TextStates
from layered.text import TextEncoder
from layered.training.errors import TrainingError
from layered.training.sheet import SHEET_PROMPTS
from layered.training.sources import Source, open_sources
from layered.training.transfer import sent

FORMAT, VERSION = "layered-diffusion-text-states", 1
ABOUT, SHARD = "about.json", "states-{:05d}.safetensors"
CAPTIONS_A_SHARD = 4096
ENCODED_AT_ONCE = 16
ENCODED_ON_DEVICE = 1024
PADDED_TO = 16  # tokens
MEMORY_AT_MOST = 512 * 2**20  # bytes of states in memory

States = tuple[Tensor, Tensor]  # of one caption, in half precision: tokens (L, D), pooled (D,)
Encode = Callable[[list[str]], TextStates]


_SIDES = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}


def mirrored(caption: str) -> str:
    """The caption of the mirrored picture: what is said to be left is right, and the other way round."""
    return re.sub(r"\b([Ll]eft|[Rr]ight)\b", lambda side: _SIDES[side[0]], caption)


def encode_each(encode: Encode, captions: Iterable[str], device: str = "cpu", autocast: bool = False) -> dict[str, States]:
    """The states of every caption; those of similar length are encoded together, so that little is padded.

    autocast: encode in bfloat16; states then err by less than a hundredth of their size.
    """
    ordered = sorted(set(captions), key=lambda caption: (len(caption), caption))
    found: dict[str, States] = {}
    for start in range(0, len(ordered), ENCODED_AT_ONCE):
        part = ordered[start : start + ENCODED_AT_ONCE]
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            states = encode(part)
        for index, caption in enumerate(part):
            tokens = states.tokens[index][states.mask[index]].half().cpu()
            found[caption] = (tokens, states.pooled[index].half().cpu())
    return found


def as_batch(states: Sequence[States]) -> TextStates:
    """One batch in float32, padded to its longest."""
    tokens = [tokens.float() for tokens, _ in states]
    padded = pad_sequence(tokens, batch_first=True)
    mask = torch.arange(padded.shape[1])[None] < torch.tensor([len(t) for t in tokens])[:, None]
    return TextStates(padded, mask, torch.stack([pooled.float() for _, pooled in states]))


class CaptionMemory:
    """Encodes captions and keeps their states in half precision, those that were asked for last."""

    def __init__(self, encode: Encode, device: str = "cpu", autocast: bool = False, limit: int = MEMORY_AT_MOST) -> None:
        """autocast: see ``encode_each``; limit: bytes of states that are kept between two batches."""
        self.encode, self.device, self.autocast, self.limit = encode, device, autocast, limit
        self._states: dict[str, States] = {}  # in the order of the last time that they were asked for
        self._bytes = 0

    def __call__(self, captions: list[str]) -> TextStates:
        """States of a batch of captions, padded to its longest."""
        fresh = encode_each(self.encode, (c for c in captions if c not in self._states), self.device, self.autocast)
        known = {caption: fresh.get(caption) or self._states.pop(caption) for caption in dict.fromkeys(captions)}
        self._states |= known
        self._bytes += sum(map(_bytes, fresh.values()))
        while self._bytes > self.limit:
            self._bytes -= _bytes(self._states.pop(next(iter(self._states))))
        return as_batch([known[caption] for caption in captions])


def _bytes(states: States) -> int:
    return sum(tensor.nbytes for tensor in states)


class ResidentStates:
    """The states of all captions that will be asked for, encoded once and kept on the device in half precision.

    Every batch is padded to the longest caption of all, and that to a multiple of ``PADDED_TO``: so its shape never changes, a
    compiled network stays as it is, and what was compiled for other captions of about this length is found again.
    """

    def __init__(self, encode: Encode, captions: Iterable[str], device: str) -> None:
        """Memory: 2 bytes for every token and channel of the distinct captions."""
        ordered = sorted(set(captions), key=lambda text: (len(text), text))  # like lengths together: little padding
        self._rows = {text: row for row, text in enumerate(ordered)}
        tokens, lengths, pooled = [], [], []
        for start in range(0, len(ordered), ENCODED_ON_DEVICE):
            states = encode(ordered[start : start + ENCODED_ON_DEVICE]).to(device)
            tokens.append(states.tokens[states.mask].half())
            lengths.append(states.mask.sum(1))
            pooled.append(states.pooled.half())
        self._tokens, self._lengths, self._pooled = torch.cat(tokens), torch.cat(lengths), torch.cat(pooled)
        self._starts = self._lengths.cumsum(0) - self._lengths
        self._longest = -(-int(self._lengths.max()) // PADDED_TO) * PADDED_TO

    def __call__(self, captions: list[str]) -> TextStates:
        """States of a batch of captions in float32; KeyError for one that was not named at the beginning."""
        rows = sent(torch.tensor([self._rows[text] for text in captions]), self._tokens.device)
        place = torch.arange(self._longest, device=rows.device)
        mask = place < self._lengths[rows, None]
        cells = (self._starts[rows, None] + place).clamp(max=len(self._tokens) - 1)
        return TextStates(self._tokens[cells].float() * mask[..., None], mask, self._pooled[rows].float())


# ------------------------------------------------------------------ on disk


class StoredStates:
    """The states that ``write_states`` wrote, read where they are asked for: memory holds the captions alone."""

    def __init__(self, folder: str | Path) -> None:
        """Raises ValueError, with a sentence, for a folder that is not such a one or not finished."""
        self.folder = Path(folder)
        about = _read_about(self.folder)
        if about is None:
            raise ValueError(f"{folder} holds no text states: write them with python -m layered.training.captions.")
        if not about["finished"]:
            raise ValueError(
                f"The text states in {folder} are not finished: give the command that writes them again, it goes on."
            )
        self.encoder: str = about["text_encoder"]
        self.width: int = about["width"]
        self._shards = [_open(path) for path in _shards(self.folder)]
        self._starts = [shard.get_tensor("starts").tolist() for shard in self._shards]
        self._places = {c: (n, row) for n, shard in enumerate(self._shards) for row, c in enumerate(_captions_of(shard))}

    def __len__(self) -> int:
        return len(self._places)

    def __call__(self, captions: list[str]) -> TextStates:
        """States of a batch of captions, padded to its longest. TrainingError for a caption whose states were not written."""
        return as_batch([self._states(caption) for caption in captions])

    def _states(self, caption: str) -> States:
        if caption not in self._places:
            say = "write them again, for all the data that is trained on."
            raise TrainingError(f"{self.folder} has no states of the caption «{caption[:200]}»: {say}")
        number, row = self._places[caption]
        start, end = self._starts[number][row : row + 2]
        shard = self._shards[number]
        return shard.get_slice("tokens")[start:end], shard.get_slice("pooled")[row]


def write_states(folder: str | Path, encoder: TextEncoder, captions: Iterable[str], shard: int = CAPTIONS_A_SHARD) -> int:
    """Write the states of all distinct ``captions`` in half precision, ``shard`` of them at a time; returns how many are there.

    A folder that is there is continued: only what it lacks is encoded. Raises ValueError where it is another encoder's.
    """
    folder = Path(folder)
    about = {"format": FORMAT, "format_version": VERSION, "text_encoder": encoder.name, "width": encoder.width}
    found = _read_about(folder)
    if found is not None and found | about != found:
        raise ValueError(
            f"{folder} holds text states of {found['text_encoder']} ({found['width']} wide), "
            f"not of {encoder.name} ({encoder.width} wide): choose another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    _write_about(folder, about | {"finished": False})
    there = _shards(folder)
    seen = {caption for path in there for caption in _captions_of(_open(path))}
    for number, part in enumerate(_groups(captions, seen, shard), start=len(there)):
        _write_shard(folder / SHARD.format(number), encode_each(encoder.encode, part, encoder.device.type))
    _write_about(folder, about | {"finished": True})
    return len(seen)


def _groups(captions: Iterable[str], seen: set[str], size: int) -> Iterator[list[str]]:
    """The captions that are not in ``seen``, each once, in groups; they are added to it."""
    group: list[str] = []
    for caption in captions:
        if caption not in seen:
            seen.add(caption)
            group.append(caption)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _write_shard(path: Path, states: dict[str, States]) -> None:
    """``tokens`` (ΣL, D) of all captions in a row, where each of them ``starts`` (n + 1,), ``pooled`` (n, D), the captions."""
    tokens, pooled = zip(*states.values(), strict=True)
    starts = torch.tensor([0, *map(len, tokens)]).cumsum(0)
    tensors = {"tokens": torch.cat(tokens), "starts": starts, "pooled": torch.stack(pooled)}
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise ValueError("The text encoder's states are not finite numbers in half precision: choose another encoder.")
    draft = path.with_suffix(".part")
    save_file(tensors, draft, {"captions": json.dumps(list(states))})
    os.replace(draft, path)  # so a shard is whole, or not there


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob(SHARD.replace("{:05d}", "*")))


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged ({error}): remove it, and give the command that writes the text states again."
        ) from error


def _captions_of(shard: Any) -> list[str]:
    return json.loads(shard.metadata()["captions"])


def _read_about(folder: Path) -> dict[str, Any] | None:
    """What the folder says of itself; None where it says nothing."""
    path = folder / ABOUT
    if not path.is_file():
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        about = None
    known = isinstance(about, dict) and {"text_encoder", "width", "finished"} <= about.keys()
    if not known or (about.get("format"), about.get("format_version")) != (FORMAT, VERSION):
        raise ValueError(f"{path} does not describe text states of this version: choose another folder.")
    return about


def _write_about(folder: Path, about: dict[str, Any]) -> None:
    draft = folder / (ABOUT + ".part")
    draft.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, folder / ABOUT)


# ------------------------------------------------------------------ the command


def captions_of(sources: Sequence[Source], mirror: bool = False) -> Iterator[str]:
    """All captions that training on these sources may ask for, and the prompts of its sample sheets.

    ``mirror``: those of mirrored pictures too. Raises ValueError, before the first, where a source has captions without end.
    """
    parts = [source.captions() for source in sources]
    captions = (caption for part in (SHEET_PROMPTS, *parts) for caption in part)
    return (text for caption in captions for text in ({caption, mirrored(caption)} if mirror else {caption}))


def main(arguments: list[str] | None = None) -> None:
    """Write the states of the captions of ``--data``."""
    parser = argparse.ArgumentParser(
        prog="python -m layered.training.captions",
        description="Encode all captions of the data once, for python -m layered.training --text-states.",
    )
    parser.add_argument("--data", nargs="+", required=True, help="caches of vistas, or folders of pictures with metadata.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="folder of the states; one that was not finished is continued")
    parser.add_argument("--mirror", action="store_true", help="those of mirrored pictures too, for training with --mirror")
    parser.add_argument("--text-encoder", help="folder or name of the text encoder (default: the bundled MiniLM)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    options = parser.parse_args(arguments)
    torch.set_num_threads(max(1, options.threads))
    try:
        captions = captions_of(open_sources(options.data, (1,), seed=0, device="cpu"), options.mirror)
        encoder = TextEncoder.from_pretrained(options.text_encoder, device=options.device)
        count = write_states(options.out, encoder, tqdm(captions, unit=" captions"))
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    size = sum(path.stat().st_size for path in _shards(options.out))
    print(f"Wrote {options.out}: states of {count:,} captions by {encoder.name}, {size / 1e6:,.0f} MB.")


if __name__ == "__main__":
    main()
