"""Sweep: a labelled grid over one or two settings of a run; everything else is as Explore has it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from layered.studio.axes import ALL_SHIFTS, NONE, PROMPT, Axis, Setting, sweepable
from layered.studio.components import _colours, _Drawn
from layered.studio.explore import Explore
from layered.studio.grid import sweep_sizes, usual_size
from layered.studio.handlers import Handlers, refused
from layered.studio.settings import ASIDE, MODEL_QUEUE, QUIET, StudioSettings
from layered.studio.sweep_api import SweepApi
from layered.studio.sweeper import Sweeper

BEGIN = "(...values) => { window.layeredSweep?.begin(); return values; }"
STOP = "() => { window.layeredSweep?.stop(); }"
FREE = "() => { window.layeredSweep?.free(); }"
FAIL = "() => { window.layeredSweep?.fail(); }"
PRESS = "() => { document.querySelector('#%s')?.click(); }"
SWEEP_NAME = "() => [window.layeredSweep?.id() ?? '']"
CELL_QUERY = "() => [window.layeredSweep?.query() ?? '']"
FOCUS_RUN = "() => { requestAnimationFrame(() => { window.scrollTo(0, 0); document.querySelector('#run')?.focus(); }); }"
FILL = """(name) => {
  const found = (%s)[name], hidden = { __type__: "update", visible: false };
  const shown = (more) => ({ __type__: "update", visible: true, ...more });
  if (!found) return [hidden, hidden, hidden];
  const number = found.kind === "number" || found.kind === "whole";
  return [
    number ? shown({ value: found.text, label: found.label }) : hidden,
    found.kind === "name" ? shown({ choices: found.choices, value: found.usual, label: found.label }) : hidden,
    found.kind === "text" ? shown({ value: found.text }) : hidden,
  ];
}"""
PROMPTS_AT_FIRST = 3


class SweepSheet(_Drawn):
    """The grid and the cell that is looked at. Value: what ``Sweeper.run`` tells of a step. Never an event's input."""

    asset_name, parts = "sweep", ("hold-stop", "sweep-look")


class SweepPlan(_Drawn):
    """What a sweep would draw, how long that takes, and what is as in Explore. Value: as ``Sweeper.plan`` makes it."""

    asset_name = "sweep-plan"


class AxisCard:
    """What one side of the grid varies, and its values: typed, chosen or written, as the setting needs."""

    def __init__(self, which: str, setting: str, settings: Mapping[str, Setting], optional: bool) -> None:
        self.settings = settings
        chosen = settings[setting]
        none = [("Nothing: one row", NONE)] if optional else []
        with gr.Column(elem_classes="card axis", min_width=260, elem_id=f"sweep-{which}"):
            self.setting = gr.Dropdown(
                [*none, *((one.label, name) for name, one in settings.items())],
                value=setting,
                label=f"{which.capitalize()} vary",
                filterable=False,
                elem_id=f"sweep-{which}-setting",
            )
            self.numbers = gr.Textbox(
                _text(chosen),
                label=chosen.label,
                info="A list such as 1, 2, 4 or a range such as 1..9 step 2.",
                max_lines=1,
                elem_id=f"sweep-{which}-numbers",
            )
            self.names = gr.CheckboxGroup([], label="Values", visible=False, elem_classes="pick", elem_id=f"sweep-{which}-names")
            self.prompts = gr.Textbox(
                _text(settings[PROMPT]),
                label="Prompts",
                info="One on each line.",
                lines=3,
                max_lines=8,
                visible=False,
                elem_id=f"sweep-{which}-prompts",
            )
        table = {
            name: {
                "kind": one.kind,
                "label": one.label,
                "text": _text(one),
                "usual": one.usual,
                "choices": [[choice, choice] for choice in one.choices],
            }
            for name, one in settings.items()
        }
        self.setting.input(
            None,
            self.setting,
            [self.numbers, self.names, self.prompts],
            js=FILL % json.dumps(table),
            api_visibility="private",
            show_progress="hidden",
        )

    @property
    def inputs(self) -> list[gr.components.Component]:
        """What the axis is read from."""
        return [self.setting, self.numbers, self.names, self.prompts]

    def asked(self, given: Mapping[Any, Any]) -> dict[str, Any]:
        """The axis as ``read_axis`` takes it."""
        name = given[self.setting]
        kind = self.settings[name].kind if isinstance(name, str) and name in self.settings else ""
        source = {"name": self.names, "text": self.prompts}.get(kind, self.numbers)
        return {"setting": name, "values": given[source]}


def _text(setting: Setting) -> str:
    """The values to start from as one writes them."""
    if setting.kind == "text":
        return "\n".join(setting.usual)
    return ", ".join(Axis(setting, setting.usual).labels)


