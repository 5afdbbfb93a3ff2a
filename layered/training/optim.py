"""Optimiser, learning rate and weight averaging: Muon for the matrices of attention and MLP, AdamW for the rest."""

from __future__ import annotations

import copy

import torch
from torch import nn

from layered.training.plan import StageConfig, TrainConfig
from layered.unet import LayeredUNet


def split_parameters(model: LayeredUNet, sizes: tuple[int, ...]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters of the levels that learn: (attention and MLP matrices of the transformer, all others)."""
    learning = {id(p) for size in sizes for p in model.level_parameters(size)}
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        if id(parameter) in learning:
            is_matrix = name.startswith("trunk.blocks") and parameter.ndim == 2 and "modulation" not in name
            (matrices if is_matrix else others).append(parameter)
    return matrices, others


def make_optimizers(model: LayeredUNet, stage: StageConfig, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Muon (arXiv 2502.16982's update size) and AdamW at one learning rate; Muon only where there are matrices for it."""
    matrices, others = split_parameters(model, stage.train)
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(others, lr=stage.lr, betas=(0.9, 0.99), weight_decay=config.weight_decay)
    ]
    if matrices:
        optimizers.append(
            torch.optim.Muon(matrices, lr=stage.lr, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw")
        )
    return optimizers


def learning_rate(stage: StageConfig, step: int, progress: float) -> float:
    """Linear warm-up over steps, then constant, then linear to zero over the last ``decay`` of the budget."""
    warm = min(1.0, (step + 1) / max(1, stage.warmup))
    return stage.lr * warm * min(1.0, max(0.0, 1.0 - progress) / stage.decay)


class PowerEMA:
    """Average of the weights of a stage with a length proportional to what was seen (arXiv 2312.02696, equation 126)."""

    def __init__(self, model: LayeredUNet, power: float) -> None:
        self.power = power
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: LayeredUNet, step: int) -> None:
        """After optimisation step number ``step``, counted from 0: β = (1 − 1/(step + 1))^(power + 1)."""
        beta = (1 - 1 / (step + 1)) ** (self.power + 1)
        for average, current in zip(self.model.parameters(), model.parameters(), strict=True):
            if current.requires_grad:
                average.lerp_(current.detach(), 1 - beta)
