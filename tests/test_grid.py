"""Sweeps on paper: how axes are written, what a grid holds, what is refused, how long it will take."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any
from urllib.parse import parse_qsl

import pytest
from fake_pipeline import SCALES

from layered.config import SampleConfig
from layered.schedule import Schedule
from layered.studio.axes import ALL_SHIFTS, PROMPT, read_axis, sweepable
from layered.studio.grid import Limits, make_grid, sweep_sizes, usual_size
from layered.studio.links import flatten, from_query, shift_name, to_config
from layered.studio.pace import Pace
from layered.studio.sweeper import base_lines, duration, sheet

RANGES = {"steps": (1, 100), "guidance": (0, 20), "seed": (0, 2**32 - 1), "eta": (0, 1), "ddpm_noise": (0, 1)}
RANGES |= {"guidance_parallel": (0, 1), "detail": (0, 2)} | {shift_name(size): (-12, 6) for size in SCALES}
LIMITS = Limits(36, 1800, RANGES, SCALES)
SETTINGS = sweepable(SCALES)


def axis(name: str, values: Any):
    return read_axis({"setting": name, "values": values}, SETTINGS, LIMITS.cells, "Columns")


def values(**changed: Any) -> dict[str, Any]:
    return flatten(SampleConfig(), SCALES) | {"random_seed": True} | changed


def grid(columns, rows=None, size: Any = 128, limits: Limits = LIMITS, **changed: Any):
    return make_grid(columns, rows, size, "a red balloon", values(**changed), SCALES, limits)


# ------------------------------------------------------------------ how values are written


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("1, 2, 4, 8", [1, 2, 4, 8]),
        ("1..9 step 2", [1, 3, 5, 7, 9]),
        ("1..9 step 3", [1, 4, 7]),
        ("3..1", [3, 2, 1]),
        ("0..0.3 step 0.1", [0, 0.1, 0.2, 0.3]),  # exact: 0.1 + 0.2 would not be 0.3
        ("1 2;4\n8,", [1, 2, 4, 8]),
        ("7, 1..2", [7, 1, 2]),
        (" .5 ", [0.5]),
    ],
)
def test_numbers_are_lists_and_ranges(text, means):
    assert axis("guidance", text).values == tuple(means)


def test_values_may_be_lists_and_shifts_have_either_minus():
    assert axis("guidance", [1, 2.5]).values == (1.0, 2.5)
    assert axis(ALL_SHIFTS, "−2, 0, 2").values == axis(ALL_SHIFTS, "-2..2 step 2").values == (-2, 0, 2)
    assert axis(ALL_SHIFTS, "-2, 0, 1.5").labels == ("−2", "0", "+1.5")
    assert axis("seed", "4294967295").labels == ("4294967295",)
    assert axis(PROMPT, "  a boat \n\n a cabin\n").values == ("a boat", "a cabin")
    assert axis("solver", ["dpm++", "ddim"]).labels == ("dpm++", "ddim")
    assert read_axis({"setting": "none", "values": None}, SETTINGS, 36, "Rows") is None
    assert read_axis(None, SETTINGS, 36, "Rows") is None


def test_every_setting_starts_from_values_that_it_takes():
    for name, setting in sweepable(SCALES, ["a boat", "a cabin"]).items():
        assert axis(name, list(setting.usual)).values
        assert axis(name, ", ".join(axis(name, list(setting.usual)).labels)).values if setting.kind != "text" else True


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("guidance", "", "no values"),
        ("guidance", " , ", "no values"),
        ("solver", [], "choose at least one"),
        ("guidance", "1, two", "«two» is not a number"),
        ("guidance", "1-5", "1..9 step 2"),
        ("guidance", "1, 2, 1.0", "listed twice"),
        ("guidance", "0, 0", "listed twice"),
        (PROMPT, "a\na", "listed twice"),
        ("guidance", "1..9 step 0", "step"),
        ("guidance", "1..9 step -2", "step"),
        ("seed", "0..999999999999", "at most 36"),
        ("seed", "1..37", "at most 36"),
        ("steps", "1.5", "whole number"),
        ("guidance", [True], "not a number"),
        ("guidance", [float("nan")], "not a number"),
        ("guidance", [[1]], "not a number"),
        ("guidance", {"a": 1}, "list of values"),
        ("guidance", "1" * 50_000, "too long"),
        ("guidance", "1" * 100, "not a number"),
        ("solver", ["euler"], "none of ddim"),
        ("noise", [3], "none of sinc"),
        (PROMPT, [3], "must be text"),
    ],
)
def test_values_that_are_wrong_are_refused_with_a_sentence(name, given, says):
    with pytest.raises(ValueError, match=says):
        axis(name, given)


@pytest.mark.parametrize("asked", [3, "guidance", {}, {"setting": 3}, {"setting": "colour", "values": [1]}])
def test_an_axis_that_is_none_is_refused(asked):
    with pytest.raises(ValueError, match="Columns"):
        read_axis(asked, SETTINGS, 36, "Columns")


# ------------------------------------------------------------------ the grid


def test_cells_differ_in_what_the_axes_vary_and_in_nothing_else():
    made = grid(axis("guidance", "1, 4"), axis("seed", "3..5"), steps=7, noise="independent")
    assert made.shape == (3, 2) and made.steps == 6 * 7
    assert [(cell.row, cell.column) for cell in made.cells] == list(itertools.product(range(3), range(2)))
    for cell in made.cells:
        expected = SampleConfig(steps=7, noise="independent", guidance=(1.0, 4.0)[cell.column], seed=3 + cell.row)
        assert cell.config == expected and cell.prompt == "a red balloon"


def test_a_cell_opens_in_explore_as_it_was_drawn():
    """What the link of a cell restores is the cell's settings, for every setting that can be varied."""
    for name, setting in sweepable(SCALES, ["a boat", "a cabin & a sail"]).items():
        more = {"solver": "ddim"} if name == "eta" else {}
        made = grid(axis(name, list(setting.usual)), size=512, **flatten(SampleConfig(preset="paper"), SCALES) | more)
        assert len({(cell.prompt, cell.config) for cell in made.cells}) == len(setting.usual), name
        for cell, query in zip(made.cells, sheet(made, SCALES)["queries"], strict=True):
            found = from_query(dict(parse_qsl(query)), SCALES, RANGES)
            assert found["prompt"] == cell.prompt
            assert to_config(flatten(SampleConfig(), SCALES) | found, SCALES) == cell.config, name


