"""Scales what the levels of a checkpoint add, until its pictures have as much detail as real ones.

A level that has learned from too few pictures predicts a little too little, and a run of many steps multiplies that: its pictures
are smoother than they should be. Here captions are drawn, what every scale shows beyond the one below is compared with real
pictures, and the output convolution of its level is multiplied. That is the setting ``detail`` of a run, but in the weights and
level by level. The factors depend on the run; so it is the checkpoint's usual one.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from layered.checkpoint import CheckpointError, other_beside, save_checkpoint
from layered.command_line import check_device
from layered.pipeline import LayeredPipeline, draw_pictures
from layered.pyramid import high_pass, image_pyramid
from layered.training.sources import open_sources
from layered.unet import LayeredUNet

RESPONSE = 2.0  # growth of detail with the factor, as an exponent, before it is known: over 25 steps 1.1 made 1.2 of it
RESPONSES = (0.25, 4.0)  # bounds of what is found of it
FACTORS = (0.5, 2.0)  # bounds of a factor, over all rounds: beyond them something else is wrong


class Round(NamedTuple):
    """What one round found and did, by scale."""

    detail: dict[int, float]  # root mean square of what a scale adds, in drawn pictures as a part of that in real ones
    factors: dict[int, float]  # of the levels' outputs after it, against those before the first round


def added_power(pictures: Mapping[int, Tensor]) -> dict[int, float]:
    """Mean square of what every scale but the coarsest shows beyond the one below, pictures (N, 3, S, S) in [−1, 1]."""
    return {size: float(high_pass(pictures[size]).square().mean()) for _, size in pairwise(pictures)}


def scale_output(model: LayeredUNet, size: int, factor: float) -> None:
    """Multiply what the level of ``size`` pixels predicts, in its weights."""
    output = model.levels[str(size)].output
    with torch.no_grad():
        output.weight.mul_(factor)
        output.bias.mul_(factor)


def calibrate(
    pipeline: LayeredPipeline,
    pictures: Mapping[int, Tensor],
    captions: Sequence[str],
    rounds: int,
    tick: Callable[[int], None] = lambda pictures: None,
) -> list[Round]:
    """Scale the levels of ``pipeline.model`` in place; the last round only measures, so there is one more than ``rounds``.

    pictures: real ones at every scale, (N, 3, S, S) in [−1, 1], with a caption each. Every round draws all captions with the
    seeds 0, 1, …, and the usual settings. Raises ValueError where no level adds to the one below it.
    """
    learn = [level.size for level in pipeline.model.config.levels[1:] if level.adds]
    if not pipeline.adds:
        raise ValueError("No level of this checkpoint adds to the one below it: there is nothing to scale.")
    real = added_power(pictures)
    start, response = dict.fromkeys(learn, 1.0), dict.fromkeys(learn, RESPONSE)
    done: list[Round] = []
    for number in range(rounds + 1):
        drawn = added_power(draw_pictures(pipeline, captions, pipeline.usual, tick=tick))
        detail = {size: (max(drawn[size], 1e-12) / max(real[size], 1e-12)) ** 0.5 for size in learn}
        factors = dict(done[-1].factors if done else start)
        for size in learn if number < rounds else ():
            if done:
                tried = factors[size] / (done[-2].factors if len(done) > 1 else start)[size]
                response[size] = _response(detail[size] / done[-1].detail[size], tried, response[size])
            wanted = _within(factors[size] * detail[size] ** (-1 / response[size]), FACTORS)
            scale_output(pipeline.model, size, wanted / factors[size])
            factors[size] = wanted
        done.append(Round(detail, factors))
    return done


def _response(gain: float, factor: float, known: float) -> float:
    """The exponent by which detail followed the last change of a factor; the ``known`` one where it hardly changed."""
    return known if abs(math.log(factor)) < 0.005 else _within(math.log(gain) / math.log(factor), RESPONSES)


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])


# ------------------------------------------------------------------ the command line


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m layered.training.calibrate",
        description="Scale what the levels of a checkpoint add until its pictures have as much detail as real ones.",
    )
    parser.add_argument("--checkpoint", required=True, help="a folder or a name on the hub")
    parser.add_argument("--data", nargs="*", default=[], help="real pictures with captions, as for python -m layered.training")
    parser.add_argument("--count", type=int, default=32, help="pictures to draw in each round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="corrections, then it is measured once more (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pictures")
    parser.add_argument("--text-encoder", help="folder of the text encoder, if it is not the installed one")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    parser.add_argument("--export", type=Path, required=True, help="folder of the new checkpoint")
    parser.add_argument("--over", help="write only what differs from this checkpoint, which then has to be beside the new one")
    options = parser.parse_args(arguments)
    if options.count < 1 or options.rounds < 1:
        parser.error("--count and --rounds are at least 1")
    if Path(options.checkpoint).resolve() == options.export.resolve():
        parser.error("--export would overwrite the checkpoint that is calibrated: choose another folder")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Calibrate, print every round, export."""
    options = parse(arguments)
    torch.set_num_threads(max(1, options.threads))
    try:
        check_device(options.device)
        pipeline = LayeredPipeline.from_pretrained(options.checkpoint, text_encoder=options.text_encoder, device=options.device)
        if options.over:
            other_beside(options.export, options.over, pipeline.model.config)  # says now what saving would refuse
        pictures, captions = _real(options, pipeline.scales)
        with tqdm(total=(options.rounds + 1) * options.count, unit="picture") as bar:
            rounds = calibrate(pipeline, pictures, captions, options.rounds, bar.update)
    except (CheckpointError, ImportError, OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    factors = dict.fromkeys(rounds[0].factors, 1.0)
    for found in rounds:
        print("; ".join(f"{size}: factor {factors[size]:.3f}, detail {found.detail[size]:.2f} of real" for size in factors))
        factors = found.factors
    training = dict(pipeline.meta["training"])
    before = training.get("detail", {})
    training["detail"] = {str(size): round(factor * before.get(str(size), 1.0), 4) for size, factor in factors.items()}
    save_checkpoint(options.export, pipeline.model, pipeline.meta | {"training": training}, over=options.over)
    print(f"Wrote {options.export}.")


def _real(options: argparse.Namespace, scales: Sequence[int]) -> tuple[dict[int, Tensor], list[str]]:
    """Pictures of the data at every scale, with their captions; ValueError where it has none that are large enough."""
    source = open_sources(options.data, scales, options.seed, "cpu")[-1]
    if source.size < scales[-1]:
        raise ValueError(f"--data: the pictures have {source.size} pixels, the checkpoint draws {scales[-1]}: give larger ones.")
    pictures, captions = source.draw(options.count, torch.Generator().manual_seed(options.seed))
    return image_pyramid(pictures, scales), captions


if __name__ == "__main__":
    main()
