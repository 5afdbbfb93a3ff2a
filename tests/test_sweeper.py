"""Sweeps drawn without a browser: cells as they come, what is kept, files, the endpoint."""

from __future__ import annotations

import csv
import io
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from fake_pipeline import SCALES, FakePipeline, picture_of
from gradio_client.exceptions import AppError
from PIL import Image

from layered.config import SampleConfig
from layered.studio.axes import PROMPT
from layered.studio.exports import read_png_settings, read_settings, settings_json
from layered.studio.grid_files import table
from layered.studio.handlers import Handlers
from layered.studio.links import flatten, shift_name
from layered.studio.settings import StudioSettings
from layered.studio.sweeper import Sweeper
from layered.studio.worker import Worker

RANGES = {"steps": (1, 100), "guidance": (0, 20), "seed": (0, 2**32 - 1), "eta": (0, 1), "ddpm_noise": (0, 1)}
RANGES |= {shift_name(size): (-12, 6) for size in SCALES}


def values(**changed: Any) -> dict[str, Any]:
    return flatten(SampleConfig(), SCALES) | {"random_seed": True} | changed


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


def test_the_settings_of_a_sweep_bring_its_first_cell_back(sweeper, tmp_path):
    prompts = [f"{number} " + "山" * 990 for number in range(36)]
    _, sweep = drawn(sweeper, asked((PROMPT, prompts), size=64), noise="independent")
    settings = read_png_settings(sweeper.picture(sweep.id, tmp_path))
    assert settings["sweep"]["columns"]["values"] == prompts
    assert read_settings(settings_json(settings)) == (prompts[0], SampleConfig(steps=2, noise="independent"), "fake-512")


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
