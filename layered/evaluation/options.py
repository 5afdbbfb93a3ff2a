"""What ``python -m layered.evaluation`` takes: one command per measurement, and its options."""

from __future__ import annotations

import argparse
from pathlib import Path

from layered.config import PRESETS, SOLVERS
from layered.evaluation.ablations import ABLATIONS
from layered.evaluation.loss import LOGSNRS, WORLD_SEED
from layered.evaluation.probe import ProbeConfig
from layered.evaluation.prompts import PROMPT_SETS
from layered.presets import MODELS

PROBE = Path("checkpoints/probe")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(prog="python -m layered.evaluation", description="Measure a layered diffusion model.")
    commands = parser.add_subparsers(dest="command", required=True)
    flops = commands.add_parser("flops", help="GFLOP per forward pass, layered beside its single-resolution twin")
    flops.add_argument("--model", choices=sorted(MODELS), default="compact")
    flops.add_argument("--sizes", type=int, nargs="+", help="top sizes in pixels (default: the two finest)")
    flops.add_argument("--paper", action="store_true", help="table 1 of the paper beside the preset paper-scale, in TFLOP")
    flops.add_argument("--rounds", type=int, metavar="N", help="also seconds of a pass of both, in N turns (untrained networks)")
    speed = commands.add_parser("speed", help="seconds per picture, time to the first preview, peak memory")
    speed.add_argument("--repeats", type=int, default=3)
    sheet = commands.add_parser("sheet", help="an unpicked sheet of prompts and scales")
    sheet.add_argument("--out", type=Path, required=True, help="picture file")
    sheet.add_argument("--sizes", type=int, nargs="+", help="scales that are shown, in pixels (default: the three finest)")
    sheet.add_argument("--cell", type=int, default=256, help="pixels of a picture on the sheet")
    sheet.add_argument("--set", choices=PROMPT_SETS, help="prompts of this set of the accuracy in place of the usual sixteen")
    sheet.add_argument("--count", type=int, default=64, help="how many prompts of the set")
    sheet.add_argument("--columns", type=int, default=1, help="prompts side by side")
    loss = commands.add_parser("loss", help="loss per scale on vistas that no training run has seen")
    loss.add_argument("--pictures", type=int, default=256)
    loss.add_argument(
        "--world",
        type=int,
        default=WORLD_SEED,
        metavar="SEED",
        help="of the vistas; a training set's shows overfitting",
    )
    loss.add_argument("--up-to", type=int, metavar="PIXELS", help="the finest scale that is looked at (default: all are)")
    detail = commands.add_parser("detail", help="what each level adds to the one below, by noise level, on unseen vistas")
    detail.add_argument("--pictures", type=int, default=12)
    detail.add_argument("--logsnr", type=float, nargs="+", default=list(LOGSNRS), help="noise levels, of the scale itself")
    upscale = commands.add_parser("upscale", help="the levels without the base: finer scales on real pictures of the coarsest")
    upscale.add_argument("--pictures", type=int, default=6)
    leak = commands.add_parser("leak", help="whether upper levels read the clean picture off the shared noise")
    leak.add_argument("--pictures", type=int, default=16)
    leak.add_argument("--preset", choices=PRESETS, nargs="+", default=["aligned", "paper"], help="schedules to look at")
    leak.add_argument("--t", type=float, nargs="+", default=[0.8, 0.9, 0.95], help="diffusion times")
    accuracy = commands.add_parser("accuracy", help="whether pictures show what their prompts state, by the attribute probe")
    accuracy.add_argument("--probe", type=Path, default=PROBE, help="folder of the attribute probe")
    accuracy.add_argument("--prompts", type=int, default=96, help="prompts of each set")
    accuracy.add_argument("--sets", choices=PROMPT_SETS, nargs="+", default=list(PROMPT_SETS))
    accuracy.add_argument(
        "--reworded", action="store_true", help="words that no caption had are first put in the nearest ones that captions had"
    )
    quality = commands.add_parser("quality", help="report: pictures against renders, prompt accuracy, memorisation")
    _add_quality(quality)
    for command in (sheet, accuracy, quality):
        command.add_argument("--guidance", type=float, help="of the runs (default, as of the next five: the checkpoint's usual)")
        command.add_argument("--guidance-parallel", type=float, help="how much it may harden contrast; 1: classifier-free")
    for command in (upscale, sheet, accuracy, quality):
        command.add_argument("--detail", type=float, help="weight of what the levels above the base add; 1 as trained")
        command.add_argument("--preset", choices=PRESETS, help="schedule preset")
        command.add_argument("--solver", choices=SOLVERS)
        command.add_argument("--steps", type=int)
    for command in (speed, sheet, loss, detail, upscale, leak, accuracy, quality):
        command.add_argument("--checkpoint", default="checkpoints/vista-512")
    _add_ablations(commands)
    probe = commands.add_parser("probe", help="train the attribute probe, or measure it on held-out renders")
    _add_probe(probe)
    for command in (speed, sheet, loss, detail, upscale, leak, accuracy, quality, probe):
        command.add_argument("--threads", type=int, help="CPU threads")
        command.add_argument("--device", default="cpu")
    return parser.parse_args(arguments)


