"""The command line: ``python -m layered.evaluation COMMAND``, one command per measurement."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from layered.command_line import check_device, open_folder
from layered.config import PRESETS, SOLVERS, SampleConfig
from layered.cost import beside_paper, beside_twin, measure_config
from layered.evaluation.ablations import ABLATIONS
from layered.evaluation.accuracy import prompt_accuracy
from layered.evaluation.leak import leaks_of
from layered.evaluation.loss import LOGSNRS, WORLD_SEED, detail_errors, unseen_losses
from layered.evaluation.matched import compare_command, floor_measures, run_ablations
from layered.evaluation.metrics import wilson_interval
from layered.evaluation.probe import ProbeConfig, load_probe, save_probe
from layered.evaluation.probe_training import measure_probe, probe_card, train_probe
from layered.evaluation.prompts import PROMPT_SETS, draw_prompts
from layered.evaluation.sheet import SHEET_PROMPTS, draw_sheet
from layered.evaluation.speed import default_settings, pass_times, peak_memory, speed_table
from layered.pipeline import LayeredPipeline
from layered.presets import MODELS
from layered.schedule import Schedule

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
    leak = commands.add_parser("leak", help="whether upper levels read the clean picture off the shared noise")
    leak.add_argument("--pictures", type=int, default=16)
    leak.add_argument("--preset", choices=PRESETS, nargs="+", default=["aligned", "paper"], help="schedules to look at")
    leak.add_argument("--t", type=float, nargs="+", default=[0.8, 0.9, 0.95], help="diffusion times")
    accuracy = commands.add_parser("accuracy", help="whether pictures show what their prompts state, by the attribute probe")
    accuracy.add_argument("--probe", type=Path, default=PROBE, help="folder of the attribute probe")
    accuracy.add_argument("--prompts", type=int, default=96, help="prompts of each set")
    accuracy.add_argument("--sets", choices=PROMPT_SETS, nargs="+", default=list(PROMPT_SETS))
    quality = commands.add_parser("quality", help="report: pictures against renders, prompt accuracy, memorisation")
    _add_quality(quality)
    for command in (sheet, accuracy, quality):
        command.add_argument("--guidance", type=float, help="of the runs (default, as of the next two: the checkpoint's usual)")
        command.add_argument("--solver", choices=SOLVERS)
        command.add_argument("--steps", type=int)
    for command in (speed, sheet, loss, detail, leak, accuracy, quality):
        command.add_argument("--checkpoint", default="checkpoints/vista-512")
    _add_ablations(commands)
    probe = commands.add_parser("probe", help="train the attribute probe, or measure it on held-out renders")
    _add_probe(probe)
    for command in (speed, sheet, loss, detail, leak, accuracy, quality, probe):
        command.add_argument("--threads", type=int, help="CPU threads")
        command.add_argument("--device", default="cpu")
    return parser.parse_args(arguments)


def _add_quality(quality: argparse.ArgumentParser) -> None:
    quality.add_argument("--out", type=Path, required=True, help="folder for report.json, report.md and figures")
    quality.add_argument("--probe", type=Path, default=PROBE, help="folder of the attribute probe")
    quality.add_argument("--pictures", type=int, default=64, help="pictures that are compared with renders, per seed")
    quality.add_argument("--seeds", type=int, default=3)
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


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    options = parse(arguments)
    try:
        _run(options)
    except (ValueError, RuntimeError, OSError) as error:  # of a checkpoint, a number, a command, a file: sentences for people
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.command == "flops" and options.paper:
        for row in beside_paper(MODELS["paper-scale"]()):
            print(json.dumps({name: _rounded(value, 3) for name, value in row.items()}))
        return
    if options.command == "flops":
        config = MODELS[options.model]()
        for row in beside_twin(measure_config(config), options.sizes or config.all_sizes[-2:]):
            times = pass_times(config.upto(row["top"]), options.rounds) if options.rounds else {}
            print(json.dumps(row | {name: _rounded(value) for name, value in times.items()}))
        return
    if options.command == "ablations":
        open_folder(options.out)
        _ablations(options)
        return
    if options.command == "compare":
        open_folder(options.out.parent)
        compare_command(options.checkpoint, options.probe, options.settings, options.pictures, options.seed, options.out)
        return
    check_device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.command == "probe":
        _train(options) if options.train else _measure(options)
        return
    if options.command in ("quality", "accuracy"):
        (_quality if options.command == "quality" else _accuracy)(options)
        return
    pipeline = LayeredPipeline.from_pretrained(options.checkpoint, device=options.device)
    if options.command == "speed":
        for row in speed_table(pipeline, SHEET_PROMPTS[0], default_settings(pipeline), options.repeats):
            print(json.dumps(row))
        print(json.dumps({"threads": torch.get_num_threads(), "peak_memory_mib": round(peak_memory())}))
    elif options.command == "loss":
        for size, loss in unseen_losses(pipeline, options.pictures, options.world, options.up_to).items():
            row = {"scale": size} | loss._asdict()
            print(json.dumps({name: _rounded(value) for name, value in row.items()}))
    elif options.command == "leak":
        for preset, t in itertools.product(options.preset, options.t):
            schedule = Schedule.preset(preset, pipeline.scales)
            for pair, leak in leaks_of(pipeline, schedule, t, options.pictures).items():
                row = {"preset": preset, "t": t, "scales": pair, "rho": schedule.rho(t)[pair]} | leak._asdict()
                print(json.dumps({name: _rounded(value, 3) for name, value in row.items()}))
    elif options.command == "detail":
        for size, row in detail_errors(pipeline, options.pictures, options.logsnr).items():
            for logsnr, (error, enlarged) in row.items():
                ratio = {"enlarged": round(enlarged, 6), "ratio": round(error / enlarged, 3)} if enlarged else {}
                print(json.dumps({"scale": size, "logsnr": logsnr, "error": round(error, 6)} | ratio))
    else:
        prompts = [prompt.text for prompt in draw_prompts(options.set, options.count)] if options.set else SHEET_PROMPTS
        draw_sheet(pipeline, prompts, _config(options, pipeline), options.sizes, options.out, options.cell, options.columns)
        if options.set:
            print("\n".join(f"{number}. {prompt}" for number, prompt in enumerate(prompts, 1)))
        print(f"Wrote {options.out}")


def _rounded(value: Any, digits: int = 4) -> Any:
    if isinstance(value, tuple):
        return [_rounded(one, digits) for one in value]
    return round(value, digits) if isinstance(value, float) else value


def _config(options: argparse.Namespace, pipeline: LayeredPipeline) -> SampleConfig:
    """The checkpoint's usual settings, but for those that were given."""
    given = {name: getattr(options, name) for name in ("guidance", "solver", "steps")}
    return dataclasses.replace(pipeline.usual, **{name: value for name, value in given.items() if value is not None})


