"""A run folder: what goes on from it, what it refuses, and that a finished run given again hands out what it trained."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from layered.training import optim
from layered.training.errors import TrainingError
from layered.training.loop import Trainer
from layered.training.state import STATE_FILE, load_progress, load_run
from tests.test_optim import trunk_alone
from tests.test_training import plan, trainer
from tests.test_unet import tiny

BASE, NEXT, TOP, JOINT = (dataclasses.replace(stage, pictures=16) for stage in plan())


class Interrupted(Exception):
    pass


def stop_in(name: str):
    """A call after every step that stops the run in this stage."""

    def stop(average, stage, progress) -> None:
        if stage.name == name and progress.step:
            raise Interrupted

    return stop


def stopped(folder: Path, stages, name: str) -> None:
    with pytest.raises(Interrupted):
        trainer(folder, stages, save_minutes=0, on_checkpoint=stop_in(name)).run()


def named(run: Trainer) -> list[str]:
    return list(run.run().finished)


def test_a_finished_run_given_again_has_the_weights_it_trained(tmp_path) -> None:
    """A fresh network would be exported otherwise."""
    first = trainer(tmp_path, (BASE,))
    first.run()
    again = trainer(tmp_path, (BASE,))
    before = (tmp_path / STATE_FILE).stat().st_mtime_ns
    assert again.run().finished == ("base-16",) and (tmp_path / STATE_FILE).stat().st_mtime_ns == before
    for (name, a), b in zip(first.model.state_dict().items(), again.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_run_goes_on_with_other_budgets_and_with_stages_left_out_or_added(tmp_path) -> None:
    stopped(tmp_path, (BASE, NEXT, JOINT), "stack-32")
    assert load_run(tmp_path).stages == ("base-16", "stack-32", "joint")
    longer = dataclasses.replace(NEXT, pictures=24)
    assert named(trainer(tmp_path, (longer,))) == ["base-16", "stack-32"]  # the base and the joint stage with a budget of 0
    assert load_progress(tmp_path).history[1]["pictures"] == 24
    assert named(trainer(tmp_path, (TOP, JOINT))) == ["base-16", "stack-32", "stack-64", "joint"]


def test_another_network_or_plan_is_refused(tmp_path) -> None:
    stopped(tmp_path, (BASE, NEXT, JOINT), "stack-32")
    with pytest.raises(TrainingError, match="trains another network. Give the command"):
        trainer(tmp_path, (BASE, NEXT), dataclasses.replace(tiny(), time_width=32)).run()
    both = dataclasses.replace(TOP, name="stack-32-64", train=(32, 64))
    with pytest.raises(TrainingError, match="other stages: stack-32 in place of stack-32-64"):
        trainer(tmp_path, (BASE, both, JOINT)).run()
    with pytest.raises(TrainingError, match="was stopped in stage stack-32, which has to go on first"):
        trainer(tmp_path, (BASE, JOINT)).run()
    trainer(tmp_path, (NEXT,)).run()
    with pytest.raises(TrainingError, match="stack-32 is finished, and base-again would change what it stands on"):
        trainer(tmp_path, (dataclasses.replace(BASE, name="base-again"), NEXT)).run()


def test_states_of_earlier_versions_go_on(tmp_path) -> None:
    """They counted the stages, and named neither these nor the network."""
    through = trainer(tmp_path / "a", (BASE, NEXT))
    through.run()
    stopped(tmp_path / "b", (BASE, NEXT), "stack-32")
    file = tmp_path / "b" / STATE_FILE
    with safe_open(file, "pt") as state:
        progress = json.loads(state.metadata()["progress"])
    save_file(load_file(file), file, {"progress": json.dumps(progress | {"stage": 1})})
    with pytest.raises(TrainingError, match="trains another network: name another folder"):
        trainer(tmp_path / "b", (BASE, NEXT), tiny(32)).run()
    resumed = trainer(tmp_path / "b", (BASE, NEXT))
    assert named(resumed) == ["base-16", "stack-32"]
    for (name, a), b in zip(through.model.state_dict().items(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_run_whose_optimisers_had_other_parameters_is_refused(tmp_path, monkeypatch) -> None:
    """Earlier versions left all filters to AdamW."""
    with monkeypatch.context() as patched:
        patched.setattr(optim, "split_parameters", trunk_alone)
        stopped(tmp_path, (BASE, NEXT), "stack-32")
    with pytest.raises(TrainingError, match="earlier version, whose optimisers"):
        trainer(tmp_path, (BASE, NEXT)).run()
