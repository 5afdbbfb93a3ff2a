"""Several models on one page server: each has its page, its endpoints and its defaults; queue, worker and store are shared."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fake_pipeline import SCALES, FakePipeline, serve
from gradio_client import Client

import app
from layered.checkpoint import checkpoints_in
from layered.config import SampleConfig
from layered.pipeline import LayeredPipeline
from layered.studio import StudioSettings, Worker, build_studio
from layered.studio.examples import Examples, draw_examples
from layered.studio.explore import Explore
from layered.studio.handlers import Handlers
from layered.studio.links import flatten

ROOT = Path(__file__).parents[1]
FEW = SampleConfig(steps=4, guidance=1.0, solver="ddim")


def student() -> FakePipeline:
    """A model of three scales, drawn in one pass, that was distilled to four steps."""
    pipeline = FakePipeline(SCALES[:3], pause=0.0)
    pipeline.isolated = False
    pipeline.name, pipeline.usual = "Fake 128 (few)", FEW
    pipeline.meta = {"distilled": {"steps": 4, "guidance": 4.0}}
    return pipeline


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[str, FakePipeline, FakePipeline]]:
    first, second = FakePipeline(pause=0.0), student()
    with serve([first, second]) as (url, _):
        yield url, first, second


def config_of(url: str, page: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}config?page={page}") as answer:
        return json.load(answer)


def by_id(config: dict[str, Any]) -> dict[str, Any]:
    return {part["props"].get("elem_id"): part["props"] for part in config["components"]}


def test_each_model_has_a_page_with_its_scales_and_defaults(two):
    for path, scales, steps, model in (("", SCALES, 25, "fake-512"), ("model-fake-128-few", SCALES[:3], 4, "Fake 128 (few)")):
        with urllib.request.urlopen(two[0] + path) as answer:
            assert answer.status == 200
        parts = by_id(config_of(two[0], path))
        assert parts["viewer"]["props"]["scales"] == list(scales) and parts["steps"]["value"] == steps
        assert [size for size in SCALES if f"shift-{size}" in parts] == list(scales)
        links = parts["masthead"]["value"]["models"]
        assert [(one["href"], one["here"]) for one in links] == [("./", path == ""), ("./model-fake-128-few", path != "")]
        assert next(one["name"] for one in links if one["here"]) == model


def test_what_a_model_cannot_do_is_not_offered(two):
    first, second = (by_id(config_of(two[0], path)) for path in ("", "model-fake-128-few"))
    for control in ("order", "guided-up-to", "sleep-below"):
        assert first[control]["visible"] is True and second[control]["visible"] is False


def test_the_words_of_a_distilled_model_are_true_of_it(two):
    first, second = (by_id(config_of(two[0], path)) for path in ("", "model-fake-128-few"))
    assert second["steps"]["info"] == "It was distilled into 4 steps." and "built in" in second["guidance"]["info"]
    assert "slower and finer" in first["steps"]["info"] and "1 is no guidance" in first["guidance"]["info"]
    assert "distilled into 4 steps" in second["masthead"]["value"]["model"]
    assert "distilled" not in first["masthead"]["value"]["model"]
    assert second["sweep-size"]["value"] == 128 and [size for _, size in second["sweep-size"]["choices"]] == [128]


def test_a_link_sets_nothing_that_the_page_does_not_offer():
    with gr.Blocks(), gr.Tabs(), gr.Tab():
        explore = Explore(Handlers(student(), StudioSettings(), Worker()), StudioSettings())
    query = {"prompt": "a boat", "order": "coarse-first", "sleep_below": "-9", "guided_up_to": "32", "steps": "3"}
    found = dict(zip(("prompt", *explore.controls.values), explore.restored(query), strict=True))
    usual = flatten(FEW, SCALES[:3])
    assert found["prompt"] == "a boat" and found["steps"] == 3
    assert all(found[name] == usual[name] for name in ("order", "sleep_below", "guided_up_to"))


def test_a_model_of_one_scale_offers_nothing_that_joins_scales():
    parts = by_id(build_studio(FakePipeline((64,), pause=0.0)).config)
    hidden = ("noise", "states", "detail-prompt", "order", "guided-up-to", "sleep-below")
    assert not any(parts[name]["visible"] for name in hidden) and parts["solver"]["visible"]
    assert [one["key"] for one in parts["viewer"]["props"]["experiments"]] == ["schedule", "guidance", "prompts"]


def test_each_model_has_endpoints_with_its_defaults(two):
    url, first, second = two
    client = Client(url, verbose=False)
    named = client.view_api(return_format="dict")["named_endpoints"]
    common = {"/sample", "/generate", "/trajectory", "/film", "/sweep"}
    assert set(named) == common | {f"{name}_fake_128_few" for name in common}
    asked = len(first.asked)
    *pictures, settings = client.predict("a red balloon", seed=3, api_name="/generate_fake_128_few")
    assert len(pictures) == 3 and json.loads(settings)["model"] == "Fake 128 (few)"
    assert second.asked[-1] == ("a red balloon", SampleConfig(steps=4, guidance=1.0, solver="ddim", seed=3))
    assert len(first.asked) == asked
    client.predict("a red balloon", seed=3, steps=2, api_name="/generate")
    assert first.asked[-1][1] == SampleConfig(steps=2, seed=3)


def test_what_is_kept_is_bounded_once_for_all_models():
    first = Handlers(FakePipeline(pause=0.0), StudioSettings(), Worker())
    second = Handlers(student(), first.settings, first.worker, first)
    assert second.store is first.store and second.sweeps is first.sweeps
    assert first.endpoint("sample") == "sample" and second.endpoint("sample") == "sample_fake_128_few"


def test_one_model_has_no_links_and_two_of_one_name_are_refused():
    page = build_studio(FakePipeline(pause=0.0))
    assert "models" not in by_id(page.config)["masthead"]["value"] and page.pages == [("", "Home", True)]
    with pytest.raises(ValueError, match="have one name"):
        build_studio([FakePipeline(), FakePipeline()])


def test_a_distilled_model_starts_from_its_own_settings(tmp_path):
    pipeline = student()
    pipeline.digest = "abc"
    settings = StudioSettings(examples=(("One", "a red balloon"),), drawn_before=str(tmp_path))
    handlers = Handlers(pipeline, settings, Worker())
    draw_examples(handlers, tmp_path, [7], cores=1)
    drawn = Examples(handlers).get("example-one")
    assert drawn["total"] == 4 and drawn["query"] == "prompt=a+red+balloon&seed=7"  # the rest is the page's default


def test_examples_of_a_further_model_lie_in_a_folder_of_its_name(tmp_path):
    pipeline = student()
    pipeline.digest = "abc"
    settings = StudioSettings(examples=(("One", "a red balloon"),), drawn_before=str(tmp_path))
    first = Handlers(FakePipeline(pause=0.0), settings, Worker())
    draw_examples(Handlers(pipeline, settings, Worker()), tmp_path / "fake-128-few", [7], cores=1)
    further = Handlers(pipeline, settings, Worker(), first)
    assert Examples(further).get("example-one")["total"] == 4 and not Examples(first).runs


def test_what_is_shipped_belongs_together():
    """Every checkpoint loads, the one that lies over another too, and has all examples, drawn by its own weights."""
    worker, first, settings = Worker(), None, StudioSettings()
    names = sorted((path.name for path in checkpoints_in(ROOT / "checkpoints")), key=len)
    assert names == ["vista-512", "vista-512-few"]
    for name in names:
        handlers = Handlers(LayeredPipeline.from_pretrained(ROOT / "checkpoints" / name), settings, worker, first)
        first = first or handlers
        assert len(Examples(handlers).runs) == len(settings.examples), name


def test_the_shipped_checkpoints_are_offered_unless_others_are_named(tmp_path, monkeypatch):
    for name, text in (
        ("b", '{"format": "layered-diffusion"}'),
        ("a", '{"format": "layered-diffusion"}'),
        ("c", "{}"),
        ("d", "["),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    (tmp_path / "e").mkdir()
    assert [path.name for path in checkpoints_in(tmp_path)] == ["a", "b"]
    monkeypatch.setattr(app, "CHECKPOINT", tmp_path / "a")
    offered = lambda *words: [Path(name).name for name in app.further(app.parse(list(words)))]  # noqa: E731
    assert offered("--checkpoint", str(tmp_path / "a")) == ["b"] and offered("--checkpoint", "elsewhere") == []
    assert offered("--checkpoint", str(tmp_path / "a"), "--also", "none") == []
    monkeypatch.setenv("LAYERED_ALSO", "x, some one/y")
    assert offered("--checkpoint", str(tmp_path / "a")) == ["x", "y"]
