"""The report on a checkpoint: everything measured in one go, as report.json, report.md and figures; repeatable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tqdm import tqdm

from layered.command_line import open_folder
from layered.config import SampleConfig, to_json_dict
from layered.evaluation.accuracy import Accuracy, prompt_accuracy
from layered.evaluation.probe import Probe
from layered.evaluation.prompts import PROMPT_SETS
from layered.evaluation.quality import SPECTRUM, Quality, Row, measure_quality
from layered.evaluation.standard import check_standard, standard_scores
from layered.pipeline import LayeredPipeline
from layered.plots import scale_colour

PICTURES, SEEDS, PROMPTS = 64, 3, 96
_DRAWN, _REAL = "#6f8cff", "#1d2433"


def write_report(
    pipeline: LayeredPipeline,
    probe: Probe,
    out: Path,
    *,
    count: int = PICTURES,
    seeds: int = SEEDS,
    prompts: int = PROMPTS,
    config: SampleConfig | None = None,
    training: tuple[int, int] | None = None,
    fid_weights: Path | None = None,
    clip: Path | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Measure a checkpoint and write the report into the folder ``out``; returns what report.json holds.

    count: pictures per seed; prompts: of each of the three sets; training: see ``measure_quality``; fid_weights, clip: see
    ``standard_scores``, refused before anything is drawn, as is a folder that cannot be written.
    """
    check_standard(fid_weights, clip)
    open_folder(out)
    config = config or pipeline.usual
    with tqdm(total=count * seeds + prompts * len(PROMPT_SETS), unit="picture", disable=not progress) as bar:
        quality = measure_quality(pipeline, probe, count, seeds, config, training, bar.update)
        accuracy = prompt_accuracy(pipeline, probe, prompts, config, bar.update)
    standard = standard_scores(quality.drawn, quality.real, quality.prompts, fid_weights, clip)
    report = {
        "checkpoint": pipeline.name,
        "scales": list(pipeline.run_scales(config)),
        "settings": {name: value for name, value in to_json_dict(config).items() if name != "seed"},
        "pictures": count,
        "seeds": seeds,
        "prompts": prompts,
        "measures": [row._asdict() for row in quality.rows],
        "memorisation": quality.memorisation and quality.memorisation._asdict(),
        "accuracy": {which: {name: one._asdict() for name, one in table.items()} for which, table in accuracy.items()},
        "standard": standard,
    }
    report = _rounded(report)
    (out / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "report.md").write_text(_markdown(report, quality, accuracy), encoding="utf-8")
    _plot_spectra(quality.rows).savefig(out / "spectra.png", dpi=110)
    _plot_accuracy(accuracy).savefig(out / "accuracy.png", dpi=110)
    return report


