"""What a run gives away as files, and that their settings come back; a stranger's file is refused with a sentence."""

from __future__ import annotations

import json
import os
import time
import xml.etree.ElementTree as ElementTree
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np
import pytest
import torch
from fake_pipeline import SCALES, FakePipeline
from PIL import Image

from layered.config import SampleConfig
from layered.schedule import Schedule
from layered.studio import exports
from layered.studio.exports import MOST_SETTINGS, read_png_settings, read_settings, settings_json, summary
from layered.studio.film import FORMATS
from layered.studio.handlers import Handlers
from layered.studio.links import flatten, from_query, shift_name, to_config
from layered.studio.settings import StudioSettings
from layered.studio.take import PROBLEMS, Take
from layered.studio.worker import Worker
from layered.trajectory import Trajectory, to_uint8

RANGES = {"steps": (1, 100), "guidance": (0, 20), "seed": (0, 2**32 - 1), "sleep_below": (-20, 0), "guided_up_to": (32, 512)}
RANGES |= {"detail": (0, 2)} | dict.fromkeys(("guidance_parallel", "guidance_from", "guidance_to", "eta", "ddpm_noise"), (0, 1))
RANGES |= {shift_name(size): (-12, 6) for size in SCALES}
CONFIGS = [
    SampleConfig(seed=5),
    SampleConfig(steps=7, guidance=1.5, seed=2**32 - 1, noise="independent", preset="paper"),
    SampleConfig(shifts=(0.25, -0.5, -1.0, -2.0, -3.0), solver="dpm++", states="top-down", clipping="none"),
    SampleConfig(
        guidance_interval=(0.2, 0.75),
        guidance_parallel=0.35,
        detail=0.8,
        solver="ddim",
        eta=0.4,
        spacing="time",
        sleep_below=None,
    ),
    SampleConfig(steps=3, detail_prompt="rough & stormy «山»"),
]
PROMPTS = ["$x$ and \\frac{a}{b} $$", "<script>alert(1)</script> & ]]> <!--", "a\x00red\u202eballoon\x1b بالون"]


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    return Handlers(FakePipeline(pause=0.0), StudioSettings(), Worker())


@pytest.fixture(scope="module")
def take(handlers) -> Take:
    with gr.Blocks():
        return Take(handlers)


def draw(handlers: Handlers, prompt: str = "a red balloon", config: SampleConfig | None = None):
    """A run that is kept."""
    config = config or SampleConfig(steps=2, seed=5)
    *_, (_, run) = handlers.run(prompt, flatten(config, SCALES) | {"random_seed": False}, "tab")
    return run


def file(handlers: Handlers, run: Any, kind: str, folder: Any) -> str:
    """The path in the end."""
    return list(handlers.export(run.id, kind, str(folder)))[-1]


# ------------------------------------------------------------------ out


def test_png_carries_its_settings_in_any_script(handlers, tmp_path):
    prompt = "بالون 🎈 <b>red</b>"
    run = draw(handlers, prompt)
    path = file(handlers, run, "png", tmp_path)
    assert Image.open(path).size == (512, 512) and file(handlers, run, "png", tmp_path) == path
    assert np.abs(np.asarray(Image.open(path)).astype(int) - to_uint8(run.steps[-1].x0[512])[0].astype(int)).max() <= 1
    settings = read_png_settings(path)
    assert settings == run.settings and settings["prompt"] == prompt and settings["seed"] == 5
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    with pytest.raises(ValueError, match="no settings"):
        read_png_settings(tmp_path / "plain.png")


def test_contact_sheet_carries_them_too(handlers, tmp_path):
    run = draw(handlers)
    path = file(handlers, run, "sheet", tmp_path)
    assert read_png_settings(path) == run.settings
    width, height = Image.open(path).size
    assert width == 1616 and 600 < height < 720


def test_partial_run_comes_home_as_a_trajectory(handlers, tmp_path):
    paper = flatten(SampleConfig(steps=9, preset="paper"), SCALES)
    stream = handlers.run("a red balloon", paper, "tab")
    runs = [next(stream)[1] for _ in range(3)]
    stream.close()
    loaded = Trajectory.load(file(handlers, runs[0], "trajectory", tmp_path))
    assert len(loaded.steps) == 3 and loaded.prompt == "a red balloon" and loaded.config.steps == 9
    assert loaded.shifts == pytest.approx(Schedule.preset("paper", SCALES).shifts)
    assert torch.allclose(loaded.final[128], runs[0].steps[-1].x0[128].float())


