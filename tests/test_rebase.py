"""Levels on another base: what the new features are, as a linear map, is found and becomes part of how the level reads."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch

from layered.checkpoint import load_checkpoint, save_checkpoint
from layered.training.batches import Batch, Batches
from layered.training.plan import TrainConfig, stacking_plan
from layered.training.rebase import HELD_BACK, main, rebase
from layered.unet import LayeredUNet
from layered.world.cache import build_cache
from tests.test_pipeline import checkpoint  # noqa: F401
from tests.test_training import Gradients, encode
from tests.test_unet import VARIANTS, awake, tiny


def batches(model: LayeredUNet, count: int = 2 * HELD_BACK) -> list[Batch]:
    stage = dataclasses.replace(stacking_plan(model.config, crop=None)[1], batch=8)
    source = Batches(model.config, stage, TrainConfig(seed=4), Gradients(), encode, 1, "cpu")
    return [source.make(step) for step in range(count)]


def drawn(model: LayeredUNet, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model(batch.z, batch.logsnr, batch.text, batch.shared_noise)[32].x0


def louder(model: LayeredUNet, factor: float) -> LayeredUNet:
    """The same network with the base's features multiplied, which its own norms do not notice."""
    other = copy.deepcopy(model)
    level = other.levels["16"]
    for module in (level.fuse, *(block.conv_out for block in level.up)):
        module.weight.mul_(factor)
        module.bias.mul_(factor)
    return other


def test_a_base_with_other_features_is_read_as_the_old_one_was() -> None:
    model = awake(tiny())
    base, some = louder(model, 2.5), batches(model)
    before = [drawn(model, batch) for batch in some]
    moved = copy.deepcopy(model)
    fit = rebase(moved, base, some)
    assert fit.as_they_are < 0 and fit.mapped == pytest.approx(1, abs=1e-3)
    for own, given in zip(moved.level_parameters(16), base.level_parameters(16), strict=True):
        assert torch.equal(own, given)
    unread = copy.deepcopy(base)  # the levels as they are on that base
    for batch, wanted in zip(some, before, strict=True):
        assert torch.allclose(drawn(moved, batch), wanted, atol=2e-2)
        assert not torch.allclose(drawn(unread, batch), wanted, atol=0.2)


def test_the_same_base_changes_nothing() -> None:
    model = awake(tiny())
    moved = copy.deepcopy(model)
    fit = rebase(moved, model, batches(model))
    assert fit.as_they_are == pytest.approx(1) and fit.mapped == pytest.approx(1, abs=1e-4)
    for (name, own), given in zip(moved.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.allclose(own, given, atol=2e-2), name


def test_a_base_that_drifted_is_read_better_than_as_it_is() -> None:
    model = awake(tiny())
    base = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    for parameter in base.level_parameters(16):
        parameter.add_(0.04 * torch.randn(parameter.shape, generator=generator))
    some = batches(model, 4 * HELD_BACK)
    swapped, moved = copy.deepcopy(model), copy.deepcopy(model)
    for own, given in zip(swapped.level_parameters(16), base.level_parameters(16), strict=True):
        own.copy_(given)
    fit = rebase(moved, base, some)
    assert fit.as_they_are < fit.mapped < 1

    def detail(network: LayeredUNet, batch: Batch) -> torch.Tensor:
        """What the level of 32 pixels makes of its base's features and the old base's picture."""
        given = batch.logsnr, batch.text, batch.shared_noise
        with torch.no_grad():
            own, old = (one({16: batch.z[16]}, *given)[16] for one in (network, model))
            return network({32: batch.z[32]}, *given, below=(16, own._replace(x0=old.x0)))[32].x0

    def error(network: LayeredUNet) -> float:
        return sum(float((detail(network, batch) - detail(model, batch)).square().mean()) for batch in some)

    assert error(moved) < 0.8 * error(swapped)


def test_levels_that_cannot_move_are_refused() -> None:
    model = awake(tiny())
    wider = dataclasses.replace(tiny(), time_width=24)
    refused = {
        "different bases": (model, awake(wider)),
        "no level above": (awake(tiny(16)), awake(tiny(16))),
        "isolated network with skips": (awake(VARIANTS["cascade"]), awake(VARIANTS["cascade"])),
    }
    for sentence, (levels, base) in refused.items():
        with pytest.raises(ValueError, match=sentence):
            rebase(levels, base, [])
    with pytest.raises(ValueError, match=f"At least {HELD_BACK} batches"):
        rebase(model, model, batches(model, HELD_BACK - 1))


def test_the_command_takes_levels_here_and_the_base_there(checkpoint, tiny_encoder_folder, tmp_path: Path, capsys) -> None:  # noqa: F811
    model, meta = load_checkpoint(checkpoint)
    base = louder(model.requires_grad_(False), 2.0)
    save_checkpoint(tmp_path / "base", base, {**meta, "training": {"stages": ["later"], "detail": {"32": 1.1}}})
    build_cache(tmp_path / "data", count=3, size=32, seed=5, batch=3, progress=False)
    common = ["--checkpoint", str(checkpoint), "--base", str(tmp_path / "base"), "--text-encoder", str(tiny_encoder_folder)]
    common += ["--batches", "10", "--batch", "4", "--threads", "1"]
    main([*common, "--data", str(tmp_path / "data"), "--export", str(tmp_path / "out")])
    moved, said = load_checkpoint(tmp_path / "out")
    assert said["training"] == {"stages": ["later"]} and "mapped" in capsys.readouterr().out
    for own, given in zip(moved.level_parameters(16), base.level_parameters(16), strict=True):
        assert torch.allclose(own, given, atol=1e-3)
    reads, read = moved.levels["32"].upsample.conv.weight, model.levels["32"].upsample.conv.weight
    assert torch.allclose(reads, read / 2, atol=2e-2) and not torch.allclose(reads, read, atol=2e-2)
    build_cache(tmp_path / "small", count=3, size=16, seed=5, batch=3, progress=False)
    with pytest.raises(SystemExit, match="smaller than the 32 pixels"):
        main([*common, "--data", str(tmp_path / "small"), "--export", str(tmp_path / "other")])
    for wrong in (["--export", str(tmp_path / "base")], ["--export", str(tmp_path / "other"), "--batches", "2"]):
        with pytest.raises(SystemExit):
            main([*common, *wrong])
