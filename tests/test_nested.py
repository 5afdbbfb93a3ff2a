"""Nested downsampling (Matryoshka): every scale sees every other, so one pass computes them all and nothing runs alone."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from layered.config import ModelConfig, SampleConfig
from layered.diffusion import GuidedDenoiser, guide
from layered.layers import TextStates
from layered.pipeline import LayeredPipeline
from layered.training.plan import stacking_plan
from layered.unet import LayeredUNet, Window
from tests.test_unet import awake, every_level, inputs, tiny

PLAIN = every_level(tiny(), input="z")
NESTED = replace(PLAIN, downsampling="nested")
QUICK = SampleConfig(steps=2, guidance=3.0)


def random_pipeline(config: ModelConfig) -> LayeredPipeline:
    """A pipeline around a random network, whose encoder says the same of every prompt."""
    states = TextStates(torch.ones(1, 2, 12), torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 12))
    encoder = SimpleNamespace(name="fixed", width=12, encode=lambda prompts: states)
    model = awake(config)
    for parameter in model.parameters():
        parameter.mul_(0.3)
    return LayeredPipeline(model, encoder, {})


def test_a_fresh_adapter_leaves_every_scale_as_it_would_be_alone() -> None:
    isolated, model = awake(PLAIN), LayeredUNet(NESTED).eval()
    missing, unexpected = model.load_state_dict(isolated.state_dict(), strict=False)
    assert not unexpected and {name.split(".")[2] for name in missing} == {"inward"}
    given = inputs(PLAIN)
    with torch.no_grad():
        ours = model(*given)
    for size, output in isolated(*given).items():
        assert torch.allclose(ours[size].x0, output.x0, atol=1e-5)


def test_every_scale_sees_every_other() -> None:
    model = awake(NESTED)
    z, logsnr, text, shared = inputs(NESTED)
    before = model(z, logsnr, text, shared)
    for changed in NESTED.scales:
        after = model({**z, changed: -z[changed]}, logsnr, text, shared)
        assert all(not torch.allclose(after[size].x0, before[size].x0, atol=1e-4) for size in NESTED.scales)


def test_the_coarse_loss_teaches_the_fine_levels() -> None:
    model = awake(NESTED).requires_grad_(True)
    model(*inputs(NESTED))[16].x0.square().mean().backward()
    fine = model.levels["64"]
    assert fine.input.weight.grad.abs().max() > 0 and fine.inward.weight.grad.abs().max() > 0
    assert fine.output.weight.grad is None


def test_nothing_runs_alone() -> None:
    model = awake(NESTED)
    z, logsnr, text, shared = inputs(NESTED)
    outputs = model(z, logsnr, text, shared)
    with pytest.raises(ValueError, match="all its scales"):
        model({16: z[16]}, logsnr, text, shared)
    with pytest.raises(ValueError, match="isolated"):
        model({64: z[64]}, logsnr, text, shared, below=(32, outputs[32]))
    with pytest.raises(ValueError, match="isolated"):
        model(z, logsnr, text, shared, windows={64: Window((0, 0), (0, 0), 32)})


def test_no_scale_sleeps_and_all_are_guided() -> None:
    model = awake(NESTED)
    z, logsnr, text, shared = inputs(NESTED)
    prediction = GuidedDenoiser(model, text, guidance=3.0, guided_up_to=16, sleep_below=10.0)(z, logsnr, 0.5)
    plain, empty = (model(z, logsnr, states, shared) for states in (text, TextStates.empty(2, 12)))
    assert prediction.asleep == ()
    for size in NESTED.scales:
        assert torch.allclose(prediction.x0[size], guide(plain[size].x0, empty[size].x0, 3.0), atol=1e-3)


def test_the_pipeline_draws_all_scales_together_or_says_why_not() -> None:
    pipeline = random_pipeline(NESTED)
    *_, last = pipeline.stream("a balloon", QUICK)
    assert set(last.x0) == {16, 32, 64} and all(picture.isfinite().all() for picture in last.x0.values())
    for change in ({"scales": (16, 32)}, {"order": "coarse-first"}):
        with pytest.raises(ValueError, match="nested: it computes all its scales"):
            pipeline.stream("a balloon", dataclasses.replace(QUICK, **change))


def test_all_levels_learn_at_once() -> None:
    for config in (NESTED, PLAIN.single_resolution()):
        assert [(stage.top, stage.train, stage.crop) for stage in stacking_plan(config)] == [(64, (16, 32, 64), None)]


def test_a_network_that_would_drop_features_draws_nothing() -> None:
    model = LayeredUNet(replace(tiny(16), dropout=0.1)).train()
    with pytest.raises(ValueError, match="model.eval"):
        GuidedDenoiser(model, TextStates.empty(1, 12))
    GuidedDenoiser(model.eval(), TextStates.empty(1, 12))
    model.levels["16"].train()  # as while only a level learns
    with pytest.raises(ValueError, match="model.eval"):
        GuidedDenoiser(model, TextStates.empty(1, 12))
