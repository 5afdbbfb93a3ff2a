"""The named endpoints for programs: ``/sample`` streams every step, the others return files.

``/generate`` gives the finished pictures, ``/trajectory`` all steps, ``/film`` the denoising as a film.
"""

from __future__ import annotations

import dataclasses
import inspect
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from layered.config import CLIPPINGS, NOISE_MODES, ORDERS, PRESETS, SOLVERS, SPACINGS, STATE_MODES, SampleConfig
from layered.sampler import Step
from layered.studio.encode import frame, states
from layered.studio.exports import new_file, settings_json, used_shifts, write_png
from layered.studio.film import FORMATS, Film, check_format, frame_of, shown_steps
from layered.studio.handlers import Handlers, Measures, check_prompt, refused
from layered.studio.settings import shown_scales
from layered.studio.store import halved
from layered.trajectory import Trajectory

SAMPLE = """Denoise a prompt and stream every step. Each value holds step, total, seconds and t; x0 and z, a JPEG data URL per
scale; measures, log-SNR, change, agreement in dB and fine detail per scale; asleep, the scales that were only enlarged from
below; pending, scales that are not drawn yet (order coarse-first: the step comes again with them); state and settings.
Without a seed, one is drawn."""
GENERATE = """Denoise a prompt to the end: the finest pictures as PNG files with the settings inside, and the settings as JSON.
Without a seed, one is drawn."""
TRAJECTORY = """Denoise a prompt and keep every step: one safetensors file with z and x0 of every scale in half precision and the
settings, about 4 MB a step, for layered.Trajectory.load(file). Without a seed, one is drawn."""
FILM = """Denoise a prompt and film it: the finest predictions side by side while they form, ten steps a second, as format mp4
or webp. Without a seed, one is drawn."""

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
    detail_prompt=USUAL.detail_prompt,
    guidance_parallel=USUAL.guidance_parallel,
    detail=USUAL.detail,
) -> dict[str, Any]:
    """The parameters of every endpoint, in order, with their defaults: any JSON values, by name."""
    return dict(locals())


