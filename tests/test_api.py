"""The endpoints for programs, through gradio's own client, and the command that starts the page."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from pathlib import Path

import av
import pytest
from fake_pipeline import SCALES, picture_of
from gradio.utils import get_upload_folder
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

import app
from layered.config import ORDERS, SampleConfig
from layered.schedule import Schedule
from layered.studio import exports, launch_options
from layered.studio.api import request
from layered.studio.film import FORMATS
from layered.studio.settings import EXAMPLES
from layered.trajectory import Trajectory

# ------------------------------------------------------------------ the endpoints for programs


def test_five_endpoints_are_named(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/sample", "/generate", "/trajectory", "/film", "/sweep"}
    parameters = [[one["parameter_name"] for one in named[name]["parameters"]] for name in ("/sample", "/trajectory", "/film")]
    assert parameters[0] == parameters[1] == list(request("")) and parameters[2] == [*parameters[0], "format"]
    schema = next(one["type"] for one in named["/film"]["parameters"] if one["parameter_name"] == "shifts")
    assert schema == {
        "anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "null"}]
    }  # one that other programs accept


def test_sample_streams_every_step(client, server):
    given = {"steps": 3, "seed": 7, "preset": "paper", "noise": "independent", "solver": "dpm++", "states": "top-down"}
    steps = list(client.submit("a red balloon", **given, api_name="/sample"))
    assert [step["step"] for step in steps] == [0, 1, 2]
    assert [step["state"] for step in steps] == ["running", "running", "done"]
    assert steps[0]["total"] == 3 and steps[0]["seconds"] <= steps[-1]["seconds"]
    for step in (steps[0], steps[-1]):
        assert picture_of(step["x0"]["512"]).size == picture_of(step["z"]["512"]).size == (512, 512)
    assert (steps[0]["asleep"], steps[-1]["asleep"]) == ([64, 128, 256, 512], [])
    assert steps[1]["measures"]["logsnr"]["128"] > steps[0]["measures"]["logsnr"]["128"]
    assert server[1].asked[-1] == ("a red balloon", SampleConfig(**given))
    assert steps[0]["settings"]["shifts_used"]["512"] == pytest.approx(math.log(1 / 32), abs=1e-6)


def test_coarse_first_streams_every_step_twice_and_generate_waits_for_the_end(client):
    given = {"steps": 2, "seed": 7, "order": "coarse-first", "sleep_below": None}
    steps = list(client.submit("a red balloon", **given, api_name="/sample"))
    assert [(step["step"], step["pending"]) for step in steps] == [(0, [256, 512]), (1, [256, 512]), (0, []), (1, [])]
    assert [step["state"] for step in steps] == ["running"] * 3 + ["done"]
    assert set(steps[1]["x0"]) == set(steps[1]["z"]) == {"32", "64", "128"} and "512" in steps[2]["x0"]
    *pictures, _ = client.predict("a red balloon", **given, api_name="/generate")
    assert [Image.open(path).size[0] for path in pictures] == [128, 256, 512]


def test_generate_returns_pictures_and_settings(client):
    *pictures, settings = client.predict("a red balloon", steps=2, seed=3, api_name="/generate")
    assert [Image.open(path).size[0] for path in pictures] == [128, 256, 512]
    assert [Image.open(path).format for path in pictures] == ["PNG"] * 3
    told = json.loads(settings)
    assert told["seed"] == 3 and told["steps"] == 2 and told["prompt"] == "a red balloon"
    assert exports.read_png_settings(pictures[-1]) == told


@pytest.mark.parametrize("order", ORDERS)
def test_trajectory_is_every_step_in_a_file(client, order):
    usual = {"steps": 3, "seed": 3, "preset": "paper", "order": order, "detail_prompt": "a stormy sea"}
    run = Trajectory.load(client.predict("a red balloon", **usual, api_name="/trajectory"))
    assert run.prompt == "a red balloon" and run.config == SampleConfig(**usual)
    assert [step.index for step in run.steps] == [0, 1, 2] and run.final[512].abs().max() <= 1
    assert run.shifts == pytest.approx(Schedule.preset("paper", SCALES).shifts)


@pytest.mark.parametrize("kind", FORMATS)
def test_film_is_made_while_it_is_drawn(client, kind):
    order = ORDERS[FORMATS.index(kind)]  # the one or the other: each step is filmed once, whole
    path = client.predict("a red balloon", steps=3, seed=3, order=order, format=kind, api_name="/film")
    assert path.endswith(f"seed3.{kind}")
    if kind == "webp":
        size = Image.open(path).size
    else:
        with av.open(path) as opened:
            size = opened.streams.video[0].width, opened.streams.video[0].height
    assert size == (1616, 654)


@pytest.mark.parametrize(
    ("endpoint", "given", "says"),
    [
        ("/film", {"format": "gif"}, "format"),
        ("/film", {"format": []}, "format"),
        ("/film", {"steps": 101}, "at most 100"),
        ("/trajectory", {"steps": 101}, "at most 100"),
        ("/trajectory", {"prompt": ""}, "prompt is empty"),
    ],
)
def test_file_endpoints_refuse_with_a_sentence(client, server, endpoint, given, says):
    asked = len(server[1].asked)
    with pytest.raises(AppError, match=says):
        client.predict(**({"prompt": "a red balloon", "steps": 1} | given), api_name=endpoint)
    assert len(server[1].asked) == asked


def test_a_cancelled_film_leaves_nothing(server):
    url, pipeline, _ = server
    client = Client(url, verbose=False)
    folder, closed = Path(get_upload_folder()), pipeline.closed
    before = set(folder.glob("*/layered-film-*"))
    job = client.submit("a red balloon", steps=100, seed=77, api_name="/film")
    next(iter(job))
    job.cancel()
    assert pipeline.wait(lambda: pipeline.closed > closed)
    assert pipeline.wait(lambda: set(folder.glob("*/layered-film-*")) == before)


def test_endpoint_defaults_are_those_of_a_run(client, server):
    client.predict("a red balloon", steps=1, api_name="/generate")
    config = server[1].asked[-1][1]
    assert dataclasses.replace(config, seed=0) == SampleConfig(steps=1)


@pytest.mark.parametrize("endpoint", ["/sample", "/generate"])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "x" * 10_000}, "10,000 characters"),
        ({"prompt": 5}, "must be text"),
        ({"steps": 0}, "1 to 250"),
        ({"steps": "many"}, "steps"),
        ({"steps": 2.5}, "whole number"),
        ({"steps": None}, "steps"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**40}, "seed"),
        ({"guidance": 99}, "0 to 20"),
        ({"guidance": [1, 2]}, "guidance"),
        ({"guidance": []}, "guidance"),
        ({"guidance_from": 0.9, "guidance_to": 0.1}, "guidance interval"),
        ({"shifts": [1, 2]}, "hifts"),
        ({"shifts": "low"}, "shifts"),
        ({"shifts": [0, 0, 0, 0, 99]}, "shift"),
        ({"noise": "pink"}, "noise mode"),
        ({"noise": ["sinc"]}, "noise mode"),
        ({"solver": None}, "solver"),
        ({"eta": {}}, "eta"),
        ({"sleep_below": "deep"}, "sleep_below"),
        ({"detail_prompt": 5}, "detail prompt"),
        ({"detail_prompt": "x" * 1001}, "detail prompt has 1,001 characters"),
    ],
)
def test_endpoints_refuse_bad_values_with_a_sentence(client, server, endpoint, given, says):
    asked = len(server[1].asked)
    with pytest.raises(AppError, match=says):
        client.predict(**({"prompt": "a red balloon", "steps": 1} | given), api_name=endpoint)
    assert len(server[1].asked) == asked


def test_not_a_number_is_refused_and_the_server_goes_on(client):
    with pytest.raises((AppError, ValueError)):
        client.predict("a red balloon", steps=1, guidance=math.nan, api_name="/sample")
    assert client.predict("a red balloon", steps=1, api_name="/sample")["state"] == "done"


def test_a_cancelled_job_stops_the_work(server):
    url, pipeline, _ = server
    client = Client(url, verbose=False)
    made, closed = pipeline.made, pipeline.closed
    job = client.submit("a red balloon", steps=200, api_name="/sample")
    next(iter(job))
    job.cancel()
    deadline = pipeline.wait(lambda: pipeline.closed > closed)
    assert deadline and pipeline.made - made < 200


# ------------------------------------------------------------------ the command


def test_app_reads_its_environment(monkeypatch):
    for name in ("LAYERED_HOST", "LAYERED_PORT", "LAYERED_CHECKPOINT", "GRADIO_SERVER_PORT", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    assert (app.parse([]).host, app.parse([]).port) == ("127.0.0.1", None)
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7001")
    assert app.parse([]).port == 7001
    monkeypatch.setenv("LAYERED_PORT", "7002")
    monkeypatch.setenv("LAYERED_CHECKPOINT", "somewhere")
    monkeypatch.setenv("SPACE_ID", "me/space")
    options = app.parse([])
    assert (options.port, options.host, options.checkpoint) == (7002, "0.0.0.0", "somewhere")
    assert app.parse(["--port", "7003", "--host", "::1"]).port == 7003


def test_tools_are_off_unless_asked_for_and_what_is_missing_is_said(monkeypatch):
    monkeypatch.delenv("LAYERED_MCP", raising=False)
    assert launch_options()["mcp_server"] is False
    monkeypatch.setenv("LAYERED_MCP", "1")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: object() if name == "mcp" else find(name, *rest))
    assert launch_options()["mcp_server"] is True
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "mcp" else find(name, *rest))
    with pytest.raises(ValueError, match=r"pip install 'gradio\[mcp\]"):
        launch_options()


@pytest.mark.parametrize("port", ["-1", "0", "70000", "seven"])
def test_app_refuses_a_bad_port(capsys, port):
    with pytest.raises(SystemExit):
        app.parse(["--port", port])
    assert "not a port" in capsys.readouterr().err


def test_app_says_why_it_cannot_start(capsys, tmp_path):
    assert app.main(["--checkpoint", str(tmp_path / "nothing")]) == 1
    said = capsys.readouterr().err
    assert "cannot start" in said and "nothing" in said and "Traceback" not in said
    assert app.main(["--checkpoint", str(tmp_path), "--device", "abacus"]) == 1
    assert "abacus" in capsys.readouterr().err


def test_examples_are_short_and_distinct():
    assert len(EXAMPLES) == 6 and len({prompt for _, prompt in EXAMPLES}) == 6
    assert all(len(name) < 24 and len(prompt) < 100 for name, prompt in EXAMPLES)


def test_nothing_of_the_page_names_another_host():
    folder = Path(app.__file__).parent / "assets"
    for path in [*folder.glob("*.js"), *folder.glob("*.css"), *folder.glob("*.html")]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text, path.name
    for path in folder.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "${" not in text and "{{" not in text and "`" not in text, path.name
