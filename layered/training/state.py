"""A run folder to continue from to the bit: weights, averages and optimiser state as safetensors, counters in its metadata."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from layered.unet import LayeredUNet


@dataclass
class Progress:
    """Where a run stands."""

    stage: int = 0  # index of the current stage
    step: int = 0  # optimisation steps in this stage
    pictures: int = 0  # seen in this stage
    seconds: float = 0.0  # trained in this stage
    history: tuple[dict, ...] = ()  # one entry per finished stage


def _optimizer_tensors(index: int, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {}
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{index}.{number}.{name}"] = torch.as_tensor(value)
    return tensors


def save_state(
    folder: Path, progress: Progress, model: LayeredUNet, ema: LayeredUNet, optimizers: list[torch.optim.Optimizer]
) -> None:
    """Write everything beside the old state, then swap the files in."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()} | {f"ema.{k}": v for k, v in ema.state_dict().items()}
    for index, optimizer in enumerate(optimizers):
        tensors |= _optimizer_tensors(index, optimizer)
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / "state.new.safetensors"
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(plain, new, metadata={"progress": json.dumps(asdict(progress))})
    os.replace(new, folder / "state.safetensors")


def load_progress(folder: Path) -> Progress | None:
    """The counters of a run, or None where there is no state yet."""
    from safetensors import safe_open

    file = folder / "state.safetensors"
    if not file.exists():
        return None
    with safe_open(file, "pt") as opened:
        data = json.loads(opened.metadata()["progress"])
    return Progress(**{**data, "history": tuple(data["history"])})


def load_weights(folder: Path, model: LayeredUNet, ema: LayeredUNet) -> dict[str, Tensor]:
    """Put the saved weights and averages in place (strictly); returns all saved tensors for ``load_optimizers``."""
    tensors = load_file(folder / "state.safetensors")
    for prefix, target in (("model.", model), ("ema.", ema)):
        target.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    return tensors


def load_optimizers(tensors: dict[str, Tensor], optimizers: list[torch.optim.Optimizer]) -> None:
    """Put the saved optimiser state in place."""
    for index, optimizer in enumerate(optimizers):
        prefix = f"optimizer.{index}."
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(prefix):
                number, name = key.removeprefix(prefix).split(".", 1)
                state.setdefault(int(number), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
