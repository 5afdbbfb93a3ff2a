"""The controls of a run: what each is called, explained and allowed, and the components in their cards."""

from __future__ import annotations

from typing import Any

import gradio as gr

from layered.config import SampleConfig
from layered.sampler import COARSE_UP_TO
from layered.studio.components import ScheduleCurves
from layered.studio.links import NEVER_SLEEP, flatten, shift_name
from layered.studio.settings import StudioSettings
from layered.studio.shifts import Shifts

MAX_SEED = 2**32 - 1


class Controls:
    """Creates the components inside the current Blocks; ``values`` holds them by the names that ``links`` uses."""

    def __init__(
        self,
        scales: tuple[int, ...],
        settings: StudioSettings,
        usual: SampleConfig,
        isolated: bool = True,
        distilled: bool = False,
        adds: bool = True,
    ) -> None:
        """``isolated``: whether levels can run without the finer ones; else what needs that is not offered. Nor is, of one scale,
        what joins scales. ``distilled``: whether the model was distilled into the steps of ``usual``; ``adds``: whether its
        finer levels add to the ones below."""
        self.scales, self.isolated, self.distilled = scales, isolated, distilled
        several, coarser = len(scales) > 1, isolated and scales[-1] > max(COARSE_UP_TO, scales[0])
        needed = {"order": coarser, "guided_up_to": isolated and several, "sleep_below": isolated and several}
        needed |= dict.fromkeys(("detail_prompt", "noise", "states"), several) | {"detail": several and adds}
        self.hidden = frozenset(name for name, there in needed.items() if not there)  # values that the page does not offer
        self.defaults = flatten(usual, scales) | {"random_seed": True}
        self.values: dict[str, gr.components.Component] = {}
        self._run_card(settings, usual)
        self._noise_card()
        self._schedule_card()
        self._solver_card()
        self._link()

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of every numeric control."""
        return {
            name: (component.minimum, component.maximum)
            for name, component in self.values.items()
            if isinstance(component, (gr.Slider, gr.Number))
        }

    def _slider(self, name: str, label: str, info: str, low: float, high: float, step: float, **kwargs: Any) -> None:
        self.values[name] = gr.Slider(
            low,
            high,
            self.defaults[name],
            step=step,
            label=label,
            info=info,
            buttons=[],
            elem_id=name.replace("_", "-"),
            **{"visible": name not in self.hidden} | kwargs,
        )

    def _radio(self, name: str, label: str, info: str, choices: list[tuple[str, Any]]) -> None:
        self.values[name] = gr.Radio(
            choices,
            value=self.defaults[name],
            label=label,
            info=info,
            visible=name not in self.hidden,
            elem_id=name.replace("_", "-"),
            elem_classes="pick",
        )

    def _text(self, name: str, label: str, info: str) -> None:
        self.values[name] = gr.Textbox(
            self.defaults[name],
            label=label,
            info=info,
            lines=1,
            max_lines=4,
            visible=name not in self.hidden,
            elem_id=name.replace("_", "-"),
        )

    def _run_card(self, settings: StudioSettings, usual: SampleConfig) -> None:
        with gr.Accordion("Run", elem_classes="card"):
            many = "step" if usual.steps == 1 else "steps"
            info = (
                f"It was distilled into {usual.steps} {many}." if self.distilled else "Denoising steps: more is slower and finer."
            )
            self._slider("steps", "Steps", info, 1, settings.page_steps, 1)
            info = "How strongly the prompt pulls; 1 is no guidance."
            info = "Guidance is built in; 1 leaves it as it is." if self.distilled else info
            self._slider("guidance", "Guidance", info, 0, 20, 0.1)
            info = "0: guidance leaves contrast alone; 1: it hardens it."
            self._slider("guidance_parallel", "On contrast", info, 0, 1, 0.05)
            self._slider("detail", "Detail", "Of the finer scales: 1 as trained, more is crisper.", 0, 2, 0.05)
            info = f"For the scales above {self.scales[0]} px; empty: the same prompt."
            self._text("detail_prompt", "Detail prompt", info)
            orders = [("together", "together"), ("coarse first", "coarse-first")]
            info = f"Coarse first: {COARSE_UP_TO} px is finished early, then the rest grows on it. The same picture."
            self._radio("order", "Order", info, orders)
            info = "Finer sizes follow the guided picture, at half the cost."
            self._radio("guided_up_to", "Guided up to", info, [(str(size), size) for size in self.scales])
            self._slider("guidance_from", "Guided from", "t below this, near the end: no guidance.", 0, 1, 0.01)
            self._slider("guidance_to", "Guided to", "t above this, near the start: no guidance.", 0, 1, 0.01)
            with gr.Row(elem_classes="seed-row"):
                self.values["seed"] = gr.Number(
                    self.defaults["seed"],
                    label="Seed",
                    info="Same seed, same noise.",
                    precision=0,
                    minimum=0,
                    maximum=MAX_SEED,
                    min_width=120,
                    elem_id="seed",
                )
                self.values["random_seed"] = gr.Checkbox(
                    self.defaults["random_seed"],
                    label="Random each run",
                    info="Shows the seed it drew.",
                    min_width=120,
                    elem_id="random-seed",
                )

    def _noise_card(self) -> None:
        with gr.Accordion("Noise", visible="noise" not in self.hidden, elem_classes="card"):
            choices = [
                ("sinc, shared", "sinc"),
                ("independent", "independent"),
                ("box (for study)", "box"),
                ("bilinear (for study)", "bilinear"),
            ]
            self._radio("noise", "Noise across scales", "Shared: every scale sees the same noise.", choices)

    def _schedule_card(self) -> None:
        with gr.Accordion("Schedule shift", elem_classes="card"):
            shifts = {size: self.defaults[shift_name(size)] for size in self.scales}
            card = Shifts(self.scales, self.defaults["preset"], shifts)
            self.values["preset"] = card.preset
            self.values |= {shift_name(size): slider for size, slider in card.sliders.items()}
            self.curves = ScheduleCurves(self.scales, elem_id="schedule")

    def _solver_card(self) -> None:
        with gr.Accordion("Solver and states", open=False, elem_classes="card"):
            solvers = [("DDIM", "ddim"), ("DDPM", "ddpm"), ("DPM-Solver++", "dpm++")]
            self._radio("solver", "Solver", "How one step follows from the last.", solvers)
            usual = self.defaults["solver"]
            info = "DDIM: 0 adds no fresh noise, 1 as much as DDPM."
            self._slider("eta", "Eta", info, 0, 1, 0.05, visible=usual == "ddim")
            info = "DDPM: from the lower (0) to the upper (1) variance."
            self._slider("ddpm_noise", "DDPM noise", info, 0, 1, 0.05, visible=usual == "ddpm")
            states = [("per scale", "per-scale"), ("top-down", "top-down")]
            self._radio("states", "States", "Every scale by its own prediction, or all from the finest.", states)
            clips = [("static", "static"), ("dynamic", "dynamic"), ("none", "none")]
            self._radio("clipping", "Clipping", "Keeps the prediction within black and white.", clips)
            spacings = [("log-SNR", "logsnr"), ("time", "time")]
            self._radio("spacing", "Spacing of the steps", "Equal in log-SNR, or equal in t.", spacings)
            info = "Skip levels while λ is below this, enlarging the one below; −20: never."
            self._slider("sleep_below", "Sleep below λ", info, NEVER_SLEEP, 0, 0.5)

    def _link(self) -> None:
        """What follows in the page at once, without the server: solver → its knob."""
        show = "{'__type__': 'update', 'visible': name === '%s'}"
        self.values["solver"].change(
            None,
            self.values["solver"],
            [self.values["eta"], self.values["ddpm_noise"]],
            js=f"(name) => [{show % 'ddim'}, {show % 'ddpm'}]",
            api_visibility="private",
        )
