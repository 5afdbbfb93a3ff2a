"""The ablations as a report: a table and a figure per claim, means over the seeds with 95 % intervals."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from layered.evaluation.ablations import Ablation
from layered.evaluation.matched import ablation_named

T_95 = {
    2: 12.706,
    3: 4.303,
    4: 3.182,
    5: 2.776,
    6: 2.571,
    7: 2.447,
    8: 2.365,
    9: 2.306,
    10: 2.262,
}  # Student's, by number of values
NORMAL_95 = 1.96  # of more than ten
PLOTTED = ("layout: sliced Wasserstein", "detail: sliced Wasserstein", "prompt accuracy", "error of x̂ at t = 0.5")
Values = Sequence[Mapping[str, float]]  # measures of one arm, one mapping per seed


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half-width of its 95 % interval (Student's t); of a single value, infinity."""
    if len(values) < 2:
        return values[0], math.inf
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values), T_95.get(len(values), NORMAL_95) * spread


def difference(arm: Values, reference: Values, measure: str) -> tuple[float, float]:
    """Mean and half-width of arm minus reference, seed by seed: the same captions, noise and data, so seeds pair."""
    return interval([a[measure] - b[measure] for a, b in zip(arm, reference, strict=True)])


def write_ablations(
    results: Mapping[str, Mapping[str, Values]], floors: Mapping[int, Mapping[str, float]], about: str, out: Path
) -> None:
    """ablations.json, ablations.md and a figure per ablation into the folder ``out``. floors: of renders, by size in pixels."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "ablations.json").write_text(
        json.dumps({"floors": floors, "results": results}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    parts = ["# Ablations\n", about + "\n"]
    for name, arms in results.items():
        ablation = ablation_named(name)
        floor = floors[ablation.arms[0].ground.top]
        parts.append(_section(ablation, arms, floor))
        _figure(arms, floor).savefig(out / f"{name}.png", dpi=110)
    (out / "ablations.md").write_text("\n".join(parts), encoding="utf-8")


def _section(ablation: Ablation, arms: Mapping[str, Values], floor: Mapping[str, float]) -> str:
    reference = next(iter(arms.values()))
    measures = [name for name in reference[0] if all(name in values[0] for values in arms.values())]
    lines = [
        f"## {ablation.name}: {ablation.question}\n",
        f"The papers: {ablation.paper}. Trained: {ablation.arms[0].ground.name}. Equal for all arms: {ablation.equal}.\n",
        "| | " + " | ".join(arms) + " | renders |",
        "|" + "---|" * (len(arms) + 2),
    ]
    for measure in measures:
        cells = []
        for values in arms.values():
            mean, half = interval([row[measure] for row in values])
            cell = f"{_short(mean)} ± {_short(half, 2)}" if half < math.inf else _short(mean)
            shift, wide = difference(values, reference, measure)
            cells.append(f"**{cell}**" if values is not reference and abs(shift) > wide else cell)
        real = _short(floor[measure]) if measure in floor else ""
        lines.append(f"| {measure} | " + " | ".join(cells) + f" | {real} |")
    lines.append(f"\n![{ablation.name}: the arms' means with their intervals]({ablation.name}.png)")
    lines.append(f"\nBold: differs from «{next(iter(arms))}» seed by seed (paired 95 % interval).\n")
    return "\n".join(lines)


def _short(value: float, digits: int = 3) -> str:
    """So many significant digits, without exponents for large numbers."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}"


def _figure(arms: Mapping[str, Values], floor: Mapping[str, float]) -> Figure:
    first = next(iter(arms.values()))[0]
    measures = [name for name in PLOTTED if name in first]
    figure = Figure(figsize=(2.7 * len(measures) + 1.6, 0.42 * len(arms) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    for index, (axes, measure) in enumerate(zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True)):
        for row, values in enumerate(arms.values()):
            mean, half = interval([one[measure] for one in values])
            axes.errorbar(mean, -row, xerr=half if half < math.inf else None, fmt="o", color="#3f55c9", capsize=3)
            axes.plot([one[measure] for one in values], [-row] * len(values), ".", color="#9aa6c4", zorder=0)
        if measure in floor:
            axes.axvline(floor[measure], color="#1d2433", linewidth=1, linestyle=":")
        axes.set_yticks([-row for row in range(len(arms))], list(arms) if index == 0 else [""] * len(arms))
        axes.set_title(measure, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
