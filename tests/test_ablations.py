"""The ablations: arms that spend what they say, commands that go on where they stopped, a report whose numbers can be checked."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from layered.config import ModelConfig, SampleConfig
from layered.cost import measure_config
from layered.evaluation.ablation_report import difference, interval, write_ablations
from layered.evaluation.ablations import ABLATIONS, BASE, CROPPED, LEVELS, QUARTER, STACKED, WHOLE, Arm
from layered.evaluation.matched import Job, prediction_errors, run_ablations
from layered.pipeline import LayeredPipeline
from layered.presets import matryoshka, miniature
from layered.training.__main__ import parse
from layered.unet import LayeredUNet

ARMS = {(ablation.name, arm.name): arm for ablation in ABLATIONS for arm in ablation.arms}


def levels(config: ModelConfig) -> dict[int, int]:
    """Operations per level, the trunk with the base."""
    cost = measure_config(config)
    found = {size: cost.flops(f"levels.{size}.") for size in config.all_sizes}
    found[config.all_sizes[0]] += cost.flops("trunk", "trunk_input", "stages.")
    return found


def test_arms_of_equal_compute_spend_the_same() -> None:
    """Training a level costs three passes through it, a frozen one below it costs one."""
    base, middle, top = levels(miniature()).values()
    whole = 3 * (base + middle)
    stages = (3 * base, base + 3 * middle, whole)
    assert sum(part * cost for part, cost in zip(STACKED, stages, strict=True)) == pytest.approx(whole, rel=0.01)
    quarter = ARMS["ladder", "16, 32, 64"].network
    assert QUARTER * 3 * sum(levels(quarter).values()) == pytest.approx(whole, rel=0.01)
    crops = CROPPED * (base + 3 * (middle / 4 + top / 16))
    assert crops == pytest.approx(base + 3 * (middle + top), rel=0.01)


def test_the_grounds_cost_about_the_same() -> None:
    base, middle, top = levels(miniature()).values()
    costs = LEVELS.pictures * (base + 3 * (middle + top)), WHOLE.pictures * 3 * (base + middle), BASE.pictures * 3 * base
    assert max(costs) < 2.2 * min(costs)


def test_every_arm_differs_from_its_reference_and_is_named_once() -> None:
    assert len(ARMS) == sum(len(ablation.arms) for ablation in ABLATIONS)
    for ablation in ABLATIONS:
        assert len({arm.ground for arm in ablation.arms}) == 1, ablation.name
        jobs = [Job(arm, 0, (), 100, 8, None, base=Path("base")) for arm in ablation.arms]
        about = [(job.training, job.arm.network, job.settings) for job in jobs]
        assert all(other != about[0] for other in about[1:]), ablation.name


def test_every_arm_is_a_command_line_that_the_training_takes() -> None:
    for arm in ARMS.values():
        parse([*Job(arm, 0, ("data",), 1000, 8, None, base=Path("base")).training[3:], "--run", "r"])


def test_an_unknown_ablation_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="choose from layered"):
        run_ablations(["colour"], (), tmp_path, probe=tmp_path, pictures=1, judged=4, seeds=1, jobs=1)


def test_networks_are_shared_between_arms_that_train_alike(tmp_path) -> None:
    def job(name: str) -> Job:
        return Job(ARMS["states", name], 1, ("data",), 100, 8, tmp_path, base=Path("base"))

    one, two, other = map(job, ("aligned, per scale", "aligned, top-down", "paper, per scale"))
    assert one.network == two.network and one.result != two.result and one.network != other.network
    assert replace(one, probe="other").result != one.result and replace(one, probe="other").network == one.network
    assert one.network != Job(one.arm, 1, ("data",), 200, 8, tmp_path, base=Path("base")).network


def test_what_is_there_is_not_made_again_and_what_fails_is_said(tmp_path, monkeypatch) -> None:
    job = Job(Arm("bad", ("--no-such-option",), WHOLE), 0, ("data",), 100, 8, tmp_path)
    with pytest.raises(RuntimeError, match="no-such-option"):
        job.train()
    (job.network / "checkpoint").mkdir()  # a checkpoint that may be half written is not taken for a trained network
    with pytest.raises(RuntimeError, match="no-such-option"):
        job.train()
    (job.network / "trained").touch()
    job.result.parent.mkdir()
    job.result.write_text(json.dumps({"prompt accuracy": 0.5}))
    job.train()
    job.measure(tmp_path)
    assert job.read() == {"prompt accuracy": 0.5}


def test_intervals_are_students() -> None:
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2 and half == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)
    assert interval([4.0]) == (4.0, math.inf)
    arm, reference = [{"x": 2.0}, {"x": 12.0}], [{"x": 1.0}, {"x": 11.0}]
    assert difference(arm, reference, "x") == (1.0, 0.0)


def test_an_arm_says_how_it_is_trained(tmp_path) -> None:
    def option(training: list[str], name: str, count: int = 1) -> list[str]:
        return training[training.index(name) + 1 :][:count]

    stacked = Job(ARMS["stacking", "stacked"], 0, ("data",), 1000, 8, tmp_path, states=tmp_path / "states").training
    assert "--no-stacking" not in stacked and option(stacked, "--pictures", 3) == ["2700", "1500", "435"]
    crops = Job(ARMS["cropping", "crops"], 0, ("data",), 1000, 8, tmp_path, base=Path("base")).training
    assert crops.count("--crop") == 1 and option(crops, "--crop") == ["32"] and option(crops, "--init") == ["base"]
    assert option(crops, "--pictures", 3) == ["0", "4040", "0"] and option(crops, "--at-once") == ["2"]
    with pytest.raises(ValueError, match="--base"):
        _ = Job(ARMS["cropping", "crops"], 0, ("data",), 1000, 8, tmp_path).training


def test_the_aligned_network_is_trained_once(tmp_path) -> None:
    names = ("noise", "sinc"), ("shift", "× 1"), ("schedule", "aligned"), ("patches", "convolution"), ("cropping", "full frames")
    jobs = [Job(ARMS[name], 0, ("data",), 100, 8, tmp_path, base=Path("base")) for name in names]
    assert len({job.network for job in jobs}) == 1 == len({job.result for job in jobs})
    half, paper = (
        Job(ARMS[name], 0, ("data",), 100, 8, tmp_path, base=Path("base")) for name in (("shift", "× 0.5"), ("schedule", "paper"))
    )
    assert half.network == paper.network != jobs[0].network


@pytest.mark.parametrize("network", [miniature(64), miniature(64).single_resolution(), matryoshka(64)])
def test_errors_of_predictions_are_those_of_a_network_that_knows_nothing(network, tiny_encoder) -> None:
    """Fresh networks predict by their preconditioning alone: an error that is neither nothing nor beyond the pictures' range."""
    network = replace(network, text_width=tiny_encoder.width)
    pipeline = LayeredPipeline(LayeredUNet(network).eval(), tiny_encoder, {"preset": "aligned"})
    errors = prediction_errors(pipeline, SampleConfig(), 9)
    assert list(errors) == ["error of x̂ at t = 0.3", "error of x̂ at t = 0.5", "error of x̂ at t = 0.7"]
    assert errors == prediction_errors(pipeline, SampleConfig(), 9)
    independent = prediction_errors(pipeline, SampleConfig(noise="independent"), 9)
    assert all(0 < error < 4 for error in errors.values()) and (independent != errors or len(pipeline.scales) == 1)


def test_the_report_marks_what_differs_seed_by_seed(tmp_path) -> None:
    arms = {
        "layered": [{"prompt accuracy": value, "own": 1.0} for value in (0.1, 0.5, 0.9)],
        "single resolution": [{"prompt accuracy": value + 0.05} for value in (0.1, 0.5, 0.9)],
    }
    write_ablations({"layered": arms}, {64: {"prompt accuracy": 0.7}}, "About.", tmp_path)
    text = (tmp_path / "ablations.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| prompt accuracy")]
    assert row == "| prompt accuracy | 0.5 ± 0.99 | **0.55 ± 0.99** | 0.7 |" and "own" not in text
    assert "(layered.png)" in text and (tmp_path / "layered.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "ablations.json").read_text())["results"]["layered"] == arms
