"""What the commands of training and of distillation share: options, budgets, the run itself and its export."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from layered.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from layered.config import SampleConfig
from layered.text import TextEncoder
from layered.training.captions import CaptionMemory, Encode, ResidentStates, StoredStates, captions_of
from layered.training.errors import TrainingError
from layered.training.loop import Trainer, new_model
from layered.training.plan import StageConfig, TrainConfig
from layered.training.sheet import SHEET_PROMPTS, draw_sheet
from layered.training.sources import CAPTIONS_EACH, Source, open_sources
from layered.training.state import Progress
from layered.training.team import Team
from layered.unet import LayeredUNet


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that both commands have."""
    parser.add_argument("--run", type=Path, required=True, help="folder of the run; a run that was stopped goes on from it")
    parser.add_argument(
        "--data",
        nargs="*",
        default=[],
        help="caches made by python -m layered.world --cache, folders of pictures with metadata.jsonl, or names of text-image "
        "sets on the hub, which are streamed (default: vistas rendered on the way)",
    )
    parser.add_argument(
        "--resident",
        action="store_true",
        help="hold the caches and the states of all their captions in the device's memory: for accelerators, which would "
        "otherwise wait for them",
    )
    parser.add_argument(
        "--captions",
        type=int,
        default=CAPTIONS_EACH,
        help=f"captions of each picture of a cache, which are drawn from in turn (default: {CAPTIONS_EACH}); with --resident all "
        "are encoded beforehand, which takes time",
    )
    parser.add_argument("--minutes", type=float, nargs="+", help="budget of each stage")
    parser.add_argument("--pictures", type=int, nargs="+", help="the same in pictures seen instead of minutes")
    parser.add_argument("--batch", type=int, nargs="+", help="batch size of each stage")
    parser.add_argument("--lr", type=float, nargs="+", help="learning rate of each stage")
    parser.add_argument("--text-encoder", help="folder or name of the text encoder (default: the checkpoint's, or MiniLM)")
    parser.add_argument(
        "--text-states", type=Path, help="folder that python -m layered.training.captions wrote: the text encoder is not loaded"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    parser.add_argument(
        "--compile",
        type=int,
        nargs="?",
        default=0,
        const=10**6,
        metavar="STAGES",
        help="torch.compile the network in the first so many stages (no number: in all); each compiles for up to a minute",
    )
    parser.add_argument("--sheet-minutes", type=float, default=6.0, help="minutes between two sample sheets; 0: none")
    parser.add_argument("--export", type=Path, help="write the finished model as a checkpoint to this folder")


def check_options(parser: argparse.ArgumentParser, options: argparse.Namespace, start: str | None) -> None:
    """Stops with a sentence unless there is one budget, its numbers end a run, and the export leaves alone the checkpoint that
    the run starts from."""
    if (options.minutes is None) == (options.pictures is None):
        parser.error("give the budget of each stage, either --minutes or --pictures")
    if start and options.export and Path(start).resolve() == options.export.resolve():
        parser.error("--export would overwrite the checkpoint that the run starts from: choose another folder")
    if options.text_states and options.text_encoder:
        parser.error("--text-states says which encoder they are of: leave out --text-encoder")
    for name in ("minutes", "pictures"):
        if not all(0 <= value < math.inf for value in getattr(options, name) or ()):
            parser.error(f"--{name} are numbers from 0 up")
    if options.captions < 1:
        parser.error("--captions is a number of captions: at least 1")
    if not all(batch >= 1 for batch in options.batch or ()):
        parser.error("--batch is a number of pictures: at least 1")
    if not all(0 < rate < math.inf for rate in options.lr or ()):
        parser.error("--lr is a number above 0")


def with_budgets(stages: Sequence[StageConfig], options: argparse.Namespace) -> tuple[StageConfig, ...]:
    """The stages with the budgets of the command line; a budget of 0 leaves a stage out. SystemExit where none is left."""
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
    kept = tuple(stage for stage in planned if stage.minutes or stage.pictures)
    if not kept:
        raise SystemExit("All budgets are 0: there is nothing to train.")
    return kept


def load_start(option: str, name: str) -> tuple[LayeredUNet, dict]:
    """The checkpoint that an option names; SystemExit with a sentence where there is none."""
    try:
        return load_checkpoint(name)
    except CheckpointError as error:
        raise SystemExit(f"{option}: {error}") from error


def make_team(options: argparse.Namespace) -> Team:
    """The processes of this run, with the device and the threads that are this one's."""
    team = Team(options.device)
    options.device = team.device
    torch.set_num_threads(max(1, options.threads // team.count))
    return team


def open_text(options: argparse.Namespace, named: str | None, autocast: bool) -> tuple[str, int, Encode]:
    """Name and width of the text encoder, and what encodes a batch of captions: states from disk, or the encoder itself.

    ``named``: the encoder of the checkpoint that is started from, which is the default.
    """
    option = "--text-states" if options.text_states else "--text-encoder"
    try:
        if not options.text_states:
            encoder = TextEncoder.from_pretrained(options.text_encoder or named, device=options.device)
            encode = encoder.encode
            if not options.resident:  # which encodes all captions beforehand
                encode = CaptionMemory(encode, options.device, autocast=autocast)
            return encoder.name, encoder.width, encode
        stored = StoredStates(options.text_states)
        if named and stored.encoder != named:
            raise ValueError(f"The states are of {stored.encoder}, but the checkpoint was trained with {named}.")
        return stored.encoder, stored.width, stored
    except ValueError as error:
        raise SystemExit(f"{option}: {error}") from error


def sheet_prompts(source: Source) -> list[str]:
    """What the sheets show: fixed prompts of the vistas, or captions of other pictures."""
    return source.prompts(len(SHEET_PROMPTS)) or list(SHEET_PROMPTS)


def carry_out(
    options: argparse.Namespace,
    team: Team,
    model: LayeredUNet,
    start: Mapping[str, Any],
    plan: Sequence[StageConfig],
    config: TrainConfig,
    *,
    kind: Callable[..., Trainer] = Trainer,
    sheet: Callable[[StageConfig], SampleConfig],
    more: Mapping[str, Any] | None = None,
    over: str | None = None,
) -> None:
    """Train ``model`` by a trainer of this ``kind``, draw sheets with the settings that ``sheet`` has for a stage, and export.

    ``start``: meta of the checkpoint that the run starts from, empty for a fresh network; ``more``: what the new one's says
    beyond that; ``over``: the checkpoint that it holds the differences from, if it is not to be whole.
    """
    encoder, width, encode = open_text(options, start.get("text_encoder"), config.autocast)
    if width != model.config.text_width and not start:  # a fresh network takes states of any width
        model = new_model(dataclasses.replace(model.config, text_width=width), options.seed)
    if width != model.config.text_width:
        raise SystemExit(f"The text encoder {encoder} is {width} wide, the network takes {model.config.text_width}.")
    try:
        sources = open_sources(
            options.data, model.config.scales, options.seed, options.device, options.resident, options.captions
        )
        if options.text_states:
            captions_of(sources)  # refuses captions without end
        if options.resident:
            encode = ResidentStates(encode, captions_of(sources, bool(config.mirror)), options.device)
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f"--data: {error}") from error
    sheet_text = encode(sheet_prompts(sources[0])).to(options.device)
    last_sheet = [0.0]

    def on_checkpoint(average: LayeredUNet, stage: StageConfig, progress: Progress) -> None:
        finished = progress.step == 0
        if not options.sheet_minutes:
            return
        if not finished and time.monotonic() - last_sheet[0] < 60 * options.sheet_minutes:
            return
        last_sheet[0] = time.monotonic()
        name = f"{stage.name}-{'end' if finished else f'{progress.pictures:08d}'}.png"
        text = sheet_text if stage.top <= 128 else sheet_text.first(4)  # large pictures cost minutes on a CPU
        settings = dataclasses.replace(sheet(stage), **config.learnt)
        draw_sheet(average, text, stage.top, options.run / "sheets" / name, options.device, settings)

    try:
        trainer = kind(
            model,
            plan,
            config,
            sources,
            encode,
            options.run,
            options.device,
            on_checkpoint=on_checkpoint,
            compiled=options.compile,
            team=team,
        )
    except ValueError as error:
        raise SystemExit(str(error)) from error
    try:
        progress = trainer.run()
    except TrainingError as error:
        raise SystemExit(str(error)) from error
    if options.export and team.leads:
        behind = start.get("training", {}).get("stages", [])
        summary = {"stages": [*behind, *progress.history], "seed": options.seed, "device": options.device}
        meta = {
            "text_encoder": encoder,
            "preset": config.preset,
            "vocabulary": sorted({*start.get("vocabulary", ()), *(word for source in sources for word in source.words)}),
            "training": summary | ({"options": changed} if (changed := _changed(config)) else {}),
            **({"usual": config.learnt} if config.learnt else {}),
            **(more or {}),
        }
        save_checkpoint(options.export, model, meta, over=over)
        print(f"Wrote {options.export}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters.")


def _changed(config: TrainConfig) -> dict[str, Any]:
    """The settings that are not the usual ones, besides the seed and what only the machine decides."""
    usual = dataclasses.asdict(TrainConfig())
    return {k: v for k, v in dataclasses.asdict(config).items() if v != usual[k] and k not in ("seed", "autocast")}
