"""The whole page: a masthead, one tab per class, and the named endpoints."""

from __future__ import annotations

from typing import Any

import gradio as gr

from layered.studio.api import Api
from layered.studio.components import Masthead
from layered.studio.explore import Explore
from layered.studio.handlers import Handlers
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


def build_studio(pipeline: Any, settings: StudioSettings | None = None, worker: Worker | None = None) -> gr.Blocks:
    """The page over a pipeline: anything with ``scales``, ``stream(prompt, config)``, ``unknown_words(prompt)`` and ``meta``.

    ``worker``: the thread that the pipeline was loaded in, which makes it faster, see ``Worker``.
    Launch it with ``launch_options()``. ``blocks.layered_handlers`` gives the tests the store.
    """
    settings = settings or StudioSettings()
    handlers = Handlers(pipeline, settings, worker or Worker())

    def forget(request: gr.Request) -> None:
        for store in (handlers.store, handlers.sweeps):
            store.drop_session(request.session_hash)

    with gr.Blocks(title=settings.title, fill_width=True, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        Masthead({"title": settings.title, "model": model_line(pipeline, handlers.model)}, elem_id="masthead")
        tabs: dict[str, Any] = {}
        with gr.Tabs(elem_id="tabs"):
            for name, fill in TABS:
                with gr.Tab(name, id=name.lower(), elem_id=f"tab-{name.lower()}"):
                    tabs[name] = fill(handlers, settings)
        tabs["Sweep"].follow(tabs["Explore"])  # what no axis varies is as it is set there
        tabs["Schedule"].follow(tabs["Explore"])  # takes its shifts there
        Api(handlers, MODEL_QUEUE)
        page.unload(forget)
    page.queue(max_size=settings.queue_size, default_concurrency_limit=1, api_open=False)
    page.layered_handlers = handlers
    return page


def model_line(pipeline: Any, name: str) -> str:
    """«vista-512 · 18.6 M parameters · cpu», as far as the pipeline knows it."""
    parts = [name]
    if count := getattr(pipeline, "parameters", None):
        parts.append(f"{count / 1e6:.1f} M parameters")
    parts.append(" / ".join(map(str, pipeline.scales)) + " px")
    return " · ".join([*parts, str(getattr(pipeline, "device", "cpu")).upper()])
