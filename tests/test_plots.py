"""The figures hold the run's own numbers and pictures, in each scale's colour, and need no pyplot."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from layered.config import SampleConfig
from layered.diffusion import Prediction
from layered.plots import SCALE_COLOURS, plot_measures, plot_run, plot_schedule, plot_steps
from layered.sampler import make_generators, sample
from layered.schedule import Schedule
from layered.trajectory import Trajectory, to_uint8

SCALES = (32, 64)
SCHEDULE = Schedule.preset("aligned", SCALES)


@pytest.fixture(scope="module")
def run() -> Trajectory:
    config = SampleConfig(steps=10)

    def denoise(z, logsnr, t):
        return Prediction({size: value * (1 - t) for size, value in z.items()}, None)

    return Trajectory("x", config, "m", SCALES, SCHEDULE.shifts, list(sample(denoise, SCHEDULE, config, make_generators([0]))))


def pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


def test_measures_are_drawn_as_measured(run: Trajectory) -> None:
    figure = plot_measures(run)
    for axes, (name, by_scale) in zip(figure.axes, run.measures().items(), strict=True):
        assert axes.get_ylabel() and axes.get_title(loc="left")
        for line, (size, values) in zip(axes.get_lines(), by_scale.items(), strict=True):
            assert line.get_xdata().tolist() == list(range(1, 11))
            assert line.get_ydata().tolist() == pytest.approx(values), name
            assert to_hex(line.get_color()) == SCALE_COLOURS[size]
    assert [axes.get_xlabel() for axes in figure.axes[2:]] == ["step", "step"]
    assert pixels(figure).std() > 0


def test_the_schedule_is_drawn_with_its_shifts_and_rho() -> None:
    schedule = Schedule((128, 256), (0.0, -2.0))
    axes = plot_schedule(schedule).axes[0]
    for line, (size, logsnr) in zip(axes.get_lines(), schedule.logsnr(0.5).items(), strict=False):
        assert to_hex(line.get_color()) == SCALE_COLOURS[size]
        assert np.interp(0.5, line.get_xdata(), line.get_ydata()) == pytest.approx(float(logsnr))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["128 px, δ +0.00", "256 px, δ -2.00"]
    assert "128–256: 0.74" in axes.get_title(loc="left") and "t (" in axes.get_xlabel() and "nats" in axes.get_ylabel()


def test_an_interpolated_schedule_names_both_ends() -> None:
    axes = plot_schedule(Schedule((64,), (-1.0,), (2.0,))).axes[0]
    assert axes.get_legend().get_texts()[0].get_text() == "64 px, δ -1.00 to +2.00"


@pytest.mark.parametrize(("columns", "expected"), [(8, [0, 1, 3, 4, 5, 6, 8, 9]), (50, list(range(10))), (2, [0, 9]), (1, [9])])
def test_steps_are_shown_from_first_to_last(run: Trajectory, columns: int, expected: list[int]) -> None:
    figure = plot_steps(run, columns)
    panels = np.array(figure.axes).reshape(len(SCALES), -1)
    assert panels.shape[1] == len(expected)
    for row, size in zip(panels, SCALES, strict=True):
        assert row[0].get_ylabel() == f"{size} px"
        for axes, index in zip(row, expected, strict=True):
            assert np.array_equal(axes.get_images()[0].get_array(), to_uint8(run.steps[index].x0[size])[0])
    with pytest.raises(ValueError, match="At least one column"):
        plot_steps(run, 0)


@pytest.mark.parametrize("rows", [None, (64,)])
def test_a_run_on_one_page_says_what_was_asked_in_its_own_words(run: Trajectory, rows: tuple[int, ...] | None) -> None:
    hostile = dataclasses.replace(run, prompt="$x$ \\frac{\x00<b> " + "long " * 40)
    figure = plot_run(hostile, "caption $y^2$", columns=3, rows=rows)
    head, pictures, curves = figure.subfigs
    assert [text.get_text() for text in head.texts][1] == "caption $y^2$"
    assert head.texts[0].get_text().split() == hostile.prompt.replace("\x00", " ").split()
    assert not any(text.get_parse_math() for text in head.texts)
    assert [axes.get_title() for axes in pictures.axes[:3]] == ["step 1, t 1", *(f"step {i}, t {t(run, i)}" for i in (5, 10))]
    for row, size in zip(np.array(pictures.axes).reshape(-1, 3), rows or SCALES, strict=True):
        for axes, index in zip(row, (0, 4, 9), strict=True):
            assert np.array_equal(axes.get_images()[0].get_array(), to_uint8(run.steps[index].x0[size])[0])
    for axes, by_scale in zip(curves.axes, run.measures().values(), strict=True):
        assert [line.get_ydata().tolist() for line in axes.get_lines()] == [pytest.approx(v) for v in by_scale.values()]
    drawn = pixels(figure)
    assert drawn[5:40, 20:400].min() < 80  # the words are there, within the page
    boxes = [text.get_window_extent() for text in head.texts]
    assert all(box.x0 >= 0 and box.x1 <= drawn.shape[1] and box.y1 <= drawn.shape[0] for box in boxes)
    assert boxes[1].y1 <= boxes[0].y0  # and one is above the other


def t(run: Trajectory, step: int) -> str:
    return f"{run.steps[step - 1].t:.2g}"


def test_pyplot_is_never_loaded() -> None:
    program = "import sys, layered.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
