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

    asset_name, parts = "viewer", ("viewer-panels", "viewer-curves", "viewer-compare", "viewer-experiments")

    def __init__(self, scales: tuple[int, ...], **kwargs: Any) -> None:
        shown = list(shown_scales(scales))
        super().__init__(scales=list(scales), shown=shown, colours=_colours(scales), **kwargs)


class ScheduleCurves(_Drawn):
    """log-SNR of every scale over t and ρ per neighbouring pair. Value: as ``handlers.schedule_value`` makes it."""

    asset_name = "schedule"

    def __init__(self, scales: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(colours=_colours(scales), **kwargs)


class UnknownWords(_Drawn):
    """Value: ``{"words": [...]}``; nothing is shown when there are none."""

    asset_name = "words"


class Masthead(_Drawn):
    """Value: ``{"title": ..., "model": ...}``."""

    asset_name = "header"


def _colours(scales: tuple[int, ...]) -> dict[str, str]:
    return {str(size): scale_colour(size) for size in scales}
