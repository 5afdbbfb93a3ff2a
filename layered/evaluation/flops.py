"""Floating-point operations of one forward pass, counted by ``torch.utils.flop_counter`` (a multiply-add is two)."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from layered.config import ModelConfig
from layered.layers import TextStates
from layered.unet import LayeredUNet

WORDS = 16  # tokens of the prompt that the count assumes


def count_flops(config: ModelConfig) -> float:
    """FLOPs of one forward pass for one picture: half of a guided step. Counted on meta tensors: nothing is computed."""
    with torch.device("meta"):
        model = LayeredUNet(config)
        z = {size: torch.empty(1, 3, size, size) for size in config.scales}
        logsnr = {size: torch.empty(1) for size in config.scales}
        text = TextStates(
            torch.empty(1, WORDS, config.text_width), torch.ones(1, WORDS, dtype=torch.bool), torch.empty(1, config.text_width)
        )
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(z, logsnr, text, torch.ones(1))
    return float(counter.get_total_flops())


def count_parameters(config: ModelConfig) -> int:
    """Number of parameters."""
    with torch.device("meta"):
        return sum(p.numel() for p in LayeredUNet(config).parameters())


def flops_table(config: ModelConfig, sizes: tuple[int, ...]) -> list[dict]:
    """One row per top size: the layered model beside its single-resolution twin of identical widths."""
    rows = []
    for size in sizes:
        layered = config.upto(size)
        twin = layered.single_resolution()
        row = {
            "top": size,
            "layered_gflop": count_flops(layered) / 1e9,
            "single_gflop": count_flops(twin) / 1e9,
            "layered_parameters": count_parameters(layered),
            "single_parameters": count_parameters(twin),
        }
        rows.append(row | {"ratio": row["layered_gflop"] / row["single_gflop"]})
    return rows
