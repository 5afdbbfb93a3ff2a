"""Take it home: the row under the pictures that gives a run away as files, and brings one back from a file."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from layered.config import SampleConfig
from layered.studio.components import TakeHome
from layered.studio.exports import read_settings
from layered.studio.handlers import Handlers, refused
from layered.studio.links import LABELS, flatten, from_query, to_query
from layered.studio.settings import ASIDE, QUIET

SAVE = "() => { document.querySelector('#take-file')?.click(); window.layeredTake?.free(); }"
FREE = "() => { window.layeredTake?.free(); }"
AT_ONCE = 2  # files in the making, over all visitors
PROBLEMS = {
    "type": "This is not a file of this page: open a PNG, a trajectory or settings that were saved here.",
    "plain": "This picture carries no settings: use a PNG that was saved here. Many programs drop them on saving.",
    "broken": "This file is broken or cut short: nothing was restored.",
    "large": "This file is too large for one of this page: nothing was restored.",
}


class Take:
    """The row, inside the current Blocks; ``wire`` once the controls are there."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers
        self.row = TakeHome({"say": ""}, elem_id="take")
        self.file = gr.DownloadButton(visible="hidden", elem_id="take-file")

    def wire(
        self,
        controls: Sequence[gr.components.Component],
        restored: Callable[[dict[str, str]], list[Any]],
        ranges: Mapping[str, tuple[float, float]],
        hidden: Collection[str],
    ) -> None:
        """``restored`` turns a run's query into values for ``controls``; ``ranges`` are what the numeric ones accept, ``hidden``
        the names of those that the page does not offer."""

        def fetch(event: gr.EventData) -> Iterator[tuple[Any, Any]]:
            yield from self.fetch(event._data)

        def bring(event: gr.EventData) -> list[Any]:
            with refused("Nothing restored"):
                query, say = self.bring(event._data, ranges, hidden)
            gr.Info(html.escape(say, quote=False), title="Settings restored", duration=8)
            return restored(query)

        asked = self.row.select(
            fetch, None, [self.row, self.file], concurrency_id="files", concurrency_limit=AT_ONCE, trigger_mode="once", **QUIET
        )
        asked.success(None, js=SAVE, **ASIDE)
        asked.failure(None, js=FREE, **ASIDE)
        self.row.submit(bring, None, list(controls), **QUIET)  # in the queue, which alone can show a message

    def fetch(self, asked: Any) -> Iterator[tuple[Any, Any]]:
        """The row's value and the file's path for ``{"kind": ..., "run": ...}``, which may be anyone's."""
        asked = asked if isinstance(asked, dict) else {}
        for made in self.handlers.export(asked.get("run"), asked.get("kind"), self.file.GRADIO_CACHE):
            if isinstance(made, tuple):
                yield {"say": f"Making the film: {made[0]} of {made[1]} frames."}, gr.skip()
            else:
                yield {"say": ""}, made

    def bring(
        self, given: Any, ranges: Mapping[str, tuple[float, float]], hidden: Collection[str] = ()
    ) -> tuple[dict[str, str], str]:
        """The query that restores ``{"settings": JSON}`` of anyone's file, and what to say about it.

        ValueError with a sentence for settings that are wrong, do not fit the model, or could not be read: ``{"problem": name}``.
        """
        given = given if isinstance(given, dict) else {}
        problem = given.get("problem")
        if problem is not None:
            raise ValueError(PROBLEMS.get(problem if isinstance(problem, str) else "", PROBLEMS["broken"]))
        scales = self.handlers.scales
        prompt, config, model = read_settings(given.get("settings"))
        if config.shifts and len(config.shifts) != len(scales):
            raise ValueError(f"These settings are for {len(config.shifts)} scales, and this page's model has {len(scales)}.")
        query = dict(parse_qsl(to_query(prompt, config, scales, self.handlers.usual)))
        say = ["Press Run to draw it again."]
        if model and model != self.handlers.model:
            say.append(f"It was drawn by {model[:60]}; {self.handlers.model} will draw something else.")
        if lost := not_on_the_page(config, query, scales, ranges, self.handlers.usual, hidden):
            say.append(f"Out of reach of this page's controls, so left at the default: {lost}.")
        return query, " ".join(say)


def not_on_the_page(
    config: SampleConfig,
    query: Mapping[str, str],
    scales: Sequence[int],
    ranges: Mapping[str, tuple[float, float]],
    usual: SampleConfig,
    hidden: Collection[str] = (),
) -> str:
    """The names of settings that the page's controls cannot take, as words."""
    found = flatten(usual, scales) | from_query(query, scales, ranges, hidden)
    lost = [name for name, value in flatten(config, scales).items() if not _same(value, found[name])]
    words = [LABELS.get(name, name.replace("_", " ")).lower() for name in lost]
    words += ["guidance per scale"] if isinstance(config.guidance, tuple) else []
    words += ["detail prompt per scale"] if isinstance(config.detail_prompt, tuple) else []
    words += ["choice of scales"] if config.scales else []
    return " and ".join(words)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= 1e-5 * max(1.0, abs(a))
    return a == b
