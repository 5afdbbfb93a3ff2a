"""Sweeps without a browser: how axes are written, what a grid holds, what is refused, estimates, files, the endpoint."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np
import pytest
import torch
from fake_pipeline import SCALES, FakePipeline, picture_of, serve
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

from layered.config import SampleConfig
from layered.schedule import Schedule
from layered.studio.axes import ALL_SHIFTS, PROMPT, read_axis, sweepable
from layered.studio.exports import read_png_settings
from layered.studio.grid import Limits, make_grid, usual_size
from layered.studio.grid_files import table
from layered.studio.handlers import Handlers
from layered.studio.links import flatten, from_query, shift_name, to_config
from layered.studio.pace import Pace
from layered.studio.settings import StudioSettings
from layered.studio.sweeper import Sweeper, duration, sheet
from layered.studio.worker import Worker

RANGES = {"steps": (1, 100), "guidance": (0, 20), "seed": (0, 2**32 - 1), "eta": (0, 1), "ddpm_noise": (0, 1)}
RANGES |= {shift_name(size): (-12, 6) for size in SCALES}
LIMITS = Limits(36, 1800, RANGES)
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


# ------------------------------------------------------------------ drawing


@pytest.fixture
def sweeper() -> Sweeper:
    return Sweeper(Handlers(FakePipeline(pause=0.0), StudioSettings(), Worker()), StudioSettings(), RANGES)


def asked(columns: tuple[str, Any], rows: tuple[str, Any] | None = None, size: int = 64) -> dict[str, Any]:
    told = [{"setting": a[0], "values": a[1]} if a else None for a in (columns, rows)]
    return {"columns": told[0], "rows": told[1], "size": size}


def drawn(sweeper: Sweeper, what: dict[str, Any], session: str = "tab", prompt: str = "a boat", **changed: Any):
    """All that a sweep tells, and the sweep."""
    told = list(sweeper.run(sweeper.grid(prompt, values(steps=2, **changed), what), session))
    return told, told[-1][0]


def test_cells_come_one_after_the_other_and_are_kept(sweeper):
    told, sweep = drawn(sweeper, asked(("seed", "1, 2"), ("guidance", "1, 3")))
    said = [value for _, _, value in told]
    assert [value["made"] for value in said] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert [value["state"] for value in said] == ["running"] * 7 + ["done"]
    assert len({tuple(value) for value in said}) == 1  # the same keys throughout
    assert [value["live"]["index"] for value in said if value["live"]] == [0, 1, 2, 3]
    cells = [value["cell"] for value in said if value["cell"]]
    assert [cell["index"] for cell in cells] == [0, 1, 2, 3] == [r.shown["index"] for r in sweep.results]
    assert all(picture_of(cell["picture"]).size == (64, 64) for cell in cells)
    asked_of = sweeper.handlers.pipeline.asked
    assert [config.seed for _, config in asked_of] == [1, 2, 1, 2] and {c.scales for _, c in asked_of} == {(32, 64)}
    first, second, third, _ = (cell["measures"]["difference"]["64"] for cell in cells)
    apart = (sweep.results[1].picture.float() - sweep.results[0].picture.float()).square().mean().sqrt()
    assert first == third == 0 and second == pytest.approx(float(apart), rel=1e-3) and second > 0.01
    assert all(r.picture.dtype == torch.float16 and r.picture.shape == (1, 3, 64, 64) for r in sweep.results)
    urls = sum(len(cell["picture"]) for cell in cells)
    assert sweep.bytes == 4 * 2 * 3 * 64**2 + urls == sweeper.store.bytes
    assert said[-1]["seconds"] == pytest.approx(sum(r.seconds for r in sweep.results), abs=0.02)


def test_a_stopped_sweep_keeps_what_is_done_and_ends_the_work(sweeper):
    pipeline = sweeper.handlers.pipeline
    told = sweeper.run(sweeper.grid("a boat", values(steps=3), asked(("seed", "1..9"))), "tab")
    sweep = next(sweep for sweep, result, _ in told if result)
    told.close()
    assert pipeline.wait(lambda: pipeline.closed == len(pipeline.asked))
    assert len(sweep.results) == 1 and len(pipeline.asked) <= 2
    assert [cell["index"] for cell in sweeper.cells({"sweep": sweep.id, "cells": [0, 1, 5]})] == [0]


def test_one_sweep_is_kept_per_tab_within_bounds(sweeper):
    _, first = drawn(sweeper, asked(("seed", "1")))
    _, other = drawn(sweeper, asked(("seed", "1")), session="other")
    _, second = drawn(sweeper, asked(("seed", "1")))
    assert sweeper.store.get(first.id) is None and len({first.id, other.id, second.id}) == 3
    assert sweeper.store.get(second.id) is second and sweeper.store.get(other.id) is other
    sweeper.store.drop_session("tab")
    assert sweeper.store.get(second.id) is None
    drawn(sweeper, asked(("seed", "1")), session=None)
    assert len(sweeper.store) == 1


@pytest.mark.parametrize("given", [None, 3, [], {}, {"sweep": []}, {"sweep": "x", "cells": 3}, {"sweep": None, "cells": [0]}])
def test_cells_are_fetched_by_nobody_else(sweeper, given):
    drawn(sweeper, asked(("seed", "1")))
    assert sweeper.cells(given) == []


def test_what_is_asked_of_a_kept_sweep_is_not_trusted(sweeper):
    _, sweep = drawn(sweeper, asked(("seed", "1, 2")))
    assert [c["index"] for c in sweeper.cells({"sweep": sweep.id, "cells": [True, "0", -1, 1.0, 1, 99, None]})] == [1]


def test_a_plan_says_what_it_takes_and_never_fails(sweeper):
    plan = sweeper.plan("", values(steps=5), asked(("seed", "1, 2"), ("guidance", "1, 2, 3")))
    assert plan["ok"] and plan["say"] == "2 × 3 = 6 pictures at 64 px, 30 steps"
    assert "has been timed" in plan["time"] and plan["sheet"]["rows"]["values"] == ["1", "2", "3"]
    told = dict(plan["base"])
    assert told["Steps"] == "5" and "Seed" not in told and "Guidance" not in told
    assert any("Explore has none" in name and value == sweeper.example for name, value in plan["base"])
    sweeper.handlers.pace.note(64, 0.5)
    assert sweeper.plan("a boat", values(), asked(("steps", "10, 20")))["time"].startswith("About 15 s")
    assert sweeper.plan("a boat", values(), asked(("steps", "10, 20"), size=32))["time"].startswith("Less than 15 s")
    for bad in (asked(("seed", "")), asked(("nothing", "1")), {}, asked((PROMPT, "x" * 2000))):
        refused = sweeper.plan("a boat", values(), bad)
        assert not refused["ok"] and refused["say"] and refused["sheet"] is None
    assert not sweeper.plan("x" * 2000, values(), asked(("seed", "1")))["ok"]
    assert sweeper.plan("x" * 2000, values(), asked((PROMPT, "a boat")))["ok"]  # the prompt of Explore is not used


def test_runs_teach_the_pace(sweeper):
    drawn(sweeper, asked(("seed", "1")))
    assert sweeper.handlers.pace.per_step(64)[1] == 64


# ------------------------------------------------------------------ files


def test_the_picture_holds_every_cell_unchanged_and_its_settings(sweeper, tmp_path):
    prompt = "a very long prompt about boats, cabins and lighthouses " * 8
    what = asked(("seed", "1, 2"), (PROMPT, ["a cabin", prompt.strip()]), size=128)
    _, sweep = drawn(sweeper, what)
    path = sweeper.picture(sweep.id, tmp_path)
    assert path == sweeper.picture(sweep.id, tmp_path)  # written once
    settings = read_png_settings(path)
    assert settings["sweep"]["columns"] == {"setting": "seed", "values": [1, 2]} and settings["sweep"]["size"] == 128
    assert settings["prompt"] == "a cabin" and settings["steps"] == 2
    drawing = torch.from_numpy(np.array(Image.open(path))).float()
    for result in sweep.results:
        cell = (result.picture[0].float().permute(1, 2, 0) * 127.5 + 128).clamp(0, 255).floor()
        line = cell[64]
        rows = drawing.unfold(1, 128, 1).permute(0, 1, 3, 2)  # (H, W - 127, 128, 3)
        assert (rows == line).all(-1).all(-1).any(), result.shown["index"]


def test_a_stopped_sweep_has_a_picture_too_and_small_pictures_are_enlarged(sweeper, tmp_path):
    told = sweeper.run(sweeper.grid("a boat", values(steps=1), asked(("seed", "1..4"), size=32)), "tab")
    sweep = next(sweep for sweep, result, _ in told if result)
    told.close()
    size = Image.open(sweeper.picture(sweep.id, tmp_path)).size
    assert size[0] > 4 * 96


def test_the_table_has_a_line_per_cell_and_scale(sweeper, tmp_path):
    _, sweep = drawn(sweeper, asked(("guidance", "1, 2"), (PROMPT, ["a boat", "=cmd()"])))
    with open(sweeper.table(sweep.id, tmp_path), encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["cell"], line["scale"]) for line in lines] == [(str(c), s) for c in range(1, 5) for s in ("32", "64")]
    assert [line["guidance"] for line in lines[:4]] == ["1.0", "1.0", "2.0", "2.0"]
    assert lines[0]["prompt"] == "a boat" and lines[-1]["prompt"] == "'=cmd()"  # no spreadsheet takes it for a formula
    assert lines[0]["agreement_db"] == "" and float(lines[1]["agreement_db"]) > 0
    last = sweep.results[0]
    assert float(lines[1]["logsnr"]) == pytest.approx(last.measures["logsnr"][64], rel=1e-4)
    assert float(lines[1]["seconds"]) == pytest.approx(last.seconds, abs=1e-3)
    assert table(sweep.grid, []).count("\n") == 1
    assert next(csv.reader(io.StringIO(table(sweep.grid, []))))[:5] == ["cell", "row", "column", "guidance", "prompt"]


def test_downloads_of_nothing_say_so(sweeper, tmp_path):
    for name, says in (("", "draw a sweep first"), ("gone", "no longer kept")):
        with pytest.raises(gr.Error, match=says):
            sweeper.picture(name, tmp_path)


# ------------------------------------------------------------------ the endpoint


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, FakePipeline]]:
    pipeline = FakePipeline(pause=0.0)
    with serve(pipeline) as (url, _):
        yield url, pipeline


@pytest.fixture(scope="module")
def client(server) -> Client:
    return Client(server[0], verbose=False)


def test_the_endpoint_streams_finished_cells(client, server):
    columns = {"setting": "guidance", "values": "1..3"}
    job = client.submit(columns, {"setting": "seed", "values": [5, 6]}, 64, "a boat", steps=2, preset="paper", api_name="/sweep")
    cells = [value for value in job if value]
    assert [(cell["index"], cell["row"], cell["column"]) for cell in cells] == [(i, i // 3, i % 3) for i in range(6)]
    assert cells[4]["varied"] == {"guidance": 2.0, "seed": 6} and cells[4]["settings"]["seed"] == 6
    assert [cell["state"] for cell in cells] == ["running"] * 5 + ["done"] and cells[0]["total"] == 6
    assert picture_of(cells[-1]["picture"]).size == (64, 64)
    expected = SampleConfig(steps=2, preset="paper", guidance=3.0, seed=6, scales=(32, 64))
    assert server[1].asked[-1] == ("a boat", expected)
    told = client.view_api(return_format="dict")["named_endpoints"]["/sweep"]
    assert [p["parameter_name"] for p in told["parameters"]][:5] == ["columns", "rows", "size", "prompt", "steps"]


def test_the_endpoint_takes_one_axis_and_draws_one_seed(client, server):
    one = client.submit({"setting": "prompt", "values": ["a boat", "a cabin"]}, steps=1, api_name="/sweep")
    cells = [value for value in one if value]
    assert [cell["prompt"] for cell in cells] == ["a boat", "a cabin"]
    assert len({cell["settings"]["seed"] for cell in cells}) == 1 and server[1].asked[-1][1].scales == (32, 64, 128)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"columns": None}, "columns vary nothing"),
        ({"columns": {"setting": "guidance", "values": []}}, "no values"),
        ({"columns": {"setting": "guidance", "values": ["1"]}}, "not a number"),
        ({"columns": {"setting": "colour", "values": [1]}}, "cannot be varied"),
        ({"rows": {"setting": "seed", "values": "1..99"}}, "at most 36"),
        ({"rows": [1]}, "Rows"),
        ({"size": 100}, "Draw at"),
        ({"size": None}, "Draw at"),
        ({"prompt": 5}, "must be text"),
        ({"prompt": "x" * 2000}, "2,000 characters"),
        ({"guidance": [1, 2, 3, 4, 5]}, "one weight"),
        ({"shifts": [1, 2]}, "hifts"),
        ({"solver": "euler"}, "solver"),
    ],
)
def test_the_endpoint_refuses_with_a_sentence(client, server, given, says):
    before = len(server[1].asked)
    usual = {"columns": {"setting": "guidance", "values": [1]}, "prompt": "a boat", "steps": 1}
    with pytest.raises(AppError, match=says):
        client.predict(**(usual | given), api_name="/sweep")
    assert len(server[1].asked) == before
