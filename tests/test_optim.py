"""The optimisers, the learning rate and the average of the weights."""

from __future__ import annotations

import pytest
import torch

from layered.training.loop import new_model
from layered.training.optim import Muon, PowerEMA, learning_rate, orthogonalized, split_parameters, trunk_matrices
from layered.training.plan import StageConfig
from layered.training.team import Team
from tests.test_unet import every_level, tiny


def trunk_alone(model, sizes):
    """``split_parameters`` as it was before Muon had filters too."""
    matrices = trunk_matrices(model, sizes)
    taken = {id(parameter) for parameter in matrices}
    return matrices, [p for size in sizes for p in model.level_parameters(size) if id(p) not in taken]


def test_muon_gets_what_mixes_features_and_nothing_that_reads_or_writes_pictures() -> None:
    model = new_model(tiny(), 0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for size in (16, 32):
        hidden, others = split_parameters(model, (size,))
        assert hidden and {id(p) for p in hidden + others} == {id(p) for p in model.level_parameters(size)}
        filters = {names[id(p)] for p in hidden if p.ndim == 4}
        assert {f"levels.{size}.up.0.conv_in.weight", f"levels.{size}.fuse.weight"} <= filters
        left = {names[id(p)] for p in others if p.ndim == 4}
        assert left == {f"levels.{size}.input.weight", f"levels.{size}.output.weight"}
    matrices = trunk_matrices(model, (16,))
    assert matrices and {id(p) for p in matrices} == {id(p) for p in split_parameters(model, (16,))[0] if p.ndim == 2}
    assert trunk_matrices(model, (32,)) == []


def test_depthwise_filters_are_left_to_adamw() -> None:
    model = new_model(every_level(tiny(), block="convnext"), 0)
    hidden, others = split_parameters(model, (32,))
    depthwise = model.levels["32"].up[0].depthwise.weight
    assert any(p is depthwise for p in others) and not any(p is depthwise for p in hidden)
    assert any(p is model.levels["32"].up[0].inner.weight for p in hidden)


def test_muon_takes_filters_as_matrices() -> None:
    generator = torch.Generator().manual_seed(0)
    start, gradient = torch.randn(2, 8, 4, 3, 3, generator=generator)
    filters = torch.nn.Parameter(start.clone(memory_format=torch.channels_last))
    matrix = torch.nn.Parameter(start.flatten(1).clone())
    filters.grad, matrix.grad = gradient.clone(), gradient.flatten(1)
    for parameter in (filters, matrix):
        Muon([parameter], lr=0.01, weight_decay=0.1, spread=Team().spread).step()
    torch.testing.assert_close(filters.flatten(1), matrix)
    assert not torch.equal(filters, start)


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
