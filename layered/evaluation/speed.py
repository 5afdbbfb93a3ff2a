"""Seconds, time to the first preview and memory of one picture, everything in one process so that the figures compare."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence

from layered.config import SampleConfig
from layered.pipeline import LayeredPipeline


def peak_memory() -> float:
    """The most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def time_run(pipeline: LayeredPipeline, prompt: str, config: SampleConfig) -> dict[str, float]:
    """Seconds to the first step and to the last."""
    started = time.perf_counter()
    first = 0.0
    for step in pipeline.stream(prompt, config):
        if step.index == 0:
            first = time.perf_counter() - started
    return {"first": first, "total": time.perf_counter() - started}


def speed_table(pipeline: LayeredPipeline, prompt: str, configs: dict[str, SampleConfig], repeats: int = 3) -> list[dict]:
    """The best of ``repeats`` rounds per setting, the rounds interleaved; ratios are to the first setting of the table."""
    time_run(pipeline, prompt, SampleConfig(steps=2))  # the first run pays for buffers and caches
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in configs}
    for _ in range(repeats):
        for name, config in configs.items():
            rounds[name].append(time_run(pipeline, prompt, config))
    rows = [
        {"setting": name, "first": min(r["first"] for r in runs), "seconds": min(r["total"] for r in runs)}
        for name, runs in rounds.items()
    ]
    return [row | {"ratio": row["seconds"] / rows[0]["seconds"]} for row in rows]


def default_settings(scales: Sequence[int]) -> dict[str, SampleConfig]:
    """The settings that ``speed`` compares: the default first, then one change at a time."""
    default = SampleConfig()
    settings = {"default": default, "no guidance": SampleConfig(guidance=1.0)}
    settings["no level asleep"] = SampleConfig(sleep_below=None)
    for count in range(len(scales) - 1, 0, -1):
        settings[f"up to {scales[count - 1]} px"] = SampleConfig(scales=tuple(scales[:count]))
    return settings
