"""What the network costs, part by part: parameters, operations of one forward pass and shapes, measured on its own modules.

Operations are counted by the formulas of ``torch.utils.flop_counter`` (a multiply-add is two). Its ``FlopCounterMode`` itself
is not used, because it hooks every module of the process: it would also see what another thread draws meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from layered.config import ModelConfig
from layered.layers import TextStates
from layered.unet import LayeredUNet

WORDS = 16  # tokens of the prompt that the count assumes
STEP = 2  # passes through the network in one guided step
# Paper, table 1: target resolution, TFLOP, FID and IS of the single-resolution model, the same of the layered one (None: none).
PAPER_TABLE_1 = (
    (128, (1.24, 11.53, 24.48), None),
    (256, (2.20, 14.61, 28.61), (2.04, 13.38, 29.62)),
    (512, (3.24, 53.89, 23.21), (2.79, 40.05, 28.74)),
)
LEVEL_PARTS = ("condition", "input", "down", "inward", "upsample", "fuse", "up", "output")
STAGE_PARTS = ("input", "down", "upsample", "fuse", "up")


@dataclass(frozen=True)
class Part:
    """One part of the network, for one picture."""

    parameters: int
    flops: int
    shape: tuple[int, ...]  # of what it hands on: (C, H, W), or (C,) of a vector


@dataclass(frozen=True)
class Cost:
    """All parts by their name in the network, such as ``levels.512.down``; they are disjoint and sum to the whole."""

    config: ModelConfig
    parts: Mapping[str, Part]

    def parameters(self, *prefixes: str) -> int:
        """Of the parts whose names begin so; without a prefix, of all."""
        return sum(part.parameters for name, part in self.parts.items() if not prefixes or name.startswith(prefixes))

    def flops(self, *prefixes: str) -> int:
        """Likewise."""
        return sum(part.flops for name, part in self.parts.items() if not prefixes or name.startswith(prefixes))

    def without(self, size: int) -> Cost:
        """Without the levels finer than ``size``: nothing below them is there for them alone, so the rest costs what it did.

        Raises ValueError for a single-resolution network, which has no smaller one inside it, and for an unknown size.
        """
        if not self.config.layered:
            raise ValueError("A single-resolution network has no smaller one inside it: measure the smaller one.")
        finer = tuple(f"levels.{level.size}." for level in self.config.levels if level.size > size)
        return Cost(self.config.upto(size), {name: part for name, part in self.parts.items() if not name.startswith(finer)})


def measure(model: LayeredUNet) -> Cost:
    """Run the network once on one empty picture, on the device it is on (on ``meta`` nothing is computed), and count."""
    config, device = model.config, next(model.parameters()).device
    with torch.device(device):
        z = {size: torch.zeros(1, 3, size, size) for size in config.scales}
        logsnr = {size: torch.zeros(1) for size in config.scales}
        text = TextStates(
            torch.zeros(1, WORDS, config.text_width), torch.ones(1, WORDS, dtype=torch.bool), torch.zeros(1, config.text_width)
        )
        parts = _counted(_modules(model), lambda: model(z, logsnr, text, torch.ones(1)))
    return Cost(config, parts)


def measure_config(config: ModelConfig) -> Cost:
    """``measure`` of an untrained network without memory: any size is counted in about a second."""
    with torch.device("meta"):
        return measure(LayeredUNet(config))


def twin(cost: Cost) -> Cost:
    """The cost of the single-resolution twin (paper, table 1). Only the ends of the levels differ from the layered network's:
    the coarser ones take in the features above instead of a picture, and give out none; these are run, the rest is taken over.
    A cascade, a nested network, and one with other blocks on the way down differ from it in more, so there all of it is run."""
    config = cost.config.single_resolution()
    blocks = any(level.blocks_down_single is not None for level in cost.config.levels)
    if blocks or (cost.config.fusion, cost.config.downsampling) != (config.fusion, config.downsampling):
        return measure_config(config)
    with torch.device("meta"):
        model = LayeredUNet(config)
        ends: dict[str, Part] = {}
        for level, above in zip(config.levels, (*config.levels[1:], None), strict=True):
            module = model.levels[str(level.size)]
            shape = (3, level.size, level.size) if above is None else (above.width, above.grid, above.grid)
            found = {f"levels.{level.size}.input": (module.input, torch.empty(1, *shape))}
            if module.output is not None:
                found[f"levels.{level.size}.output"] = (module.output, torch.empty(1, level.width, level.grid, level.grid))
            for name, (end, x) in found.items():
                ends |= _counted({name: end}, lambda end=end, x=x: end(x))
    kept = {name: part for name, part in cost.parts.items() if not name.endswith(".output")}
    return Cost(config, kept | ends)


def beside_twin(cost: Cost, sizes: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """One row per top size (None: every one): a layered model beside its single-resolution twin of identical widths.

    Raises ValueError as ``Cost.without`` does.
    """
    rows = []
    for size in cost.config.all_sizes if sizes is None else sizes:
        layered = cost.without(size)
        single = twin(layered)
        row = {
            "top": size,
            "layered_gflop": layered.flops() / 1e9,
            "single_gflop": single.flops() / 1e9,
            "layered_parameters": layered.parameters(),
            "single_parameters": single.parameters(),
        }
        rows.append(row | {"ratio": row["layered_gflop"] / row["single_gflop"]})
    return rows


def beside_paper(config: ModelConfig) -> list[dict[str, Any]]:
    """The FLOPs of the paper's table 1 beside those of a guided step of ``config``, in TFLOP, and what its layers save.

    A multiply-add is two operations, a guided step two passes. ValueError unless the config has levels of 128, 256 and 512.
    """
    cost, rows = measure_config(config), []
    for size, printed_single, printed_layered in PAPER_TABLE_1:
        layered = cost.without(size)
        ours = {"single": STEP * twin(layered).flops() / 1e12, "layered": STEP * layered.flops() / 1e12}
        printed = {"single": printed_single[0]} | ({"layered": printed_layered[0]} if printed_layered else {})
        for name, paper in printed.items():
            row = {"top": size, "network": name, "paper_tflop": paper, "tflop": ours[name], "difference": ours[name] / paper - 1}
            if name == "layered":
                row |= {"paper_saving": 1 - paper / printed["single"], "saving": 1 - ours["layered"] / ours["single"]}
            rows.append(row)
    return rows


# ------------------------------------------------------------------ the counting


class _Counter(TorchDispatchMode):
    """Adds up the operations of every matrix product and convolution in this thread, by the name that is current."""

    def __init__(self) -> None:
        super().__init__()
        self.current, self.flops = "", {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.flops[self.current] = self.flops.get(self.current, 0) + int(count(*args, **(kwargs or {}), out_val=out))
        return out


def _modules(model: LayeredUNet) -> dict[str, nn.Module]:
    """The parts by name."""
    found = {"trunk_input": model.trunk_input, "trunk": model.trunk}
    found |= {f"stages.{i}.{part}": getattr(stage, part) for i, stage in enumerate(model.stages) for part in STAGE_PARTS}
    for size, level in model.levels.items():
        found |= {f"levels.{size}.{part}": getattr(level, part) for part in LEVEL_PARTS if getattr(level, part) is not None}
    return found


def _counted(modules: Mapping[str, nn.Module], run: Callable[[], Any]) -> dict[str, Part]:
    """Run, and say what each of the modules took and gave. RuntimeError if operations were made outside them."""
    counter, shapes, hooks = _Counter(), {}, []
    for name, module in modules.items():

        def enter(module: nn.Module, given: Any, name: str = name) -> None:
            counter.current = name

        def leave(module: nn.Module, given: Any, out: torch.Tensor, name: str = name) -> None:
            counter.current, shapes[name] = "", tuple(out.shape[1:])

        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        with counter, torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    if stray := counter.flops.get(""):
        raise RuntimeError(f"{stray} operations belong to no part of the network.")
    return {
        name: Part(sum(p.numel() for p in module.parameters()), counter.flops.get(name, 0), shapes[name])
        for name, module in modules.items()
    }
