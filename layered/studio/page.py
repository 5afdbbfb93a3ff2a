"""The whole page: a masthead, one tab per class, and the named endpoints; and such a page for every further model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from layered.studio.api import Api
from layered.studio.components import Masthead
from layered.studio.explore import Explore
from layered.studio.handlers import Handlers, slug
from layered.studio.model_page import ModelTab
from layered.studio.noise_lab import NoiseTab
from layered.studio.schedule_lab import ScheduleTab
from layered.studio.settings import MODEL_QUEUE, StudioSettings
from layered.studio.sweep import Sweep
from layered.studio.worker import Worker

TABS = (  # name, and the class that fills the tab: called with the handlers and the settings
    ("Explore", Explore),
    ("Sweep", Sweep),
    ("Noise", NoiseTab),
    ("Schedule", ScheduleTab),
    ("Model", ModelTab),
)


def build_studio(pipelines: Any, settings: StudioSettings | None = None, worker: Worker | None = None) -> gr.Blocks:
    """The page over a pipeline: anything with ``scales``, ``stream(prompt, config)``, ``unknown_words(prompt)``,
    ``near_words(word)`` and ``usual``.

    Of several pipelines the first has the page at ``/``, and every further one a page of its own at ``/model-<name>``, with
    controls, examples and endpoints that fit it; the mastheads lead from one to the other. They share one queue, one worker and
    what is kept for downloads. ValueError for two of one name.
    ``worker``: the thread that the pipelines were loaded in, which makes it faster, see ``Worker``.
    Launch it with ``launch_options()``. ``blocks.layered_handlers`` gives the tests the store.
    """
    settings, worker = settings or StudioSettings(), worker or Worker()
    all_handlers: list[Handlers] = []
    for pipeline in pipelines if isinstance(pipelines, (list, tuple)) else [pipelines]:
        all_handlers.append(Handlers(pipeline, settings, worker, all_handlers[0] if all_handlers else None))
    if len({slug(handlers.model) for handlers in all_handlers}) < len(all_handlers):
        raise ValueError("Two checkpoints of this page have one name: rename the folder of one.")
    first, *further = all_handlers

    def forget(request: gr.Request) -> None:
        for store in (first.store, first.sweeps):
            store.drop_session(request.session_hash)

    with gr.Blocks(title=settings.title, fill_width=True, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        _fill(first, all_handlers, settings)
        page.unload(forget)
    for handlers in further:
        with page.route(handlers.model, address(handlers)):
            _fill(handlers, all_handlers, settings)
    page.queue(max_size=settings.queue_size, default_concurrency_limit=1, api_open=False)
    page.layered_handlers = first
    return page


def address(handlers: Handlers) -> str:
    """Where a model's page is, relative to the first page."""
    return f"model-{handlers.slug}" if handlers.slug else ""


def _fill(handlers: Handlers, all_handlers: Sequence[Handlers], settings: StudioSettings) -> None:
    """One model's page, inside the current Blocks."""
    several = len(all_handlers) > 1
    line = model_line(handlers.pipeline, "" if several else handlers.model, handlers.distilled)
    value: dict[str, Any] = {"title": settings.title, "model": line}
    if several:
        links = [{"name": one.model, "href": f"./{address(one)}", "here": one is handlers} for one in all_handlers]
        value["models"] = links
    Masthead(value, elem_id="masthead")
    tabs: dict[str, Any] = {}
    with gr.Tabs(elem_id="tabs"):
        for name, fill in TABS:
            with gr.Tab(name, id=name.lower(), elem_id=f"tab-{name.lower()}"):
                tabs[name] = fill(handlers, settings)
    tabs["Sweep"].follow(tabs["Explore"])  # what no axis varies is as it is set there
    tabs["Schedule"].follow(tabs["Explore"])  # takes its shifts there
    Api(handlers, MODEL_QUEUE)


def model_line(pipeline: Any, name: str, distilled: bool = False) -> str:
    """«vista-512 · 18.6 M parameters · 128 / 256 / 512 px · distilled into 4 steps · CPU», as far as the pipeline knows it."""
    parts = [name] if name else []
    if count := getattr(pipeline, "parameters", None):
        parts.append(f"{count / 1e6:.1f} M parameters")
    parts.append(" / ".join(map(str, pipeline.scales)) + " px")
    if distilled:
        steps = pipeline.usual.steps
        parts.append(f"distilled into {steps} step{'s' * (steps > 1)}")
    return " · ".join([*parts, str(getattr(pipeline, "device", "cpu")).upper()])