def test_shifts_are_added_to_what_explore_has_and_cut_to_the_scales_drawn():
    made = grid(axis(ALL_SHIFTS, "0, 1"), axis("preset", ["paper", "unshifted"]), shift_32=5.0, preset="custom")
    paper, moved, flat, raised = (cell.config for cell in made.cells)
    assert paper.preset == "paper" and paper.shifts is None
    assert moved.shifts == pytest.approx([shift + 1 for shift in Schedule.preset("paper", SCALES).shifts], abs=0.006)
    assert flat.preset == "unshifted" and flat.shifts is None and raised.shifts == (1.0,) * 5
    with pytest.raises(ValueError, match="interpolated moves its shifts"):
        grid(axis(ALL_SHIFTS, "0, 1"), axis("preset", ["paper", "interpolated"]))
    drawn = [cell.config_drawn for cell in made.cells]
    assert all(config.scales == (32, 64, 128) for config in drawn)
    assert drawn[0].shifts is None and drawn[3].shifts == (1.0,) * 3
    one = grid(axis(shift_name(128), "-4, -1"), shift_32=0.0).cells[1]
    assert one.config.shifts == (0.0, -1.39, -1.0, -4.16, -5.55) and one.config_drawn.shifts == (0.0, -1.39, -1.0)
    assert grid(axis("seed", "1"), size=512).cells[0].config_drawn.scales is None


