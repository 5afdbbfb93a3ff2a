"""Command line of the world: pictures with captions, a contact sheet, or a cache for training."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from layered.world import Vistas, caption, render
from layered.world.cache import build_cache, to_bytes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m layered.world", description=__doc__)
    parser.add_argument("--count", type=int, default=16, help="how many pictures")
    parser.add_argument("--size", type=int, default=256, help="their width and height in pixels")
    parser.add_argument("--seed", type=int, default=0, help="which world")
    parser.add_argument("--start", type=int, default=0, help="number of the first picture")
    parser.add_argument("--batch", type=int, default=64, help="pictures rendered at once")
    parser.add_argument("--device", default="cpu", help="where to render: cpu, cuda, mps")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render a cache; 0: this one")
    parser.add_argument("--out", type=Path, help="folder for PNG pictures and metadata.jsonl (the imagefolder convention)")
    parser.add_argument("--sheet", type=Path, help="file for a contact sheet")
    parser.add_argument("--cache", type=Path, help="folder for a training cache (continued if it is there)")
    args = parser.parse_args(arguments)
    if not (args.out or args.sheet or args.cache):
        parser.error("nothing to do: give --out FOLDER, --sheet FILE.png or --cache FOLDER")
    if args.cache:
        build_cache(args.cache, args.seed, args.start, args.count, args.size, args.batch, args.device, workers=args.workers)
    if args.sheet:
        sheet(args.sheet, args.seed, args.start, args.count, args.size, args.batch, args.device)
    if args.out:
        folder(args.out, args.seed, args.start, args.count, args.size, args.batch, args.device)


def folder(out: Path, seed: int, start: int, count: int, size: int, batch: int, device: str) -> None:
    """Writes PNG pictures and metadata.jsonl with file_name, text and spec."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "metadata.jsonl").open("w", encoding="utf-8") as lines, tqdm(total=count, unit="picture") as bar:
        for first in range(start, start + count, batch):
            specs = Vistas(seed).specs(first, min(batch, start + count - first))
            for spec, pixels in zip(specs, to_bytes(render(specs, size, device)), strict=True):
                name = f"{spec.index:07d}.png"
                Image.fromarray(pixels).save(out / name)
                lines.write(json.dumps({"file_name": name, "text": caption(spec), "spec": spec.to_dict()}) + "\n")
            bar.update(len(specs))


def sheet(path: Path, seed: int, start: int, count: int, size: int, batch: int, device: str) -> None:
    """Writes one picture of all, about as wide as high."""
    columns = max(1, round(count**0.5))
    canvas = np.zeros((-(-count // columns) * size, columns * size, 3), dtype=np.uint8)
    for first in range(0, count, batch):
        specs = Vistas(seed).specs(start + first, min(batch, count - first))
        for offset, pixels in enumerate(to_bytes(render(specs, size, device))):
            row, column = divmod(first + offset, columns)
            canvas[row * size : (row + 1) * size, column * size : (column + 1) * size] = pixels
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas).save(path)


if __name__ == "__main__":
    main()
