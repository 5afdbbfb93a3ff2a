"""Limits and looks of the page as data: how much a visitor may ask for, how much is kept, one colour per scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

MODEL_QUEUE = "model"  # the queue that everything which runs the model shares
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}  # an event of the page's own
ASIDE = QUIET | {"queue": False}  # one that waits for nobody's run
LIVE = ASIDE | {
    "preprocess": False,
    "trigger_mode": "always_last",
}  # one that follows a control, and checks its values
SIDE_BY_SIDE = 3  # the finest scales that are always on show; coarser ones on request

EXAMPLES: tuple[tuple[str, str], ...] = (
    ("Castle at sunset", "a large black castle on a hill at sunset"),
    ("Cabin by a lake", "a red cabin by a lake at dawn, ink sketch"),
    ("Lavender at dawn", "green hills and a lavender field at dawn, sun on the left"),
    ("Cabin in the snow", "a large yellow cabin on a snow field at dusk"),
    ("Sail by moonlight", "a white sailboat on the sea at night, full moon on the right"),
    ("Airship at noon", "a large red airship over the desert at noon"),
)


@dataclass(frozen=True)
class StudioSettings:
    """What a host may want to change. Sizes in bytes, times in seconds."""

    title: str = "Layered Diffusion"
    queue_size: int = 16  # runs that may wait; the next visitor is told that the queue is full
    page_steps: int = 100  # most steps that the page offers (250 by the API)
    keep_runs: int = 12  # finished or stopped runs kept for downloads, over all visitors
    keep_bytes: int = 1 << 30  # memory that their steps may take; the newest run is always kept
    keep_seconds: float = 1800.0  # how long an untouched run is kept
    sweep_cells: int = 36  # most pictures of one sweep
    sweep_steps: int = 1800  # most denoising steps of one sweep, all its pictures together
    keep_sweeps: int = 8  # sweeps kept for downloads, the newest of each tab, for ``keep_seconds`` too
    keep_sweep_bytes: int = 256 << 20  # memory that their pictures may take
    examples: tuple[tuple[str, str], ...] = EXAMPLES  # (short name, prompt)
    drawn_before: str = str(Path(__file__).parents[2] / "assets" / "examples")  # folder of the examples' finished runs

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> StudioSettings:
        """The settings, with what ``LAYERED_TITLE``, ``LAYERED_QUEUE_SIZE``, … say: a variable for every field but the examples.

        Raises ValueError with a sentence for a value that is not one.
        """
        given = {field: env.get(f"LAYERED_{field.name.upper()}") for field in fields(cls) if field.name != "examples"}
        return cls(**{field.name: _parsed(field, text) for field, text in given.items() if text})


def _parsed(field: Field, text: str) -> str | int | float:
    kind = type(field.default)
    try:
        value = kind(text)
    except ValueError:
        value = 0
    if kind is not str and not 0 < value < float("inf"):
        raise ValueError(f"LAYERED_{field.name.upper()}: expected a number above 0, got {text!r}.")
    return value


def shown_scales(scales: tuple[int, ...]) -> tuple[int, ...]:
    """The scales always on show, coarse to fine."""
    return scales[-SIDE_BY_SIDE:]