@pytest.mark.parametrize(
    ("columns", "rows", "more", "says"),
    [
        (("guidance", "1, 2"), ("guidance", "3"), {}, "Both axes vary"),
        (("seed", "1..10"), ("guidance", "1..4"), {}, "10 × 4 are 40 pictures: at most 36"),
        (("steps", "100"), ("seed", "1..20"), {}, "2,000 steps together"),
        (("guidance", "1, 25"), None, {}, "25.0 is outside 0 to 20"),
        (("steps", "0, 5"), None, {}, "outside 1 to 100"),
        (("seed", [2**32]), None, {}, "outside 0 to 4294967295"),
        (("shift_512", "0, 1"), None, {}, "does not draw 512 px"),
        (("shift_128", "0.001"), None, {}, "finer than a hundredth"),
        ((ALL_SHIFTS, "-9"), None, {}, "makes δ 256 -13.16"),
        (("eta", "0, 1"), None, {"solver": "dpm++"}, "DDIM only"),
        (("ddpm_noise", "0, 1"), ("solver", ["ddim", "dpm++"]), {}, "DDPM only"),
        (("noise", ["sinc", "box"]), None, {"size": 32}, "one scale only"),
        (("detail_prompt", "fog\nrain"), None, {"size": 32}, "one scale only"),
        (("detail_prompt", ["x" * 1001]), None, {}, "detail prompt has 1,001 characters"),
        (("seed", "1"), None, {"size": 100}, "Draw at"),
        (("seed", "1"), None, {"size": "128"}, "Draw at"),
        (("seed", "1"), None, {"size": True}, "Draw at"),
        (("seed", "1"), None, {"guidance": None}, "Guidance is empty"),
        ((ALL_SHIFTS, "1"), None, {"shift_64": "x"}, "expected a number"),
    ],
)
def test_a_grid_that_cannot_be_drawn_is_refused_with_a_sentence(columns, rows, more, says):
    with pytest.raises(ValueError, match=says):
        grid(axis(*columns), axis(*rows) if rows else None, **more)


def test_eta_is_drawn_where_one_solver_listens():
    assert len(grid(axis("eta", "0, 1"), axis("solver", ["ddim", "dpm++"])).cells) == 4


def test_a_sweep_stops_at_128_where_there_is_one():
    assert [usual_size(scales) for scales in (SCALES, (128, 256), (16, 32), (256, 512))] == [128, 128, 32, 256]


def test_a_model_that_draws_all_scales_in_one_pass_stops_at_the_finest_alone():
    sizes = sweep_sizes(SCALES, isolated=False)
    assert sizes == (512,) and usual_size(sizes) == 512 and sweep_sizes(SCALES, isolated=True) == SCALES
    limits = dataclasses.replace(LIMITS, sizes=sizes)
    with pytest.raises(ValueError, match="Draw at: expected 512 pixels, as this model draws all its scales in one pass"):
        grid(axis("seed", "1"), limits=limits)
    made = grid(axis("seed", "1"), size=512, limits=limits)
    assert made.cells[0].config_drawn.scales is None
    told = dict(base_lines(made, SCALES, example=False, isolated=False))
    assert "Sleep" not in told and told["Guided"] == "t 0 to 1"  # it knows no more of them
    assert told["Detail"] == "1" and "Detail" not in dict(base_lines(made, SCALES, example=False, adds=False))
    assert "Sleep" in dict(base_lines(made, SCALES, example=False)) and told["States"] == "per-scale"


def test_a_sweep_starts_around_what_the_model_starts_from():
    found = sweepable(SCALES, usual=SampleConfig(steps=4, guidance=1.0, solver="ddim"))
    assert found["steps"].usual == (1, 2, 4, 8) and found["guidance"].usual == (1, 1.5, 2, 3)
    assert SETTINGS["steps"].usual == (5, 10, 25, 50) and SETTINGS["guidance"].usual == (1, 1.5, 3, 6)
    assert set(SETTINGS) - set(sweepable((32,))) == {"detail", "noise", "states", "detail_prompt", *map(shift_name, SCALES[1:])}
    assert set(SETTINGS) - set(sweepable(SCALES, adds=False)) == {"detail"}


# ------------------------------------------------------------------ how long it takes


def test_pace_is_a_running_mean_and_finer_runs_are_a_bound():
    pace = Pace()
    assert pace.per_step(128) is None
    pace.note(512, 0.4)
    assert pace.per_step(128) == (0.4, 512) and pace.per_step(1024) is None
    pace.note(128, 0.1)
    assert pace.per_step(128) == (0.1, 128) and pace.per_step(256) == (0.4, 512)
    for _ in range(20):
        pace.note(128, 0.2)
    assert pace.per_step(128)[0] == pytest.approx(0.2, abs=1e-4)
    assert [duration(s) for s in (0.2, 9.4, 150, 3000, 4000)] == ["1 s", "9 s", "2 min 30 s", "50 min", "1 h 6 min"]
