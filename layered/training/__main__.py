"""The command line of training: ``python -m layered.training --run FOLDER --minutes 60 8 10 8 8 6``."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path

import torch

from layered.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from layered.presets import MODELS
from layered.text import TextEncoder
from layered.training.captions import CaptionMemory
from layered.training.loop import Trainer, new_model, stacked
from layered.training.plan import StageConfig, TrainConfig, fast_bfloat16, stacking_plan
from layered.training.sheet import SHEET_PROMPTS, draw_sheet
from layered.training.sources import Source, open_sources
from layered.training.state import Progress
from layered.training.team import Team
from layered.unet import LayeredUNet


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m layered.training", description="Train a layered diffusion model by stacking."
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of the run; a run that was stopped goes on from it")
    parser.add_argument("--model", choices=sorted(MODELS), help="architecture preset (default: compact)")
    parser.add_argument("--top", type=int, help="finest scale in pixels (default: the preset's)")
    parser.add_argument(
        "--init", help="checkpoint to start from; with --model only its levels that are the same there, from the base up"
    )
    parser.add_argument("--at-once", type=int, default=1, help="levels that a stage adds at once (default: 1)")
    parser.add_argument(
        "--data",
        nargs="*",
        default=[],
        help="caches made by python -m layered.world --cache, folders of pictures with metadata.jsonl, or names of text-image "
        "sets on the hub, which are streamed (default: vistas rendered on the way)",
    )
    parser.add_argument(
        "--minutes", type=float, nargs="+", help="budget of each stage: the base, the levels above it, then the joint one"
    )
    parser.add_argument("--pictures", type=int, nargs="+", help="the same in pictures seen instead of minutes")
    parser.add_argument("--batch", type=int, nargs="+", help="batch size of each stage")
    parser.add_argument("--lr", type=float, nargs="+", help="learning rate of each stage")
    parser.add_argument("--crop", type=int, default=128, help="side of the crops of the upper scales in pixels")
    parser.add_argument("--text-encoder", help="folder or name of the text encoder (default: the bundled MiniLM)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    parser.add_argument("--sheet-minutes", type=float, default=6.0, help="minutes between two sample sheets")
    parser.add_argument("--export", type=Path, help="write the finished model as a checkpoint to this folder")
    options = parser.parse_args(arguments)
    if (options.minutes is None) == (options.pictures is None):
        parser.error("give the budget of each stage, either --minutes or --pictures")
    if options.init and options.top and not options.model:
        parser.error("--init brings its own network: leave out --top, or name the new one with --model")
    if options.at_once < 1:
        parser.error("--at-once is a number of levels: at least 1")
    if options.init and options.export and Path(options.init).resolve() == options.export.resolve():
        parser.error("--export would overwrite the checkpoint that --init starts from: choose another folder")
    return options


def make_plan(options: argparse.Namespace, model: LayeredUNet) -> tuple[StageConfig, ...]:
    """The stacking plan with the budgets of the command line; a budget of 0 leaves a stage out."""
    stages = stacking_plan(model.config, crop=options.crop, at_once=options.at_once)
    changes: list[dict] = [{} for _ in stages]
    for name in ("minutes", "pictures", "batch", "lr"):
        values = getattr(options, name)
        if values is None:
            continue
        if len(values) != len(stages):
            raise SystemExit(f"--{name}: expected {len(stages)} values ({', '.join(s.name for s in stages)}), got {len(values)}.")
        for change, value in zip(changes, values, strict=True):
            change[name] = value
    planned = (dataclasses.replace(stage, **change) for stage, change in zip(stages, changes, strict=True))
    return tuple(stage for stage in planned if stage.minutes or stage.pictures)


def starting_point(options: argparse.Namespace) -> tuple[LayeredUNet, dict]:
    """The network to train and its ``meta``: a checkpoint's, a fresh one's, which is empty, or fresh levels on a checkpoint's."""
    fresh = None
    if options.model or not options.init:
        fresh = new_model(MODELS[options.model or "compact"](options.top), options.seed)
    if not options.init:
        return fresh, {}
    try:
        model, meta = load_checkpoint(options.init)
        return (model, meta) if fresh is None else (stacked(fresh, model), meta)
    except (CheckpointError, ValueError) as error:
        raise SystemExit(f"--init: {error}") from error


def sheet_prompts(source: Source) -> list[str]:
    """What the sheets show: fixed prompts of the vistas, or captions of other pictures."""
    if source.own_prompts:
        return source.draw(len(SHEET_PROMPTS), torch.Generator().manual_seed(0))[1]
    return list(SHEET_PROMPTS)


def main(arguments: list[str] | None = None) -> None:
    """Train, draw sheets, export."""
    options = parse(arguments)
    team = Team(options.device)
    options.device = team.device
    torch.set_num_threads(max(1, options.threads // team.count))
    model, start = starting_point(options)
    encoder = TextEncoder.from_pretrained(options.text_encoder or start.get("text_encoder"), device=options.device)
    if encoder.width != model.config.text_width:
        raise SystemExit(f"The text encoder {encoder.name} is {encoder.width} wide, the network takes {model.config.text_width}.")
    plan = make_plan(options, model)
    try:
        sources = open_sources(options.data, model.config.scales, options.seed, options.device)
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f"--data: {error}") from error
    autocast = fast_bfloat16(options.device)
    sheet_text = encoder.encode(sheet_prompts(sources[0])).to(options.device)
    last_sheet = [0.0]

    def on_checkpoint(average: LayeredUNet, stage: StageConfig, progress: Progress) -> None:
        finished = progress.step == 0
        if not finished and time.monotonic() - last_sheet[0] < 60 * options.sheet_minutes:
            return
        last_sheet[0] = time.monotonic()
        name = f"{stage.name}-{'end' if finished else f'{progress.pictures:08d}'}.png"
        text = sheet_text if stage.top <= 128 else sheet_text.first(4)  # large pictures cost minutes on a CPU
        draw_sheet(average, text, stage.top, options.run / "sheets" / name, options.device)

    trainer = Trainer(
        model,
        plan,
        TrainConfig(seed=options.seed, autocast=autocast),
        sources,
        CaptionMemory(encoder.encode, options.device, autocast=autocast),
        options.run,
        options.device,
        on_checkpoint=on_checkpoint,
        compile_model=options.compile,
        team=team,
    )
    progress = trainer.run()
    if options.export and team.leads:
        behind = start.get("training", {}).get("stages", [])
        meta = {
            "text_encoder": encoder.name,
            "preset": trainer.config.preset,
            "vocabulary": sorted({*start.get("vocabulary", ()), *(word for source in sources for word in source.words)}),
            "training": {
                "stages": [*behind, *progress.history],
                "seed": options.seed,
                "device": options.device,
            },
        }
        save_checkpoint(options.export, model, meta)
        print(f"Wrote {options.export}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters.")


if __name__ == "__main__":
    main()
