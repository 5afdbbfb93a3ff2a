"""The optimisers, the learning rate and the average of the weights."""

from __future__ import annotations

import pytest
import torch

from layered.training.loop import new_model
from layered.training.optim import Muon, PowerEMA, learning_rate, orthogonalized, split_parameters
from layered.training.plan import StageConfig
from layered.training.team import Team
from tests.test_unet import tiny


def test_muon_gets_the_matrices_of_attention_and_mlp_only() -> None:
    model = new_model(tiny(), 0)
    matrices, others = split_parameters(model, (16,))
    assert matrices and all(p.ndim == 2 for p in matrices)
    assert {id(p) for p in matrices + others} == {id(p) for p in model.level_parameters(16)}
    assert split_parameters(model, (32,))[0] == []


@pytest.mark.parametrize("shape", [(8, 8), (8, 24), (24, 8)])
def test_orthogonalized_brings_every_singular_value_near_one(shape) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)) * torch.tensor([1e-3, 1.0, 50.0])[:, None, None]
    values = torch.linalg.svdvals(orthogonalized(matrices))
    assert values.min() > 0.5 and values.max() < 1.3
    (alone,) = orthogonalized(matrices[:1])
    assert torch.allclose(alone, orthogonalized(matrices)[0], atol=0.02)


@pytest.mark.parametrize("shape", [(16, 48), (48, 16)])
def test_muon_takes_the_steps_of_torch_muon(shape) -> None:
    """Up to bfloat16, in which torch's orthogonalises: a few per cent of the way gone."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    optimizers = (
        Muon([ours], lr=0.01, weight_decay=0.1, spread=Team().spread),
        torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(5):
        gradient = torch.randn(shape, generator=generator)
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    assert (ours - theirs).norm() < 0.05 * (theirs - start).norm()


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    stage = StageConfig("s", 16, (16,), pictures=100, lr=1.0, warmup=10, decay=0.4)
    assert learning_rate(stage, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(stage, 50, 0.5) == 1.0
    assert learning_rate(stage, 80, 0.8) == pytest.approx(0.5)
    assert learning_rate(stage, 99, 1.0) == 0.0


def test_the_average_is_a_weighted_mean_of_what_was_seen() -> None:
    model = new_model(tiny(16), 0)
    ema = PowerEMA(model, power=6.94)
    parameter, average = next(model.parameters()), next(ema.model.parameters())
    for step in range(200):
        torch.nn.init.constant_(parameter, float(step))
        ema.update(model, step)
    # ∫ s · 7.94 s^6.94 ds = 7.94 / 8.94 of the last step
    assert average.mean().item() == pytest.approx(200 * 7.94 / 8.94, rel=0.02)
