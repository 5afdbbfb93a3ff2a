"""Layered diffusion: one pixel-space model that denoises a picture at several resolutions at once (arXiv 2407.06079)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layered.config import SampleConfig
    from layered.pipeline import LayeredPipeline
    from layered.schedule import Schedule
    from layered.trajectory import Trajectory

__version__ = "0.1.0"
__all__ = ["LayeredPipeline", "SampleConfig", "Schedule", "Trajectory", "__version__"]

_HOMES = {
    "LayeredPipeline": "layered.pipeline",
    "SampleConfig": "layered.config",
    "Schedule": "layered.schedule",
    "Trajectory": "layered.trajectory",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: ``import layered`` alone loads neither torch nor transformers."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
