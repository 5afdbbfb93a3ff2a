"""A GPU that is lent for one run at a time (ZeroGPU Spaces): steps are made in a process of its own and come back as copies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layered.config import SampleConfig
from layered.sampler import Step

SECONDS_A_STEP = 0.15  # asked for, generously: a guided step to 512 pixels, and its way between the processes
SECONDS_BESIDES = 10.0  # for the loan itself and the first step


class LentGPU:
    """A pipeline whose ``stream`` borrows the GPU for each run; in all else it is the pipeline itself.

    The lender forks a process per run: what that keeps in memory is lost with it, and what it yields is pickled. So only the
    model runs there, and a step comes out as plain dictionaries of arrays.
    """

    def __init__(self, pipeline: Any, gpu: Callable[..., Any]) -> None:
        """gpu: ``spaces.GPU``, or what works like it."""
        self._pipeline = pipeline

        @gpu(duration=seconds_of)
        def borrowed(prompt: str, config: SampleConfig) -> Iterator[dict[str, Any]]:
            torch.set_num_threads(1)  # OpenMP's threads are not there after a fork: a second one would be waited for without end
            for step in pipeline.stream(prompt, config):
                yield packed(step)

        self._borrowed = borrowed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def stream(self, prompt: str, config: SampleConfig | None = None) -> Iterator[Step]:
        """As the pipeline's: a prompt or settings that do not fit are refused before a GPU is asked for."""
        config = config or self._pipeline.usual
        self._pipeline.stream(prompt, config).close()
        return (unpacked(step) for step in self._borrowed(prompt, config))

    def near_words(self, word: str) -> list[str]:
        """None: the text encoder computes on a lent GPU only, and none is asked for while somebody types."""
        return []


def seconds_of(_prompt: str, config: SampleConfig) -> float:
    """How long the GPU is asked for."""
    return SECONDS_BESIDES + SECONDS_A_STEP * config.steps


def packed(step: Step) -> dict[str, Any]:
    """A step as what pickle takes whole: its fields, its mappings as dictionaries, its tensors as arrays.

    (Tensors would go by shared memory that ends with their process.)
    """

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        return value.cpu().numpy() if isinstance(value, Tensor) else value

    return {field.name: plain(getattr(step, field.name)) for field in dataclasses.fields(step)}


def unpacked(fields: Mapping[str, Any]) -> Step:
    """The step that ``packed`` took apart."""

    def whole(value: Any) -> Any:
        if isinstance(value, dict):
            return MappingProxyType({key: whole(item) for key, item in value.items()})
        return torch.from_numpy(value) if isinstance(value, np.ndarray) else value

    return Step(**{name: whole(value) for name, value in fields.items()})
