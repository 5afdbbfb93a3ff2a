"""The network as data for a drawing: every part with its place, its explanation, shape and cost. For any ``ModelConfig``."""

from __future__ import annotations

from typing import Any

from layered.cost import Cost
from layered.plots import scale_colour
from layered.studio import explain
from layered.studio.explain import Said, many

Node = dict[str, Any]


def network(cost: Cost) -> dict[str, Any]:
    """The drawing: ``rows`` from the finest level to the last ordinary halving, then ``trunk``; all of it JSON.

    A row has ``nodes`` by kind, those that it has (``z``, ``condition``, ``input``, ``down``, ``isolated``, ``skip``,
    ``upsample``, ``fuse``, ``up``, ``output``, ``x0``), ``mean``: whether its prediction builds on that of the level below, and
    ``detail``: whether its input does too.
    """
    config = cost.config
    kind = "Layered U-Net" if config.layered else "Single-resolution U-Net"
    return {
        "name": f"{kind} of {' / '.join(map(str, config.scales))} px",
        "facts": f"{cost.parameters() / 1e6:.1f} M parameters, {gflop(cost.flops())} in one forward pass",
        "say": explain.summary(config),
        "layered": config.layered,
        "rows": [_level(cost, index) for index in reversed(range(len(config.levels)))]
        + [_stage(cost, index) for index in range(len(config.trunk.stages))],
        "trunk": _trunk(cost),
    }


def gflop(flops: int) -> str:
    """«17.25 GFLOP», «0.39 MFLOP»."""
    return f"{flops / 1e9:.2f} GFLOP" if flops >= 1e8 else f"{flops / 1e6:.2f} MFLOP"


def _level(cost: Cost, index: int) -> dict[str, Any]:
    """One level: its parts in the order of the data."""
    config, level = cost.config, cost.config.levels[index]
    size, part = level.size, f"levels.{level.size}"
    below = config.levels[index - 1] if index else None
    above = config.levels[index + 1] if index + 1 < len(config.levels) else None
    own = config.layered or above is None  # a picture of its own goes in and comes out
    isolated = config.layered and below is not None
    picture, features = (3, size, size), cost.parts[f"{part}.down"].shape
    factor = level.grid // below.grid if below else 2
    onward = (
        " They feed the output" + (f" and level {above.size}." if above else ".") if own else f" They feed level {above.size}."
    )

    nodes: dict[str, Node] = {}
    if own:
        nodes["z"] = _plain(f"z {size}", "noisy", explain.noisy(config, level), picture)
    nodes["condition"] = _part(cost, f"{part}.condition", "λ", "", explain.condition(config, index))
    if own:
        nodes["input"] = _part(cost, f"{part}.input", "in", f"{level.patch}×{level.patch}", explain.picture_input(config, index))
    else:
        side = above.grid // level.grid
        nodes["input"] = _part(cost, f"{part}.input", "shrink", f"{side}×{side}", explain.ordinary_input(config, index))
    said = explain.blocks(f"Way down of {size}", level.blocks_down, level.grid)
    nodes["down"] = _part(cost, f"{part}.down", "down", many(level.blocks_down, "block"), said)
    if isolated:
        nodes["isolated"] = _plain("isolated", "", explain.isolated(size, below.size), None)
    nodes["skip"] = _plain("skip", "", explain.skip(str(size), isolated), features)
    whence = f"level {below.size}" if below else "what lies under the base"
    nodes["upsample"] = _part(cost, f"{part}.upsample", f"×{factor}", "", explain.enlarged(whence, factor))
    nodes["fuse"] = _part(cost, f"{part}.fuse", "join", "1×1", explain.fusion(str(size), level.width))
    said = explain.blocks(f"Way up of {size}", level.blocks_up, level.grid, onward)
    nodes["up"] = _part(cost, f"{part}.up", "up", many(level.blocks_up, "block"), said)
    if own:
        nodes["output"] = _part(cost, f"{part}.output", "out", "3×3", explain.output(config, index))
        nodes["x0"] = _plain(f"x̂ {size}", "clean", explain.clean(config, level), picture)
    row = _row(str(size), scale_colour(size), level.width, level.grid, nodes)
    return row | {"mean": isolated and level.prediction != "v", "detail": level.input == "detail"}


def _stage(cost: Cost, index: int) -> dict[str, Any]:
    """One ordinary halving under the base, in the base's colour."""
    part, (width, count) = f"stages.{index}", cost.config.trunk.stages[index]
    features = cost.parts[f"{part}.down"].shape
    grid, where = features[-1], f"{features[-1]} × {features[-1]}"
    blocks = many(count, "block")
    nodes = {
        "input": _part(cost, f"{part}.input", "halve", "2×2", explain.halving(grid)),
        "down": _part(cost, f"{part}.down", "down", blocks, explain.blocks(f"Way down at {where}", count, grid)),
        "skip": _plain("skip", "", explain.skip(where, False), features),
        "upsample": _part(cost, f"{part}.upsample", "×2", "", explain.enlarged("what lies below", 2)),
        "fuse": _part(cost, f"{part}.fuse", "join", "1×1", explain.fusion(where, width)),
        "up": _part(cost, f"{part}.up", "up", blocks, explain.blocks(f"Way up at {where}", count, grid)),
    }
    return _row("", scale_colour(cost.config.levels[0].size), width, grid, nodes) | {"mean": False, "detail": False}


def _trunk(cost: Cost) -> dict[str, Any]:
    """The transformer with what goes into it, in the base's colour."""
    trunk, grid = cost.config.trunk, cost.parts["trunk"].shape[-1]
    said = explain.trunk(grid * grid, trunk.width // trunk.head_width, trunk.head_width)
    return {
        "colour": scale_colour(cost.config.levels[0].size),
        "nodes": {
            "trunk_input": _part(cost, "trunk_input", "halve", "2×2", explain.halving(grid, " Every cell becomes a token.")),
            "trunk": _part(cost, "trunk", f"transformer × {trunk.depth}", f"{trunk.width} wide, {grid} × {grid} tokens", said),
            "prompt": _plain("prompt", "", explain.prompt(cost.config), None),
        },
    }


def _row(name: str, colour: str, width: int, grid: int, nodes: dict[str, Node]) -> dict[str, Any]:
    return {
        "name": name,
        "colour": colour,
        "note": f"{width} channels, {grid} × {grid}",
        "short": f"{width} ch · {grid}²",
        "nodes": nodes,
    }


def _plain(label: str, small: str, said: Said, shape: tuple[int, ...] | None) -> Node:
    """A part without parameters."""
    title, say, section = said
    facts = [["Shape (C, H, W)", " × ".join(map(str, shape))]] if shape else []
    return {"label": label, "small": small, "title": title, "say": say, "section": section, "facts": facts}


def _part(cost: Cost, name: str, label: str, small: str, said: Said) -> Node:
    """A part of that name in the network, with what was measured of it."""
    part, node = cost.parts[name], _plain(label, small, said, None)
    shape = " × ".join(map(str, part.shape))
    node["facts"] = [
        ["Shape (C, H, W)" if len(part.shape) == 3 else "Width", shape],
        ["Parameters", f"{part.parameters:,}"],
        ["Forward pass", f"{gflop(part.flops)} ({part.flops / cost.flops():.1%})"],
    ]
    return node