def usual_request(usual: SampleConfig) -> dict[str, Any]:
    """The defaults of ``request``'s parameters on a page that starts from these settings."""
    low, high = usual.guidance_interval
    told = dataclasses.asdict(usual) | {"prompt": "", "guidance_from": low, "guidance_to": high, "seed": None}
    return {name: told[name] for name in request("")}


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
    """Creates the hidden components and the endpoints inside the current Blocks."""

    def __init__(self, handlers: Handlers, concurrency_id: str) -> None:
        self.handlers = handlers
        self.shown = shown_scales(handlers.scales)
        with gr.Column(visible=False):
            inputs = [gr.Textbox(label="prompt"), *setting_inputs(handlers.usual)]
            step = gr.JSON(label="step")
            pictures = [gr.Image(label=f"{size} px", format="png") for size in self.shown]
            self.folder = pictures[-1].GRADIO_CACHE
            settings = gr.Textbox(label="settings")
            kind = gr.Dropdown(list(FORMATS), value=FORMATS[0], label="format")
            file, clip = gr.File(label="trajectory"), gr.File(label="film")
            sample, generate, trajectory, filmed = (gr.Button(name) for name in ("sample", "generate", "trajectory", "film"))
        common: dict[str, Any] = {
            "preprocess": False,  # every value is checked here, so that every refusal is a sentence
            "concurrency_id": concurrency_id,
            "concurrency_limit": 1,
        }
        endpoints = (
            (sample, self.sample(), inputs, step, SAMPLE),
            (generate, self.generate(), inputs, [*pictures, settings], GENERATE),
            (trajectory, self.trajectory(), inputs, file, TRAJECTORY),
            (filmed, self.film(), [*inputs, kind], clip, FILM),
        )
        for button, function, given, outputs, description in endpoints:
            name = function.__name__
            signed_one = signed(function, handlers.usual)
            button.click(signed_one, given, outputs, api_name=handlers.endpoint(name), api_description=description, **common)

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

    def trajectory(self):
        """The function of ``/trajectory``."""

        def trajectory(*given: Any) -> Iterator[str | None]:
            prompt, config, _ = self._asked(given, self.handlers.settings.page_steps)
            steps: list[Step] = []

            def saved(step: Step, _measures: Measures, _seconds: float) -> str | None:
                if not step.pending:  # it comes again, whole
                    steps.append(halved(step))
                if not step.ends:
                    return None
                scales = tuple(sorted(step.x0))
                shifts = used_shifts(config, scales)
                path = new_file(self.folder, f"trajectory-seed{config.seed}-{step.total}steps.safetensors")
                Trajectory(prompt, config, self.handlers.model, scales, shifts, tuple(steps)).save(path)
                return str(path)

            yield from self.handlers.steps(prompt, config, saved)

        return trajectory

    def film(self):
        """The function of ``/film``. Each step is filmed as it is made, so that no more than one is kept."""

        def film(*given: Any) -> Iterator[str | None]:
            *asked, kind = given
            prompt, config, _ = self._asked(tuple(asked), self.handlers.settings.page_steps)
            with refused():
                path = new_file(self.folder, f"layered-film-seed{config.seed}.{check_format(kind)}")
            film, wanted = Film(path, kind), set(shown_steps(config.steps))

            def filmed(step: Step, _measures: Measures, _seconds: float) -> None:
                if step.index in wanted and not step.pending:
                    film.add(frame_of(step, prompt, self.shown))

            yield from self.handlers.steps(prompt, config, filmed, within=film)
            yield str(path)

        return film

    def _asked(self, given: tuple[Any, ...], most: int | None = None) -> tuple[str, SampleConfig, dict[str, Any]]:
        """Prompt, config and settings for people; what does not fit, or has over ``most`` steps, is refused with its sentence."""
        with refused():
            prompt, config = checked(request(*given))
            if most and config.steps > most:
                raise ValueError(f"steps: at most {most} for a file that holds them all, got {config.steps}.")
            return prompt, config, self.handlers.describe(prompt, config)


def signed(function: Any, usual: SampleConfig) -> Any:
    """The function with ``request``'s parameters for the page's description of the endpoints, and ``format`` for the film."""
    parameters = request_parameters(usual)
    if function.__name__ == "film":
        parameters.append(inspect.Parameter("format", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=FORMATS[0]))
    function.__signature__ = inspect.Signature(parameters)
    return function


def request_parameters(usual: SampleConfig) -> list[inspect.Parameter]:
    """``request``'s parameters with the defaults of a page; the prompt has none."""
    prompt, *others = inspect.signature(request).parameters.values()
    return [prompt, *(one.replace(default=usual_request(usual)[one.name]) for one in others)]


def setting_inputs(usual: SampleConfig) -> list[gr.components.Component]:
    """One hidden component for each of ``request``'s parameters but the prompt, in order."""

    def made(name: str, value: Any) -> gr.components.Component:
        if name in CHOICES:
            return gr.Dropdown(list(CHOICES[name]), value=value, label=name)
        if isinstance(value, str):
            return gr.Textbox(value, label=name)
        if name == "shifts":
            return json_input("shifts", {"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "null"}]})
        return gr.Number(value, label=name)

    return [made(name, value) for name, value in usual_request(usual).items() if name != "prompt"]


def json_input(name: str, schema: dict[str, Any]) -> gr.JSON:
    """A component for any JSON, which its function checks; ``schema`` tells a program what is wanted.

    gradio's own schema for JSON, a type that is no word, stops clients of the Model Context Protocol. It is replaced on the
    component alone: the page takes a subclass for one that it has to load a script for.
    """
    component = gr.JSON(None, label=name)
    component.api_info = lambda: schema  # type: ignore[method-assign]
    return component
