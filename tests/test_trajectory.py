"""A run's measures against pictures where they are known, and its file: there and back, and every way it can be broken."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from layered.config import SampleConfig
from layered.diffusion import Prediction
from layered.evaluation.metrics import scale_agreement
from layered.pyramid import image_pyramid
from layered.sampler import Step, make_generators, sample
from layered.schedule import Schedule
from layered.trajectory import MEASURES, Trajectory, TrajectoryError, step_measures, to_uint8

SCALES = (8, 16, 32)
SCHEDULE = Schedule.preset("aligned", SCALES)


def step_of(x0: dict[int, Tensor]) -> Step:
    levels = MappingProxyType(dict.fromkeys(x0, 0.0))
    return Step(0, 2, 1.0, 0.5, MappingProxyType(dict(x0)), MappingProxyType(dict(x0)), None, levels, levels, 0.1)


@pytest.fixture
def run() -> Trajectory:
    config = SampleConfig(steps=4, seed=3, guidance=(1.0, 2.0, 3.0))
    picture = image_pyramid(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1, SCALES)

    def denoise(z, logsnr, t):
        x0 = {size: (1 - t) * picture[size] for size in z}
        return Prediction(x0, x0 if t < 0.9 else None, () if t < 0.5 else (16, 32))

    steps = list(sample(denoise, SCHEDULE, config, make_generators([3])))
    return Trajectory("a «red» balloon 🎈 \ud800", config, "vista", SCALES, SCHEDULE.shifts, steps)


@pytest.fixture
def file(run: Trajectory, tmp_path: Path) -> Path:
    path = tmp_path / "new folder" / "run.safetensors"
    run.save(path)
    return path


def contents(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()  # noqa: SIM118


# ------------------------------------------------------------------ measures


def test_measures_of_known_pictures() -> None:
    flat = {size: torch.full((1, 3, size, size), 0.5) for size in SCALES}
    lines = torch.ones(1, 3, 32, 32)
    lines[..., ::2] = -1
    first, second = step_of(flat), step_of({**flat, 32: 0.5 + lines / 4, 8: flat[8] + 0.2})
    start = step_measures(first, None)
    assert start["change"] == pytest.approx(dict.fromkeys(SCALES, 0.5))
    assert start["agreement"] == {16: 100.0, 32: 100.0}
    assert start["detail"] == pytest.approx(dict.fromkeys(SCALES, 0.0), abs=1e-6)
    then = step_measures(second, first)
    assert then["change"] == pytest.approx({8: 0.2, 16: 0.0, 32: 0.25}, abs=1e-6)
    assert then["detail"][32] == pytest.approx(0.25, abs=1e-6)
    assert then["agreement"][16] == pytest.approx(20.0, abs=1e-3)  # an error of 0.2 over a range of 2
    assert then["agreement"][32] == 100.0


def test_measures_are_one_list_per_scale(run: Trajectory) -> None:
    measures = run.measures()
    assert tuple(measures) == MEASURES
    for name, by_scale in measures.items():
        assert tuple(by_scale) == (SCALES[1:] if name == "agreement" else SCALES)
        assert all(len(values) == 4 for values in by_scale.values())
    assert measures["logsnr"][32] == [step.logsnr[32] for step in run.steps]
    assert measures["change"][16][1] == step_measures(run.steps[1], run.steps[0])["change"][16]
    json.dumps(measures, allow_nan=False)


def test_agreement_is_what_the_evaluation_calls_agreement() -> None:
    x0 = {size: torch.rand(1, 3, size, size) for size in SCALES}
    found = step_measures(step_of(x0), None)["agreement"]
    assert found == {high: float(scale_agreement(x0[high], x0[low])) for low, high in pairwise(SCALES)}


def test_measures_take_half_precision() -> None:
    x0 = {size: torch.rand(1, 3, size, size) for size in SCALES}
    exact, half = step_measures(step_of(x0), None), step_measures(step_of({size: x.half() for size, x in x0.items()}), None)
    assert half["detail"] == pytest.approx(exact["detail"], rel=1e-3)


def test_to_uint8() -> None:
    x = torch.tensor([-3.0, -1.0, 0.0, 1.0, 2.0, float("nan")]).reshape(1, 1, 1, 6).expand(2, 3, 1, 6)
    image = to_uint8(x)
    assert image.shape == (2, 1, 6, 3) and image.dtype == np.uint8
    assert image[1, 0, :, 2].tolist() == [0, 0, 128, 255, 255, 0]


# ------------------------------------------------------------------ the file


def test_a_run_survives_its_file(run: Trajectory, file: Path) -> None:
    again = Trajectory.load(file)
    for name in ("prompt", "config", "model", "scales", "shifts"):
        assert getattr(again, name) == getattr(run, name)
    assert again.steps[0].x0_plain is None and again.steps[-1].x0_plain is not None
    for one, two in zip(run.steps, again.steps, strict=True):
        for name in ("index", "total", "t", "t_next", "logsnr", "logsnr_next", "seconds", "asleep"):
            assert getattr(one, name) == getattr(two, name)
        for kind in ("z", "x0"):
            for size in SCALES:
                value = getattr(two, kind)[size]
                assert value.dtype == torch.float32
                assert torch.allclose(getattr(one, kind)[size], value, atol=2e-3)
    with pytest.raises(TypeError):
        again.steps[0].z[8] = torch.zeros(1)


def test_a_second_trip_changes_nothing(file: Path, tmp_path: Path) -> None:
    Trajectory.load(file).save(tmp_path / "again.safetensors")
    (one, meta), (two, meta_two) = contents(file), contents(tmp_path / "again.safetensors")
    assert meta == meta_two and one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_stopped_run_keeps_its_steps(run: Trajectory, tmp_path: Path) -> None:
    dataclasses.replace(run, steps=run.steps[:2]).save(tmp_path / "part.safetensors")
    part = Trajectory.load(tmp_path / "part.safetensors")
    assert [step.index for step in part.steps] == [0, 1] and part.steps[0].total == 4
    assert torch.allclose(part.final[32], run.steps[1].x0[32], atol=2e-3)


def test_what_is_no_run_is_refused(run: Trajectory) -> None:
    with pytest.raises(ValueError, match="at least one step"):
        dataclasses.replace(run, steps=())
    with pytest.raises(ValueError, match="one shift per scale"):
        dataclasses.replace(run, shifts=(0.0,))
    with pytest.raises(ValueError, match="one picture at each of the scales"):
        dataclasses.replace(run, scales=(8, 16, 64))


# ------------------------------------------------------------------ broken files


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.safetensors"):
        with pytest.raises(TrajectoryError, match="There is no file"):
            Trajectory.load(path)


@pytest.mark.parametrize("junk", [b"", b"hello", b"\xff" * 64, b"PK\x03\x04" + b"\0" * 100])
def test_not_safetensors(junk: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(junk)
    with pytest.raises(TrajectoryError, match=r"x\.safetensors is not a safetensors file"):
        Trajectory.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("part", [4, 100, 3000, -1])
def test_cut_short(part: int, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:part])
    with pytest.raises(TrajectoryError, match="cut short"):
        Trajectory.load(file)


def test_a_foreign_safetensors_file(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(TrajectoryError, match="not a trajectory"):
        Trajectory.load(tmp_path / "model.safetensors")


def test_another_version(file: Path) -> None:
    tensors, meta = contents(file)
    save_file(tensors, file, meta | {"version": "9"})
    with pytest.raises(TrajectoryError, match="version 9"):
        Trajectory.load(file)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda run: "no JSON", "not JSON"),
        (lambda run: json.dumps([run]), "damaged"),
        (
            lambda run: json.dumps({**run, "config": {**run["config"], "colour": 1}}),
            "Unknown name in the settings of a run: 'colour'",
        ),
        (lambda run: json.dumps({**run, "config": {**run["config"], "steps": 0}}), "steps: expected a whole number"),
        (lambda run: json.dumps({name: value for name, value in run.items() if name != "prompt"}), "'prompt' is missing"),
        (lambda run: json.dumps({**run, "scales": [8, 16]}), "one shift per scale"),
        (lambda run: json.dumps({**run, "steps": run["steps"][:2]}), "nothing belongs to 002"),
        (lambda run: json.dumps({**run, "steps": []}), "at least one step"),
        (lambda run: json.dumps({**run, "steps": [{"index": "a"}]}), "damaged"),
    ],
)
def test_settings_that_do_not_fit(change, says: str, file: Path) -> None:
    tensors, meta = contents(file)
    save_file(tensors, file, meta | {"run": change(json.loads(meta["run"]))})
    with pytest.raises(TrajectoryError, match=says):
        Trajectory.load(file)


def test_tensors_that_do_not_fit_are_named(file: Path) -> None:
    tensors, meta = contents(file)
    broken = {
        "001.x0.16 is missing": {name: value for name, value in tensors.items() if name != "001.x0.16"},
        "nothing belongs to extra": tensors | {"extra": torch.zeros(1)},
        r"001\.z\.8 is \(1, 3, 8, 9\)": tensors | {"001.z.8": torch.zeros(1, 3, 8, 9)},
    }
    for says, content in broken.items():
        save_file(content, file, meta)
        with pytest.raises(TrajectoryError, match=says):
            Trajectory.load(file)
