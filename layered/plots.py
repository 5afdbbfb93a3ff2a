"""A run and a schedule as matplotlib figures: the curves of every scale, the schedule's log-SNR, the pictures of the steps."""

from __future__ import annotations

import math

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from layered.schedule import Schedule
from layered.trajectory import AGREEMENT_CAP, Trajectory, to_uint8

SCALE_COLOURS = {32: "#8a93a6", 64: "#c084fc", 128: "#f2b04a", 256: "#3fbf9f", 512: "#6f8cff"}  # one per scale, everywhere
MEASURE_LABELS = {
    "logsnr": ("Signal to noise", "log-SNR λ (nats)"),
    "change": ("Change of the prediction", "rms of x̂ − previous x̂ (picture range −1 to 1)"),
    "agreement": ("Agreement with the scale below", "PSNR of D(x̂) against x̂ below (dB)"),
    "detail": ("Detail that only this scale holds", "rms of x̂ − its 2×2 means"),
}
CURVE_POINTS = 401


def scale_colour(size: int) -> str:
    """The colour of a scale; sizes outside the ladder share a dark grey."""
    return SCALE_COLOURS.get(size, "#444b5a")


def plot_measures(trajectory: Trajectory) -> Figure:
    """Four panels over the steps: log-SNR, change, agreement and detail, one curve per scale."""
    measures = trajectory.measures()
    steps = [step.index + 1 for step in trajectory.steps]
    figure = _figure(10, 6.5)
    panels = figure.subplots(2, 2, sharex=True)
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
    shown = _spread(len(trajectory.steps), columns)
    rows = len(trajectory.scales)
    figure = _figure(1.6 * len(shown) + 0.5, 1.6 * rows + 0.4)
    panels = figure.subplots(rows, len(shown), squeeze=False)
    for row, size in zip(panels, trajectory.scales, strict=True):
        for axes, index in zip(row, shown, strict=True):
            step = trajectory.steps[index]
            axes.imshow(to_uint8(step.x0[size])[0], interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            for side in axes.spines.values():
                side.set_visible(False)
            if size == trajectory.scales[0]:
                axes.set_title(f"step {step.index + 1}, t {step.t:.2f}", fontsize=8)
        row[0].set_ylabel(f"{size} px", color=scale_colour(size), fontweight="bold")
    return figure


# ------------------------------------------------------------------ parts


def _figure(width: float, height: float) -> Figure:
    """An empty figure, inches, on its own Agg canvas: no pyplot, so that figures are freed and threads stay apart."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _finish(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_ylabel(unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(color="#e6e9ef", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _shift_label(schedule: Schedule, size: int) -> str:
    start, end = float(schedule.shift(size, 0.0)), float(schedule.shift(size, 1.0))
    return f"{start:+.2f}" if math.isclose(start, end, abs_tol=1e-9) else f"{start:+.2f} to {end:+.2f}"


def _spread(count: int, most: int) -> list[int]:
    """At most ``most`` indices below ``count``, evenly from the first to the last."""
    if most < 1:
        raise ValueError(f"At least one column is needed, got {most}.")
    if count <= most:
        return list(range(count))
    return [count - 1] if most == 1 else [round(i * (count - 1) / (most - 1)) for i in range(most)]
