"""The ablations: arms that spend what they say, commands that go on where they stopped, a report whose numbers can be checked."""

from __future__ import annotations

import json
import math

import pytest

from layered.config import ModelConfig
from layered.cost import measure_config
from layered.evaluation.ablation_report import difference, interval, write_ablations
from layered.evaluation.ablations import ABLATIONS, CROPPED, SHORT, STACKED, Arm
from layered.evaluation.matched import Job, run_ablations
from layered.presets import miniature
from layered.training.__main__ import parse

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
    whole = 3 * (base + middle + top)
    stages = (3 * base, base + 3 * middle, base + middle + 3 * top, whole)
    assert sum(part * cost for part, cost in zip(STACKED, stages, strict=True)) == pytest.approx(whole, rel=0.03)
    assert CROPPED * 3 * (base + middle / 4 + top / 16) == pytest.approx(whole, rel=0.03)
    short = ARMS["ladder", "64, 128"].model
    assert SHORT * 3 * sum(levels(short).values()) == pytest.approx(whole, rel=0.03)


def test_every_arm_differs_from_its_reference_and_is_named_once() -> None:
    assert len(ARMS) == sum(len(ablation.arms) for ablation in ABLATIONS)
    for ablation in ABLATIONS:
        jobs = [Job(arm, 0, (), 100, 8, None) for arm in ablation.arms]
        about = [(job.training, job.arm.model, job.settings) for job in jobs]
        assert all(other != about[0] for other in about[1:]), ablation.name


def test_every_arm_is_a_command_line_that_the_training_takes() -> None:
    for arm in ARMS.values():
        parse([*Job(arm, 0, ("data",), 1000, 8, None).training[3:], "--run", "r"])


def test_an_unknown_ablation_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="choose from layered"):
        run_ablations(["colour"], (), tmp_path, probe=tmp_path, pictures=1, judged=4, seeds=1, jobs=1)


def test_networks_are_shared_between_arms_that_train_alike(tmp_path) -> None:
    def job(name: str) -> Job:
        return Job(ARMS["states", name], 1, ("data",), 100, 8, tmp_path)

    one, two, other = map(job, ("aligned, per scale", "aligned, top-down", "paper, per scale"))
    assert one.network == two.network and one.result != two.result and one.network != other.network
    assert one.network != Job(one.arm, 1, ("data",), 200, 8, tmp_path).network


def test_what_is_there_is_not_made_again_and_what_fails_is_said(tmp_path, monkeypatch) -> None:
    job = Job(Arm("bad", ("--no-such-option",)), 0, ("data",), 100, 8, tmp_path)
    with pytest.raises(RuntimeError, match="no-such-option"):
        job.train()
    (job.network / "checkpoint").mkdir()
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
    stacked = Job(ARMS["stacking", "stacked"], 0, ("data",), 1000, 8, tmp_path, states=tmp_path / "states").training
    assert "--no-stacking" not in stacked and stacked[stacked.index("--pictures") + 1 :][:4] == ["1000", "500", "500", "185"]
    crops = Job(ARMS["cropping", "crops"], 0, ("data",), 1000, 8, tmp_path).training
    assert crops.count("--crop") == 1 and crops[crops.index("--crop") + 1] == "32" and "--no-stacking" in crops


def test_the_report_marks_what_differs_seed_by_seed(tmp_path) -> None:
    arms = {
        "layered": [{"prompt accuracy": value, "own": 1.0} for value in (0.1, 0.5, 0.9)],
        "single resolution": [{"prompt accuracy": value + 0.05} for value in (0.1, 0.5, 0.9)],
    }
    write_ablations({"layered": arms}, {"prompt accuracy": 0.7}, "About.", tmp_path)
    text = (tmp_path / "ablations.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| prompt accuracy")]
    assert row == "| prompt accuracy | 0.5 ± 0.99 | **0.55 ± 0.99** | 0.7 |" and "own" not in text
    assert (tmp_path / "layered.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "ablations.json").read_text())["results"]["layered"] == arms
