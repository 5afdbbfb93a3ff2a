"""Checkpoints: a round trip, and a clear sentence for everything that can be wrong with the two files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from layered.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from layered.config import LevelConfig, ModelConfig, TrunkConfig
from layered.layers import TextStates
from layered.unet import LayeredUNet

META = {
    "text_encoder": "someone/encoder",
    "preset": "aligned",
    "vocabulary": ["balloon", "café"],
    "training": {"pictures": 62_000, "stages": [{"top": 32, "hours": 0.5}]},
}


def tiny_config(width: int = 16) -> ModelConfig:
    fine = LevelConfig(size=32, patch=2, width=8, prediction="posterior", detail_std=0.1)
    levels = (LevelConfig(size=16, patch=2, width=width), fine)
    return ModelConfig(levels=levels, trunk=TrunkConfig(width=16, depth=2, head_width=8), text_width=12, time_width=16)


def tiny_model() -> LayeredUNet:
    """A model whose every weight is random, so that none hides behind its zero initialisation."""
    model = LayeredUNet(tiny_config())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    save_checkpoint(folder, tiny_model(), META)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def edit_config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "config.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def outputs(model: LayeredUNet) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    z = {size: torch.randn(2, 3, size, size, generator=generator) for size in (16, 32)}
    logsnr = {size: torch.tensor([-1.0, 2.0]) for size in (16, 32)}
    with torch.no_grad():
        return [level.x0 for level in model(z, logsnr, TextStates.empty(2, 12), torch.ones(2)).values()]


# ---------------------------------------------------------------- round trips


def test_half_precision_round_trip(tmp_path: Path) -> None:
    model = tiny_model()
    save_checkpoint(tmp_path / "new" / "folder", model, META)
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == ["config.json", "model.safetensors"]
    assert {tensor.dtype for tensor in load_file(tmp_path / "new" / "folder" / "model.safetensors").values()} == {torch.float16}
    loaded, meta = load_checkpoint(tmp_path / "new" / "folder")
    assert meta == META and loaded.config == model.config and not loaded.training
    before, after = model.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert after[name].dtype == torch.float32
        torch.testing.assert_close(after[name], tensor.half().float(), atol=0, rtol=0)


def test_full_precision_round_trip_gives_the_same_pictures(tmp_path: Path) -> None:
    model = tiny_model()
    save_checkpoint(tmp_path, model, META, dtype=torch.float32)
    for ours, theirs in zip(outputs(model), outputs(load_checkpoint(tmp_path)[0]), strict=True):
        assert ours.abs().max() > 0.01
        assert torch.equal(ours, theirs)


def test_the_single_resolution_twin_is_saved_as_such(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, LayeredUNet(tiny_config().single_resolution()), META)
    assert load_checkpoint(tmp_path)[0].config.scales == (32,)


@pytest.fixture
def over(folder: Path) -> Path:
    """A checkpoint that holds what differs from the one in ``folder``."""
    model, meta = load_checkpoint(folder)
    with torch.no_grad():
        model.trunk_input.bias.add_(1)
    save_checkpoint(folder.parent / "few", model, meta, over=folder)
    return folder.parent / "few"


def test_one_over_another_holds_only_what_differs(folder: Path, over: Path) -> None:
    assert list(load_file(over / "model.safetensors")) == ["trunk_input.bias"]
    (model, meta), (other, _) = load_checkpoint(over), load_checkpoint(folder)
    assert meta == META and not model.training
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[name] + float(name == "trunk_input.bias"), atol=1e-3, rtol=0)
    save_checkpoint(folder.parent / "whole", model, meta)
    assert load_file(folder.parent / "whole" / "model.safetensors").keys() == model.state_dict().keys()


def test_one_over_another_needs_that_very_one_beside_it(folder: Path, over: Path, tmp_path: Path) -> None:
    lonely = shutil.copytree(over, tmp_path / "elsewhere" / "few")
    with pytest.raises(CheckpointError, match="copy is missing"):
        load_checkpoint(lonely)
    model, meta = load_checkpoint(over)
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        save_checkpoint(folder.parent / "fewer", model, meta, over=over)
    for elsewhere in (folder, tmp_path / "deeper" / "few"):
        with pytest.raises(CheckpointError, match="another folder beside it"):
            save_checkpoint(elsewhere, model, meta, over=folder)
    save_checkpoint(folder, tiny_model(), META)
    with pytest.raises(CheckpointError, match="as it was then"):
        load_checkpoint(over)
    edit_config(folder, lambda data: data.update(over={"folder": "few", "digest": ""}))
    with pytest.raises(CheckpointError, match="lies over another one"):
        load_checkpoint(over)


@pytest.mark.parametrize("name", ["", ".", "..", "../copy", "a/b", "a\\b", "/etc", 3, None])
def test_one_over_another_names_a_folder_beside_it(over: Path, name: Any) -> None:
    edit_config(over, lambda data: data["over"].update(folder=name))
    with pytest.raises(CheckpointError, match="over must name the folder beside"):
        load_checkpoint(over)


def test_loading_leaves_the_global_generator_alone(saved: Path) -> None:
    before = torch.get_rng_state()
    load_checkpoint(saved)
    assert torch.equal(before, torch.get_rng_state())


def test_a_failed_save_leaves_the_old_checkpoint(folder: Path) -> None:
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    model = tiny_model()
    with torch.no_grad():
        model.trunk_input.weight[0, 0, 0, 0] = 1e6
    with pytest.raises(CheckpointError, match=r"float16: trunk_input\.weight\."):
        save_checkpoint(folder, model, META)
    with pytest.raises(CheckpointError, match="not JSON"):
        save_checkpoint(folder, tiny_model(), META | {"training": {"loss": float("nan")}})
    with pytest.raises(CheckpointError, match="lacks vocabulary"):
        save_checkpoint(folder, tiny_model(), {name: META[name] for name in META if name != "vocabulary"})
    assert files == {file.name: file.read_bytes() for file in folder.iterdir()}


# ------------------------------------------------------------- missing and damaged


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(CheckpointError, match=f"no {missing}.*download it again"):
        load_checkpoint(folder)


def test_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a checkpoint is a folder"):
        load_checkpoint(folder / "model.safetensors")


def test_a_pickle_is_never_read(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        load_checkpoint(folder)
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_checkpoint(folder)


def test_what_is_neither_here_nor_on_the_hub(monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    asked = {}

    def refuse(name: str, **options: Any) -> str:
        asked.update(name=name, **options)
        raise OSError("offline")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(CheckpointError, match=r"no checkpoint folder 'some/where' here.*Check the path"):
        load_checkpoint("some/where", revision="abc")
    assert asked == {"name": "some/where", "revision": "abc", "allow_patterns": ["config.json", "model.safetensors", "README.md"]}
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **options: str(saved))
    assert load_checkpoint("some/where")[1] == META


@pytest.mark.parametrize("size", [0, 7, 1000, -1])
def test_truncated_weights_are_refused(folder: Path, size: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="truncated.*download the checkpoint again"):
        load_checkpoint(folder)


def test_a_git_lfs_pointer_is_recognised(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(CheckpointError, match="git lfs pull"):
        load_checkpoint(folder)


# ---------------------------------------------------------------- weights that do not fit


def test_missing_unexpected_and_misshaped_tensors_are_named(folder: Path) -> None:
    def change(weights: dict[str, torch.Tensor]) -> None:
        del weights["trunk.position"]
        weights["stranger"] = torch.zeros(1)
        weights["trunk_input.bias"] = torch.zeros(3)

    edit_weights(folder, change)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    for part in ("1 missing (trunk.position)", "1 unexpected (stranger)", "trunk_input.bias [3] instead of [16]"):
        assert part in str(caught.value)


def test_another_architecture_names_five_tensors_of_many(folder: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "wide", LayeredUNet(tiny_config(width=24)), META)
    shutil.copy(tmp_path / "wide" / "model.safetensors", folder)
    with pytest.raises(CheckpointError, match="another architecture.*files of one and the same checkpoint") as caught:
        load_checkpoint(folder)
    assert str(caught.value).count("instead of") == 5


def test_a_config_of_a_giant_is_refused_without_building_it(folder: Path) -> None:
    edit_config(folder, lambda data: data["model"]["trunk"].update(width=16384, depth=64))  # 200 GB of weights
    with pytest.raises(CheckpointError, match="another architecture"):
        load_checkpoint(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(folder: Path, value: float) -> None:
    edit_weights(folder, lambda weights: weights["trunk_input.bias"].fill_(value))
    with pytest.raises(CheckpointError, match=r"not finite numbers: trunk_input\.bias\."):
        load_checkpoint(folder)


# ---------------------------------------------------------------------- wrong configs


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"model": {}}'])
def test_what_is_no_config_is_refused(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config.*download the checkpoint again"):
        load_checkpoint(folder)


WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown entry": (lambda data: data.update(wings=2), "wings"),
    "missing entry": (lambda data: data.pop("vocabulary"), "lacks vocabulary"),
    "version": (lambda data: data.update(format_version=99), "format version 99"),
    "encoder": (lambda data: data.update(text_encoder=3), "text_encoder must be"),
    "preset": (lambda data: data.update(preset="wild"), "preset must be one of staggered, aligned"),
    "unhashable preset": (lambda data: data.update(preset=["aligned"]), "preset must be one of staggered, aligned"),
    "vocabulary": (lambda data: data.update(vocabulary=[1]), "list of words"),
    "training": (lambda data: data.update(training=None), "training must be"),
    "no model": (lambda data: data.pop("model"), "model"),
    "unknown setting": (lambda data: data["model"].update(depht=3), "depht"),
    "unknown level setting": (lambda data: data["model"]["levels"][0].update(colour="red"), "colour"),
    "scales": (lambda data: data["model"]["levels"][1].update(size=48), "48 does not follow 16"),
    "type": (lambda data: data["model"]["levels"][0].update(width="many"), "width of level 16"),
    "negative": (lambda data: data["model"]["trunk"].update(depth=-1), "trunk depth"),
    "levels": (lambda data: data["model"].update(levels=7), "levels"),
    "no levels": (lambda data: data["model"].update(levels=[]), "at least one level"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_config_says_what_is_wrong(folder: Path, case: str) -> None:
    change, words = WRONG[case]
    edit_config(folder, change)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(folder)
