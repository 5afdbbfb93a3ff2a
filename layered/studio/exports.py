"""A run as files to take home, and their settings back: pictures with the settings inside, figures, the trajectory."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from layered.config import SampleConfig, sample_config_from_dict
from layered.plots import plot_run
from layered.schedule import Schedule
from layered.studio.encode import image
from layered.studio.settings import shown_scales
from layered.studio.sheet import side_by_side
from layered.studio.store import Run
from layered.trajectory import Trajectory

TEXT_KEY = "layered-diffusion"  # the PNG text chunk that holds the settings as JSON
MOST_SETTINGS = 2**18  # characters of settings that are read back: a run's are about 800 and its prompt, a sweep's 37 prompts
DPI = 200  # of the pictures inside a figure
PLACE = "layered-"  # how the names of the directories of files begin
KEEP_FILES = 2 * 3600  # seconds: longer than gradio keeps them, and than making one takes
ASIDE = ("model", "shifts_used", "sweep")  # what the settings say besides ``SampleConfig`` and the prompt
BROKEN = "These settings are broken: nothing was restored."


def settings_json(settings: dict[str, Any]) -> str:
    """Settings for a file: JSON with two spaces, other scripts left readable."""
    return json.dumps(settings, ensure_ascii=False, indent=2)


def read_settings(text: Any) -> tuple[str, SampleConfig, str]:
    """Prompt, settings and model's name of what ``settings_json`` wrote, from anyone's file: nothing in it is trusted.

    ValueError with a sentence for whatever is wrong.
    """
    if not isinstance(text, str) or len(text) > MOST_SETTINGS:
        raise ValueError("These settings are far longer than a run's: nothing was restored.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(BROKEN) from None
    if not isinstance(data, dict) or not isinstance(data.get("prompt"), str):
        raise ValueError("There are no settings of a run in this file: nothing was restored.")
    model = data.get("model")
    try:
        (data["prompt"] + str(model) + str(data.get("detail_prompt"))).encode()
        config = sample_config_from_dict({name: value for name, value in data.items() if name not in (*ASIDE, "prompt")})
    except (UnicodeEncodeError, TypeError, RecursionError):
        raise ValueError(BROKEN) from None
    return data["prompt"], config, model if isinstance(model, str) else ""


def new_file(folder: str | Path, name: str) -> Path:
    """A path below ``folder`` in a directory that cannot be guessed.

    Such directories go after ``KEEP_FILES``: gradio deletes the files that it handed out, and knows nothing of one whose visitor
    had gone before.
    """
    for old in Path(folder).glob(f"{PLACE}*"):
        with contextlib.suppress(OSError):  # another thread may be deleting it
            if time.time() - old.stat().st_mtime > KEEP_FILES:
                shutil.rmtree(old, ignore_errors=True)
    place = Path(folder) / (PLACE + secrets.token_urlsafe(16))
    place.mkdir(parents=True)
    return place / name


def summary(config: SampleConfig, steps: int, model: str) -> str:
    """A run's settings in one line: the ones that people ask for first, then whatever is not at its default."""
    done = f"{config.steps} steps" if steps == config.steps else f"step {steps} of {config.steps}"
    parts = [done, f"guidance {_short(config.guidance)}", f"seed {config.seed}", config.solver.upper(), f"{config.noise} noise"]
    parts.append(f"shifts {_short(config.shifts)}" if config.shifts else f"{config.preset} shifts")
    said = ("steps", "guidance", "seed", "solver", "noise", "preset", "shifts")
    usual = SampleConfig()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name not in said and value != getattr(usual, field.name):
            parts.append(f"{field.name.replace('_', ' ')} {_short(value)}")
    return " · ".join([*parts, model])


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return " / ".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else "off" if value is None else str(value)


# ------------------------------------------------------------------ pictures


