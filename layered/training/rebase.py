"""Puts the levels of one checkpoint on the base of another: ``python -m layered.training.rebase``.

A level reads the features of the one below. A base that has learned on has other features, in other channels, and levels that
were trained on it as it was no longer understand it. What they know is mostly still there, as a linear map away: it is found by
least squares, on noised pictures that both bases are shown, and becomes part of the 1 × 1 convolution by which the level above
reads. That costs a minute where training the levels again costs hours; they may learn on from there.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from layered.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from layered.config import PRESETS, SampleConfig
from layered.text import TextEncoder
from layered.training.batches import Batch, Batches
from layered.training.captions import CaptionMemory
from layered.training.plan import TrainConfig, stacking_plan
from layered.training.sources import open_sources
from layered.unet import LayeredUNet

HELD_BACK = 5  # of the batches every fifth is left out of the fit, and tells how well it does


class Fit(NamedTuple):
    """How much of the old features' variance (R²) the new ones give, on batches that were not fitted."""

    as_they_are: float
    mapped: float


@torch.no_grad()
def rebase(model: LayeredUNet, base: LayeredUNet, batches: Iterable[Batch]) -> Fit:
    """Give ``model`` the base of another network in place, and let the level above read it as it read its own.

    Raises ValueError where the two bases differ in kind, there is no level above, or that level does not read by a linear map.
    """
    _check(model, base)
    size, above = model.config.scales[:2]
    upsample = model.levels[str(above)].upsample.conv
    width = upsample.in_channels
    gram, cross = torch.zeros(width + 1, width + 1).double(), torch.zeros(width + 1, width).double()
    kept: list[tuple[Tensor, Tensor]] = []
    for number, batch in enumerate(batches):
        new, old = _features(base, size, batch), _features(model, size, batch)
        new = torch.cat([new, torch.ones(len(new), 1, dtype=new.dtype)], dim=1)
        if number % HELD_BACK == HELD_BACK - 1:
            kept.append((new, old))
            continue
        gram += new.T @ new
        cross += new.T @ old
    if not kept:
        raise ValueError(f"At least {HELD_BACK} batches are needed: every {HELD_BACK}th is left out of the fit.")
    ridge = 1e-6 * gram.diagonal().mean() * torch.eye(width + 1, dtype=gram.dtype)
    solution = torch.linalg.solve(gram + ridge, cross)  # old ≈ [new, 1] · solution
    new, old = (torch.cat(parts) for parts in zip(*kept, strict=True))
    fit = Fit(_explained(old, new[:, :-1]), _explained(old, new @ solution))
    weight, bias = solution[:-1].T.to(upsample.weight), solution[-1].to(upsample.weight)
    reads = upsample.weight[:, :, 0, 0]
    upsample.bias += reads @ bias
    upsample.weight.copy_((reads @ weight)[:, :, None, None])
    for own, given in zip(model.level_parameters(size), base.level_parameters(size), strict=True):
        own.copy_(given)
    return fit


def _check(model: LayeredUNet, base: LayeredUNet) -> None:
    config = model.config
    alone = dataclasses.replace(config, levels=config.levels[:1])
    if dataclasses.replace(base.config, levels=base.config.levels[:1]) != alone:
        raise ValueError("The two checkpoints have different bases: levels can only move to one of the same architecture.")
    if len(config.scales) < 2:
        raise ValueError("The checkpoint has no level above its base: there is nothing to move.")
    if not config.isolated or config.fusion != "skip":
        raise ValueError("Only levels of an isolated network with skips read the one below by a linear map.")


def _features(network: LayeredUNet, size: int, batch: Batch) -> Tensor:
    """The base's features of a batch, a row per cell of its grid, in double precision: (B G², C)."""
    features = network({size: batch.z[size]}, batch.logsnr, batch.text, batch.shared_noise)[size].features
    return features.permute(0, 2, 3, 1).flatten(0, 2).double().cpu()


def _explained(wanted: Tensor, found: Tensor) -> float:
    return float(1 - (wanted - found).square().sum() / (wanted - wanted.mean(0)).square().sum())


# ------------------------------------------------------------------ the command line


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m layered.training.rebase",
        description="Put the levels of one checkpoint on the base of another, and let them read it as they read their own.",
    )
    parser.add_argument("--checkpoint", required=True, help="whose levels are taken: a folder or a name on the hub")
    parser.add_argument("--base", required=True, help="whose base is taken, with all that its card says")
    parser.add_argument("--data", nargs="*", default=[], help="pictures with captions, as for python -m layered.training")
    parser.add_argument("--batches", type=int, default=40, help="of noised pictures, every fifth to test (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="pictures in a batch (default: %(default)s)")
    parser.add_argument("--other-preset", choices=PRESETS, default="aligned", help="towards which half of the shifts reach")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--text-encoder", help="folder of the text encoder, if it is not the installed one")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    parser.add_argument("--export", type=Path, required=True, help="folder of the new checkpoint")
    options = parser.parse_args(arguments)
    if options.batches < HELD_BACK or options.batch < 1:
        parser.error(f"--batches is at least {HELD_BACK}, --batch at least 1")
    if options.export.resolve() in (Path(options.checkpoint).resolve(), Path(options.base).resolve()):
        parser.error("--export would overwrite a checkpoint that is read: choose another folder")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Move the levels, print how well they read, export."""
    options = parse(arguments)
    torch.set_num_threads(max(1, options.threads))
    try:
        (model, _), (base, meta) = load_checkpoint(options.checkpoint), load_checkpoint(options.base)
        _check(model, base)  # before the encoder is loaded and pictures are read
        fit = rebase(model, base, _batches(options, model, meta))
    except (CheckpointError, ImportError, OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    print(
        f"Of the features that the levels knew, the new base's give {fit.as_they_are:.2f} as they are, {fit.mapped:.2f} mapped."
    )
    training = {name: value for name, value in meta.get("training", {}).items() if name != "detail"}
    save_checkpoint(options.export, model, {**meta, "training": training})
    print(f"Wrote {options.export}.")


def _batches(options: argparse.Namespace, model: LayeredUNet, meta: dict[str, Any]) -> Iterable[Batch]:
    """Pictures of the data, noised as for the training of the first level above the base."""
    config = TrainConfig(seed=options.seed, preset=meta.get("preset", SampleConfig().preset), other_preset=options.other_preset)
    stage = dataclasses.replace(stacking_plan(model.config, crop=None)[1], batch=options.batch)
    sources: Sequence = open_sources(options.data, model.config.scales[:2], options.seed, "cpu")
    fitting = [source for source in sources if source.size >= stage.top]
    if not fitting:
        raise ValueError(f"--data: the pictures are smaller than the {stage.top} pixels that are needed: give larger ones.")
    encoder = TextEncoder.from_pretrained(options.text_encoder or meta.get("text_encoder"))
    batches = Batches(model.config, stage, config, fitting[0], CaptionMemory(encoder.encode), 1, "cpu")
    return map(batches.make, range(options.batches))


if __name__ == "__main__":
    main()
