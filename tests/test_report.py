"""Prompt accuracy and the quality report: prompts that state the truth, pictures in batches, an oracle, equal numbers twice."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
import torch

from layered.config import SampleConfig
from layered.evaluation.__main__ import main
from layered.evaluation.accuracy import holds, judge, look, prompt_accuracy
from layered.evaluation.probe import Findings, labels_of, save_probe
from layered.evaluation.prompts import OBJECT_WORDS, PROMPT_SETS, SCENE_WORDS, Claim, draw_prompts
from layered.evaluation.quality import compare, measure_quality
from layered.evaluation.report import write_report
from layered.evaluation.standard import StandardScoresError, check_standard
from layered.pipeline import LayeredPipeline, draw_pictures
from layered.pyramid import image_pyramid
from layered.world import HELD_OUT, VOCABULARY, Vistas, render
from layered.world.words import plural
from tests.test_nested import NESTED, random_pipeline
from tests.test_pipeline import checkpoint, pipeline  # noqa: F401 - fixtures
from tests.test_probe import TINY, probe  # noqa: F401 - fixture

QUICK = SampleConfig(steps=2, guidance=2.0)


def oracle(specs) -> Findings:
    """The findings of a probe that is always right."""
    labels = labels_of(specs, TINY)
    return Findings(
        {name: torch.eye(len(values))[labels.scene[name].clamp_min(0)] for name, values in TINY.scene.items()},
        labels.present - 0.5,
        {name: torch.eye(len(values))[labels.objects[name].clamp_min(0)] for name, values in TINY.objects.items()},
        torch.zeros(len(specs), TINY.features),
    )


# ---------------------------------------------------------------- prompts


@pytest.mark.parametrize("which", PROMPT_SETS)
def test_prompts_state_the_truth_and_are_always_the_same(which) -> None:
    prompts = draw_prompts(which, 60)
    assert prompts == draw_prompts(which, 60) and prompts[:7] == draw_prompts(which, 7)
    for prompt in prompts:
        assert prompt.claims and not re.search(r"\ba [aeiou]|  |\bNone\b", prompt.text)
        for claim in prompt.claims:
            holders = [o for o in prompt.spec.objects if o.kind == claim.kind] if claim.kind else [prompt.spec]
            assert [str(getattr(holder, claim.attribute)) for holder in holders] == [claim.value]


@pytest.mark.parametrize("which", ["long", "short"])
def test_long_and_short_prompts_keep_to_the_words_of_the_captions(which) -> None:
    prompts = draw_prompts(which, 200)
    assert {word for prompt in prompts for word in re.findall("[a-z]+", prompt.text)} <= VOCABULARY
    assert not any(claim.held_out for prompt in prompts for claim in prompt.claims)
    words = [len(prompt.text.split()) for prompt in prompts]
    assert max(words) <= 8 if which == "short" else sum(words) / len(words) > 12


@pytest.mark.parametrize("which", PROMPT_SETS)
def test_nothing_is_claimed_that_the_prompt_does_not_say(which) -> None:
    words = {**SCENE_WORDS, **OBJECT_WORDS}
    for prompt in draw_prompts(which, 200):
        for claim in prompt.claims:
            phrases = HELD_OUT[claim.attribute][claim.value] if claim.held_out else words[claim.attribute][claim.value]
            forms = [form for phrase in phrases for form in (phrase, plural(phrase))]
            assert any(re.sub("^an? ", "", form) in prompt.text for form in forms), (prompt.text, claim)


def test_long_prompts_ask_for_every_attribute() -> None:
    asked = {claim.attribute for prompt in draw_prompts("long", 200) for claim in prompt.claims}
    assert asked == {*SCENE_WORDS, *OBJECT_WORDS}


def test_every_held_out_prompt_has_one_word_that_no_caption_contains() -> None:
    prompts = draw_prompts("held-out", 3 * len(HELD_OUT))
    attributes = []
    for prompt in prompts:
        (claim,) = {claim for claim in prompt.claims if claim.held_out}
        attributes.append(claim.attribute)
        unknown = set(re.findall("[a-z]+", prompt.text)) - VOCABULARY
        assert len(unknown) == 1
        stems = {unknown.copy().pop().removesuffix(end) for end in ("", "s", "es")}
        assert stems & set(HELD_OUT[claim.attribute][claim.value]) or claim.attribute == "kind"
    assert set(attributes) == set(HELD_OUT)


# ---------------------------------------------------------------- accuracy


def test_an_oracle_finds_every_claim_in_its_own_picture_and_few_in_the_next(probe) -> None:  # noqa: F811
    prompts = draw_prompts("long", 40)
    findings = oracle([prompt.spec for prompt in prompts])
    table = judge(probe, prompts, findings, findings)
    assert all(row.drawn == row.rendered == 1.0 and row.luck < 0.9 for row in table.values() if row.claims > 20)
    assert table["all"].claims == sum(len(prompt.claims) for prompt in prompts) and table["kind"].luck < 0.2
    assert table["all"].interval[0] > 0.97 and list(table)[-1] == "all"


def test_what_is_said_of_an_absent_object_does_not_hold(probe) -> None:  # noqa: F811
    spec = next(spec for spec in map(Vistas(3).spec, range(50)) if spec.objects)
    item = spec.objects[0]
    findings = oracle([spec])
    claims = [Claim("kind", item.kind, item.kind), Claim("colour", item.colour, item.kind), Claim("time", spec.time)]
    assert [holds(probe, findings, 0, claim) for claim in claims] == [True, True, True]
    findings.present.fill_(-1)
    assert [holds(probe, findings, 0, claim) for claim in claims] == [False, False, True]


def test_only_the_held_out_claim_of_a_prompt_counts(probe) -> None:  # noqa: F811
    prompts = draw_prompts("held-out", 24)
    findings = oracle([prompt.spec for prompt in prompts])
    assert judge(probe, prompts, findings, findings)["all"].claims == 24


def test_pictures_are_drawn_in_batches_as_one_by_one(pipeline) -> None:  # noqa: F811
    prompts, ticks = ["a red balloon", "the sea at night", "a cabin with snowy mountains"], []
    drawn = draw_pictures(pipeline, prompts, QUICK, first_seed=4, batch=2, tick=ticks.append)
    assert ticks == [2, 1] and {size: len(some) for size, some in drawn.items()} == {16: 3, 32: 3, 64: 3}
    for number, prompt in enumerate(prompts):
        alone = pipeline.generate(prompt, SampleConfig(steps=2, guidance=2.0, seed=4 + number)).final[64]
        assert torch.allclose(drawn[64][number : number + 1], alone, atol=1e-4)
    with pytest.raises(ValueError, match="one seed per prompt"):
        pipeline.stream_batch(prompts, QUICK, [1])


def test_accuracy_is_measured_no_finer_than_the_probe_looks(pipeline, probe) -> None:  # noqa: F811
    finest = set()
    forward = pipeline.model.forward

    def watch(z, *rest, **more):
        finest.add(max(z))
        return forward(z, *rest, **more)

    pipeline.model.forward = watch
    try:
        tables = prompt_accuracy(pipeline, probe, 2, QUICK)
    finally:
        del pipeline.model.forward
    assert max(finest) <= TINY.size and tuple(tables) == PROMPT_SETS


@pytest.mark.parametrize("reworded", [False, True])
def test_prompts_are_drawn_as_they_are_or_reworded(pipeline, probe, monkeypatch, reworded) -> None:  # noqa: F811
    drawn, encode = [], pipeline.encode
    monkeypatch.setattr(pipeline, "reworded", lambda prompt: f"{prompt}, reworded")
    monkeypatch.setattr(pipeline, "encode", lambda prompt: drawn.append(prompt) or encode(prompt))
    prompt_accuracy(pipeline, probe, 2, QUICK, sets=["short"], reworded=reworded)
    assert len(drawn) == 2 and all(prompt.endswith(", reworded") == reworded for prompt in drawn)


def test_a_nested_network_is_judged_by_the_scale_that_the_probe_looks_at(probe) -> None:  # noqa: F811
    tables = prompt_accuracy(random_pipeline(NESTED), probe, 2, QUICK, sets=["short"])  # it draws 64 pixels, the probe sees 32
    assert tables["short"]["all"].claims > 0
    assert measure_quality(random_pipeline(NESTED), probe, 4, 1, QUICK).drawn.shape == (4, 3, 64, 64)


def test_the_accuracy_command_prints_the_sets_asked_for(pipeline, probe, tmp_path, monkeypatch, capsys) -> None:  # noqa: F811
    save_probe(tmp_path / "probe", probe, "")
    monkeypatch.setattr(LayeredPipeline, "from_pretrained", lambda *_, **__: pipeline)
    options = ["--prompts", "2", "--sets", "short", "--steps", "1", "--probe", str(tmp_path / "probe")]
    assert main(["accuracy", *options]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["set"] for row in rows} == {"short"} and rows[-1]["attribute"] == "all"
    assert all(row["low"] <= row["drawn"] <= row["high"] for row in rows)


# ---------------------------------------------------------------- the report


def test_equal_sets_are_at_no_distance(probe) -> None:  # noqa: F811
    pictures = image_pyramid(render(Vistas(3).specs(0, 5), 64), (16, 32, 64))
    values, features = compare(pictures, pictures, probe)
    assert torch.equal(features, look(probe, pictures[32]).features)
    for (_, measure), value in values.items():
        expected = 100 if "agreement" in measure else 1 if measure.endswith(("precision", "recall")) else 0
        assert measure.endswith("kernel distance") or value == pytest.approx(expected, abs=1e-6), measure


def test_renders_are_nearer_to_renders_than_pictures_of_an_untrained_model(pipeline, probe) -> None:  # noqa: F811
    rows = {(row.scale, row.measure): row for row in measure_quality(pipeline, probe, 4, 1, QUICK).rows}
    for scale in ("16", "32", "64"):
        row = rows[scale, "patches: sliced Wasserstein"]
        assert 0 < row.real < row.drawn
    assert (
        rows["32", "agreement with the scale below (dB)"].real is None
        and ("16", "agreement with the scale below (dB)") not in rows
    )
    with pytest.raises(ValueError, match="at least 4 pictures"):
        measure_quality(pipeline, probe, 3, 1, QUICK)


def test_the_same_command_writes_the_same_report(pipeline, probe, tmp_path, monkeypatch, capsys) -> None:  # noqa: F811
    save_probe(tmp_path / "probe", probe, "")
    monkeypatch.setattr(LayeredPipeline, "from_pretrained", lambda *_, **__: pipeline)
    options = ["--pictures", "4", "--seeds", "2", "--prompts", "1", "--steps", "1", "--training-world", "1"]
    texts = []
    for name in ("one", "two"):
        out = tmp_path / name
        shared = ["quality", "--out", str(out), "--probe", str(tmp_path / "probe"), "--training-pictures", "6"]
        assert main([*shared, *options]) == 0
        texts.append([(out / file).read_text() for file in ("report.json", "report.md")])
        for figure in ("spectra.png", "accuracy.png"):
            assert (out / figure).stat().st_size > 5000
    assert texts[0] == texts[1]
    report = json.loads(texts[0][0])
    assert report["scales"] == [16, 32, 64] and set(report["accuracy"]) == set(PROMPT_SETS)
    assert report["memorisation"]["unseen"] > 0 and report["standard"] == {}
    assert "### Held-out prompts (1)" in texts[0][1] and "no FID" in texts[0][1]
    assert re.search(r"\| 64 \| std of red \| \S+ ± \S+ \| \S+ ± \S+ \|", texts[0][1])
    assert re.search(r"\| 32 \| real \|( [+-]\d\.\d\d \|){4}  \|", texts[0][1])
    assert "Wrote" in capsys.readouterr().out


def test_the_report_is_of_the_settings_and_scales_asked_for(pipeline, probe, tmp_path, monkeypatch, capsys) -> None:  # noqa: F811
    save_probe(tmp_path / "probe", probe, "")
    monkeypatch.setattr(LayeredPipeline, "from_pretrained", lambda *_, **__: pipeline)
    options = ["quality", "--out", str(tmp_path / "out"), "--probe", str(tmp_path / "probe"), "--seeds", "1", "--pictures", "4"]
    given = ["--prompts", "1", "--steps", "2", "--guidance", "2", "--guidance-parallel", "0.5", "--solver", "ddim"]
    assert main([*options, *given, "--up-to", "40"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    expected = {"steps": 2, "guidance": 2.0, "guidance_parallel": 0.5, "solver": "ddim", "scales": [16, 32]}
    assert expected.items() <= report["settings"].items() and report["scales"] == [16, 32]
    assert main([*options, "--up-to", "8"]) == 1 and "none of 8 or less" in capsys.readouterr().err


def test_without_training_pictures_copies_are_not_looked_for(pipeline, probe, tmp_path) -> None:  # noqa: F811
    report = write_report(pipeline, probe, tmp_path, count=4, seeds=1, prompts=1, config=SampleConfig(steps=1), progress=False)
    assert report["memorisation"] is None and "Not measured" in (tmp_path / "report.md").read_text()


def test_standard_scores_are_refused_where_something_is_missing(pipeline, probe, tmp_path, monkeypatch) -> None:  # noqa: F811
    check_standard(None, None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StandardScoresError, match="need torchmetrics torch-fidelity, not installed here: pip install"):
        check_standard(tmp_path, None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "found")
    with pytest.raises(StandardScoresError, match="no file .*weights.pth.*--fid-weights"):
        write_report(pipeline, probe, tmp_path / "out", fid_weights=tmp_path / "weights.pth")
    with pytest.raises(StandardScoresError, match="no CLIP model .*--clip"):
        check_standard(None, tmp_path)
    assert not (tmp_path / "out").exists()


def test_the_quality_command_says_where_a_probe_is_missing(tmp_path, capsys) -> None:
    assert main(["quality", "--out", str(tmp_path / "out"), "--probe", str(tmp_path)]) == 1
    assert "Train one" in capsys.readouterr().err