def _ablations(options: argparse.Namespace) -> None:
    from layered.evaluation.ablation_report import write_ablations  # here, for it alone needs matplotlib

    results = run_ablations(
        options.only,
        options.data,
        options.out,
        probe=options.probe,
        pictures=options.training_pictures,
        judged=options.pictures,
        seeds=options.seeds,
        jobs=options.jobs,
        states=options.text_states,
        base=options.base,
    )
    grounds = {arm.ground for ablation in ABLATIONS for arm in ablation.arms}
    saw = ", ".join(
        f"{ground.name}: {round(ground.pictures * options.training_pictures):,}" for ground in sorted(grounds, key=str)
    )
    about = (
        f"Pictures seen in training (or as much compute): {saw}. {options.seeds} seeds, each judged by {options.pictures} "
        "pictures. Mean ± half of the 95 % interval over the seeds."
    )
    probe = load_probe(options.probe)
    floors = {top: floor_measures(probe, top, options.pictures) for top in sorted({ground.top for ground in grounds})}
    write_ablations(results, floors, about, options.out)
    print(f"Wrote {options.out / 'ablations.md'}")


def _accuracy(options: argparse.Namespace) -> None:
    probe = load_probe(options.probe, options.device)
    pipeline = LayeredPipeline.from_pretrained(options.checkpoint, device=options.device)
    with tqdm(total=options.prompts * len(options.sets), unit="picture") as bar:
        results = prompt_accuracy(pipeline, probe, options.prompts, _config(options, pipeline), bar.update, options.sets)
    for which, table in results.items():
        for name, one in table.items():
            low, high = one.interval
            row = {"set": which, "attribute": name, "claims": one.claims, "drawn": one.drawn, "low": low, "high": high}
            row |= {"luck": one.luck, "ceiling": one.rendered}
            print(json.dumps({key: _rounded(value, 3) for key, value in row.items()}))


def _quality(options: argparse.Namespace) -> None:
    from layered.evaluation.report import write_report  # here, for it alone needs matplotlib

    probe = load_probe(options.probe, options.device)
    pipeline = LayeredPipeline.from_pretrained(options.checkpoint, device=options.device)
    training = None if options.training_world is None else (options.training_world, options.training_pictures)
    write_report(
        pipeline,
        probe,
        options.out,
        count=options.pictures,
        seeds=options.seeds,
        prompts=options.prompts,
        config=_config(options, pipeline),
        training=training,
        fid_weights=options.fid_weights,
        clip=options.clip,
    )
    print(f"Wrote {options.out / 'report.md'}")


def _train(options: argparse.Namespace) -> None:
    config = ProbeConfig(size=options.size)
    open_folder(options.out)
    probe, took = train_probe(config, minutes=options.minutes, caches=options.cache, device=options.device, seed=options.seed)
    measured = measure_probe(probe, options.pictures)
    save_probe(options.out, probe, probe_card(probe, took, measured, _training_command(options)))
    print(json.dumps(took))
    _print_accuracies(measured)
    print(f"Wrote {options.out}")


def _training_command(options: argparse.Namespace) -> str:
    """The command that trained a probe, without what only the machine decides."""
    parts = ["python -m layered.evaluation probe --train", f"--minutes {options.minutes:g}", f"--size {options.size}"]
    parts += [f"--cache {' '.join(map(str, options.cache))}"] if options.cache else []
    parts += [f"--seed {options.seed}"] if options.seed else []
    return " ".join([*parts, f"--out {options.out}"])


def _measure(options: argparse.Namespace) -> None:
    _print_accuracies(measure_probe(load_probe(options.probe, options.device), options.pictures))


def _print_accuracies(measured: dict[str, tuple[int, int]]) -> None:
    for name, (right, asked) in measured.items():
        low, high = wilson_interval(right, asked)
        share = round(right / asked, 4) if asked else None
        print(json.dumps({"attribute": name, "asked": asked, "accuracy": share, "low": round(low, 4), "high": round(high, 4)}))


if __name__ == "__main__":
    sys.exit(main())
