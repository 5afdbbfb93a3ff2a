"""A cache of rendered vistas on disk: pictures.npy, a memory map, and specs.jsonl; a build that stopped is continued."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from layered.world.render import render
from layered.world.spec import Vistas, VistaSpec


def to_bytes(images: Tensor) -> np.ndarray:
    """Pictures (B, 3, H, W) in [-1, 1] as uint8 (B, H, W, 3)."""
    return ((images.clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def build_cache(
    folder: str | Path,
    seed: int = 0,
    start: int = 0,
    count: int = 10_000,
    size: int = 128,
    batch: int = 64,
    device: str = "cpu",
    progress: bool = True,
    workers: int = 0,
) -> Path:
    """Renders pictures start .. start + count - 1 of world `seed` into `folder`, continuing what is there.

    Writes pictures.npy (count, size, size, 3) uint8, specs.jsonl (a description per line, written after its picture), world.json.
    workers: that many processes of one thread each render (faster than threads, above all on a busy machine); 0 renders here.
    Returns the folder. Raises ValueError if the folder holds a cache with other settings.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"seed": seed, "start": start, "count": count, "size": size}
    about, pictures, lines = folder / "world.json", folder / "pictures.npy", folder / "specs.jsonl"
    if about.exists():
        found = json.loads(about.read_text(encoding="utf-8"))
        if found != settings:
            raise ValueError(
                f"{folder} holds a cache made with {found}; asked for {settings}. Choose another folder or remove it."
            )
    else:
        about.write_text(json.dumps(settings), encoding="utf-8")
    fresh = not pictures.exists()
    memory = np.lib.format.open_memmap(
        pictures, mode="w+" if fresh else "r+", dtype=np.uint8, shape=(count, size, size, 3) if fresh else None
    )
    done = 0 if fresh else _keep_whole_lines(lines)
    if fresh:
        lines.write_text("", encoding="utf-8")
    jobs = [(seed, start + at, min(batch, count - at), size, device) for at in range(done, count, batch)]
    with lines.open("a", encoding="utf-8") as out, tqdm(total=count, initial=done, unit="picture", disable=not progress) as bar:
        for specs, pixels in _rendered(jobs, workers):
            memory[done : done + len(specs)] = pixels
            memory.flush()
            out.write("".join(json.dumps(s.to_dict()) + "\n" for s in specs))
            out.flush()
            done += len(specs)
            bar.update(len(specs))
    return folder


_Job = tuple[int, int, int, int, str]  # seed, first picture, how many, size, device


def _render_job(job: _Job) -> tuple[list[VistaSpec], np.ndarray]:
    seed, first, count, size, device = job
    specs = Vistas(seed).specs(first, count)
    return specs, to_bytes(render(specs, size, device))


def _rendered(jobs: Sequence[_Job], workers: int) -> Iterator[tuple[list[VistaSpec], np.ndarray]]:
    """The finished jobs in order."""
    if workers == 0:
        yield from map(_render_job, jobs)
        return
    with get_context("spawn").Pool(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.imap(_render_job, jobs)


def _keep_whole_lines(path: Path) -> int:
    """Cuts off a line that was being written when the build stopped; returns how many are left."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) != len(data):
        path.write_bytes(whole)
    return whole.count(b"\n")


def cache_size(folder: str | Path) -> int:
    """The side of a cache's pictures in pixels, from its settings. Raises FileNotFoundError if the folder holds no cache."""
    return json.loads((Path(folder) / "world.json").read_text(encoding="utf-8"))["size"]


def load_cache(folder: str | Path) -> tuple[np.ndarray, list[VistaSpec]]:
    """The pictures as a read-only memory map (N, S, S, 3) uint8 and their descriptions; of a partial build the finished part.

    Raises FileNotFoundError if the folder holds no cache.
    """
    pictures, lines = open_cache(folder)
    return pictures, [VistaSpec.from_dict(json.loads(line)) for line in lines]


def open_cache(folder: str | Path) -> tuple[np.ndarray, list[str]]:
    """The same with the descriptions as they are written, a line of JSON each."""
    folder = Path(folder)
    if not (folder / "pictures.npy").exists():
        raise FileNotFoundError(
            f"{folder} holds no pictures.npy; make one with: python -m layered.world --cache {folder} --count 10000 --size 128"
        )
    memory = np.load(folder / "pictures.npy", mmap_mode="r")
    with (folder / "specs.jsonl").open(encoding="utf-8") as lines:
        whole = [line for line in lines if line.endswith("\n")]
    return memory[: len(whole)], whole
