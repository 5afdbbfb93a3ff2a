"""A run as files to take home: the finest picture with its settings inside, the settings, the trajectory."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from layered.config import SampleConfig
from layered.schedule import Schedule
from layered.studio.encode import image
from layered.studio.store import Run
from layered.trajectory import Trajectory

TEXT_KEY = "layered-diffusion"  # the PNG text chunk that holds the settings as JSON


def settings_json(settings: dict[str, Any]) -> str:
    """Settings for a file: JSON with two spaces, other scripts left readable."""
    return json.dumps(settings, ensure_ascii=False, indent=2)


def new_file(folder: str | Path, name: str) -> Path:
    """A path below ``folder`` in a directory that cannot be guessed."""
    place = Path(folder) / secrets.token_urlsafe(16)
    place.mkdir(parents=True)
    return place / name


def write_png(x: Tensor, settings: dict[str, Any], path: Path) -> Path:
    """(1, 3, H, W) in [−1, 1] as PNG with the settings in a text chunk (UTF-8) named ``TEXT_KEY``."""
    info = PngInfo()
    info.add_itxt(TEXT_KEY, settings_json(settings))
    image(x).save(path, "PNG", pnginfo=info)
    return path


def read_png_settings(path: str | Path) -> dict[str, Any]:
    """The settings that ``write_png`` put into a picture. ValueError when there are none."""
    with Image.open(path) as opened:
        text = getattr(opened, "text", {}).get(TEXT_KEY)
    if text is None:
        raise ValueError("This picture carries no settings: use a PNG downloaded from this page.")
    return json.loads(text)


def export_png(run: Run, folder: str | Path) -> Path:
    """The finest picture of the run's newest step."""
    last = run.steps[-1]
    size = max(last.x0)
    name = f"layered-{size}-seed{run.config.seed}-step{last.index + 1}.png"
    return write_png(last.x0[size], run.settings, new_file(folder, name))


def export_trajectory(run: Run, folder: str | Path, model: str) -> Path:
    """Every step so far as safetensors in half precision, see ``Trajectory.load``."""
    path = new_file(folder, f"trajectory-seed{run.config.seed}-{len(run.steps)}steps.safetensors")
    scales = tuple(sorted(run.steps[0].x0))
    trajectory = Trajectory(
        prompt=run.prompt,
        config=run.config,
        model=model,
        scales=scales,
        shifts=used_shifts(run.config, scales),
        steps=tuple(run.steps),
    )
    trajectory.save(path)
    return path


def used_shifts(config: SampleConfig, scales: tuple[int, ...]) -> tuple[float, ...]:
    """δ of every scale that the run used."""
    shifts = config.shifts or Schedule.preset(config.preset, scales).shifts
    return shifts[: len(scales)]  # a run that was stopped in the order coarse-first has the coarse scales alone
