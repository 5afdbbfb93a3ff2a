"""The named endpoint ``/sweep``: a grid over one or two settings, each finished cell as it comes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import gradio as gr

from layered.config import SampleConfig
from layered.studio.api import checked, json_input, request, request_parameters, setting_inputs
from layered.studio.grid import usual_size
from layered.studio.handlers import refused
from layered.studio.links import flatten
from layered.studio.sweeper import Sweeper

SWEEP = """Draw a grid over one or two settings of a run and stream its cells, row by row. columns, and rows if there are any, are
{"setting": name, "values": list}; numbers may be a text such as "1, 2, 4" or "1..9 step 2". Settings: %s. size is the finest
scale to draw, in pixels. The other parameters are those of /sample, for all cells; the prompt may be empty where an axis varies
it. Each value is a finished cell: index, row and column from 0, prompt, varied, the picture at that scale as a JPEG data URL,
measures of its last step per scale (difference: root mean square to the first cell), seconds, total, state and settings; or null
while a cell is being drawn, so that a client that goes away stops the work."""

AXIS = {
    "type": "object",
    "properties": {"setting": {"type": "string"}, "values": {"anyOf": [{"type": "array", "items": {}}, {"type": "string"}]}},
    "required": ["setting", "values"],
}


class SweepApi:
    """Creates the hidden components and the endpoint inside the current Blocks."""

    def __init__(self, sweeper: Sweeper, concurrency_id: str) -> None:
        self.sweeper = sweeper
        with gr.Column(visible=False):
            inputs = [
                json_input("columns", AXIS),
                json_input("rows", {"anyOf": [AXIS, {"type": "null"}]}),
                gr.Number(usual_size(sweeper.limits.sizes), label="size"),
                gr.Textbox("", label="prompt"),
                *setting_inputs(sweeper.handlers.usual),
            ]
            cell, button = gr.JSON(label="cell"), gr.Button("sweep")
        button.click(
            self.sweep(),
            inputs,
            cell,
            preprocess=False,  # every value is checked here, so that every refusal is a sentence
            concurrency_id=concurrency_id,
            concurrency_limit=1,
            api_name=sweeper.handlers.endpoint("sweep"),
            api_description=SWEEP % ", ".join(sweeper.settings),
        )

    def sweep(self):
        """The function of ``/sweep``."""

        def sweep(*given: Any) -> Iterator[dict[str, Any] | None]:
            columns, rows, size, prompt, *rest = given
            with refused():
                grid = self.sweeper.grid(*self._asked(columns, rows, size, prompt, rest))
            for _sweep, result, told in self.sweeper.run(grid, None):
                if result is None:
                    yield None
                    continue
                cell = grid.cells[result.shown["index"]]
                places = (cell.column, cell.row)
                yield result.shown | {
                    "row": cell.row,
                    "column": cell.column,
                    "prompt": cell.prompt,
                    "varied": {a.setting.name: a.values[p] for a, p in zip(grid.axes, places, strict=False)},
                    "total": len(grid.cells),
                    "state": told["state"],
                    "settings": self.sweeper.handlers.describe(cell.prompt, cell.config_drawn),
                }

        sweep.__signature__ = _signature(usual_size(self.sweeper.limits.sizes), self.sweeper.handlers.usual)
        return sweep

    def _asked(
        self, columns: Any, rows: Any, size: Any, prompt: Any, rest: list[Any]
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Prompt, flat values and what is asked, as ``Sweeper.grid`` takes them. ValueError with a sentence for what is wrong."""
        if isinstance(size, float) and size.is_integer():  # JSON from JavaScript knows one kind of number
            size = int(size)
        _, config = checked(request("any", *rest))
        if isinstance(config.guidance, tuple):
            raise ValueError("guidance: a sweep takes one weight for all scales.")
        if isinstance(config.detail_prompt, tuple):
            raise ValueError("detail_prompt: a sweep takes one for all finer scales.")
        self.sweeper.handlers.describe("", config)  # refuses shifts that do not fit the model
        return prompt, flatten(config, self.sweeper.scales), {"columns": columns, "rows": rows, "size": size}


def _signature(size: int, usual: SampleConfig) -> inspect.Signature:
    """The parameters in order with their defaults, for the endpoint's description."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    first = [inspect.Parameter("columns", kind)]
    first += [inspect.Parameter(name, kind, default=usual) for name, usual in (("rows", None), ("size", size), ("prompt", ""))]
    return inspect.Signature(first + request_parameters(usual)[1:])
