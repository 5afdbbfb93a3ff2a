"""The page's own components. Their markup is static and their values are data: a script puts text in as text, never as HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from layered.plots import scale_colour
from layered.studio.settings import shown_scales

ASSETS = Path(__file__).parents[2] / "assets"


def asset(name: str) -> str:
    """Text of a file of the page."""
    return (ASSETS / name).read_text(encoding="utf-8")


class _Drawn(gr.HTML):
    """A component drawn by ``assets/<name>.js`` inside ``assets/<name>.html``, with a JSON value."""

    asset_name = ""
    parts: tuple[str, ...] = ()  # further scripts, in the same function

    def __init__(self, value: Any = None, **kwargs: Any) -> None:
        super().__init__(
            value=value,
            html_template=asset(f"{self.asset_name}.html"),
            js_on_load="\n".join(asset(f"{name}.js") for name in (*self.parts, self.asset_name)),
            apply_default_css=False,
            **kwargs,
        )

    def api_info(self) -> dict[str, Any]:
        """Any JSON value."""
        return {"type": "object"}


class Viewer(_Drawn):
    """Panels, replay and curves. Value: one step, see ``handlers.step_value``. Never an event's input: it would upload."""

    asset_name = "viewer"
    parts = ("hold-stop", "viewer-values", "viewer-panels", "viewer-curves", "viewer-compare", "viewer-experiments")

    def __init__(self, scales: tuple[int, ...], **kwargs: Any) -> None:
        shown = list(shown_scales(scales))
        super().__init__(scales=list(scales), shown=shown, colours=_colours(scales), **kwargs)


class TakeHome(_Drawn):
    """The row that gives a run away as files and takes one back. Value: ``{"say": words}``, how far a file is.

    ``select`` asks for a file: ``{"kind": name, "run": id}``. ``submit`` brings what one says: ``{"settings": JSON}``, or
    ``{"problem": name}``, see ``take.PROBLEMS``.
    """

    asset_name, parts = "take", ("take-open",)


class ScheduleCurves(_Drawn):
    """log-SNR of every scale over t and ρ per neighbouring pair. Value: as ``handlers.schedule_value`` makes it."""

    asset_name, parts = "schedule", ("rho",)

    def __init__(self, scales: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(colours=_colours(scales), **kwargs)


class ScheduleLab(_Drawn):
    """The schedule as large curves that can be drawn up and down. Value: as ``schedule_lab.lab_value`` makes it.

    A curve that is drawn sets the number of its scale's slider, ``<prefix>shift-<size>`` (at t = 1 ``<prefix>end-<size>``), and
    a click beside the curves sets ``<prefix>t``.
    """

    asset_name, parts = "schedule-lab", ("rho", "controls")

    def __init__(self, scales: tuple[int, ...], prefix: str, **kwargs: Any) -> None:
        super().__init__(colours=_colours(scales), shown=list(shown_scales(scales)), prefix=prefix, **kwargs)


class NoiseLab(_Drawn):
    """Two kinds of noise beside each other. Value: ``{"modes": [...]}``, each as ``noise_lab.mode_value`` makes it."""

    asset_name, parts = "noise-lab", ("noise-plots",)

    def __init__(self, scales: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(colours=_colours(scales), **kwargs)


class Noised(_Drawn):
    """A picture under noise, a row per kind of noise, a column per scale. Value: as ``noised.noised_value`` makes it."""

    asset_name = "noised"

    def __init__(self, scales: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(colours=_colours(scales), **kwargs)


class UnknownWords(_Drawn):
    """Words that no caption had, and known ones to press in their place. Value: as ``handlers.unknown_words`` makes it; nothing
    is shown when there are none. A press is a ``select`` of ``{"word": ..., "near": ...}``."""

    asset_name = "words"


class Network(_Drawn):
    """The drawing of a network with its parts' explanations. Value: as ``drawing.network`` makes it."""

    asset_name = "network"


class CostTables(_Drawn):
    """Value: ``{"tables": [...]}``, each as ``tables.tables`` makes it."""

    asset_name = "tables"


class WordList(_Drawn):
    """Words to search and to add to Explore's prompt. Value: as ``vocabulary.vocabulary`` makes it."""

    asset_name = "vocabulary"


class Masthead(_Drawn):
    """Value: ``{"title": ..., "model": ...}``, and of several models ``models``, each with ``name``, ``href`` and ``here``."""

    asset_name = "header"


def _colours(scales: tuple[int, ...]) -> dict[str, str]:
    return {str(size): scale_colour(size) for size in scales}
