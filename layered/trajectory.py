"""A whole run: its steps, what they measure at every scale, and its file (safetensors with the settings beside the pictures)."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from layered.config import SampleConfig, sample_config_from_dict, to_json_dict
from layered.pyramid import downsample_image
from layered.sampler import Step

FORMAT, VERSION = "layered-diffusion-trajectory", "1"
MEASURES = ("logsnr", "change", "agreement", "detail")
AGREEMENT_CAP = 100.0  # dB, where two pictures are the same
RANGE = 2.0  # of a picture's values, −1 to 1


class TrajectoryError(ValueError):
    """A file that is not a whole trajectory, with a sentence for people."""


def to_uint8(x: Tensor) -> np.ndarray:
    """Pictures (B, 3, H, W) in [−1, 1] as (B, H, W, 3) uint8; values outside are cut."""
    levels = x.detach().float().clamp(-1, 1).add(1).mul(255 / RANGE).nan_to_num().round()
    return levels.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


# ------------------------------------------------------------------ measures


def step_measures(step: Step, previous: Step | None) -> dict[str, dict[int, float]]:
    """The numbers of one step, by measure and scale.

    ``logsnr``: λ before the step. ``change``: root mean square of x̂ minus the x̂ of the step before (of plain grey before the
    first). ``agreement``: PSNR in dB of D(x̂) of a scale against the x̂ of the next coarser one, up to ``AGREEMENT_CAP``; for
    every scale but the coarsest. ``detail``: root mean square of x̂ minus its 2×2 means, what half the size cannot hold.
    Scales that are pending have a ``logsnr`` alone.
    """
    x0 = {size: value.detach().float() for size, value in step.x0.items()}
    before = {size: previous.x0[size].float() if previous else torch.zeros_like(value) for size, value in x0.items()}
    sizes = sorted(x0)
    half = {size: downsample_image(x0[size], size // 2) for size in sizes}
    return {
        "logsnr": {size: float(value) for size, value in step.logsnr.items()},
        "change": {size: _rms(x0[size] - before[size]) for size in sizes},
        "agreement": {hi: float(psnr(half[hi], x0[lo]).mean()) for lo, hi in zip(sizes, sizes[1:], strict=False)},
        "detail": {size: _beyond(x0[size], half[size]) for size in sizes},
    }


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def _beyond(x: Tensor, half: Tensor) -> float:
    """Root mean square of what ``x`` holds beyond its 2×2 means ``half``."""
    quarters = [x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return math.sqrt(sum(float((quarter - half).square().mean()) for quarter in quarters) / 4)


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of pictures (B, 3, S, S) in [−1, 1] against others, up to ``AGREEMENT_CAP``: (B,)."""
    error = (x - y).square().mean(dim=(1, 2, 3)).sqrt() / RANGE
    return (-20 * error.log10()).clamp_max(AGREEMENT_CAP)


