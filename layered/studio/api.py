"""The named endpoints for programs: ``/sample`` streams every step, ``/generate`` returns the finished pictures as files."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from layered.config import CLIPPINGS, NOISE_MODES, ORDERS, PRESETS, SOLVERS, SPACINGS, STATE_MODES, SampleConfig
from layered.sampler import Step
from layered.studio.encode import frame, states
from layered.studio.exports import new_file, settings_json, write_png
from layered.studio.handlers import Handlers, Measures, check_prompt, refused
from layered.studio.settings import shown_scales

SAMPLE = """Denoise a prompt and stream every step. Each value holds step, total, seconds and t; x0 and z, a JPEG data URL per
scale; measures, log-SNR, change, agreement in dB and fine detail per scale; asleep, the scales that were only enlarged from
below; pending, scales that are not drawn yet (order coarse-first: the step comes again with them); state and settings.
Without a seed, one is drawn."""
GENERATE = """Denoise a prompt to the end: the finest pictures as PNG files with the settings inside, and the settings as JSON.
Without a seed, one is drawn."""

USUAL = SampleConfig()
CHOICES = {
    "noise": NOISE_MODES,
    "preset": PRESETS,
    "solver": SOLVERS,
    "states": STATE_MODES,
    "clipping": CLIPPINGS,
    "spacing": SPACINGS,
    "order": ORDERS,
}


def request(
    prompt,
    steps=USUAL.steps,
    guidance=USUAL.guidance,
    guidance_from=USUAL.guidance_interval[0],
    guidance_to=USUAL.guidance_interval[1],
    guided_up_to=USUAL.guided_up_to,
    seed=None,
    noise=USUAL.noise,
    preset=USUAL.preset,
    shifts=None,
    solver=USUAL.solver,
    eta=USUAL.eta,
    ddpm_noise=USUAL.ddpm_noise,
    states=USUAL.states,
    clipping=USUAL.clipping,
    spacing=USUAL.spacing,
    sleep_below=USUAL.sleep_below,
    order=USUAL.order,
) -> dict[str, Any]:
    """The parameters of both endpoints, in order, with their defaults: any JSON values, by name."""
    return dict(locals())


def checked(given: Mapping[str, Any]) -> tuple[str, SampleConfig]:
    """``request``'s values → prompt and settings. ValueError with a sentence for whatever is wrong."""
    values = dict(given)
    prompt = check_prompt(values.pop("prompt"))
    interval = (values.pop("guidance_from"), values.pop("guidance_to"))
    if values["seed"] is None:
        values["seed"] = secrets.randbelow(2**32)
    for name in ("steps", "seed", "guided_up_to"):  # JSON from JavaScript knows one kind of number
        if isinstance(values[name], float) and values[name].is_integer():
            values[name] = int(values[name])
    return prompt, SampleConfig(guidance_interval=interval, **values)


class Api:
    """Creates the hidden components and both endpoints inside the current Blocks."""

    def __init__(self, handlers: Handlers, concurrency_id: str) -> None:
        self.handlers = handlers
        self.shown = shown_scales(handlers.scales)
        with gr.Column(visible=False):
            inputs: list[gr.components.Component] = [gr.Textbox(label="prompt")]
            for name, usual in request("").items():
                if name in CHOICES:
                    inputs.append(gr.Dropdown(list(CHOICES[name]), value=usual, label=name))
                elif name == "shifts":
                    inputs.append(gr.JSON(usual, label=name))
                elif name != "prompt":
                    inputs.append(gr.Number(usual, label=name))
            step = gr.JSON(label="step")
            pictures = [gr.Image(label=f"{size} px", format="png") for size in self.shown]
            self.folder = pictures[-1].GRADIO_CACHE
            settings = gr.Textbox(label="settings")
            sample, generate = gr.Button("sample"), gr.Button("generate")
        named = functools.wraps(request)
        common: dict[str, Any] = {
            "inputs": inputs,
            "preprocess": False,  # every value is checked here, so that every refusal is a sentence
            "concurrency_id": concurrency_id,
            "concurrency_limit": 1,
        }
        sample.click(named(self.sample()), outputs=step, api_name="sample", api_description=SAMPLE, **common)
        outputs = [*pictures, settings]
        generate.click(named(self.generate()), outputs=outputs, api_name="generate", api_description=GENERATE, **common)

    def sample(self):
        """The function of ``/sample``."""

        def sample(*given: Any) -> Iterator[dict[str, Any]]:
            prompt, config, settings = self._asked(given)

            def value(step: Step, measures: Measures, seconds: float) -> dict[str, Any]:
                state = "done" if step.ends else "running"
                extra = {"total": step.total, "seconds": round(seconds, 3), "state": state, "settings": settings}
                more = {"z": states(step.z, step.logsnr), "asleep": list(step.asleep)}
                return frame(step, measures, every_scale=True) | more | extra

            yield from self.handlers.steps(prompt, config, value)

        return sample

    def generate(self):
        """The function of ``/generate``. It yields at every step, so that a client that goes away stops the work."""

        def generate(*given: Any) -> Iterator[tuple[Any, ...]]:
            prompt, config, settings = self._asked(given)

            def files(step: Step, _measures: Measures, _seconds: float) -> list[str | None]:
                if not step.ends:
                    return [None] * len(self.shown)
                name = "layered-{}-seed{}.png"
                paths = [new_file(self.folder, name.format(size, config.seed)) for size in self.shown]
                return [str(write_png(step.x0[size], settings, path)) for size, path in zip(self.shown, paths, strict=True)]

            for made in self.handlers.steps(prompt, config, files):
                yield (*made, settings_json(settings))

        return generate

    def _asked(self, given: tuple[Any, ...]) -> tuple[str, SampleConfig, dict[str, Any]]:
        """Prompt, config and settings for people; what does not fit is refused with its sentence."""
        with refused():
            prompt, config = checked(request(*given))
            return prompt, config, self.handlers.describe(prompt, config)
