"""The runs that visitors can still download: in memory, bounded by count, bytes and age, behind names that cannot be guessed."""

from __future__ import annotations

import dataclasses
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from layered.config import SampleConfig
from layered.trajectory import evened

if TYPE_CHECKING:
    from layered.sampler import Step

TOKEN_BYTES = 16


@dataclass
class Run:
    """One run of one visitor: what was asked, and its steps so far in half precision."""

    id: str
    session: str  # of the visitor's tab
    prompt: str
    config: SampleConfig  # with the seed that was used
    settings: dict[str, Any]  # the same for people, see ``links``
    drawn: list[Step] = field(default_factory=list)  # the newest of every index, so some may lack scales that are pending
    finished: bool = False
    bytes: int = 0
    touched: float = 0.0
    files: dict[str, str] = field(default_factory=dict)  # kind → path of an export already written

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps for exports: with the scales that all of them hold."""
        return evened(self.drawn)


class RunStore:
    """Finished, stopped and growing runs. Every method may be called from any thread.

    The least recently touched runs go when there are more than ``count``, or their steps take more than ``max_bytes``, or they
    were not touched for ``seconds``. The run touched last stays, so memory is bounded by ``max_bytes`` and one run.
    """

    def __init__(self, count: int, max_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.count, self.max_bytes, self.seconds, self.clock = count, max_bytes, seconds, clock
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, session: str, prompt: str, config: SampleConfig, settings: dict[str, Any]) -> Run:
        """A new run under an unguessable name."""
        run = Run(secrets.token_urlsafe(TOKEN_BYTES), session, prompt, config, settings, touched=self.clock())
        with self._lock:
            self._runs[run.id] = run
            self._trim()
        return run

    def add(self, run: Run, step: Step) -> None:
        """Keep a step, ``halved`` if it is not yet, in place of an earlier one of its index (order coarse-first).

        A run that was dropped meanwhile keeps nothing.
        """
        step = halved(step)
        with self._lock:
            if run.id not in self._runs:
                return
            if step.index < len(run.drawn):
                run.bytes -= _size(run.drawn[step.index])
                run.drawn[step.index] = step
                run.files.clear()  # they show the run as it was; gradio removes them in time
            else:
                run.drawn.append(step)
            run.bytes += _size(step)
            self._touch(run)
            self._trim()

    def get(self, run_id: Any) -> Run | None:
        """The run of this name, or None when there is none (any more)."""
        with self._lock:
            self._trim()
            run = self._runs.get(run_id) if isinstance(run_id, str) else None
            if run is not None:
                self._touch(run)
            return run

    def drop_session(self, session: str | None) -> None:
        """Forget the runs of a tab that was closed."""
        with self._lock:
            for run in [run for run in self._runs.values() if run.session == session]:
                self._drop(run)

    @property
    def bytes(self) -> int:
        """Memory that the kept steps take."""
        with self._lock:
            return sum(run.bytes for run in self._runs.values())

    def __len__(self) -> int:
        with self._lock:
            return len(self._runs)

    def _touch(self, run: Run) -> None:
        run.touched = self.clock()
        self._runs.move_to_end(run.id)

    def _trim(self) -> None:
        used = sum(run.bytes for run in self._runs.values())
        for run in list(self._runs.values()):  # least recently touched first
            crowded = len(self._runs) > 1 and (len(self._runs) > self.count or used > self.max_bytes)
            if not crowded and self.clock() - run.touched <= self.seconds:
                return
            used -= run.bytes
            self._drop(run)

    def _drop(self, run: Run) -> None:
        self._runs.pop(run.id, None)
        for path in run.files.values():
            try:
                os.remove(path)
            except OSError:
                continue  # already gone with the download cache
        run.files.clear()


def _size(step: Step) -> int:
    """Bytes of a step's pictures."""
    return sum(x.numel() * x.element_size() for scales in (step.z, step.x0) for x in scales.values())


def halved(step: Step) -> Step:
    """The step in half precision on the CPU, without the prediction before guidance: what a store keeps."""

    def half(scales: Mapping[int, Tensor]) -> dict[int, Tensor]:
        return {size: x.detach().to("cpu").half() for size, x in scales.items()}

    return dataclasses.replace(step, z=half(step.z), x0=half(step.x0), x0_plain=None)
