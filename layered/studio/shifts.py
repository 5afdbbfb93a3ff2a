"""The shift of every scale as sliders, with the presets that fill them: for a run, and for the schedule lab."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from layered.config import PRESETS
from layered.schedule import Schedule
from layered.studio.links import CUSTOM, shift_name
from layered.studio.settings import shown_scales

SHIFT_RANGE = (-24.0, 6.0)


class Shifts:
    """Creates a preset's radio and one slider per scale inside the current Blocks, the scales that are not on show in a fold.

    ``prefix`` begins the ids in the page, so that two of these can stand in one. A preset fills the sliders, and a slider moved
    by hand makes the preset ``custom``: in the page, without the server.
    """

    def __init__(self, scales: tuple[int, ...], preset: str, values: Mapping[int, float], prefix: str = "") -> None:
        self.scales, self.prefix = scales, prefix
        choices = [(name, name) for name in (*PRESETS, CUSTOM)]
        info = "Sets the shifts below; move one and it is your own."
        self.preset = gr.Radio(
            choices, value=preset, label="Preset", info=info, elem_id=f"{prefix}preset", elem_classes="pick preset"
        )
        self.sliders: dict[int, gr.Slider] = {}
        shown = shown_scales(scales)
        for size in shown:
            self._slider(size, values[size])
        if coarse := [size for size in scales if size not in shown]:
            names = " and ".join(map(str, coarse))
            with gr.Accordion(f"Shifts of {names}", open=False, elem_classes="inner"):
                for size in coarse:
                    self._slider(size, values[size])
        self.sliders = {size: self.sliders[size] for size in scales}
        self._link()

    def _slider(self, size: int, value: float) -> None:
        self.sliders[size] = gr.Slider(
            *SHIFT_RANGE,
            value,
            step=0.01,
            label=f"δ {size}",
            info=f"δ added to the log-SNR at {size} px; lower is noisier.",
            buttons=[],
            elem_id=self.prefix + shift_name(size).replace("_", "-"),
            elem_classes=["shift", f"scale-{size}"],
        )

    def _link(self) -> None:
        sliders = list(self.sliders.values())
        table = {name: [round(s, 2) for s in Schedule.preset(name, self.scales).shifts] for name in PRESETS}
        keep = "[" + ", ".join(['{"__type__": "update"}'] * len(sliders)) + "]"
        fill = f"(name) => ({table!r})[name] ?? {keep}"
        self.preset.input(None, self.preset, sliders, js=fill, api_visibility="private")
        for slider in sliders:
            slider.input(None, None, self.preset, js=f"() => '{CUSTOM}'", api_visibility="private")
