"""The blocks: what they are before they have learnt anything, their formulas, and dropout."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layered.attention import Attention, AttentionBlock, TransformerBlock
from layered.layers import (
    CascadeUpsample,
    ConvNeXtBlock,
    LevelBias,
    LevelCondition,
    ResidualBlock,
    TimeDependentAffine,
    channel_norm,
)

WIDTH, TIME, TEXT = 8, 6, 5
TIMES = ["film", "td-ln"]


def told(time: str) -> Tensor:
    """What a block is told for two samples: a conditioning vector, or the time."""
    return torch.randn(2, TIME) if time == "film" else torch.tensor([-0.9, 0.4])


def random(module: nn.Module) -> nn.Module:
    """The module with every parameter random, so that nothing is hidden by a zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
    return module


def run(block: nn.Module, x: Tensor, condition: Tensor, text: Tensor | None = None) -> Tensor:
    """A block on (B, C, H, W), whatever it takes."""
    if isinstance(block, (ResidualBlock, ConvNeXtBlock)):
        return block(x, condition)
    text = torch.randn(2, 3, TEXT) if text is None else text
    mask = torch.ones(text.shape[:2], dtype=torch.bool)
    if isinstance(block, AttentionBlock):
        return block(x, condition, text, mask)
    return block(x.flatten(2).mT, condition, text, mask).mT.unflatten(2, x.shape[2:])


def blocks(time: str, dropout: float = 0.0) -> list[nn.Module]:
    return [
        ResidualBlock(WIDTH, TIME, time, dropout),
        ConvNeXtBlock(WIDTH, TIME, time, dropout),
        TransformerBlock(WIDTH, TEXT, TIME, 4, time, dropout),
        AttentionBlock(WIDTH, TEXT, TIME, 4, time, dropout),
    ]


# ------------------------------------------------------------------ all blocks


@pytest.mark.parametrize("time", TIMES)
def test_every_block_starts_as_the_identity(time: str) -> None:
    x = torch.randn(2, WIDTH, 4, 4)
    for block in blocks(time):
        assert torch.equal(run(block, x, told(time)), x), type(block)


@pytest.mark.parametrize("time", TIMES)
def test_every_block_is_told_the_time_sample_by_sample(time: str) -> None:
    x, text = torch.randn(1, WIDTH, 4, 4).expand(2, -1, -1, -1), torch.randn(1, 3, TEXT).expand(2, -1, -1)
    for block in map(random, blocks(time)):
        first, second = run(block, x, told(time), text)
        assert not torch.allclose(first, second, atol=1e-3), type(block)


def test_dropout_acts_in_training_alone() -> None:
    x, text, condition = torch.randn(2, WIDTH, 4, 4), torch.randn(2, 3, TEXT), torch.randn(2, TIME)
    for block in map(random, blocks("film", dropout=0.5)):
        assert not torch.equal(run(block, x, condition, text), run(block, x, condition, text)), type(block)
        block.eval()
        assert torch.equal(run(block, x, condition, text), run(block, x, condition, text)), type(block)
    for block in map(random, blocks("film")):
        assert torch.equal(run(block, x, condition, text), run(block, x, condition, text)), type(block)


# ------------------------------------------------------------------ TD-LN


def test_td_ln_starts_as_a_plain_layer_norm_at_every_time() -> None:
    gain, bias = TimeDependentAffine(WIDTH)(torch.linspace(-1, 1, 9))
    assert torch.equal(gain, torch.ones(9, WIDTH)) and torch.equal(bias, torch.zeros(9, WIDTH))


def test_td_ln_has_eight_parameters_per_channel_and_is_its_formula() -> None:
    affine = random(TimeDependentAffine(WIDTH))
    assert sum(p.numel() for p in affine.parameters()) == 8 * WIDTH
    u = torch.tensor([-0.7, 0.2, 1.0])
    for theta, (p0, p1, w, b) in zip(affine(u), (affine.gain, affine.bias), strict=True):
        for index, time in enumerate(u):
            s = 1 / (1 + torch.exp(-(time * (1 + w) + b)))
            assert torch.allclose(theta[index], s * p0 + (1 - s) * p1, atol=1e-6)


def test_td_ln_moves_between_its_two_vectors() -> None:
    affine = random(TimeDependentAffine(WIDTH))
    with torch.no_grad():
        affine.gain[2].fill_(60.0)  # w: a step in time
        affine.gain[3].zero_()
    gain, _ = affine(torch.tensor([1.0, 0.0, -1.0]))
    p0, p1 = affine.gain[:2]
    assert torch.allclose(gain[0], p0) and torch.allclose(gain[2], p1) and torch.allclose(gain[1], (p0 + p1) / 2)


def test_td_ln_needs_far_fewer_parameters_than_film() -> None:
    counts = [sum(p.numel() for p in TransformerBlock(64, 64, 64, 16, time).modulation.parameters()) for time in TIMES]
    assert counts == [6 * 64 * 65, 2 * 8 * 64]


