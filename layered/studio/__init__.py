"""The Gradio page: layout, handlers, exports. The only place that imports gradio."""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from layered.studio.page import build_studio
from layered.studio.settings import StudioSettings
from layered.studio.theme import launch_options
from layered.studio.worker import Worker
from layered.studio.zerogpu import LentGPU

__all__ = ["LentGPU", "StudioSettings", "Worker", "build_studio", "launch_options"]