class Sweep:
    """The tab. ``follow`` wires it to Explore, whose settings every cell shares."""

    def __init__(self, handlers: Handlers, settings: StudioSettings) -> None:
        self.handlers, self.limits = handlers, settings
        self.tab = gr.context.Context.block
        sizes = sweep_sizes(handlers.scales, handlers.isolated)
        prompts = [prompt for _, prompt in settings.examples[:PROMPTS_AT_FIRST]]
        settings_by_name = sweepable(handlers.scales, prompts, handlers.usual, handlers.adds)

        def cells(asked: Any) -> list[dict[str, Any]]:
            return self.sweeper.cells(asked)

        with gr.Column(elem_id="sweep-tab"):
            with gr.Row(elem_id="sweep-axes", equal_height=True):
                self.columns = AxisCard("columns", "guidance", settings_by_name, optional=False)
                self.rows = AxisCard("rows", ALL_SHIFTS, settings_by_name, optional=True)
                with gr.Column(elem_classes="card axis", min_width=260, elem_id="sweep-draw"):
                    self.size = gr.Radio(
                        [(str(size), size) for size in sizes],
                        value=usual_size(sizes),
                        label="Draw up to",
                        info="Pixels. Coarser is faster; the picture is the same one, seen at that size.",
                        visible=len(sizes) > 1,
                        elem_classes="pick",
                        elem_id="sweep-size",
                    )
                    with gr.Row(elem_id="sweep-actions"):
                        self.draw = gr.Button("Draw the grid", variant="primary", min_width=120, elem_id="sweep-run")
                        self.stop = gr.Button("Stop", min_width=72, elem_id="sweep-stop")
            self.plan = SweepPlan(elem_id="sweep-plan")
            self.queue = gr.HTML("", elem_id="sweep-queue")
            self.sheet = SweepSheet(colours=_colours(handlers.scales), server_functions=[cells], elem_id="sweep-sheet")
            self._downloads()

    def _downloads(self) -> None:
        with gr.Row(elem_id="sweep-take"):
            self.get_picture = gr.Button("Picture with labels", size="sm", min_width=0, elem_id="get-sweep-picture")
            self.get_table = gr.Button("Measures as CSV", size="sm", min_width=0, elem_id="get-sweep-table")
        self.picture = gr.DownloadButton(visible="hidden", elem_id="sweep-picture-file")
        self.table = gr.DownloadButton(visible="hidden", elem_id="sweep-table-file")
        self.chosen = gr.Textbox(visible="hidden", elem_id="sweep-chosen")  # the sweep's name, or the query of a cell
        self.open = gr.Button(visible="hidden", elem_id="sweep-open")

    # ------------------------------------------------------------ events

    def follow(self, explore: Explore) -> None:
        """Wire the tab's events: settings that no axis varies are Explore's, and a cell opens there."""
        self.explore = explore
        self.sweeper = Sweeper(self.handlers, self.limits, explore.controls.ranges)
        own = [*self.columns.inputs, *self.rows.inputs, self.size]
        inputs = {*own, explore.prompt, *explore.controls.values.values()}

        plan: dict[str, Any] = {"inputs": inputs, "outputs": self.plan, "preprocess": False} | ASIDE
        gr.on([self.tab.select, *(component.change for component in own)], self._plan, trigger_mode="always_last", **plan)
        explore.loaded.then(self._plan, **plan)  # a link may have changed what is shared
        drawing = self.draw.click(
            self._draw,
            inputs,
            self.sheet,
            js=BEGIN,
            preprocess=False,  # every value is checked in one place, so that every refusal is a sentence
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=self.queue,
            trigger_mode="once",
            concurrency_id=MODEL_QUEUE,
            concurrency_limit=1,
        )
        drawing.failure(None, js=FAIL, **QUIET)
        drawing.then(None, js=FREE, **QUIET)
        drawing.then(self._plan, **plan)  # now it is known how long a step takes
        self.stop.click(None, cancels=[drawing], js=STOP, **ASIDE)

        folder = self.picture.GRADIO_CACHE
        for button, write, target in (
            (self.get_picture, self.sweeper.picture, self.picture),
            (self.get_table, self.sweeper.table, self.table),
        ):
            made = button.click(lambda name, write=write: write(name, folder), self.chosen, target, js=SWEEP_NAME, **QUIET)
            made.success(None, js=PRESS % target.elem_id, **ASIDE)

        there = [explore.prompt, *explore.controls.values.values(), self.tab.parent]
        opened = self.open.click(self._opened, self.chosen, there, js=CELL_QUERY, **ASIDE)
        opened.success(None, js=FOCUS_RUN, **ASIDE)

        SweepApi(self.sweeper, MODEL_QUEUE)

    def _asked(self, given: Mapping[Any, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Explore's prompt and flat values, and what is asked here. All cells share the seed, also where Explore draws one."""
        values = {name: given[component] for name, component in self.explore.controls.values.items()}
        asked = {"columns": self.columns.asked(given), "rows": self.rows.asked(given), "size": given[self.size]}
        return given[self.explore.prompt], values, asked

    def _plan(self, given: dict[Any, Any]) -> dict[str, Any]:
        return self.sweeper.plan(*self._asked(given))

    def _draw(self, given: dict[Any, Any], request: gr.Request) -> Iterator[dict[str, Any]]:
        with refused():
            grid = self.sweeper.grid(*self._asked(given))
        yield {}  # before any work: gradio closes a cancelled sweep only where it has had a value of it
        for _sweep, _result, told in self.sweeper.run(grid, request.session_hash or ""):
            yield told

    def _opened(self, query: Any) -> list[Any]:
        """Explore's prompt and controls as the cell has them, and its tab."""
        return [*self.explore.restored(dict(parse_qsl(str(query)))), gr.Tabs(selected="explore")]