def save_png(picture: Image.Image, settings: dict[str, Any], path: Path) -> Path:
    """A picture as PNG with the settings in a text chunk (UTF-8) named ``TEXT_KEY``."""
    info = PngInfo()
    info.add_itxt(TEXT_KEY, settings_json(settings))
    picture.save(path, "PNG", pnginfo=info)
    return path


def write_png(x: Tensor, settings: dict[str, Any], path: Path) -> Path:
    """(1, 3, H, W) in [−1, 1] as PNG with the settings inside."""
    return save_png(image(x), settings, path)


def read_png_settings(path: str | Path) -> dict[str, Any]:
    """The settings that ``save_png`` put into a picture. ValueError when there are none."""
    with Image.open(path) as opened:
        text = getattr(opened, "text", {}).get(TEXT_KEY)
    if text is None:
        raise ValueError("This picture carries no settings: use a PNG downloaded from this page.")
    return json.loads(text)


def export_png(run: Run, folder: str | Path, _model: str) -> Path:
    """The finest picture of the run's newest step."""
    x0 = run.steps[-1].x0
    return write_png(x0[max(x0)], run.settings, new_file(folder, f"layered-{max(x0)}-{stem(run)}.png"))


def export_sheet(run: Run, folder: str | Path, model: str) -> Path:
    """The scales side by side with prompt and settings, as one picture."""
    x0 = run.steps[-1].x0
    shown = {size: x0[size] for size in shown_scales(tuple(sorted(x0)))}
    sheet = side_by_side(shown, run.prompt, summary(run.config, len(run.steps), model))
    return save_png(sheet, run.settings, new_file(folder, f"layered-sheet-{stem(run)}.png"))


# ------------------------------------------------------------------ numbers


def export_trajectory(run: Run, folder: str | Path, model: str) -> Path:
    """Every step so far as safetensors in half precision, see ``Trajectory.load``."""
    path = new_file(folder, f"trajectory-seed{run.config.seed}-{len(run.steps)}steps.safetensors")
    trajectory_of(run, model).save(path)
    return path


def export_figure(run: Run, folder: str | Path, model: str, kind: str) -> Path:
    """Pictures and curves of the steps so far on one page, as ``kind``: pdf or svg. Words stay words in both."""
    path = new_file(folder, f"layered-figure-{stem(run)}.{kind}")
    rows = shown_scales(tuple(sorted(run.steps[0].x0)))
    with matplotlib.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "layered"}):
        figure = plot_run(trajectory_of(run, model), summary(run.config, len(run.steps), model), rows=rows)
        when = {"pdf": "CreationDate", "svg": "Date"}[kind]
        figure.savefig(path, format=kind, dpi=DPI, metadata={"Title": f"Layered Diffusion, seed {run.config.seed}", when: None})
    return path


def trajectory_of(run: Run, model: str) -> Trajectory:
    """A run as far as it came."""
    scales = tuple(sorted(run.steps[0].x0))
    return Trajectory(
        prompt=run.prompt,
        config=run.config,
        model=model,
        scales=scales,
        shifts=used_shifts(run.config, scales),
        steps=tuple(run.steps),
    )


def used_shifts(config: SampleConfig, scales: tuple[int, ...]) -> tuple[float, ...]:
    """δ of every scale that the run used, at t = 0 where its preset moves them."""
    shifts = config.shifts or Schedule.preset(config.preset, scales).shifts
    return shifts[: len(scales)]  # a run that was stopped in the order coarse-first has the coarse scales alone


def stem(run: Run) -> str:
    """What the names of a run's files share."""
    return f"seed{run.config.seed}-step{run.steps[-1].index + 1}"


WRITERS: dict[str, Callable[[Run, str | Path, str], Path]] = {
    "png": export_png,
    "sheet": export_sheet,
    "pdf": lambda run, folder, model: export_figure(run, folder, model, "pdf"),
    "svg": lambda run, folder, model: export_figure(run, folder, model, "svg"),
    "trajectory": export_trajectory,
}
