"""Seconds, time to the first preview and memory of one picture, everything in one process so that the figures compare."""

from __future__ import annotations

import dataclasses
import resource
import sys
import time

from layered.config import SampleConfig
from layered.pipeline import LayeredPipeline
from layered.sampler import COARSE_UP_TO

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
    settings["no level asleep"] = dataclasses.replace(usual, sleep_below=None)
    for count in range(len(scales) - 1, 0, -1):
        settings[f"up to {scales[count - 1]} px"] = dataclasses.replace(usual, scales=tuple(scales[:count]))
    return settings
