"""Noise: two ways to make noise for several scales beside each other, what they measure, and what they do to a picture."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import gradio as gr

from layered.config import NoiseMode
from layered.noise_measures import (
    LAGS,
    PairMeasures,
    ScaleMeasures,
    measure_pair,
    measure_scale,
    normal_histogram,
)
from layered.schedule import Schedule
from layered.studio.components import Noised, NoiseLab
from layered.studio.controls import MAX_SEED
from layered.studio.encode import NOISE_QUALITY, image, jpeg_url, png_url
from layered.studio.handlers import Handlers, refused
from layered.studio.noised import (
    NOISE_NAMES,
    VISTAS,
    captioned_value,
    checked_noise,
    checked_time,
    checked_vista,
    drawn_at,
    noise,
)
from layered.studio.settings import LIVE, StudioSettings, shown_scales

CLOSE_UP = 8  # the close-up shows this part of a side, in the middle of every scale
SPREAD = 2.0  # standard deviations from grey to black or white
POINTS = 700  # pixels of a scatter
DRAWN_REACH = 4.0  # standard deviations from the middle of a scatter to its edge
OPERATOR_NAMES = {"sinc": "the sinc filter", "box": "2×2 means", "bilinear": "2×2 means"}
SAME, NOTHING, NOTICED = 0.98, 0.05, 0.05  # |r| of one noise; |r| of none in common; what else is worth a word
FIRST, SECOND, USUAL_TIME = "sinc", "independent", 0.15
SAY = {
    "mode": "How the scales come by their noise.",
    "other": "A second way, to see the difference.",
    "seed": "As in Explore.",
    "t": "The same t at every scale, aligned shifts: 0 is clean, 1 noise.",
}


class NoiseTab:
    """The tab: two modes and a seed, their measures, and a picture under both."""

    def __init__(self, handlers: Handlers, settings: StudioSettings) -> None:
        self.handlers, self.scales = handlers, handlers.scales
        self.schedule = Schedule.preset("aligned", self.scales)
        tab = gr.context.Context.block
        with gr.Column(elem_id="noise-tab", elem_classes="lab"):
            with gr.Row(elem_classes="card lab-bar", equal_height=False):
                choices = [(name, mode) for mode, name in NOISE_NAMES.items()]
                self.mode = gr.Radio(
                    choices, value=FIRST, label="Noise", info=SAY["mode"], elem_id="noise-mode", elem_classes="pick"
                )
                self.other = gr.Radio(
                    choices, value=SECOND, label="Compared with", info=SAY["other"], elem_id="noise-other", elem_classes="pick"
                )
                with gr.Row(elem_classes="lab-seed"):
                    self.seed = gr.Number(
                        0,
                        label="Seed",
                        info=SAY["seed"],
                        precision=0,
                        minimum=0,
                        maximum=MAX_SEED,
                        min_width=120,
                        elem_id="noise-seed",
                    )
                    self.fresh = gr.Button("New seed", size="sm", min_width=88, elem_id="noise-fresh")
            self.lab = NoiseLab(self.scales, elem_id="noise-lab")
            with gr.Row(elem_classes="card lab-bar", equal_height=False):
                self.picture = gr.Radio(
                    list(VISTAS),
                    value=next(iter(VISTAS)),
                    label="A picture under this noise",
                    info=drawn_at(self.scales),
                    elem_id="noise-picture",
                    elem_classes="pick",
                )
                self.time = gr.Slider(
                    0, 1, USUAL_TIME, step=0.01, label="t", info=SAY["t"], buttons=[], elem_id="noise-t", elem_classes="lab-t"
                )
            self.noised = Noised(self.scales, elem_id="noise-noised")
        self._wire(tab)

    def _wire(self, tab: gr.Tab) -> None:
        noises = [self.mode, self.other, self.seed]
        gr.on([tab.select, *(one.change for one in noises)], self._measured, noises, self.lab, **LIVE)
        everything = [*noises, self.picture, self.time]
        gr.on([tab.select, *(one.change for one in everything)], self._noised, everything, self.noised, **LIVE)
        self.fresh.click(lambda: secrets.randbelow(2**32), None, self.seed, **LIVE)

    def _measured(self, request: gr.Request, mode: Any, other: Any, seed: Any) -> Any:
        if seed is None:  # while another is typed
            return gr.skip()
        with refused():
            asked = [checked_noise(one, seed) for one in (mode, other)]
        made = [self.handlers.for_lab("noise", request, mode_value, self.scales, *one) for one in asked]
        return {"modes": made} if gr.skip() not in made else gr.skip()

    def _noised(self, request: gr.Request, mode: Any, other: Any, seed: Any, picture: Any, t: Any) -> Any:
        if seed is None or t is None:
            return gr.skip()
        with refused():
            modes, seeds = zip(*(checked_noise(one, seed) for one in (mode, other)), strict=True)
            picture, t = checked_vista(picture), checked_time(t)
        shown = shown_scales(self.scales)
        given = (picture, modes, seeds[0], self.schedule, t, shown)
        return self.handlers.for_lab("noise under a picture", request, captioned_value, *given)


# ------------------------------------------------------------------ values


@lru_cache(maxsize=16)
def mode_value(scales: tuple[int, ...], mode: NoiseMode, seed: int) -> dict[str, Any]:
    """One kind of noise for the page: pictures, plots and measures per shown scale and per pair of them, and the verdict."""
    eps, shown = noise(scales, mode, seed), shown_scales(scales)
    measured = {size: measure_scale(eps[size]) for size in shown}
    pairs = {(low, high): measure_pair(eps[low], eps[high], mode) for low, high in zip(shown, shown[1:], strict=False)}
    good, head, say = verdict(measured, pairs)
    return {
        "mode": mode,
        "name": NOISE_NAMES[mode],
        "good": good,
        "head": head,
        "say": say,
        "normal": _numbers(normal_histogram()),
        "lags": LAGS,
        "scales": [_scale_value(size, eps[size], measured[size]) for size in shown],
        "pairs": [_pair_value(low, high, eps[low], pair) for (low, high), pair in pairs.items()],
    }


def _scale_value(size: int, eps: Any, measures: ScaleMeasures) -> dict[str, Any]:
    return {
        "size": size,
        "close": png_url(image(_middle(eps), SPREAD)),
        "whole": jpeg_url(image(eps, SPREAD), NOISE_QUALITY),
        "mean": round(measures.mean, 4),
        "variance": round(measures.variance, 4),
        "neighbour": round(measures.neighbour, 4),
        "histogram": _numbers(measures.histogram),
        "spectrum": _numbers(measures.spectrum),
        "autocorrelation": _numbers(measures.autocorrelation.flatten()),
    }


def _pair_value(low: int, high: int, eps: Any, pair: PairMeasures) -> dict[str, Any]:
    step = max(1, eps[0].numel() // POINTS) | 1  # odd, so that it walks through all columns
    points = [x[0].flatten()[::step][:POINTS] * (100 / DRAWN_REACH) for x in (eps, pair.seen)]
    return {
        "low": low,
        "high": high,
        "operator": OPERATOR_NAMES[pair.operator],
        "r": round(pair.correlation, 4),
        "by_sinc": round(pair.by_sinc, 4),
        "by_mean": round(pair.by_mean, 4),
        "close": [png_url(image(_middle(x), SPREAD)) for x in (eps, pair.seen)],
        "points": [[round(v) for v in x.clamp(-100, 100).tolist()] for x in points],
    }


def _middle(eps: Any) -> Any:
    """The middle part of a picture that the close-up shows."""
    size = eps.shape[-1]
    side = size // CLOSE_UP
    start = (size - side) // 2
    return eps[..., start : start + side, start : start + side]


def _numbers(values: Any) -> list[float]:
    return [float(f"{value:.3g}") for value in values.tolist()]


# ------------------------------------------------------------------ the verdict


def verdict(scales: Mapping[int, ScaleMeasures], pairs: Mapping[tuple[int, int], PairMeasures]) -> tuple[bool, str, str]:
    """Whether noise with these measures suits layered diffusion, in a few words and in one sentence, from the numbers alone.

    What matters most comes first: variance, whiteness, sharing, and that nothing was folded in. One scale has no pairs.
    """
    shared = ""
    if pairs:
        (low, high), pair = min(pairs.items(), key=lambda item: item[1].correlation)
        shared = f" (r = {_plain(pair.correlation)} between {low} and {high} through {OPERATOR_NAMES[pair.operator]})"
    size, worst = max(scales.items(), key=lambda item: abs(item[1].variance - 1))
    coloured, tinted = max(scales.items(), key=lambda item: abs(item[1].neighbour))
    if abs(worst.variance - 1) > max(NOTICED, math.sqrt(2) * _chance(size)):
        weak = worst.variance < 1
        times = 1 / worst.variance if weak else worst.variance
        return (
            False,
            f"Too {'weak' if weak else 'strong'}: variance {worst.variance:.2f} at {size}",
            f"The schedule counts on variance 1, so at {size} the signal-to-noise ratio is {times:.2g} times as "
            f"{'high' if weak else 'low'} as λ says{shared}.",
        )
    if abs(tinted.neighbour) > max(NOTICED, _chance(coloured)):
        say = (
            f"Pixels near each other correlate by up to {_plain(tinted.neighbour)} at {coloured}: "
            f"the noise hides some frequencies less than others{shared}."
        )
        return False, "Not white", say
    if not pairs:
        return True, "White, unit variance", "Unit variance and white: with one scale, there is nothing to share."
    if abs(pair.correlation) < max(NOTHING, _chance(low)):
        say = f"Unit variance and white, but the scales share nothing{shared}: each one hides the picture in its own way."
        return False, "White, but nothing is shared", say
    if pair.correlation < SAME:
        say = f"Unit variance and white, but the scales share only a part of their noise{shared}."
        return False, "White, but shared in part", say
    (low, _), folded = max(pairs.items(), key=lambda item: item[1].foreign)
    if folded.foreign > NOTICED:
        say = (
            f"Unit variance, white and shared{shared}, but {folded.foreign:.0%} of the noise at {low} is folded in from "
            f"frequencies that {low} pixels cannot hold: r = {_plain(folded.by_sinc)} through the sinc filter."
        )
        return False, "White and shared, but folded", say
    say = f"Unit variance, white, and one noise for all: every scale is exactly what the next finer one holds for it{shared}."
    return True, "White, unit variance, shared", say


def _chance(size: int) -> float:
    """A correlation that the pixels of a scale show by chance less than once in a million: five standard deviations."""
    return 5 / math.sqrt(3 * size**2)


def _plain(value: float) -> str:
    """Two decimals with a typographic minus, and none before a nought."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
