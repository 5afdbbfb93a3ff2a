"""Calibration: levels whose outputs are scaled until drawn pictures have the detail of real ones."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from layered.checkpoint import load_checkpoint
from layered.pipeline import LayeredPipeline, draw_pictures
from layered.pyramid import image_pyramid
from layered.training.calibrate import added_power, calibrate, main, scale_output
from layered.world.cache import build_cache
from tests.test_pipeline import checkpoint, pipeline  # noqa: F401
from tests.test_unet import awake, every_level, tiny

CAPTIONS = ["a red balloon", "a boat on the sea at night", "fog over a lake", "a white cabin"]


@pytest.fixture
def own(pipeline) -> LayeredPipeline:  # noqa: F811
    """The tiny checkpoint, to be changed; few steps are usual to it."""
    return LayeredPipeline(copy.deepcopy(pipeline.model), pipeline.encoder, pipeline.meta | {"usual": {"steps": 8}})


def test_scaled_outputs_are_the_detail_of_a_run(own) -> None:
    config = dataclasses.replace(own.usual, steps=4, detail=1.3)
    expected = draw_pictures(own, CAPTIONS, config)
    for size in (32, 64):
        scale_output(own.model, size, 1.3)
    drawn = draw_pictures(own, CAPTIONS, dataclasses.replace(config, detail=1.0))
    for size, picture in drawn.items():
        assert torch.allclose(picture, expected[size], atol=1e-4)
    plain = draw_pictures(own, CAPTIONS, config)
    assert not torch.allclose(plain[64], expected[64], atol=1e-2)


def test_calibration_nears_the_detail_of_the_real_pictures(own) -> None:
    """Pictures that the same network draws with other weights for its levels are the real ones here."""
    other = LayeredPipeline(copy.deepcopy(own.model), own.encoder, dict(own.meta))
    for size, factor in {32: 1.6, 64: 0.7}.items():
        scale_output(other.model, size, factor)
    real = draw_pictures(other, CAPTIONS, other.usual)
    ticks = []
    rounds = calibrate(own, real, CAPTIONS, rounds=4, tick=ticks.append)
    assert sum(ticks) == 5 * len(CAPTIONS) and len(rounds) == 5
    first, last = rounds[0], rounds[-1]
    assert first.detail[32] < 0.93 < 1.02 < first.detail[64]
    assert last.detail == pytest.approx({32: 1.0, 64: 1.0}, abs=0.01)
    assert last.factors == rounds[-2].factors == pytest.approx({32: 1.6, 64: 0.7}, rel=0.1)
    drawn, wanted = added_power(draw_pictures(own, CAPTIONS, own.usual)), added_power(real)
    assert drawn == pytest.approx({size: wanted[size] * last.detail[size] ** 2 for size in wanted}, rel=1e-4)


def test_factors_are_bounded(own) -> None:
    loud = image_pyramid(torch.rand(2, 3, 64, 64).round() * 2 - 1, own.scales)
    loud[32] = 4 * loud[32]  # more than any level could add
    assert calibrate(own, loud, CAPTIONS[:2], rounds=4)[-1].factors == {32: 2.0, 64: 2.0}
    flat = image_pyramid(torch.zeros(2, 3, 64, 64), own.scales)
    assert calibrate(own, flat, CAPTIONS[:2], rounds=4)[-1].factors == {32: 0.5, 64: 0.5}


def test_what_cannot_be_calibrated_is_refused(own) -> None:
    config = dataclasses.replace(every_level(tiny(), prediction="v", input="z"), text_width=own.model.config.text_width)
    velocity = LayeredPipeline(awake(config), own.encoder, {})
    with pytest.raises(ValueError, match="nothing to scale"):
        calibrate(velocity, image_pyramid(torch.zeros(1, 3, 64, 64), own.scales), CAPTIONS[:1], rounds=1)


def test_the_command_writes_a_checkpoint_that_says_so(checkpoint, tiny_encoder_folder, tmp_path, capsys) -> None:  # noqa: F811
    build_cache(tmp_path / "data", count=3, size=64, seed=5, batch=3)
    common = ["--data", str(tmp_path / "data"), "--count", "2", "--rounds", "1", "--text-encoder", str(tiny_encoder_folder)]
    main(["--checkpoint", str(checkpoint), "--export", str(tmp_path / "one"), *common])
    first, meta = load_checkpoint(tmp_path / "one")
    before, old = load_checkpoint(checkpoint)
    factors = meta["training"]["detail"]
    assert set(factors) == {"32", "64"} and "factor" in capsys.readouterr().out
    for size, factor in factors.items():
        ratio = float((first.levels[size].output.weight.norm() / before.levels[size].output.weight.norm()).detach())
        assert ratio == pytest.approx(factor, rel=1e-2) and factor != 1.0
    assert torch.equal(first.levels["16"].output.weight, before.levels["16"].output.weight)
    assert meta["vocabulary"] == old["vocabulary"]
    main(["--checkpoint", str(tmp_path / "one"), "--export", str(tmp_path / "two"), *common])
    second, again = load_checkpoint(tmp_path / "two")
    ratio = float((second.levels["64"].output.weight.norm() / before.levels["64"].output.weight.norm()).detach())
    assert again["training"]["detail"]["64"] == pytest.approx(ratio, rel=1e-2)  # of both together
    thin = ["--checkpoint", str(tmp_path / "one"), "--export", str(tmp_path / "thin"), "--over", str(tmp_path / "one"), *common]
    main(thin)
    assert torch.equal(load_checkpoint(tmp_path / "thin")[0].levels["64"].output.weight, second.levels["64"].output.weight)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("thin", "two")]
    assert sizes[0] < sizes[1] / 2
    build_cache(tmp_path / "small", count=3, size=32, seed=5, batch=3)
    with pytest.raises(SystemExit, match="32 pixels, the checkpoint draws 64"):
        main(["--checkpoint", str(checkpoint), "--export", str(tmp_path / "x"), *common, "--data", str(tmp_path / "small")])
    with pytest.raises(SystemExit):
        main(["--checkpoint", str(tmp_path / "one"), "--export", str(tmp_path / "one"), *common])
