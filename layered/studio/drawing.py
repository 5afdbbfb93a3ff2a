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

    A row has ``nodes`` by kind, those that it has (``z``, ``condition``, ``input``, ``down``, ``isolated``, ``inward``, ``skip``,
    ``upsample``, ``fuse``, ``up``, ``output``, ``x0``), ``mean``: whether its prediction builds on that of the level below, and
    ``detail``: whether its input does too. In a cascade a level has no ``down``: all its blocks follow the sum, ``fuse``.
    """
    config = cost.config
    kind = "Single-resolution U-Net" if not config.layered else "Layered U-Net" if config.isolated else "Nested U-Net"
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
    isolated, nested = config.isolated and below is not None, f"{part}.inward" in cost.parts
    cascade = f"{part}.fuse" not in cost.parts
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
        patch = f"{level.patch}×{level.patch}" + (" wavelet" if level.patching == "wavelet" else "")
        nodes["input"] = _part(cost, f"{part}.input", "in", patch, explain.picture_input(config, index))
    else:
        side = above.grid // level.grid
        nodes["input"] = _part(cost, f"{part}.input", "shrink", f"{side}×{side}", explain.ordinary_input(config, index))
    if not cascade:
        said = explain.blocks(f"Way down of {size}", level.blocks_down, level.grid, kind=level.block)
        nodes["down"] = _part(cost, f"{part}.down", "down", many(level.blocks_down, "block"), said)
    if isolated:
        nodes["isolated"] = _plain("isolated", "", explain.isolated(size, below.size), None)
    if nested:
        factor_in = level.grid // below.grid
        said = explain.inward(size, below.size, factor_in)
        nodes["inward"] = _part(cost, f"{part}.inward", f"÷{factor_in}", "", said)
    nodes["skip"] = _plain("skip", "", explain.skip(str(size), isolated), features)
    whence = f"level {below.size}" if below else "what lies under the base"
    nodes["upsample"] = _part(cost, f"{part}.upsample", f"×{factor}", "", explain.enlarged(whence, factor, cascade))
    if cascade:
        nodes["fuse"] = _plain("add", "", explain.addition(str(size)), features)
        count = level.blocks_down + level.blocks_up
        said = explain.blocks(f"Blocks of {size}", count, level.grid, onward, level.block)
        nodes["up"] = _part(cost, f"{part}.up", "blocks", many(count, "block"), said, f"{part}.down")
    else:
        nodes["fuse"] = _part(cost, f"{part}.fuse", "join", "1×1", explain.fusion(str(size), level.width))
        said = explain.blocks(f"Way up of {size}", level.blocks_up, level.grid, onward, level.block)
        nodes["up"] = _part(cost, f"{part}.up", "up", many(level.blocks_up, "block"), said)
    if own:
        nodes["output"] = _part(cost, f"{part}.output", "out", "3×3", explain.output(config, index))
        nodes["x0"] = _plain(f"x̂ {size}", "clean", explain.clean(config, level), picture)
    row = _row(str(size), scale_colour(size), level.width, level.grid, nodes)
    builds = config.layered and below is not None and level.prediction != "v"
    return row | {"mean": builds, "detail": level.input != "z"}


def _stage(cost: Cost, index: int) -> dict[str, Any]:
    """One ordinary halving under the base, in the base's colour."""
    part, (width, count) = f"stages.{index}", cost.config.trunk.stages[index]
    features = cost.parts[f"{part}.down"].shape
    grid, where = features[-1], f"{features[-1]} × {features[-1]}"
    blocks = many(count, "block")
    kind = "attention" if cost.config.trunk.attends(grid) else "residual"
    nodes = {
        "input": _part(cost, f"{part}.input", "halve", "2×2", explain.halving(grid)),
        "down": _part(cost, f"{part}.down", "down", blocks, explain.blocks(f"Way down at {where}", count, grid, kind=kind)),
        "skip": _plain("skip", "", explain.skip(where, False), features),
        "upsample": _part(cost, f"{part}.upsample", "×2", "", explain.enlarged("what lies below", 2)),
        "fuse": _part(cost, f"{part}.fuse", "join", "1×1", explain.fusion(where, width)),
        "up": _part(cost, f"{part}.up", "up", blocks, explain.blocks(f"Way up at {where}", count, grid, kind=kind)),
    }
    return _row("", scale_colour(cost.config.levels[0].size), width, grid, nodes) | {"mean": False, "detail": False}


def _trunk(cost: Cost) -> dict[str, Any]:
    """The blocks on the lowest grid with what goes into them, in the base's colour."""
    trunk, grid = cost.config.trunk, cost.parts["trunk"].shape[-1]
    said = explain.trunk(trunk, grid * grid)
    label = "transformer" if trunk.kind == "u-vit" else "attention"
    after = " Every cell becomes a token." if trunk.kind == "u-vit" else ""
    return {
        "colour": scale_colour(cost.config.levels[0].size),
        "nodes": {
            "trunk_input": _part(cost, "trunk_input", "halve", "2×2", explain.halving(grid, after)),
            "trunk": _part(cost, "trunk", f"{label} × {trunk.depth}", f"{trunk.width} wide, {grid} × {grid} tokens", said),
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


def _part(cost: Cost, name: str, label: str, small: str, said: Said, *before: str) -> Node:
    """A part of that name in the network, with what was measured of it and of those ``before`` it that it is drawn with."""
    node, parts = _plain(label, small, said, None), [cost.parts[part] for part in (name, *before)]
    flops, shape = sum(part.flops for part in parts), parts[0].shape
    node["facts"] = [
        ["Shape (C, H, W)" if len(shape) == 3 else "Width", " × ".join(map(str, shape))],
        ["Parameters", f"{sum(part.parameters for part in parts):,}"],
        ["Forward pass", f"{gflop(flops)} ({flops / cost.flops():.1%})"],
    ]
    return node
