"""The named architectures: what they cost, and that each of them, drawn thin, is trained and draws."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from layered.config import ModelConfig, SampleConfig, model_config_from_dict, to_json_dict
from layered.cost import measure_config
from layered.presets import MODELS
from layered.training.batches import Batches
from layered.training.loop import batch_losses, new_model
from layered.training.plan import TrainConfig, stacking_plan
from tests.test_nested import random_pipeline
from tests.test_training import Gradients, encode

COSTS = {  # scales, million parameters, GFLOP of one pass with a prompt of 16 tokens
    "compact": ((32, 64, 128, 256, 512), 15.38, 17.25),
    "vista": ((32, 64, 128, 256, 512), 18.52, 27.67),
    "paper": ((128, 256, 512), 14.81, 13.81),
    "paper-scale": ((128, 256, 512), 506.9, 1387.52),
    "ladder-64-256": ((64, 128, 256), 15.28, 4.97),
    "ladder-256-512": ((256, 512), 16.32, 22.12),
    "ladder-128-1024": ((128, 256, 512, 1024), 15.15, 23.85),
    "miniature": ((32, 64, 128), 2.34, 0.64),
    "dimr": ((32, 64, 128), 1.83, 0.42),
    "matryoshka": ((32, 64, 128), 2.35, 0.65),
}
of_every_preset = pytest.mark.parametrize("name", MODELS)


def thin(config: ModelConfig) -> ModelConfig:
    """The same parts, a few channels wide."""
    levels = tuple(replace(level, width=8, blocks_up=1) for level in config.levels)
    trunk = replace(config.trunk, stages=tuple((8, 1) for _ in config.trunk.stages), width=16, depth=1, head_width=8)
    return replace(config, levels=levels, trunk=trunk, text_width=12, time_width=16)


@of_every_preset
def test_a_preset_costs_what_it_says_and_survives_json(name: str) -> None:
    config = MODELS[name]()
    cost, (scales, parameters, gflop) = measure_config(config), COSTS[name]
    assert config.scales == scales
    assert cost.parameters() / 1e6 == pytest.approx(parameters, abs=0.006) and cost.flops() / 1e9 == pytest.approx(
        gflop, abs=0.006
    )
    assert model_config_from_dict(to_json_dict(config)) == config
    assert MODELS[name](scales[0]) == config.upto(scales[0])


@of_every_preset
def test_a_preset_draws(name: str) -> None:
    pipeline = random_pipeline(thin(MODELS[name]()))
    *_, last = pipeline.stream("a balloon", SampleConfig(steps=2))
    for size in COSTS[name][0]:
        assert last.x0[size].shape == (1, 3, size, size) and last.x0[size].isfinite().all()


@of_every_preset
def test_a_preset_learns(name: str) -> None:
    """The gradient of the last stage of its plan reaches every part that is not behind a zero."""
    model = new_model(thin(MODELS[name]()), seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    source = Gradients()
    source.size = model.config.scales[-1]
    stage = replace(stacking_plan(model.config)[-1], batch=2)
    batch = Batches(model.config, stage, TrainConfig(), source, encode, 0, "cpu").make(0)
    losses = batch_losses(model, batch, stage.train, TrainConfig(autocast=False))
    assert tuple(losses) == model.config.scales
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert [name for name, p in model.named_parameters() if not p.grad.any()] == []
