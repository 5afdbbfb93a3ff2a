"""What the network costs: by hand, by PyTorch's own counter, and by the sums that the parts must give."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from layered.config import LevelConfig, ModelConfig, TrunkConfig
from layered.cost import WORDS, beside_paper, beside_twin, measure, measure_config, twin
from layered.layers import TextStates
from layered.presets import compact, paper_scale
from layered.unet import LayeredUNet
from tests.test_nested import NESTED
from tests.test_unet import VARIANTS, tiny

STAGED = ModelConfig(  # ordinary stages under the base, a patch of 1, and two levels on one grid
    (LevelConfig(32, 1, 16), LevelConfig(64, 1, 8, blocks_down=0, prediction="v"), LevelConfig(128, 2, 8, prediction="v")),
    TrunkConfig(stages=((16, 1), (24, 2)), width=16, depth=2, head_width=8),
    text_width=12,
    time_width=16,
)
LADDERS = [tiny(), tiny(16), STAGED, NESTED, *(VARIANTS[kind] for kind in ("wavelet", "dimr", "u-net"))]


def test_the_flops_of_a_level_are_those_of_its_convolutions() -> None:
    added = measure_config(tiny(64)).flops() - measure_config(tiny(32)).flops()
    cells, width, time, patch = 16 * 16, 8, 16, 4
    convolutions = [6 * patch**2 * width, 4 * 9 * width * width, 16 * width, 2 * width * width, 9 * width * 3 * patch**2]
    vectors = 2 * 64 * time + 12 * time + time + time * time + 2 * time * 2 * width  # conditioning of the level and its blocks
    assert added == pytest.approx(2 * (cells * sum(convolutions) + vectors), rel=0.02)


@pytest.mark.parametrize("config", [*LADDERS, *(ladder.single_resolution() for ladder in LADDERS)])
def test_the_sum_of_the_parts_is_what_pytorch_counts_for_the_whole(config: ModelConfig) -> None:
    model = LayeredUNet(config)
    z = {size: torch.zeros(1, 3, size, size) for size in config.scales}
    text = TextStates(
        torch.zeros(1, WORDS, config.text_width), torch.ones(1, WORDS, dtype=torch.bool), torch.zeros(1, config.text_width)
    )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(z, {size: torch.zeros(1) for size in config.scales}, text, torch.ones(1))
    cost = measure(model)
    assert cost.flops() == counter.get_total_flops()
    assert cost.parameters() == sum(p.numel() for p in model.parameters())
    base = config.levels[0].size
    for level in config.levels:
        names = (f"levels.{level.size}.", *(("trunk", "stages.") if level.size == base else ()))
        assert cost.parameters(*names) == sum(p.numel() for p in model.level_parameters(level.size))


def test_a_network_on_the_meta_device_costs_the_same() -> None:
    assert measure_config(tiny()) == measure(LayeredUNet(tiny()))


def test_counting_leaves_nothing_behind() -> None:
    model = LayeredUNet(tiny())
    measure(model)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("config", LADDERS)
def test_the_twin_and_the_smaller_models_cost_what_they_do_when_built(config: ModelConfig) -> None:
    cost = measure_config(config)
    for size in config.all_sizes:
        assert cost.without(size) == measure_config(config.upto(size))
        assert twin(cost.without(size)) == measure_config(config.upto(size).single_resolution())


def test_shapes_are_those_of_the_features() -> None:
    parts = measure_config(STAGED).parts
    assert parts["levels.32.down"].shape == (16, 32, 32) and parts["levels.128.up"].shape == (8, 64, 64)
    assert parts["levels.128.output"].shape == (3 * 2**2, 64, 64)
    assert parts["stages.1.up"].shape == (24, 8, 8) and parts["trunk"].shape == (16, 4, 4)
    assert parts["levels.64.condition"].shape == (16,)
    assert parts["levels.64.down"].flops == parts["levels.64.down"].parameters == 0  # no blocks


def test_the_compact_model_keeps_its_budget() -> None:
    (row,) = beside_twin(measure_config(compact()), [512])
    assert row["layered_gflop"] < 45 and row["layered_parameters"] < 20e6
    assert row["ratio"] == pytest.approx(row["layered_gflop"] / row["single_gflop"])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="no smaller one"):
        beside_twin(measure_config(tiny().single_resolution()))
    with pytest.raises(ValueError, match="no level of 48"):
        beside_twin(measure_config(tiny()), [48])


def test_operations_outside_the_parts_do_not_go_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layered.cost.LEVEL_PARTS", ("condition", "input", "down", "upsample", "fuse", "output"))
    with pytest.raises(RuntimeError, match="belong to no part"):
        measure(LayeredUNet(tiny(16)))


def test_the_paper_scale_network_costs_what_table_1_says() -> None:
    rows = beside_paper(paper_scale())
    assert [(row["top"], row["network"], row["paper_tflop"]) for row in rows] == [
        (128, "single", 1.24),
        (256, "single", 2.20),
        (256, "layered", 2.04),
        (512, "single", 3.24),
        (512, "layered", 2.79),
    ]
    assert all(abs(row["difference"]) < 0.05 for row in rows)
    savings = [(row["paper_saving"], row["saving"]) for row in rows if row["network"] == "layered"]
    assert all(abs(ours - printed) < 0.01 for printed, ours in savings) and [round(p, 2) for p, _ in savings] == [0.07, 0.14]


def test_a_twin_may_have_other_blocks_on_the_way_down() -> None:
    config = paper_scale(256)
    assert [level.blocks_down for level in config.single_resolution().levels] == [2, 2]
    assert twin(measure_config(config)).flops() == measure_config(config.single_resolution()).flops()
