"""The command line: ``python -m layered.evaluation COMMAND``, one command per measurement."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from typing import Any

import torch
from tqdm import tqdm

from layered.command_line import check_device, open_folder
from layered.config import SampleConfig
from layered.cost import beside_paper, beside_twin, measure_config
from layered.evaluation.ablations import ABLATIONS
from layered.evaluation.accuracy import prompt_accuracy
from layered.evaluation.leak import leaks_of
from layered.evaluation.loss import detail_errors, unseen_losses
from layered.evaluation.matched import compare_command, floor_measures, run_ablations
from layered.evaluation.metrics import wilson_interval
from layered.evaluation.options import parse
from layered.evaluation.probe import ProbeConfig, load_probe, save_probe
from layered.evaluation.probe_training import measure_probe, probe_card, train_probe
from layered.evaluation.prompts import draw_prompts
from layered.evaluation.sheet import SHEET_PROMPTS, draw_sheet
from layered.evaluation.speed import default_settings, pass_times, peak_memory, speed_table
from layered.evaluation.upscale import upscale
from layered.pipeline import LayeredPipeline
from layered.presets import MODELS
from layered.schedule import Schedule


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
    elif options.command == "upscale":
        for size, found in upscale(pipeline, options.pictures, _config(options, pipeline)).items():
            ratio = {"ratio": round(found.error / found.enlarged, 3), "agreement": round(found.agreement, 1)}
            print(json.dumps({"scale": size, "error": round(found.error, 6), "enlarged": round(found.enlarged, 6)} | ratio))
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
    names = ("guidance", "guidance_parallel", "detail", "preset", "solver", "steps")
    given = {name: getattr(options, name, None) for name in names}
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
        config = _config(options, pipeline)
        results = prompt_accuracy(pipeline, probe, options.prompts, config, bar.update, options.sets, options.reworded)
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
    config = _config(options, pipeline)
    if options.up_to is not None:
        config = dataclasses.replace(config, scales=pipeline.scales_up_to(options.up_to))
    training = None if options.training_world is None else (options.training_world, options.training_pictures)
    write_report(
        pipeline,
        probe,
        options.out,
        count=options.pictures,
        seeds=options.seeds,
        prompts=options.prompts,
        config=config,
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
