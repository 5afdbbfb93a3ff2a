"""What the network costs as tables of text: per level, beside its single-resolution twin, beside the paper's table 1."""

from __future__ import annotations

from typing import Any

from layered.cost import PAPER_TABLE_1, Cost, beside_twin
from layered.plots import scale_colour

Table = dict[str, Any]


def tables(cost: Cost) -> list[Table]:
    """Each with ``caption``, ``head`` (columns), ``rows`` (``cells`` as text, the first names the row; ``colour``), ``note``."""
    if not cost.config.layered:
        return [levels_table(cost), paper_table({})]
    beside = beside_twin(cost)
    return [levels_table(cost), twin_table(beside), paper_table({row["top"]: row["ratio"] for row in beside})]


def levels_table(cost: Cost) -> Table:
    """Finest level first, then what lies under the base, then the whole."""
    under = ("trunk", "stages.")
    rows = []
    for level in reversed(cost.config.levels):
        cells = [f"{level.size} px", str(level.width), f"{level.grid} × {level.grid}"]
        rows.append(_row([*cells, *_amount(cost, f"levels.{level.size}.")], scale_colour(level.size)))
    grid = cost.parts["trunk"].shape[-1]
    trunk = ["under the base", str(cost.config.trunk.width), f"{grid} × {grid}"]
    rows.append(_row([*trunk, *_amount(cost, *under)], scale_colour(cost.config.levels[0].size)))
    rows.append(_row(["all", "", "", *_amount(cost)]))
    return {
        "caption": "Where the parameters and the work are",
        "head": ["Level", "Channels", "Grid", "Parameters", "GFLOP", "Share"],
        "rows": rows,
        "note": "One forward pass for one picture; a multiply-add counts as two. A guided step is two passes up to the size that "
        "guidance reaches and one above it.",
    }


def twin_table(beside: list[dict[str, Any]]) -> Table:
    """The layered network beside an ordinary U-Net of the same widths and blocks, at every top size."""
    rows = [
        _row(
            [
                f"{row['top']} px",
                f"{row['layered_parameters'] / 1e6:.2f} M",
                f"{row['layered_gflop']:.2f}",
                f"{row['single_parameters'] / 1e6:.2f} M",
                f"{row['single_gflop']:.2f}",
                f"{row['ratio']:.3f}",
            ],
            scale_colour(row["top"]),
        )
        for row in reversed(beside)
    ]
    return {
        "caption": "Beside its single-resolution twin",
        "head": ["Top size", "Layered", "GFLOP", "Twin", "GFLOP", "Layered ÷ twin"],
        "rows": rows,
        "note": "The twin is an ordinary U-Net of the same widths and blocks with one picture in and one out. Where only the "
        "input and output convolutions differ, the two cost nearly the same; what layers save is the work on sizes that are not "
        "wanted, and on levels while they sleep.",
    }


def paper_table(ours: dict[int, float]) -> Table:
    """The paper's table 1 as printed, and the same ratio of this network where it has that size."""
    rows = []
    for size, single, layered in PAPER_TABLE_1:
        cells = [f"{single[0]:.2f}", f"{layered[0]:.2f}" if layered else "–", f"{layered[0] / single[0]:.3f}" if layered else "–"]
        scores = [_beside(single[i], layered[i] if layered else None) for i in (1, 2)]
        rows.append(_row([f"{size} px", *cells, f"{ours[size]:.3f}" if size in ours else "–", *scores], scale_colour(size)))
    rows.reverse()
    return {
        "caption": "The paper's table 1, and ours",
        "head": ["Top size", "Single, TFLOP", "Layered, TFLOP", "Layered ÷ single", "Ours", "FID", "IS"],
        "rows": rows,
        "note": "FID (lower is better) and IS (higher is better) on MS-COCO, single → layered, as printed: they belong to the "
        "paper's model and say nothing of this one. The paper does not say which convolutions its layered model leaves out, nor "
        "whether a multiply-add counts as one or two. «Ours» is layered ÷ twin, as in the table before.",
    }


def _amount(cost: Cost, *prefixes: str) -> list[str]:
    flops = cost.flops(*prefixes)
    return [f"{cost.parameters(*prefixes):,}", f"{flops / 1e9:.2f}", f"{flops / cost.flops():.1%}"]


def _beside(single: float, layered: float | None) -> str:
    return f"{single:.2f}" + (f" → {layered:.2f}" if layered is not None else "")


def _row(cells: list[str], colour: str = "") -> dict[str, Any]:
    return {"cells": cells, "colour": colour}