def evened(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with the scales that all of them hold: of a run in ``order`` coarse-first that was stopped, the coarse ones."""
    common = set.intersection(*(set(step.x0) for step in steps)) if steps else set()
    return tuple(step if set(step.logsnr) == common else _only(step, sorted(common)) for step in steps)


def _only(step: Step, sizes: Sequence[int]) -> Step:
    def part(values: Mapping[int, Any]) -> Mapping[int, Any]:
        return MappingProxyType({size: values[size] for size in sizes})

    names = ("z", "x0", "logsnr", "logsnr_next", *(["x0_plain"] if step.x0_plain else []))
    asleep = tuple(size for size in step.asleep if size in sizes)
    return dataclasses.replace(step, **{name: part(getattr(step, name)) for name in names}, asleep=asleep, pending=())


# ------------------------------------------------------------------ the run


@dataclass(frozen=True)
class Trajectory:
    """One picture's run from noise to result, or as far as it came."""

    prompt: str
    config: SampleConfig
    model: str  # name of the checkpoint
    scales: tuple[int, ...]  # coarse to fine
    shifts: tuple[float, ...]  # δ that the run used, one per scale; at t = 0 where its preset moves them
    steps: tuple[Step, ...]  # of one picture each: tensors (1, 3, S, S)

    def __post_init__(self) -> None:
        for name in ("scales", "shifts", "steps"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.steps:
            raise ValueError("A trajectory needs at least one step.")
        if len(self.shifts) != len(self.scales):
            raise ValueError(f"A trajectory has one shift per scale: got {len(self.shifts)} for the scales {self.scales}.")
        for step in self.steps:
            shapes = {size: tuple(value.shape) for size, value in step.x0.items()}
            if shapes != {size: (1, 3, size, size) for size in self.scales}:
                raise ValueError(
                    f"A trajectory holds one picture at each of the scales {self.scales}: step {step.index} has {shapes}."
                )

    def __repr__(self) -> str:
        """One line, in place of the tensors."""
        sizes = ", ".join(map(str, self.scales))
        return f"Trajectory({self.prompt!r}: {len(self.steps)} of {self.steps[0].total} steps at {sizes} px, {self.model})"

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the last prediction of every scale side by side, each enlarged to the finest."""
        side = self.scales[-1]
        pictures = [Image.fromarray(to_uint8(x)[0]).resize((side, side), Image.Resampling.NEAREST) for x in self.final.values()]
        buffer = io.BytesIO()
        Image.fromarray(np.concatenate(pictures, axis=1)).save(buffer, "PNG")
        return buffer.getvalue()

    @property
    def final(self) -> dict[int, Tensor]:
        """The last prediction at every scale, (1, 3, S, S) in [−1, 1]: the result, when the run was not stopped."""
        return dict(self.steps[-1].x0)

    def measures(self) -> dict[str, dict[int, list[float]]]:
        """``step_measures`` of every step, as one list per measure and scale."""
        rows = [step_measures(step, before) for before, step in zip((None, *self.steps), self.steps, strict=False)]
        return {name: {size: [row[name][size] for row in rows] for size in rows[0][name]} for name in MEASURES}

    def save(self, path: str | Path) -> None:
        """Write every z, x̂ and unguided x̂ in half precision with all settings: about 4 MB a step up to 512 pixels."""
        tensors = {
            _key(step.index, kind, size): value.detach().to("cpu", torch.float16, copy=True).contiguous()
            for step in self.steps
            for kind, pictures in (("z", step.z), ("x0", step.x0), ("x0_plain", step.x0_plain or {}))
            for size, value in pictures.items()
        }
        run = {
            "prompt": self.prompt,
            "config": to_json_dict(self.config),
            "model": self.model,
            "scales": self.scales,
            "shifts": self.shifts,
            "steps": [_step_to_dict(step) for step in self.steps],
        }
        metadata = {"format": FORMAT, "version": VERSION, "run": json.dumps(run, allow_nan=False)}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path, metadata)

    @classmethod
    def load(cls, path: str | Path) -> Trajectory:
        """Read what ``save`` wrote, as float32. Raises TrajectoryError for any other file, and for part of one."""
        path = Path(path)
        if not path.is_file():
            raise TrajectoryError(f"There is no file {path}.")
        try:
            with safe_open(path, framework="pt") as file:
                run = _read_run(file.metadata() or {}, path.name)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except (SafetensorError, OSError) as error:
            raise TrajectoryError(f"{path.name} is not a safetensors file, or is cut short: {error}.") from error
        try:
            trajectory = _run_from_dict(run, tensors)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise TrajectoryError(f"{path.name} is a damaged trajectory: {_sentence(error)}") from error
        if tensors:
            raise TrajectoryError(f"{path.name} is a damaged trajectory: nothing belongs to {', '.join(sorted(tensors)[:5])}.")
        return trajectory


# ------------------------------------------------------------------ the file


def _key(index: int, kind: str, size: int) -> str:
    return f"{index:03d}.{kind}.{size}"


def _step_to_dict(step: Step) -> dict[str, Any]:
    return {
        "index": step.index,
        "total": step.total,
        "t": step.t,
        "t_next": step.t_next,
        "logsnr": {str(size): value for size, value in step.logsnr.items()},
        "logsnr_next": {str(size): value for size, value in step.logsnr_next.items()},
        "guided": step.x0_plain is not None,
        "seconds": step.seconds,
        "asleep": step.asleep,
    }


def _read_run(metadata: Mapping[str, str], name: str) -> Any:
    if metadata.get("format") != FORMAT:
        raise TrajectoryError(f"{name} is a safetensors file, but not a trajectory: it was written by something else.")
    if metadata.get("version") != VERSION:
        raise TrajectoryError(
            f"{name} is a trajectory of version {metadata.get('version')}; this program reads version {VERSION}."
        )
    try:
        return json.loads(metadata.get("run", ""))
    except ValueError as error:
        raise TrajectoryError(f"{name} is a damaged trajectory: its settings are not JSON ({error}).") from error


def _run_from_dict(run: Any, tensors: dict[str, Tensor]) -> Trajectory:
    """The run of the settings ``run``; takes its tensors out of ``tensors``."""
    scales = tuple(int(size) for size in run["scales"])
    return Trajectory(
        prompt=str(run["prompt"]),
        config=sample_config_from_dict(run["config"]),
        model=str(run["model"]),
        scales=scales,
        shifts=tuple(float(shift) for shift in run["shifts"]),
        steps=tuple(_step_from_dict(step, scales, tensors) for step in run["steps"]),
    )


def _step_from_dict(step: Mapping[str, Any], scales: tuple[int, ...], tensors: dict[str, Tensor]) -> Step:
    def pictures(kind: str) -> Mapping[int, Tensor]:
        return MappingProxyType({size: _take(tensors, _key(step["index"], kind, size), size) for size in scales})

    def numbers(name: str) -> Mapping[int, float]:
        return MappingProxyType({size: float(step[name][str(size)]) for size in scales})

    return Step(
        index=int(step["index"]),
        total=int(step["total"]),
        t=float(step["t"]),
        t_next=float(step["t_next"]),
        z=pictures("z"),
        x0=pictures("x0"),
        x0_plain=pictures("x0_plain") if step["guided"] else None,
        logsnr=numbers("logsnr"),
        logsnr_next=numbers("logsnr_next"),
        seconds=float(step["seconds"]),
        asleep=tuple(int(size) for size in step.get("asleep", ())),
    )


def _take(tensors: dict[str, Tensor], key: str, size: int) -> Tensor:
    if key not in tensors:
        raise ValueError(f"{key} is missing.")
    tensor = tensors.pop(key)
    if tuple(tensor.shape) != (1, 3, size, size):
        raise ValueError(f"{key} is {tuple(tensor.shape)}, expected {(1, 3, size, size)}.")
    return tensor.float()


def _sentence(error: Exception) -> str:
    return f"{error} is missing." if isinstance(error, KeyError) else str(error)