@pytest.mark.parametrize("prompt", PROMPTS)
def test_svg_holds_the_prompt_as_text_and_nothing_else_of_it(handlers, tmp_path, prompt):
    path = file(handlers, draw(handlers, prompt), "svg", tmp_path)
    root = ElementTree.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    said = ["".join(node.itertext()) for node in root.iter(f"{space}text")]
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in prompt).split())
    assert shown in said  # in one piece, with its dollars: never read as mathematics
    assert any("2 steps · guidance 3 · seed 5" in text for text in said) and "512 px" in said
    assert len(list(root.iter(f"{space}image"))) == 3 * 2
    assert not [node for node in root.iter() if node.tag.split("}")[-1] in ("script", "foreignObject", "a")]


def test_pdf_keeps_its_words(handlers, tmp_path):
    data = open(file(handlers, draw(handlers, "$x$ <script>"), "pdf", tmp_path), "rb").read()  # noqa: SIM115
    assert data.startswith(b"%PDF") and data.rstrip().endswith(b"%%EOF")
    assert b"/FontFile2" in data and b"/ToUnicode" in data and b"CreationDate" not in data


def test_settings_in_one_line():
    assert summary(SampleConfig(seed=3), 25, "m") == "25 steps · guidance 3 · seed 3 · DDPM · sinc noise · aligned shifts · m"
    config = SampleConfig(steps=9, guidance=(1.0, 2.5), solver="ddim", eta=0.5, sleep_below=None, shifts=(0.0, -1.25))
    assert summary(config, 4, "m") == (
        "step 4 of 9 · guidance 1 / 2.5 · seed 0 · DDIM · sinc noise · shifts 0 / -1.25 · eta 0.5 · sleep below off · m"
    )


