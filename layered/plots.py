"""A run and a schedule as matplotlib figures: curves of every scale, the schedule's log-SNR, pictures of the steps, all of it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase

from layered.schedule import Schedule
from layered.trajectory import AGREEMENT_CAP, Trajectory, to_uint8

SCALE_COLOURS = {  # one per scale, everywhere
    32: "#8a93a6",
    64: "#c084fc",
    128: "#f2b04a",
    256: "#3fbf9f",
    512: "#6f8cff",
    1024: "#f472b6",
}
MEASURE_LABELS = {
    "logsnr": ("Signal to noise", "log-SNR λ (nats)"),
    "change": ("Change of the prediction", "rms of x̂ − previous x̂ (of −1 to 1)"),
    "agreement": ("Agreement with the scale below", "PSNR of D(x̂) against x̂ below (dB)"),
    "detail": ("Detail that only this scale holds", "rms of x̂ − its 2×2 means"),
}
CURVE_POINTS = 401
PROMPT_WIDTH, CAPTION_WIDTH = 100, 150  # characters a line of ``plot_run``


def scale_colour(size: int) -> str:
    """The colour of a scale; sizes outside the ladder share a dark grey."""
    return SCALE_COLOURS.get(size, "#444b5a")


def plot_measures(trajectory: Trajectory) -> Figure:
    """Four panels over the steps: log-SNR, change, agreement and detail, one curve per scale."""
    figure = _figure(10, 6.5)
    _draw_measures(figure, trajectory)
    return figure


def plot_schedule(schedule: Schedule) -> Figure:
    """The log-SNR of every scale over t, with δ beside each scale and ρ between neighbours."""
    figure = _figure(7, 4.5)
    axes = figure.subplots()
    t = torch.linspace(0, 1, CURVE_POINTS, dtype=torch.float64)
    for size, logsnr in schedule.logsnr(t).items():
        axes.plot(t, logsnr, color=scale_colour(size), label=f"{size} px, δ {_shift_label(schedule, size)}", linewidth=1.8)
    axes.axhline(0, color="#9aa3b2", linewidth=0.8, linestyle=":")
    rho = ", ".join(f"{low}–{high}: {value:.2f}" for (low, high), value in schedule.rho().items())
    _finish(axes, f"ρ between scales: {rho}" if rho else "Schedule", "log-SNR λ (nats)")
    axes.set_xlabel("diffusion time t (0 clean, 1 noise)")
    axes.set_xlim(0, 1)
    axes.legend(frameon=False, fontsize=8)
    return figure


def plot_steps(trajectory: Trajectory, columns: int = 8) -> Figure:
    """The predicted pictures x̂: a row per scale, fine at the bottom, and up to ``columns`` steps from the first to the last."""
    shown = spread(len(trajectory.steps), columns)
    figure = _figure(1.6 * len(shown) + 0.5, 1.6 * len(trajectory.scales) + 0.4)
    _draw_steps(figure, trajectory, shown, trajectory.scales)
    return figure


def plot_run(trajectory: Trajectory, caption: str = "", columns: int = 8, rows: Sequence[int] | None = None) -> Figure:
    """A run on one page, 10 inches wide: prompt and ``caption`` above, pictures as ``plot_steps``, curves as ``plot_measures``.

    ``rows``: the scales whose pictures are shown, all of them by default; the curves always show all. Prompt and caption are
    people's words: they are never read as mathematics, and what a font cannot show (control characters) is left out.
    """
    shown = spread(len(trajectory.steps), columns)
    rows = tuple(rows or trajectory.scales)
    prompt, small = textwrap.wrap(plain_line(trajectory.prompt), PROMPT_WIDTH), textwrap.wrap(plain_line(caption), CAPTION_WIDTH)
    side = 9.2 / max(len(shown), 4)  # inches of one picture
    heights = (0.2 + 0.24 * len(prompt) + 0.17 * len(small), 0.3 + side * len(rows), 5.6)
    figure = Figure(figsize=(10, sum(heights)))  # laid out by hand: constrained layout would draw everything twice
    FigureCanvasAgg(figure)
    head, pictures, curves = figure.subfigures(3, 1, height_ratios=heights)
    said = {"va": "top", "parse_math": False, "linespacing": 1.25}
    head.text(0.02, 1 - 0.1 / heights[0], "\n".join(prompt), fontsize=12, fontweight="bold", **said)
    below = 1 - (0.14 + 0.24 * len(prompt)) / heights[0]
    head.text(0.02, below, "\n".join(small), fontsize=8, color="#596173", **said)
    left = 0.045
    right = left + len(shown) * side / 10
    place = {"left": left, "right": right, "top": 1 - 0.25 / heights[1], "bottom": 0, "wspace": 0.04, "hspace": 0.04}
    _draw_steps(pictures, trajectory, shown, rows, place)
    place = {"left": 0.075, "right": 0.975, "top": 1 - 0.5 / heights[2], "bottom": 0.5 / heights[2], "hspace": 0.22}
    _draw_measures(curves, trajectory, place)
    return figure


# ------------------------------------------------------------------ parts


def _figure(width: float, height: float) -> Figure:
    """An empty figure, inches, on its own Agg canvas: no pyplot, so that figures are freed and threads stay apart."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_measures(figure: FigureBase, trajectory: Trajectory, place: Mapping[str, float] | None = None) -> None:
    measures = trajectory.measures()
    steps = [step.index + 1 for step in trajectory.steps]
    panels = figure.subplots(2, 2, sharex=True, gridspec_kw=place)
    for axes, (name, (title, unit)) in zip(panels.flat, MEASURE_LABELS.items(), strict=True):
        for size, values in measures[name].items():
            axes.plot(steps, values, color=scale_colour(size), label=f"{size} px", linewidth=1.8, marker=".", markersize=4)
        _finish(axes, title, unit)
        if name in ("change", "detail"):
            axes.set_ylim(bottom=0)
        if name == "agreement":
            axes.set_ylim(top=min(AGREEMENT_CAP, axes.get_ylim()[1]))
    for axes in panels[-1]:
        axes.set_xlabel("step")
    panels[0, 0].legend(frameon=False, fontsize=8)


