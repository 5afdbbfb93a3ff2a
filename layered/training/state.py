"""A run folder to continue from to the bit: weights, averages and optimiser state as safetensors, counters in its metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from layered.config import ModelConfig, to_json_dict
from layered.training.errors import TrainingError
from layered.unet import LayeredUNet

STATE_FILE = "state.safetensors"


@dataclass
class Progress:
    """Where a run stands."""

    stage: str = ""  # name of the stage that was begun; "" before the first step, between two stages and after the last
    step: int = 0  # optimisation steps in this stage
    pictures: int = 0  # seen in this stage
    seconds: float = 0.0  # trained in this stage
    history: tuple[dict, ...] = ()  # one entry per finished stage

    @property
    def finished(self) -> tuple[str, ...]:
        """Names of the finished stages."""
        return tuple(entry["stage"] for entry in self.history)


@dataclass(frozen=True)
class Run:
    """What a state is of: the network, and the stages that have a budget, in order. Budgets are free to change."""

    model: Mapping[str, Any]  # the architecture as JSON
    stages: tuple[str, ...]  # names

    @classmethod
    def of(cls, model: ModelConfig, stages: Sequence[str]) -> Run:
        """That of a network and the names of its stages."""
        return cls(json.loads(json.dumps(to_json_dict(model))), tuple(stages))

    def check(self, folder: Path, progress: Progress) -> None:
        """TrainingError unless this run can go on from the state in the folder.

        Stages may be left out and added (by a budget of 0, or none any more), but not traded for others, nor put before a
        finished one: that one stands on what lies below it. States of earlier versions name neither network nor stages.
        """
        advice = f"Give the command that {folder} was begun with, or name another folder."
        before = load_run(folder)
        if before and before.model != self.model:
            raise TrainingError(f"The run in {folder} trains another network. {advice}")
        left = [name for name in self.stages if name not in progress.finished]
        lost = [name for name in before.stages if name not in (*self.stages, *progress.finished)] if before else []
        new = [name for name in left if before and name not in before.stages]
        if lost and new:
            raise TrainingError(f"The run in {folder} has other stages: {', '.join(lost)} in place of {', '.join(new)}. {advice}")
        if progress.stage and progress.stage not in left[:1]:
            raise TrainingError(f"The run in {folder} was stopped in stage {progress.stage}, which has to go on first. {advice}")
        last = max((index for index, name in enumerate(self.stages) if name in progress.finished), default=-1)
        if early := [name for name in self.stages[: last + 1] if name in left]:
            raise TrainingError(
                f"In the run in {folder}, stage {self.stages[last]} is finished, and {early[0]} would change what it stands on. "
                f"{advice}"
            )


def _optimizer_tensors(index: int, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {}
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{index}.{number}.{name}"] = torch.as_tensor(value)
    return tensors


def save_state(
    folder: Path, progress: Progress, run: Run, model: LayeredUNet, ema: LayeredUNet, optimizers: list[torch.optim.Optimizer]
) -> None:
    """Write everything beside the old state, then swap the files in."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()} | {f"ema.{k}": v for k, v in ema.state_dict().items()}
    for index, optimizer in enumerate(optimizers):
        tensors |= _optimizer_tensors(index, optimizer)
    said = {"progress": json.dumps(asdict(progress)), "run": json.dumps(asdict(run))}
    save_aside(tensors, folder / STATE_FILE, said)


def save_aside(tensors: Mapping[str, Tensor], file: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors to a file that is whole, or not there, at every moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new.safetensors")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, draft, metadata)
    os.replace(draft, file)


def load_progress(folder: Path) -> Progress | None:
    """The counters of a run, or None where there is no state yet."""
    if not (folder / STATE_FILE).exists():
        return None
    data = json.loads(_metadata(folder)["progress"])
    stage = data["stage"] if isinstance(data["stage"], str) else ""  # earlier versions counted the stages
    return Progress(**{**data, "stage": stage, "history": tuple(data["history"])})


def load_run(folder: Path) -> Run | None:
    """What the state in a folder is of; None where an earlier version wrote it."""
    said = _metadata(folder).get("run")
    if said is None:
        return None
    data = json.loads(said)
    return Run(data["model"], tuple(data["stages"]))


def _metadata(folder: Path) -> dict[str, str]:
    with safe_open(folder / STATE_FILE, "pt") as opened:
        return opened.metadata()


def load_weights(folder: Path, model: LayeredUNet, ema: LayeredUNet) -> dict[str, Tensor]:
    """Put the saved weights and averages in place (strictly); returns all saved tensors for ``load_optimizers``."""
    tensors = load_file(folder / STATE_FILE)
    for prefix, target in (("model.", model), ("ema.", ema)):
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        try:
            target.load_state_dict(own)
        except RuntimeError as error:  # a state of an earlier version, which does not name its network
            raise TrainingError(f"The run in {folder} trains another network: name another folder. ({error})") from error
    return tensors


def load_optimizers(folder: Path, tensors: dict[str, Tensor], optimizers: list[torch.optim.Optimizer]) -> None:
    """Put the saved optimiser state in place. TrainingError where it is of other parameters: an earlier version's."""
    for index, optimizer in enumerate(optimizers):
        prefix = f"optimizer.{index}."
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(prefix):
                number, name = key.removeprefix(prefix).split(".", 1)
                state.setdefault(int(number), {})[name] = value
        shapes = [parameter.shape for group in optimizer.param_groups for parameter in group["params"]]
        told = [(number, value.shape) for number, values in state.items() for value in values.values()]
        if any(number >= len(shapes) or (shape and shape != shapes[number]) for number, shape in told):
            raise TrainingError(
                f"The run in {folder} was begun by an earlier version, whose optimisers shared the parameters out otherwise: "
                "name another folder."
            )
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
