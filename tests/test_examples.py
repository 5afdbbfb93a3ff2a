"""Examples drawn before: they count only for the weights and settings that drew them, and fit their share of the budget."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import gradio as gr
import pytest
from fake_pipeline import SCALES, FakePipeline, picture_of

from layered.checkpoint import weights_digest
from layered.config import SampleConfig
from layered.studio import examples
from layered.studio.examples import BUDGET, Examples, draw_examples, slug
from layered.studio.handlers import Handlers
from layered.studio.links import flatten
from layered.studio.settings import EXAMPLES, StudioSettings
from layered.studio.worker import Worker
from tests.test_unet import awake, tiny

TWO = EXAMPLES[:2]


def handlers_of(folder: Path, digest: str | None = "abc", **settings) -> Handlers:
    pipeline = FakePipeline(pause=0.0)
    pipeline.digest = digest
    return Handlers(pipeline, StudioSettings(**{"examples": TWO, "drawn_before": str(folder)} | settings), Worker())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[Path, list[Path]]:
    folder = tmp_path_factory.mktemp("examples") / "new"
    return folder, draw_examples(handlers_of(folder), folder, [7], cores=2)


def test_a_file_holds_the_run_as_the_page_receives_it(drawn) -> None:
    folder, paths = drawn
    assert [path.name for path in paths] == ["castle-at-sunset.json", "cabin-by-a-lake.json"]
    assert sum(path.stat().st_size for path in paths) <= BUDGET
    found = Examples(handlers_of(folder))
    for _, prompt in TWO:
        run = found.get(found.of(prompt))
        assert (run["seed"], run["total"], run["cores"], run["settings"]["prompt"]) == (7, 25, 2, prompt)
        assert [frame["step"] for frame in run["frames"]] == list(range(25)) and run["seconds"] > 0
        last = run["frames"][-1]
        assert [picture_of(last["x0"][str(size)]).size[0] for size in SCALES] == list(SCALES)
        assert set(last["measures"]) == {"logsnr", "change", "agreement", "detail"} and last["pending"] == []
        assert f"seed={run['seed']}" in run["query"]
        assert "config = SampleConfig(seed=7)" in run["python"] and f"generate({prompt!r}, config)" in run["python"]
    assert found.get("example-other") is found.get(None) is found.get(["x"]) is found.of("x") is None


def test_only_the_weights_that_drew_them_count(drawn) -> None:
    folder, _ = drawn
    for digest in ("other", None):
        assert not Examples(handlers_of(folder, digest)).runs
    assert not Examples(handlers_of(folder / "nowhere")).runs


def damaged(path: Path, **changed) -> str:
    return json.dumps(json.loads(path.read_text()) | changed)


def test_a_file_that_does_not_fit_is_left_out(drawn, tmp_path) -> None:
    good = drawn[1][0]
    settings = json.loads(good.read_text())["settings"]
    bad = {
        "cut short": good.read_text()[:-100],
        "a list": "[]",
        "of another format": damaged(good, format=0),
        "of other settings": damaged(good, settings=settings | {"steps": 24}),
        "of another prompt": damaged(good, settings=settings | {"prompt": "x"}),
        "with a bad seed": damaged(good, seed="x"),
        "without frames": damaged(good, frames=None),
        "with fewer frames": damaged(good, frames=json.loads(good.read_text())["frames"][:-1]),
    }
    for what, text in bad.items():
        (tmp_path / good.name).write_text(text)
        assert not Examples(handlers_of(tmp_path)).runs, what
    (tmp_path / good.name).write_text(good.read_text())
    assert len(Examples(handlers_of(tmp_path)).runs) == 1


def test_they_stand_for_a_run_only_while_the_controls_say_the_same(drawn) -> None:
    found = Examples(handlers_of(drawn[0]))
    run = found.of(TWO[0][1])
    usual = flatten(SampleConfig(), SCALES)
    assert found.same(run, usual | {"random_seed": True, "seed": 3}, SCALES)
    assert found.same(run, usual | {"random_seed": False, "seed": 7}, SCALES)
    assert not found.same(run, usual | {"random_seed": False, "seed": 3}, SCALES)
    assert not found.same(run, usual | {"random_seed": True, "steps": 24}, SCALES)
    assert not found.same(run, usual | {"random_seed": True, "steps": None}, SCALES)
    small = flatten(SampleConfig(), (32, 64))  # the controls have no 128, up to which guidance is asked for
    assert small["guided_up_to"] == 64 and found.same(run, small | {"random_seed": True}, (32, 64))


def test_quality_gives_way_to_the_budget_and_then_it_is_refused(tmp_path) -> None:
    handlers = handlers_of(tmp_path, examples=TWO[:1])
    (best,) = draw_examples(handlers, tmp_path / "a", [1], cores=1)
    budget = int(0.8 * best.stat().st_size)
    (smaller,) = draw_examples(handlers, tmp_path / "b", [1], cores=1, budget=budget)
    assert smaller.stat().st_size <= budget < best.stat().st_size
    with pytest.raises(ValueError, match="more than its share of 1,000"):
        draw_examples(handlers, tmp_path / "c", [1], cores=1, budget=1000)
    with pytest.raises(ValueError, match="one for each of the 1 examples: got 2"):
        draw_examples(handlers, tmp_path, [1, 2], cores=1)
    with pytest.raises(ValueError, match="no digest"):
        draw_examples(handlers_of(tmp_path, None), tmp_path, [1], cores=1)


def test_downloads_of_an_example_say_what_to_do(tmp_path) -> None:
    with pytest.raises(gr.Error, match="drawn before.*press Run"):
        list(handlers_of(tmp_path).export("example-castle-at-sunset", "png", str(tmp_path)))


def test_the_command_draws_where_it_is_told(tmp_path, monkeypatch, capsys) -> None:
    pipeline = FakePipeline(pause=0.0)
    pipeline.digest = "abc"
    monkeypatch.setattr("layered.pipeline.LayeredPipeline.from_pretrained", lambda *args, **kwargs: pipeline)
    assert examples.main(["--out", str(tmp_path), "--seeds", "1", "2"]) == 1
    assert "one for each of the 6" in capsys.readouterr().err
    assert examples.main(["--out", str(tmp_path), "--seeds", "1"]) == 0
    assert {path.stem for path in tmp_path.iterdir()} == {slug(name) for name, _ in EXAMPLES}
    assert pipeline.asked[-1] == (EXAMPLES[-1][1], SampleConfig(seed=1))


def test_a_digest_knows_weights_and_architecture_alone() -> None:
    model, same, other = awake(tiny()), awake(tiny()), awake(tiny(), seed=1)
    assert weights_digest(model) == weights_digest(same) == weights_digest(same.double())
    assert len({weights_digest(m) for m in (model, other)}) == 2
    levels = (*tiny().levels[:2], dataclasses.replace(tiny().levels[2], detail_std=0.2))
    assert weights_digest(awake(dataclasses.replace(tiny(), levels=levels))) != weights_digest(model)