def _draw_steps(
    figure: FigureBase,
    trajectory: Trajectory,
    shown: Sequence[int],
    scales: Sequence[int],
    place: Mapping[str, float] | None = None,
) -> None:
    panels = figure.subplots(len(scales), len(shown), squeeze=False, gridspec_kw=place)
    for row, size in zip(panels, scales, strict=True):
        for axes, index in zip(row, shown, strict=True):
            step = trajectory.steps[index]
            axes.imshow(to_uint8(step.x0[size])[0], interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            for side in axes.spines.values():
                side.set_visible(False)
            if size == scales[0]:
                axes.set_title(f"step {step.index + 1}, t {step.t:.2g}", fontsize=8)
        row[0].set_ylabel(f"{size} px", color=scale_colour(size), fontweight="bold")


def plain_line(text: str) -> str:
    """Text on one line without control characters, which neither a font nor an SVG file can hold."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _finish(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_ylabel(unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(color="#e6e9ef", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _shift_label(schedule: Schedule, size: int) -> str:
    start, end = float(schedule.shift(size, 0.0)), float(schedule.shift(size, 1.0))
    return f"{start:+.2f}" if math.isclose(start, end, abs_tol=1e-9) else f"{start:+.2f} to {end:+.2f}"


def spread(count: int, most: int) -> list[int]:
    """At most ``most`` indices below ``count``, evenly from the first to the last."""
    if most < 1:
        raise ValueError(f"At least one column is needed, got {most}.")
    if count <= most:
        return list(range(count))
    return [count - 1] if most == 1 else [round(i * (count - 1) / (most - 1)) for i in range(most)]
