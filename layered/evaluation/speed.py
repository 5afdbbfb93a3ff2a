"""Seconds, time to the first preview and memory of one picture, everything in one process so that the figures compare."""

from __future__ import annotations

import dataclasses
import resource
import statistics
import sys
import time

import torch

from layered.config import ModelConfig, SampleConfig
from layered.layers import TextStates
from layered.pipeline import LayeredPipeline
from layered.sampler import COARSE_UP_TO
from layered.unet import LayeredUNet

COLUMNS = {"first": "first", "coarse": "coarse", "seconds": "total"}  # of the table, in seconds, and of ``time_run``


def peak_memory() -> float:
    """The most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def time_run(pipeline: LayeredPipeline, prompt: str, config: SampleConfig) -> dict[str, float]:
    """Seconds to the first step, to the last step of the coarse scales, and to the last."""
    started = time.perf_counter()
    marks: dict[str, float] = {}
    for step in pipeline.stream(prompt, config):
        now = time.perf_counter() - started
        marks.setdefault("first", now)
        if step.index + 1 == step.total:
            marks.setdefault("coarse", now)
    return marks | {"total": time.perf_counter() - started}


def speed_table(pipeline: LayeredPipeline, prompt: str, configs: dict[str, SampleConfig], repeats: int = 3) -> list[dict]:
    """The best of ``repeats`` rounds per setting, the rounds interleaved; ratios are to the first setting of the table.

    ``first``: seconds to the first step; ``coarse``: until the scales that come first are finished, in the order coarse-first
    those up to 128 pixels, otherwise all; ``seconds``: until all are.
    """
    time_run(pipeline, prompt, dataclasses.replace(pipeline.usual, steps=2))  # the first run pays for buffers and caches
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in configs}
    for _ in range(repeats):
        for name, config in configs.items():
            rounds[name].append(time_run(pipeline, prompt, config))
    rows = [
        {"setting": name} | {label: min(r[key] for r in runs) for label, key in COLUMNS.items()} for name, runs in rounds.items()
    ]
    return [row | {"ratio": row["seconds"] / rows[0]["seconds"]} for row in rows]


def default_settings(pipeline: LayeredPipeline) -> dict[str, SampleConfig]:
    """The settings that ``speed`` compares: the checkpoint's usual ones first, then one change at a time."""
    scales, usual = pipeline.scales, pipeline.usual
    settings = {"default": usual}
    if usual.guidance != 1:
        settings["no guidance"] = dataclasses.replace(usual, guidance=1.0)
    if not pipeline.model.config.isolated:  # all scales in one pass: none sleeps, none comes first or alone
        return settings
    if scales[-1] > COARSE_UP_TO:
        settings["coarse first"] = dataclasses.replace(usual, order="coarse-first")
    if usual.preset == "staggered":
        settings["aligned, no scale waits"] = dataclasses.replace(usual, preset="aligned")
    settings["no level asleep"] = dataclasses.replace(usual, sleep_below=None)
    for count in range(len(scales) - 1, 0, -1):
        settings[f"up to {scales[count - 1]} px"] = dataclasses.replace(usual, scales=tuple(scales[:count]))
    return settings


@torch.no_grad()
def pass_times(config: ModelConfig, rounds: int) -> dict[str, float]:
    """Seconds of one forward pass for one picture: a layered network and its single-resolution twin, untrained, in turns.

    Medians over ``rounds``, and the median of each round's own ratio.
    """
    models = {name: LayeredUNet(one).eval() for name, one in (("layered", config), ("single", config.single_resolution()))}

    def seconds(model: LayeredUNet) -> float:
        z = {size: torch.zeros(1, 3, size, size) for size in model.config.scales}
        text = TextStates.empty(1, config.text_width)
        started = time.perf_counter()
        model(z, {size: torch.zeros(1) for size in z}, text, torch.ones(1))
        return time.perf_counter() - started

    taken = [{name: seconds(model) for name, model in models.items()} for _ in range(rounds + 1)][1:]  # the first pays for caches
    middle = {f"{name}_seconds": statistics.median(row[name] for row in taken) for name in models}
    return middle | {"seconds_ratio": statistics.median(row["layered"] / row["single"] for row in taken)}