def test_what_td_ln_is_not_told_is_a_bias_of_the_level_that_starts_at_nothing() -> None:
    condition = LevelBias(TEXT, TIME, WIDTH)
    given = torch.tensor([1.0, -2.0]), torch.tensor([0.0, 1.0]), torch.randn(2, TEXT), torch.tensor([1.0, 0.0])
    assert torch.equal(condition(*given), torch.zeros(2, WIDTH))
    bias = random(condition)(*given)
    plain = LevelCondition(TEXT, TIME)
    plain.load_state_dict({name: p for name, p in condition.state_dict().items() if not name.startswith("bias.")})
    assert torch.allclose(bias, condition.bias(plain(*given)))
    for index, changed in enumerate((given[0] + 1, given[1] + 1, -given[2], 1 - given[3])):
        assert not torch.allclose(condition(*given[:index], changed, *given[index + 1 :]), bias, atol=1e-3)


# ------------------------------------------------------------------ DiMR


def test_the_convnext_block_is_its_formula() -> None:
    block = random(ConvNeXtBlock(WIDTH, TIME, "td-ln"))
    x, u = torch.randn(2, WIDTH, 12, 12), torch.tensor([-0.5, 0.8])
    gain, bias = block.film(u)
    h = x + F.conv2d(x, block.depthwise.weight, block.depthwise.bias, padding=3, groups=WIDTH)
    n = channel_norm(h) * gain[..., None, None] + bias[..., None, None]
    w0, w1 = block.inner.weight[: 2 * WIDTH, :, 0, 0], block.inner.weight[2 * WIDTH :, :, 0, 0]
    b0, b1 = block.inner.bias.split(2 * WIDTH)
    at = lambda w, b, v: torch.einsum("oc,bcyx->boyx", w, v) + b[:, None, None]  # noqa: E731
    hidden = F.gelu(at(w0, b0, n)) * at(w1, b1, n)
    assert torch.allclose(block(x, u), h + at(block.outer.weight[..., 0, 0], block.outer.bias, hidden), atol=1e-4)


def test_the_convnext_block_reaches_three_cells() -> None:
    block = random(ConvNeXtBlock(WIDTH, TIME))
    x, condition = torch.randn(1, WIDTH, 15, 15), torch.randn(1, TIME)
    moved = x.clone()
    moved[..., 7, 7] += 1
    changed = (block(x, condition) - block(moved, condition)).abs().amax(dim=1)[0] > 1e-6
    assert changed[4:11, 4:11].all() and changed.sum() == 49


@pytest.mark.parametrize("factor", [1, 2])
def test_what_a_cascade_adds_has_unit_variance_whatever_comes_from_below(factor: int) -> None:
    upsample = CascadeUpsample(4, 32, factor)
    x = torch.randn(2, 4, 3, 3)
    added = upsample(x)
    assert added.shape == (2, 32, 3 * factor, 3 * factor)
    assert torch.allclose(added.mean(dim=1), torch.zeros(()), atol=1e-5)
    assert torch.allclose(added.var(dim=1, unbiased=False), torch.ones(()), atol=1e-2)
    assert torch.allclose(upsample(100 * x + 3), added, atol=1e-3)


# ------------------------------------------------------------------ the U-Net's blocks


def test_an_attention_block_is_its_convolutions_and_what_attention_adds() -> None:
    block = random(AttentionBlock(WIDTH, TEXT, TIME, 4))
    x, condition, text = torch.randn(2, WIDTH, 4, 4), torch.randn(2, TIME), torch.randn(2, 3, TEXT)
    mask = torch.ones(2, 3, dtype=torch.bool)
    h = block.residual(x, condition).flatten(2).mT
    h = h + block.attention(n := F.layer_norm(h, (WIDTH,)), n)
    h = h + block.cross(F.layer_norm(h, (WIDTH,)), text, mask)
    assert torch.allclose(run(block, x, condition, text), h.mT.unflatten(2, (4, 4)), atol=1e-5)


def test_attention_reaches_every_cell_and_reads_no_masked_token() -> None:
    block = random(AttentionBlock(WIDTH, TEXT, TIME, 4))
    x, condition, text = torch.randn(1, WIDTH, 12, 12), torch.randn(1, TIME), torch.randn(1, 3, TEXT)
    mask = torch.tensor([[True, True, False]])
    before = block(x, condition, text, mask)
    moved = x.clone()
    moved[:, 0, 0, 0] += 2
    assert ((block(moved, condition, text, mask) - before).abs().amax(dim=1) > 1e-7).all()
    text[:, 2] += 1
    assert torch.equal(block(x, condition, text, mask), before)
    text[:, 1] += 1
    assert not torch.allclose(block(x, condition, text, mask), before, atol=1e-4)


def test_attention_does_not_know_the_order_of_what_it_attends_to() -> None:
    attention = random(Attention(WIDTH, TEXT, 4))
    x, context = torch.randn(1, 4, WIDTH), torch.randn(1, 6, TEXT)
    assert torch.allclose(attention(x, context), attention(x, context[:, torch.randperm(6)]), atol=1e-5)
