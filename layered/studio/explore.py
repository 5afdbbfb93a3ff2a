"""Explore: prompt, viewer and controls, and what their events are wired to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from layered.studio.components import UnknownWords, Viewer
from layered.studio.controls import Controls
from layered.studio.examples import Examples
from layered.studio.experiments import experiments, next_run
from layered.studio.handlers import Handlers, check_prompt, refused
from layered.studio.links import PROMPT_LIMIT, from_query, shift_name
from layered.studio.settings import ASIDE, MODEL_QUEUE, QUIET, StudioSettings
from layered.studio.take import Take
from layered.vocabulary import in_place_of

BEGIN = "(...values) => { window.layeredViewer?.begin(); return values; }"
STOP = "() => { window.layeredViewer?.stop(); }"
FREE = "() => { window.layeredViewer?.free(); }"
FAIL = "() => { window.layeredViewer?.fail(); }"
PRESS_RUN = "() => { document.querySelector('#run')?.click(); }"
SHOW_EXAMPLE = "(run) => { window.layeredViewer?.example(run); }"
TRY = "() => { window.layeredViewer?.runTrial(); }"
END_TRIAL = "() => { window.layeredViewer?.endTrial(); }"
RUN_QUERY = "() => [window.layeredViewer?.run()?.query ?? '']"


def reworded(prompt: Any, detail_prompt: Any, event: gr.EventData) -> list[Any]:
    """Both prompts with the known word that was chosen in place of an unknown one: ``{"word": ..., "near": ...}``."""
    chosen = event._data if isinstance(event._data, dict) else {}
    with refused():
        word, near = (check_prompt(chosen.get(name)) for name in ("word", "near"))
    fits = [isinstance(text, str) and len(text) <= PROMPT_LIMIT for text in (prompt, detail_prompt)]
    return [in_place_of(text, word, near) if fit else text for fit, text in zip(fits, (prompt, detail_prompt), strict=True)]


class Explore:
    """The first tab: one prompt, drawn at every scale, step by step."""

    def __init__(self, handlers: Handlers, settings: StudioSettings) -> None:
        self.handlers, self.settings = handlers, settings

        self.drawn = Examples(handlers)
        self.trials = experiments(handlers.scales, handlers.usual, handlers.distilled, handlers.banded)

        def frames(asked: Any) -> list[dict[str, Any]]:
            return handlers.frames(asked)  # gradio marks what the page may call, and cannot mark a method

        def example(asked: Any) -> dict[str, Any] | None:
            return self.drawn.get(asked.get("run") if isinstance(asked, dict) else None)

        with gr.Row(elem_id="explore", equal_height=False):
            with gr.Column(scale=1, min_width=320, elem_id="stage"):
                self._prompt()
                offered = [one.for_page() for one in self.trials]
                self.viewer = Viewer(handlers.scales, experiments=offered, server_functions=[frames, example], elem_id="viewer")
                self.take = Take(handlers)
                self.chosen = gr.Textbox(visible="hidden", elem_id="chosen")  # the query of the run on show, or an example's name
                self.recall = gr.Button(visible="hidden", elem_id="recall")
            with gr.Column(scale=0, min_width=320, elem_id="panel"):
                told = handlers.usual, handlers.isolated, handlers.distilled, handlers.adds
                self.controls = Controls(handlers.scales, settings, *told)
                self.reset = gr.Button("Reset to defaults", size="sm", elem_id="reset")
        self._wire()

    # ------------------------------------------------------------ layout

    def _prompt(self) -> None:
        with gr.Row(elem_id="ask", equal_height=False):
            self.prompt = gr.Textbox(
                label="Prompt",
                placeholder="Describe a landscape: a red balloon over snowy mountains at sunset …",
                lines=1,
                max_lines=4,
                container=False,
                scale=1,
                min_width=200,
                elem_id="prompt",
            )
            with gr.Row(elem_id="actions"):
                self.run = gr.Button("Run", variant="primary", min_width=96, elem_id="run")
                self.stop = gr.Button("Stop", min_width=72, elem_id="stop")
        with gr.Row(elem_id="under"):
            self.words = UnknownWords({"words": []}, elem_id="words")
            self.queue = gr.HTML("", elem_id="queue")
        with gr.Row(elem_id="examples"):
            self.examples = [
                (gr.Button(name, size="sm", min_width=0, elem_classes="chip-button"), prompt)
                for name, prompt in self.settings.examples
            ]
            self.surprise = gr.Button("Surprise me", size="sm", min_width=0, elem_classes="chip-button", elem_id="surprise")

    # ------------------------------------------------------------ events

    def _wire(self) -> None:
        handlers, values = self.handlers, self.controls.values

        running = gr.on(
            [self.run.click, self.prompt.submit, values["detail_prompt"].submit],
            self._run,
            {self.prompt, *values.values()},
            [self.viewer, values["seed"]],
            js=BEGIN,
            preprocess=False,  # every value is checked in one place, so that every refusal is a sentence
            api_visibility="private",
            show_progress="minimal",  # the position in the queue in words: the full one animates without end
            show_progress_on=self.queue,
            trigger_mode="once",
            concurrency_id=MODEL_QUEUE,
            concurrency_limit=1,
        )
        running.failure(None, js=FAIL, **QUIET)
        running.then(None, js=FREE, **QUIET)
        self.stop.click(None, cancels=[running], js=STOP, **ASIDE)

        for button, prompt in self.examples:
            filled = button.click(None, None, self.prompt, js=f"() => {json.dumps(prompt)}", **ASIDE)
            self._then_show(filled, prompt)

        drawn = self.surprise.click(handlers.surprise, None, self.prompt, **ASIDE)
        drawn.success(None, js=PRESS_RUN, **ASIDE)

        written = [self.prompt, values["detail_prompt"]]
        gr.on([box.change for box in written], self._unknown, written, self.words, trigger_mode="always_last", **ASIDE)
        self.words.select(reworded, written, written, **ASIDE)
        shifts = [values[shift_name(size)] for size in handlers.scales]
        inputs = [*shifts, values["preset"], values["noise"]]
        keys = [*(shift_name(size) for size in handlers.scales), "preset", "noise"]
        gr.on(
            [component.change for component in inputs],
            lambda *given: handlers.schedule(dict(zip(keys, given, strict=True))),
            inputs,
            self.controls.curves,
            preprocess=False,
            trigger_mode="always_last",
            **ASIDE,
        )
        defaults = self.controls.defaults
        self.reset.click(lambda: [defaults[name] for name in values], None, list(values.values()), **ASIDE)

        controls = [self.prompt, *values.values()]
        self.recall.click(lambda query: self.restored(dict(parse_qsl(query))), self.chosen, controls, js=RUN_QUERY, **ASIDE)
        self.take.wire(controls, self.restored, self.controls.ranges, self.controls.hidden)

        tried = self.viewer.select(self._try, {self.prompt, *values.values()}, controls, preprocess=False, **ASIDE)
        tried.success(None, js=TRY, **ASIDE)
        tried.failure(None, js=END_TRIAL, **ASIDE)

        context = gr.context.Context.root_block
        self.loaded = context.load(self._restore, None, [self.prompt, *values.values(), self.controls.curves], **ASIDE)

    def _run(self, given: dict[Any, Any], request: gr.Request) -> Iterator[tuple[Any, Any]]:
        values = {name: given[component] for name, component in self.controls.values.items()}
        yield {}, gr.skip()  # before any work: gradio closes a cancelled run only where it has had a value of it
        first = True
        for value, run in self.handlers.run(given[self.prompt], values, request.session_hash or ""):
            yield value, (run.config.seed if first else gr.skip())
            first = False

    def _then_show(self, filled: gr.events.Dependency, prompt: str) -> None:
        """An example that was drawn before, with settings as on the page, is shown at once; any other is run."""
        run = self.drawn.of(prompt)
        if run is None:
            filled.then(None, js=PRESS_RUN, **ASIDE)
            return
        values = self.controls.values

        def same(given: dict[Any, Any]) -> tuple[str, Any]:
            found = self.drawn.same(run, {name: given[c] for name, c in values.items()}, self.handlers.scales)
            return (run, self.drawn.runs[run]["seed"]) if found else ("", gr.skip())

        asked = filled.then(same, set(values.values()), [self.chosen, values["seed"]], preprocess=False, **ASIDE)
        asked.success(None, self.chosen, None, js=SHOW_EXAMPLE, **ASIDE)

    def _unknown(self, prompt: Any, detail_prompt: Any, request: gr.Request) -> dict[str, Any]:
        return self.handlers.unknown_words((prompt, detail_prompt), request.session_hash)

    def _try(self, given: dict[Any, Any], event: gr.EventData) -> list[Any]:
        """Prompt and controls for the next run of an experiment."""
        values = {name: given[component] for name, component in self.controls.values.items()}
        usual, ranges, example = self.controls.defaults, self.controls.ranges, self.settings.examples[0][1]
        with refused():
            prompt, values = next_run(
                event._data, self.trials, given[self.prompt], values, usual, self.handlers.scales, ranges, example
            )
        return [prompt, *(values[name] for name in self.controls.values)]

    def _asked(self, query: dict[str, str]) -> dict[str, Any]:
        """What a query says of the controls that this page offers."""
        return from_query(query, self.handlers.scales, self.controls.ranges, self.controls.hidden)

    def restored(self, query: dict[str, str]) -> list[Any]:
        """Prompt and controls of a run, from its query; what that does not say was at its default."""
        found = self.controls.defaults | {"random_seed": False} | self._asked(query)
        return [found.get("prompt", gr.skip()), *(found.get(name, gr.skip()) for name in self.controls.values)]

    def _restore(self, request: gr.Request) -> list[Any]:
        """The controls as the link says; what it does not say, or says badly, stays at its default."""
        found = self._asked(dict(request.query_params))
        if "seed" in found:
            found["random_seed"] = False
        curves = self.handlers.schedule(self.controls.defaults | found)
        return [found.get("prompt", gr.skip()), *(found.get(name, gr.skip()) for name in self.controls.values), curves]
