"""Optimiser, learning rate and weight averaging: Muon for hidden matrices and filters, AdamW for the rest."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from layered.training.plan import StageConfig, TrainConfig, fast_bfloat16
from layered.training.team import Team
from layered.unet import LayeredUNet

_PICTURE = re.compile(r"levels\.\d+\.(input|output)\.")  # convolutions that read or write a picture

Spread = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]  # as ``Team.spread``


def trunk_matrices(model: LayeredUNet, sizes: tuple[int, ...]) -> list[nn.Parameter]:
    """The matrices of attention and MLP in the trunk, where it is among the levels of ``sizes``."""
    learning = {id(p) for size in sizes for p in model.level_parameters(size)}
    return [parameter for name, parameter in model.named_parameters() if id(parameter) in learning and _in_trunk(name, parameter)]


def split_parameters(model: LayeredUNet, sizes: tuple[int, ...]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters of the levels that learn: (for Muon: the trunk's matrices and the filters between features, all others)."""
    learning = {id(p) for size in sizes for p in model.level_parameters(size)}
    hidden, others = [], []
    for name, parameter in model.named_parameters():
        if id(parameter) in learning:
            (hidden if _in_trunk(name, parameter) or _between_features(name, parameter) else others).append(parameter)
    return hidden, others


def _in_trunk(name: str, parameter: nn.Parameter) -> bool:
    tells_time = "modulation" in name or "film" in name
    return name.startswith("trunk.blocks") and parameter.ndim == 2 and not tells_time


def _between_features(name: str, parameter: nn.Parameter) -> bool:
    """Whether it is the filters of a convolution that neither reads nor writes a picture, and mixes its channels."""
    return parameter.ndim == 4 and parameter.shape[1] > 1 and not _PICTURE.match(name)


def make_optimizers(model: LayeredUNet, stage: StageConfig, config: TrainConfig, team: Team) -> list[torch.optim.Optimizer]:
    """Muon and AdamW at one learning rate, for the parameters that learn; Muon only where there are some for it."""
    hidden, others = split_parameters(model, stage.train)
    hidden = [parameter for parameter in hidden if parameter.requires_grad]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(others, lr=stage.lr, betas=(0.9, 0.99), weight_decay=config.weight_decay)
    ]
    if hidden:
        optimizers.append(Muon(hidden, lr=stage.lr, weight_decay=config.weight_decay, spread=team.spread))
    return optimizers


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised (Muon, arXiv 2502.16982), for matrices, and for filters (O, I, k, k) as matrices (O, I k²).

    The update of ``torch.optim.Muon`` with ``adjust_lr_fn="match_rms_adamw"``. That one orthogonalises matrix by matrix and
    always in bfloat16, which some processors emulate at 1/70 of their speed; this one takes all matrices of a shape
    at once, in bfloat16 where that is fast and else in float32, and shares them out between the processes that train together:
    on a CPU, this is a third of a step of the base.
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, weight_decay: float, spread: Spread, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.spread = spread

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(parameter.shape, []).append(parameter)
            for parameters in shapes.values():
                updates = torch.stack([self._nesterov(parameter, group["momentum"]).flatten(1) for parameter in parameters])
                rate = group["lr"] * 0.2 * max(updates.shape[1:]) ** 0.5  # the update's root mean square is then AdamW's
                for parameter, update in zip(parameters, self.spread(orthogonalized, updates), strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update.view_as(parameter), alpha=-rate)

    def _nesterov(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        average = state["momentum_buffer"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(average, momentum)


def orthogonalized(matrices: Tensor, steps: int = 5) -> Tensor:
    """(N, A, B) with the singular values brought to about 1 (five Newton–Schulz iterations, arXiv 2502.16982, equation 2)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16() if fast_bfloat16(matrices.device.type) else matrices.float()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)


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
        pairs = zip(self.model.parameters(), model.parameters(), strict=True)
        averages, currents = zip(*((average, current) for average, current in pairs if current.requires_grad), strict=True)
        torch._foreach_lerp_(averages, currents, 1 - beta)  # all in one go: launching them one by one is slow on a GPU