def _add_quality(quality: argparse.ArgumentParser) -> None:
    quality.add_argument("--out", type=Path, required=True, help="folder for report.json, report.md and figures")
    quality.add_argument("--probe", type=Path, default=PROBE, help="folder of the attribute probe")
    quality.add_argument("--pictures", type=int, default=64, help="pictures that are compared with renders, per seed")
    quality.add_argument("--seeds", type=int, default=3)
    quality.add_argument("--up-to", type=int, metavar="PIXELS", help="the finest scale that is drawn (default: all are)")
    quality.add_argument("--prompts", type=int, default=96, help="prompts of each set for prompt accuracy")
    quality.add_argument(
        "--training-world", type=int, metavar="SEED", help="world seed of the training pictures: looks for copies"
    )
    quality.add_argument("--training-pictures", type=int, default=1024, help="how many of them to compare with")
    quality.add_argument("--fid-weights", type=Path, metavar="FILE", help="Inception weights of torch-fidelity: adds FID and IS")
    quality.add_argument("--clip", type=Path, metavar="FOLDER", help="a CLIP model: adds the CLIP score")


def _add_ablations(commands: argparse._SubParsersAction) -> None:
    ablations = commands.add_parser("ablations", help="train matched small networks and compare them: the papers' claims, tested")
    names = [ablation.name for ablation in ABLATIONS]
    ablations.add_argument("--only", choices=names, nargs="+", default=names, help="some of them")
    ablations.add_argument("--data", nargs="+", required=True, help="caches of python -m layered.world, 128 pixels or more")
    ablations.add_argument("--out", type=Path, required=True, help="folder of the networks, the measures and the report")
    ablations.add_argument("--text-states", type=Path, help="folder that python -m layered.training.captions wrote: much faster")
    ablations.add_argument("--base", type=Path, help="checkpoint of a trained base of the miniature, for arms that start from it")
    ablations.add_argument("--seeds", type=int, default=3)
    ablations.add_argument(
        "--training-pictures", type=int, default=8000, help="that two levels on the base see; what is cheaper sees more"
    )
    ablations.add_argument("--jobs", type=int, default=2, help="processes at a time")
    compare = commands.add_parser("compare", help="measures of a small checkpoint beside renders, as the ablations take them")
    compare.add_argument("--checkpoint", required=True)
    compare.add_argument("--settings", default="{}", help="of the runs, as JSON")
    compare.add_argument("--seed", type=int, default=0)
    compare.add_argument("--out", type=Path, required=True, help="JSON file")
    for command in (ablations, compare):
        command.add_argument("--pictures", type=int, default=96, help="that are drawn to judge a network")
        command.add_argument("--probe", type=Path, default=PROBE, help="folder of the attribute probe")


def _add_probe(probe: argparse.ArgumentParser) -> None:
    task = probe.add_mutually_exclusive_group(required=True)
    task.add_argument("--train", action="store_true")
    task.add_argument("--measure", action="store_true", help="print its accuracy per attribute: the ceiling of prompt accuracy")
    probe.add_argument("--minutes", type=float, default=60.0, help="of training")
    probe.add_argument("--size", type=int, default=ProbeConfig().size, help="pixels a side of the pictures that it looks at")
    probe.add_argument("--cache", type=Path, nargs="+", default=(), help="caches of python -m layered.world to learn from")
    probe.add_argument("--seed", type=int, default=0)
    probe.add_argument("--out", type=Path, default=PROBE, help="folder of the probe that is trained")
    probe.add_argument("--probe", type=Path, default=PROBE, help="folder of the probe that is measured")
    probe.add_argument("--pictures", type=int, default=1000, help="renders to measure it on")
