"""What a checkpoint draws beside what the world renders: every measure at every scale, with the floor of real against real.

Captions of fresh vistas are drawn. A perfect model would draw the renders of those vistas: so the same measures of these renders
are the floor, at the same count. Both are compared with one reference set, renders of other vistas.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from layered.config import SampleConfig
from layered.evaluation.accuracy import look
from layered.evaluation.metrics import (
    Memorisation,
    channel_differences,
    frechet_distance,
    kernel_distance,
    memorisation,
    patch_distance,
    precision_recall,
    scale_agreement,
    sliced_wasserstein,
    spectrum_error,
)
from layered.evaluation.probe import Probe
from layered.pipeline import LayeredPipeline, draw_pictures
from layered.pyramid import downsample_image, high_pass, image_pyramid
from layered.world import Vistas, caption, render

CAPTION_WORLD, REFERENCE_WORLD = 2**31 - 7, 2**31 - 8  # seeds of the vistas to draw, and of those to compare with
LAYOUT = 16  # pixels a side of the pictures that are compared as a whole
SPECTRUM = "spectrum: "  # begins the names of its measures
Key = tuple[str, str]  # scale or "all", measure


class Row(NamedTuple):
    """One measure: mean and standard deviation over the seeds, of drawn pictures and of renders (the floor)."""

    scale: str
    measure: str
    drawn: float
    drawn_std: float
    real: float | None  # None where renders have the value by construction
    real_std: float | None


class Quality(NamedTuple):
    """Everything that compares pictures with pictures."""

    rows: list[Row]
    memorisation: Memorisation | None  # None if no training pictures were named
    drawn: Tensor  # (count, 3, S, S): the finest pictures of the first seed
    real: Tensor  # the reference set, likewise
    prompts: list[str]  # of the first seed


def compare(pictures: Mapping[int, Tensor], reference: Mapping[int, Tensor], probe: Probe) -> tuple[dict[Key, float], Tensor]:
    """Every measure of pictures by scale (N, 3, S, S) against a reference of as many; and their features (N, F)."""
    values: dict[Key, float] = {}
    coarse = {"a": pictures, "b": reference}
    a, b = (downsample_image(some[min(some)], min(LAYOUT, min(some))).flatten(1) for some in coarse.values())
    values["all", "layout: sliced Wasserstein"] = sliced_wasserstein(a, b, _rng(), directions=512)
    for size, x in pictures.items():
        y, scale = reference[size], str(size)
        values[scale, "patches: sliced Wasserstein"] = patch_distance(x, y, _rng())
        values[scale, "detail patches: sliced Wasserstein"] = patch_distance(high_pass(x), high_pass(y), _rng())
        for octave, error in enumerate(spectrum_error(x, y)):
            values[scale, f"{SPECTRUM}{2**octave}–{2 ** (octave + 1)} cycles"] = error
        for name, differences in channel_differences(x, y).items():
            for channel, difference in zip(("red", "green", "blue"), differences, strict=True):
                values[scale, f"{name} of {channel}"] = difference
    for low, high in pairwise(pictures):
        values[str(high), "agreement with the scale below (dB)"] = float(scale_agreement(pictures[high], pictures[low]).mean())
    features, real = (look(probe, _for_probe(some, probe)).features for some in (pictures, reference))
    values["all", "probe features: Fréchet distance"] = frechet_distance(features, real)
    values["all", "probe features: kernel distance"] = kernel_distance(features, real)
    values["all", "probe features: precision"], values["all", "probe features: recall"] = precision_recall(features, real)
    return values, features


def measure_quality(
    pipeline: LayeredPipeline,
    probe: Probe,
    count: int,
    seeds: int,
    config: SampleConfig,
    training: tuple[int, int] | None = None,
    tick: Callable[[int], None] = lambda pictures: None,
) -> Quality:
    """Draws ``count`` captions for every seed and measures them; ``training``: world seed and number of the training pictures.

    Raises ValueError for fewer than 4 pictures, which precision and recall need.
    """
    if count < 4 or seeds < 1:
        raise ValueError(f"The report needs at least 4 pictures and 1 seed, got {count} and {seeds}.")
    scales = pipeline.run_scales(config)
    reference = image_pyramid(render(Vistas(REFERENCE_WORLD).specs(0, count), scales[-1]), scales)
    measured: dict[str, list[dict[Key, float]]] = {"drawn": [], "real": []}
    features: dict[str, list[Tensor]] = {"drawn": [], "real": []}
    for seed in range(seeds):
        specs = Vistas(CAPTION_WORLD).specs(seed * count, count)
        prompts = [caption(spec) for spec in specs]
        sets = {
            "drawn": draw_pictures(pipeline, prompts, config, first_seed=seed * count, tick=tick),
            "real": image_pyramid(render(specs, scales[-1]), scales),
        }
        if seed == 0:
            first = sets["drawn"][scales[-1]], prompts
        for name, pictures in sets.items():
            values, found = compare(pictures, reference, probe)
            measured[name].append(values)
            features[name].append(found)
    memory = None
    if training:
        seen = look(probe, _rendered(training[0], training[1], probe.config.size)).features
        memory = memorisation(torch.cat(features["drawn"]), seen, torch.cat(features["real"]))
    return Quality(_rows(measured), memory, first[0], reference[scales[-1]], first[1])


def _rows(measured: dict[str, list[dict[Key, float]]]) -> list[Row]:
    rows = []
    for scale, measure in measured["drawn"][0]:
        drawn, real = ([values[scale, measure] for values in measured[name]] for name in ("drawn", "real"))
        floor = (None, None) if measure.startswith("agreement") else _mean_std(real)
        rows.append(Row(scale, measure, *_mean_std(drawn), *floor))
    return sorted(rows, key=lambda row: 0 if row.scale == "all" else int(row.scale))


def _mean_std(values: list[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def _rng() -> torch.Generator:
    """The same directions and places for every set that is compared."""
    return torch.Generator().manual_seed(0)


def _for_probe(pictures: Mapping[int, Tensor], probe: Probe) -> Tensor:
    """The scale that the probe looks at, or the nearest that there is."""
    return pictures[min(pictures, key=lambda size: abs(size - probe.config.size))]


def _rendered(seed: int, count: int, size: int) -> Tensor:
    return render(Vistas(seed).specs(0, count), size)
