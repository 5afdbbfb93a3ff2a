"""Schedule: the log-SNR of every scale as curves to draw with, what leaks between them, and a picture under their noise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr
import torch

from layered.config import PRESETS, SampleConfig
from layered.schedule import Schedule, time_of_logsnr
from layered.studio.components import Noised, ScheduleLab
from layered.studio.explore import Explore
from layered.studio.handlers import Handlers, refused, schedule_value
from layered.studio.links import CUSTOM, shift_name
from layered.studio.noised import VISTAS, captioned_value, checked_time, checked_vista, drawn_at
from layered.studio.settings import LIVE, StudioSettings, shown_scales
from layered.studio.shifts import SHIFT_RANGE, Shifts

PREFIX = "lab-"
NOISE, SEED = "sinc", 0  # of the pictures
USUAL_TIME = 0.15
TIMES = time_of_logsnr(torch.linspace(32, -14, 231, dtype=torch.float64))  # of the curves: close where they are steep
SAY = {
    "moving": "From the shifts above at t = 0 to those below at t = 1 (simple diffusion, equation 6).",
    "t": "One t for all scales: 0 is clean, 1 noise.",
    "use": "Explore keeps one shift per scale, those at t = 0, unless the preset is «interpolated».",
}
COPY = """(...values) => {
  document.querySelector("#tab-explore-button")?.click();
  return values;
}"""


class ScheduleTab:
    """The tab: curves and pictures on the left, the shifts on the right."""

    def __init__(self, handlers: Handlers, settings: StudioSettings) -> None:
        self.handlers, self.scales, self.shown = handlers, handlers.scales, shown_scales(handlers.scales)
        tab = gr.context.Context.block
        with gr.Row(elem_id="schedule-tab", elem_classes="lab lab-split", equal_height=False):
            with gr.Column(scale=1, min_width=320, elem_classes="lab-stage"):
                self.curves = ScheduleLab(self.scales, PREFIX, elem_id="schedule-lab")
                with gr.Row(elem_classes="card lab-bar", equal_height=False):
                    self.time = gr.Slider(
                        0,
                        1,
                        USUAL_TIME,
                        step=0.01,
                        label="t",
                        info=SAY["t"],
                        buttons=[],
                        elem_id=f"{PREFIX}t",
                        elem_classes="lab-t",
                    )
                    self.picture = gr.Radio(
                        list(VISTAS),
                        value=next(iter(VISTAS)),
                        label="Picture",
                        info=f"{drawn_at(self.scales)} Sinc noise of seed {SEED}.",
                        elem_id=f"{PREFIX}picture",
                        elem_classes="pick",
                    )
                self.noised = Noised(self.scales, elem_id="schedule-noised")
            with gr.Column(scale=0, min_width=320, elem_classes="lab-panel"):
                self._panel()
        self._wire(tab)

    def _panel(self) -> None:
        preset = SampleConfig().preset
        usual = dict(zip(self.scales, Schedule.preset(preset, self.scales).shifts, strict=True))
        usual = {size: round(shift, 2) for size, shift in usual.items()}
        with gr.Accordion("Schedule shift", elem_classes="card"):
            self.shifts = Shifts(self.scales, preset, usual, PREFIX)
            self.use = gr.Button("Use in Explore", size="sm", elem_id="use-in-explore")
            gr.HTML(f'<p class="lab-hint">{SAY["use"]}</p>')
        with gr.Accordion("Moving shift", elem_classes="card"):
            self.moving = gr.Checkbox(False, label="δ moves over t", info=SAY["moving"], elem_id=f"{PREFIX}moving")
            with gr.Column(visible=False, elem_id=f"{PREFIX}ends") as self.ends_group:
                self.ends = {size: self._end(size, usual[size]) for size in self.shown}

    def _end(self, size: int, value: float) -> gr.Slider:
        return gr.Slider(
            *SHIFT_RANGE,
            value,
            step=0.01,
            label=f"δ {size} at t = 1",
            info=f"δ at {size} px where all is noise.",
            buttons=[],
            elem_id=f"{PREFIX}end-{size}",
            elem_classes=["shift", f"scale-{size}"],
        )

    # ------------------------------------------------------------ events

    def follow(self, explore: Explore) -> None:
        """«Use in Explore»: the shifts go to Explore's sliders, in the page alone."""
        values = explore.controls.values
        targets = [values["preset"], *(values[shift_name(size)] for size in self.scales)]
        inputs = [self.shifts.preset, *self.shifts.sliders.values()]
        self.use.click(None, inputs, targets, js=COPY, api_visibility="private", show_progress="hidden", queue=False)

    def _wire(self, tab: gr.Tab) -> None:
        shifts = [*self.shifts.sliders.values(), self.moving, *self.ends.values(), self.time]
        gr.on([tab.select, *(one.change for one in shifts)], self._curves, shifts, self.curves, **LIVE)
        everything = [*shifts, self.picture]
        gr.on([tab.select, *(one.change for one in everything)], self._noised, everything, self.noised, **LIVE)
        show = "(on) => ({'__type__': 'update', 'visible': on})"
        self.moving.change(None, self.moving, self.ends_group, js=show, api_visibility="private", show_progress="hidden")
        self._link_ends()

    def _link_ends(self) -> None:
        """A preset sets the ends too, and one moved by hand makes the preset ``custom``: in the page, as the shifts do."""
        ends = [self.moving, *self.ends.values()]
        table = {name: self._preset_ends(name) for name in PRESETS}
        keep = [{"__type__": "update"}] * len(ends)
        fill = f"(name) => ({json.dumps(table)})[name] ?? {json.dumps(keep)}"
        self.shifts.preset.input(None, self.shifts.preset, ends, js=fill, api_visibility="private")
        for one in ends:
            one.input(None, None, self.shifts.preset, js=f"() => '{CUSTOM}'", api_visibility="private")

    def _preset_ends(self, name: str) -> list[Any]:
        """Whether a preset's shifts move, and δ at t = 1 of every scale on show."""
        schedule = Schedule.preset(name, self.scales)
        return [schedule.end_shifts is not None, *(round(float(schedule.shift(size, 1.0)), 2) for size in self.shown)]

    def _curves(self, *given: Any) -> Any:
        try:
            schedule, t = self._schedule(given[:-1]), checked_time(given[-1])
        except ValueError as error:
            return {"refused": str(error)}
        return lab_value(schedule, t, self.handlers.banded)

    def _noised(self, request: gr.Request, *given: Any) -> Any:
        *shifts, t, picture = given
        try:
            schedule, t = self._schedule(shifts), checked_time(t)
        except ValueError:  # the curves say why
            return gr.skip()
        with refused():
            picture = checked_vista(picture)
        return self.handlers.for_lab("schedule", request, captioned_value, picture, (NOISE,), SEED, schedule, t, self.shown)

    def _schedule(self, given: Sequence[Any]) -> Schedule:
        """The schedule of the controls: a shift per scale, whether they move, and where to."""
        count = len(self.scales)
        starts = tuple(_shift(value, size) for value, size in zip(given[:count], self.scales, strict=True))
        if not given[count]:
            return Schedule(self.scales, starts)
        ends = tuple(_shift(value, size) for size, value in zip(self.shown, given[count + 1 :], strict=True))
        hidden, shown = starts[: -len(ends)], starts[-len(ends) :]
        Schedule(self.shown, shown, ends)  # refuses in terms of the sliders
        along = ends[0] - shown[0]  # scales that are not on show move with the coarsest one that is
        return Schedule(self.scales, starts, (*(shift + along for shift in hidden), *ends))


# ------------------------------------------------------------------ values


def lab_value(schedule: Schedule, t: float, banded: bool = False) -> dict[str, Any]:
    """``schedule_value`` at time ``t``, with the shifts at both ends and where every scale's λ crosses 0 (None: nowhere)."""
    crossings = {str(size): schedule.time_of(size) for size in schedule.scales}
    return schedule_value(schedule, NOISE, t, TIMES, banded) | {
        "now": t,
        "moving": schedule.end_shifts is not None,
        "shifts": {str(size): round(float(schedule.shift(size, 0.0)), 2) for size in schedule.scales},
        "ends": {str(size): round(float(schedule.shift(size, 1.0)), 2) for size in schedule.scales},
        "crossings": {size: None if at is None else round(at, 4) for size, at in crossings.items()},
        "range": list(SHIFT_RANGE),
    }


def _shift(value: Any, size: int) -> float:
    low, high = SHIFT_RANGE
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"δ {size} is a number from {low:g} to {high:g}.")
    return float(value)