def _rounded(value: Any) -> Any:
    """Numbers to five significant digits: what another machine's rounding leaves alone."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


# ------------------------------------------------------------------ tables


def _markdown(report: dict[str, Any], quality: Quality, accuracy: dict[str, dict[str, Accuracy]]) -> str:
    rows = [row for row in quality.rows if not row.measure.startswith(SPECTRUM)]
    lines = [
        f"# Quality of {report['checkpoint']}",
        "",
        f"{report['pictures']} pictures for each of {report['seeds']} seeds (mean ± standard deviation over the seeds). "
        "*Real* is the floor: renders of the very vistas whose captions were drawn, against the same reference of as many other "
        "renders. "
        "Settings: " + ", ".join(f"{k} {v}" for k, v in report["settings"].items() if v is not None) + ".",
        "",
        "## Pictures against renders",
        "",
        "Patches are in standard deviations of the reference, spectra in log10 of power, means and deviations in picture values "
        "(−1 to 1). Probe features are those of this project's attribute probe, not of Inception: their Fréchet distance is "
        "no FID.",
        "",
        *_table(["scale", "measure", "drawn", "real"], [_measure_cells(row) for row in rows]),
        "",
        "Spectrum: log10 of power minus the reference's, by octave of cycles per picture.",
        "",
        *_spectra_table(quality.rows),
        "",
        "![spectra](spectra.png)",
        "",
        "## Memorisation",
        "",
        _memory_sentence(quality),
        "",
        "## Prompt accuracy",
        "",
        "The share of stated attributes that the probe finds. *Ceiling*: in renders of the same descriptions. *Luck*: in the "
        "picture of another prompt. What is said of an object counts only if the object is there.",
    ]
    for which, table in accuracy.items():
        cells = [
            [
                name,
                str(one.claims),
                f"{one.drawn:.2f}",
                "{:.2f}–{:.2f}".format(*one.interval),
                f"{one.luck:.2f}",
                f"{one.rendered:.2f}",
            ]
            for name, one in table.items()
        ]
        header = ["attribute", "claims", "drawn", "95 %", "luck", "ceiling"]
        lines += ["", f"### {which.capitalize()} prompts ({report['prompts']})", "", *_table(header, cells)]
    lines += ["", "![accuracy](accuracy.png)", ""]
    if report["standard"]:
        cells = [[name, f"{value:.4g}"] for name, value in report["standard"].items()]
        lines += [
            "## Standard scores",
            "",
            f"Of {report['pictures']} pictures, the first seed's.",
            "",
            *_table(["score", "value"], cells),
            "",
        ]
    return "\n".join(lines)


def _measure_cells(row: Row) -> list[str]:
    return [row.scale, row.measure, _cell(row.drawn, row.drawn_std), _cell(row.real, row.real_std)]


def _cell(mean: float | None, std: float | None) -> str:
    """A mean with its standard deviation where there were several seeds."""
    return "" if mean is None else f"{mean:.4g}" + (f" ± {std:.2g}" if std else "")


def _spectra_table(rows: list[Row]) -> list[str]:
    """Drawn and real of every scale in a row each, an octave per column."""
    octaves = [row for row in rows if row.measure.startswith(SPECTRUM)]
    header = list(dict.fromkeys(row.measure.removeprefix(SPECTRUM).removesuffix(" cycles") for row in octaves))
    lines = []
    for scale in dict.fromkeys(row.scale for row in octaves):
        own = [row for row in octaves if row.scale == scale]
        for name in ("drawn", "real"):
            cells = [f"{getattr(row, name):+.2f}" for row in own]
            lines.append([scale, name, *cells, *[""] * (len(header) - len(cells))])
    return _table(["scale", "pictures", *header], lines)


def _memory_sentence(quality: Quality) -> str:
    memory = quality.memorisation
    if memory is None:
        return "Not measured: no training pictures were named (`--training-world`)."
    return (
        f"Median distance to the nearest training picture, in probe features: {memory.generated:.4g} of drawn pictures, "
        f"{memory.unseen:.4g} of renders that were not trained on. {memory.share_nearer:.1%} of the drawn pictures are nearer "
        "than the nearest twentieth of those renders (5 % where nothing is copied)."
    )


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


# ------------------------------------------------------------------ figures


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plot_spectra(rows: list[Row]) -> Figure:
    """One panel per scale: the error of log10 power by octave, drawn and real, with the spread over the seeds."""
    scales = list(dict.fromkeys(row.scale for row in rows if row.scale != "all"))
    figure = _figure(2.6 * len(scales) + 0.6, 3.0)
    panels = figure.subplots(1, len(scales), sharey=True, squeeze=False)[0]
    for axes, scale in zip(panels, scales, strict=True):
        octaves = [row for row in rows if row.scale == scale and row.measure.startswith(SPECTRUM)]
        cycles = [2**index for index in range(len(octaves))]
        axes.axhline(0, color="#444b5a", linewidth=0.8)
        for values, stds, colour, line, label in (
            ([row.real for row in octaves], [row.real_std for row in octaves], _REAL, ":", "real"),
            ([row.drawn for row in octaves], [row.drawn_std for row in octaves], scale_colour(int(scale)), "-", "drawn"),
        ):
            axes.errorbar(cycles, values, yerr=stds, color=colour, label=label, linestyle=line, marker=".", capsize=2)
        axes.set_xscale("log", base=2)
        axes.set_title(f"{scale} px", fontsize=10, loc="left")
        axes.set_xlabel("cycles per picture, from", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(color="#e6e9ef", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    panels[0].set_ylabel("log10 power, minus reference", fontsize=8)
    return figure


def _plot_accuracy(accuracy: dict[str, dict[str, Accuracy]]) -> Figure:
    """One panel per set of prompts: a bar per attribute with its interval, the ceiling and luck as marks."""
    figure = _figure(4.2 * len(accuracy), 3.8)
    panels = figure.subplots(1, len(accuracy), squeeze=False)[0]
    for axes, (which, table) in zip(panels, accuracy.items(), strict=True):
        names = list(table)[::-1]
        rows = [table[name] for name in names]
        drawn = [row.drawn for row in rows]
        low = [max(0.0, row.drawn - row.interval[0]) for row in rows]
        high = [max(0.0, row.interval[1] - row.drawn) for row in rows]
        axes.barh(names, drawn, xerr=(low, high), color=_DRAWN, height=0.65, error_kw={"elinewidth": 1, "capsize": 2})
        axes.plot([row.rendered for row in rows], names, "|", color=_REAL, markersize=11, markeredgewidth=2, label="ceiling")
        axes.plot([row.luck for row in rows], names, "x", color="#d9534f", markersize=5, label="luck")
        axes.set_xlim(0, 1.02)
        axes.set_title(f"{which} prompts", fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=8, loc="lower right")
    return figure