@pytest.mark.parametrize("name", ["", None, "nobody", ["x"]])
@pytest.mark.parametrize("kind", [*exports.WRITERS, *FORMATS])
def test_nothing_to_download_is_a_sentence(handlers, tmp_path, name, kind):
    with pytest.raises(gr.Error, match="press Run"):
        list(handlers.export(name, kind, str(tmp_path)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["gif", "", None, ["png"], {"png": 1}, "../png"])
def test_another_kind_is_a_sentence(handlers, tmp_path, kind):
    run = draw(handlers)
    with pytest.raises(gr.Error, match="no such file"):
        list(handlers.export(run.id, kind, str(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_files_go_with_their_run(handlers, tmp_path):
    run = draw(handlers)
    for kind in ("png", "sheet", "webp", "trajectory"):
        file(handlers, run, kind, tmp_path)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 4
    handlers.store.drop_session("tab")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_files_that_nobody_took_go_after_a_while(tmp_path):
    left, new, foreign = (exports.new_file(tmp_path, "a.png"), exports.new_file(tmp_path, "b.png"), tmp_path / "gradio" / "c.png")
    foreign.parent.mkdir()
    for path in (left, new, foreign):
        path.write_bytes(b"x")
    for path in (left, foreign):
        os.utime(path.parent, (0, time.time() - exports.KEEP_FILES - 60))
    exports.new_file(tmp_path, "d.png")
    assert not left.parent.exists() and new.exists() and foreign.exists()


def test_others_come_between_the_frames_of_a_film(handlers, tmp_path):
    """A film occupies the worker for one or two frames at a time, not for all of them."""
    run = draw(handlers, config=SampleConfig(steps=9))
    making = handlers.export(run.id, "webp", str(tmp_path))
    assert next(making) == (1, 9)
    told = handlers.worker.call(lambda: [path.stat().st_size for path in tmp_path.rglob("*.webp")])
    assert told == [0] or not told  # the file is not finished
    making.close()
    handlers.worker.call(lambda: None)
    assert not list(tmp_path.rglob("*.webp")) and not run.files


def test_row_says_how_far_a_film_is(handlers, take):
    run = draw(handlers)
    told = list(take.fetch({"kind": "webp", "run": run.id}))
    assert [value["say"] for value, _ in told] == ["Making the film: 1 of 2 frames.", "Making the film: 2 of 2 frames.", ""]
    assert told[-1][1].endswith(".webp")
    for asked in (None, [], "png", {"kind": "png"}, {"run": run.id}):
        with pytest.raises(gr.Error):
            list(take.fetch(asked))


# ------------------------------------------------------------------ back


@pytest.mark.parametrize("config", CONFIGS)
def test_settings_come_back_as_they_were(handlers, take, config):
    run = draw(handlers, "red & «blue» 🎈", config)
    prompt, read, model = read_settings(settings_json(run.settings))
    assert (prompt, read, model) == (run.prompt, config, handlers.model)
    query, say = take.bring({"settings": settings_json(run.settings)}, RANGES)
    found = from_query(query, SCALES, RANGES)
    assert found["prompt"] == run.prompt and say == "Press Run to draw it again."
    assert to_config(flatten(SampleConfig(), SCALES) | found, SCALES) == config


def test_what_the_page_cannot_take_is_said(handlers, take):
    settings = draw(handlers).settings
    said = lambda **changed: take.bring({"settings": json.dumps(settings | changed)}, RANGES)[1]  # noqa: E731
    assert said(steps=200).endswith("left at the default: steps.")
    assert "guidance per scale" in said(guidance=[1, 2, 3, 4, 5]) and "choice of scales" in said(scales=[32, 64])
    assert "detail prompt per scale" in said(detail_prompt=[[64, "fog"], [128, "sea"]])
    assert "drawn by other-512; fake-512 will draw something else" in said(model="other-512")
    nothing = {"settings": json.dumps(settings | {"order": "coarse-first", "sleep_below": -6.0})}
    query, say = take.bring(nothing, RANGES, hidden={"order", "sleep_below"})
    assert say.endswith("left at the default: order and sleep below.")
    found = from_query(query, SCALES, RANGES, {"order", "sleep_below"})
    assert "order" not in found and "sleep_below" not in found and found["steps"] == 2
    with pytest.raises(ValueError, match="for 2 scales, and this page's model has 5"):
        said(shifts=[0, -1])


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "{",
        "[]",
        '"x"',
        "null",
        "[" * (MOST_SETTINGS - 1),
        "{}",
        '{"prompt": 5}',
        '{"prompt": "\\ud800"}',
        '{"prompt": "x", "steps": NaN}',
        '{"prompt": "x", "steps": {}}',
        '{"prompt": "x", "guidance": [[1]]}',
        '{"prompt": "x", "guidance": []}',
        '{"prompt": "x", "shifts": 5}',
        '{"prompt": "x", "scales": "big"}',
        '{"prompt": "x", "seed": ' + "9" * 5000 + "}",
        '{"prompt": "x", "seed": true}',
        '{"prompt": "x", "noise": ["sinc"]}',
        '{"prompt": "x", "__class__": 1}',
        '{"prompt": "x", "detail_prompt": "\\ud800"}',
        '{"prompt": "x", "detail_prompt": null}',
        '{"prompt": "x", "detail_prompt": {"64": "fog"}}',
        '{"prompt": "x", "guidance_interval": {"a": 1}}',
        '{"prompt": "' + "x" * MOST_SETTINGS + '"}',
    ],
    ids=lambda text: str(text)[:40],
)
def test_a_strangers_settings_are_refused_with_a_sentence(take, text):
    with pytest.raises(ValueError) as caught:
        take.bring({"settings": text}, RANGES)
    assert type(caught.value) is ValueError and len(str(caught.value)) > 20


@pytest.mark.parametrize(("problem", "says"), [*PROBLEMS.items(), ("nonsense", "broken"), ({}, "broken"), ([], "broken")])
def test_what_could_not_be_read_is_a_sentence(take, problem, says):
    with pytest.raises(ValueError) as caught:
        take.bring({"problem": problem}, RANGES)
    assert str(caught.value) == says or says in str(caught.value)


def test_query_of_a_hostile_prompt_is_only_its_prompt(handlers, take):
    prompt = "x&steps=1&seed=9#\" onload='alert(1)' %00"
    query, _ = take.bring({"settings": json.dumps(draw(handlers).settings | {"prompt": prompt})}, RANGES)
    assert query["prompt"] == prompt and query["seed"] == "5" and dict(parse_qsl("steps=2")).items() <= query.items()


# ------------------------------------------------------------------ in a notebook


def test_a_trajectory_shows_itself_in_a_notebook(handlers, tmp_path):
    import io

    from layered import Trajectory as public

    run = public.load(file(handlers, draw(handlers), "trajectory", tmp_path))
    picture = Image.open(io.BytesIO(run._repr_png_()))
    assert picture.size == (5 * 512, 512)
    assert np.array_equal(np.asarray(picture)[:, -512:], to_uint8(run.final[512])[0])
    assert repr(run) == "Trajectory('a red balloon': 2 of 2 steps at 32, 64, 128, 256, 512 px, fake-512)"
