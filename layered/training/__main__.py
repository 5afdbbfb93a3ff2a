"""The command line of training: ``python -m layered.training --run FOLDER --minutes 60 8 10 8 8 6``."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import get_args

from layered.config import PRESETS, ModelConfig, SampleConfig, model_config_from_dict
from layered.losses import WEIGHTINGS, LossConfig
from layered.presets import MODELS
from layered.training.command import add_options, carry_out, check_options, load_start, make_team, with_budgets
from layered.training.loop import new_model, stacked
from layered.training.plan import SHARED_NOISE, StageConfig, TimeDraw, TrainConfig, fast_bfloat16, joint_plan, stacking_plan
from layered.unet import LayeredUNet

USUAL = TrainConfig()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m layered.training",
        description="Train a layered diffusion model by stacking: stages for the base, the levels above it, and all together.",
    )
    add_options(parser)
    network = parser.add_argument_group("the network and its stages")
    network.add_argument(
        "--model", help=f"architecture: one of {', '.join(sorted(MODELS))} (default: compact), or a JSON file of one"
    )
    network.add_argument("--top", type=int, help="finest scale in pixels (default: the architecture's)")
    network.add_argument(
        "--single-resolution", action="store_true", help="its single-resolution twin, the baseline of the paper: one stage"
    )
    network.add_argument(
        "--init", help="checkpoint to start from; with --model only its levels that are the same there, from the base up"
    )
    network.add_argument("--at-once", type=int, default=1, help="levels that a stage adds at once (default: 1)")
    network.add_argument("--no-stacking", action="store_true", help="train all levels together from the start: one stage")
    network.add_argument("--crop", type=int, default=128, help="side of the crops of the upper scales in pixels; 0: full frames")
    _add_text_noise_and_loss(parser)
    options = parser.parse_args(arguments)
    check_options(parser, options, options.init)
    if options.init and options.top and not options.model:
        parser.error("--init brings its own network: leave out --top, or name the new one with --model")
    if options.init and options.single_resolution:
        parser.error("--init brings its own network: leave out --single-resolution, whose levels cannot be stacked")
    if options.at_once < 1:
        parser.error("--at-once is a number of levels: at least 1")
    if options.at_once > 1 and (options.no_stacking or options.single_resolution):
        parser.error("--at-once is for stacking: in one stage there is no level to add")
    if options.crop < 0:
        parser.error("--crop is a number of pixels, or 0 for full frames")
    return options


def _add_text_noise_and_loss(parser: argparse.ArgumentParser) -> None:
    text = parser.add_argument_group("text")
    text.add_argument(
        "--text-noise", type=float, default=USUAL.text_noise, help="noise on the text states, in units of their own deviation"
    )
    text.add_argument("--token-dropout", type=float, default=USUAL.token_dropout, help="fraction of the tokens that is hidden")
    text.add_argument(
        "--mirror",
        type=float,
        default=USUAL.mirror,
        help="fraction of the pictures that are shown mirrored, with «left» and «right» swapped in their captions",
    )
    noise = parser.add_argument_group("noise and schedule")
    noise.add_argument("--noise", choices=SHARED_NOISE, default=USUAL.noise, help="how the scales share their noise")
    noise.add_argument(
        "--independent",
        type=float,
        default=USUAL.independent,
        help=f"fraction of the samples whose scales have independent noise instead (default: {USUAL.independent:g})",
    )
    noise.add_argument(
        "--noise-slack",
        type=float,
        default=USUAL.noise_slack,
        help=f"up to this part of every scale's shared noise is its own, drawn per sample (default: {USUAL.noise_slack:g})",
    )
    noise.add_argument("--preset", choices=PRESETS, default=USUAL.preset, help="schedule preset of half the samples")
    noise.add_argument(
        "--other-preset", choices=PRESETS, default=USUAL.other_preset, help="the one that the other half reaches towards"
    )
    noise.add_argument(
        "--shift-jitter",
        type=float,
        default=USUAL.shift_jitter,
        help="half-width of the jitter of that half's shifts; with 0 and twice the same preset there is one schedule for all",
    )
    noise.add_argument(
        "--shifts",
        type=float,
        nargs="+",
        help="shift of every scale's log-SNR, coarse to fine, for all samples (default: presets)",
    )
    noise.add_argument(
        "--base-time",
        choices=get_args(TimeDraw),
        default="uniform",
        help="how times are drawn while the base is trained, or in the only stage",
    )
    loss = parser.add_argument_group("loss")
    loss.add_argument(
        "--loss",
        choices=WEIGHTINGS,
        default=USUAL.loss.weighting,
        help="the error that is squared: v, eps or x; sigmoid: eps, weighted by sigmoid(b − log-SNR); even: as large at every "
        "noise level (default)",
    )
    loss.add_argument(
        "--loss-bias", type=float, nargs="+", default=USUAL.loss.bias, help="b of --loss sigmoid: one, or one per scale"
    )
    loss.add_argument(
        "--multiscale-from",
        type=int,
        help="take the loss at the coarser sizes too, down to this one in pixels, weighted by 1/size",
    )
    loss.add_argument(
        "--scale-weights", type=float, nargs="+", help="weight of every scale's loss (default: each half the one below)"
    )


def train_config(options: argparse.Namespace) -> TrainConfig:
    """What holds for all stages; SystemExit with a sentence for a value that cannot be."""
    try:
        return TrainConfig(
            seed=options.seed,
            text_noise=options.text_noise,
            token_dropout=options.token_dropout,
            mirror=options.mirror,
            noise=options.noise,
            independent=options.independent,
            noise_slack=options.noise_slack,
            shift_jitter=options.shift_jitter,
            preset=options.preset,
            other_preset=options.other_preset,
            shifts=options.shifts,
            loss=LossConfig(options.loss, options.loss_bias, options.multiscale_from, options.scale_weights),
            autocast=fast_bfloat16(options.device),
        )
    except ValueError as error:
        raise SystemExit(str(error)) from error


def make_plan(options: argparse.Namespace, model: LayeredUNet) -> tuple[StageConfig, ...]:
    """The stages with the budgets of the command line."""
    if options.no_stacking:
        stages = joint_plan(model.config, crop=options.crop or None)
    else:
        stages = stacking_plan(model.config, crop=options.crop or None, at_once=options.at_once)
    return with_budgets([dataclasses.replace(stages[0], time=options.base_time), *stages[1:]], options)


def architecture(name: str, top: int | None) -> ModelConfig:
    """A preset, or what a JSON file says as a checkpoint's config does under «model»; SystemExit where it is neither."""
    try:
        if name in MODELS:
            return MODELS[name](top)
        config = model_config_from_dict(json.loads(Path(name).read_text(encoding="utf-8")))
        return config if top is None else config.upto(top)
    except OSError as error:
        raise SystemExit(f"--model: {name!r} is neither a preset ({', '.join(sorted(MODELS))}) nor a file: {error}") from error
    except ValueError as error:
        raise SystemExit(f"--model: {error}") from error


def starting_point(options: argparse.Namespace) -> tuple[LayeredUNet, dict]:
    """The network to train and its ``meta``: a checkpoint's, a fresh one's, which is empty, or fresh levels on a checkpoint's."""
    fresh = None
    if options.model or not options.init:
        config = architecture(options.model or "compact", options.top)
        fresh = new_model(config.single_resolution() if options.single_resolution else config, options.seed)
    if not options.init:
        return fresh, {}
    model, meta = load_start("--init", options.init)
    try:
        return (model, meta) if fresh is None else (stacked(fresh, model), meta)
    except ValueError as error:
        raise SystemExit(f"--init: {error}") from error


def main(arguments: list[str] | None = None) -> None:
    """Train, draw sheets, export."""
    options = parse(arguments)
    team = make_team(options)
    model, start = starting_point(options)
    config = train_config(options)
    usual = SampleConfig(steps=20, guidance=3.0, preset=config.preset)
    carry_out(options, team, model, start, make_plan(options, model), config, sheet=lambda _: usual)


if __name__ == "__main__":
    main()
