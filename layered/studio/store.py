"""What visitors can still download: in memory, bounded by count, bytes and age, behind names that cannot be guessed."""

from __future__ import annotations

import dataclasses
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from torch import Tensor

from layered.config import SampleConfig
from layered.trajectory import evened

if TYPE_CHECKING:
    from layered.sampler import Step

TOKEN_BYTES = 16


@dataclass
class Kept:
    """Something of one visitor's tab that is kept for downloads."""

    id: str
    session: str  # of the visitor's tab
    bytes: int = field(default=0, kw_only=True)
    touched: float = field(default=0.0, kw_only=True)
    files: dict[str, str] = field(default_factory=dict, kw_only=True)  # kind → path of an export already written


K = TypeVar("K", bound=Kept)


class Store(Generic[K]):
    """What is kept, growing or complete. Every method may be called from any thread.

    The least recently touched go when there are more than ``count``, or they take more than ``max_bytes``, or they were not
    touched for ``seconds``. The one touched last stays, so memory is bounded by ``max_bytes`` and one of them.
    """

    def __init__(self, count: int, max_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.count, self.max_bytes, self.seconds, self.clock = count, max_bytes, seconds, clock
        self._kept: OrderedDict[str, K] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def name() -> str:
        """A new unguessable name."""
        return secrets.token_urlsafe(TOKEN_BYTES)

    def put(self, kept: K) -> K:
        """Keep something new."""
        with self._lock:
            self._kept[kept.id] = kept
            self._touch(kept)
            self._trim()
        return kept

    def grow(self, kept: K, size: int, change: Callable[[], Any]) -> None:
        """Call ``change``, which adds ``size`` bytes to it. What was dropped meanwhile stays as it was."""
        with self._lock:
            if kept.id not in self._kept:
                return
            change()
            kept.bytes += size
            self._touch(kept)
            self._trim()

    def get(self, name: Any) -> K | None:
        """What has this name, or None when there is none (any more)."""
        with self._lock:
            self._trim()
            kept = self._kept.get(name) if isinstance(name, str) else None
            if kept is not None:
                self._touch(kept)
            return kept

    def drop_session(self, session: str | None) -> None:
        """Forget what a tab that was closed had."""
        with self._lock:
            for kept in [kept for kept in self._kept.values() if kept.session == session]:
                self._drop(kept)

    @property
    def bytes(self) -> int:
        """Memory that all of it takes."""
        with self._lock:
            return sum(kept.bytes for kept in self._kept.values())

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def _touch(self, kept: K) -> None:
        kept.touched = self.clock()
        self._kept.move_to_end(kept.id)

    def _trim(self) -> None:
        used = sum(kept.bytes for kept in self._kept.values())
        for kept in list(self._kept.values()):  # least recently touched first
            crowded = len(self._kept) > 1 and (len(self._kept) > self.count or used > self.max_bytes)
            if not crowded and self.clock() - kept.touched <= self.seconds:
                return
            used -= kept.bytes
            self._drop(kept)

    def _drop(self, kept: K) -> None:
        self._kept.pop(kept.id, None)
        for path in kept.files.values():
            try:
                os.remove(path)
            except OSError:
                continue  # already gone with the download cache
        kept.files.clear()


@dataclass
class Run(Kept):
    """One run of one visitor: what was asked, and its steps so far in half precision."""

    prompt: str
    config: SampleConfig  # with the seed that was used
    settings: dict[str, Any]  # the same for people, see ``links``
    drawn: list[Step] = field(default_factory=list)  # the newest of every index, so some may lack scales that are pending
    finished: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps for exports: with the scales that all of them hold."""
        return evened(self.drawn)


class RunStore(Store[Run]):
    """Finished, stopped and growing runs."""

    def open(self, session: str, prompt: str, config: SampleConfig, settings: dict[str, Any]) -> Run:
        """A new run under an unguessable name."""
        return self.put(Run(self.name(), session, prompt, config, settings))

    def add(self, run: Run, step: Step) -> None:
        """Keep a step, ``halved`` if it is not yet, in place of an earlier one of its index (order coarse-first).

        A run that was dropped meanwhile keeps nothing.
        """
        step = halved(step)
        again = step.index < len(run.drawn)

        def keep() -> None:
            if again:
                run.drawn[step.index] = step
                run.files.clear()  # they show the run as it was; gradio removes them in time
            else:
                run.drawn.append(step)

        self.grow(run, _size(step) - (_size(run.drawn[step.index]) if again else 0), keep)


def _size(step: Step) -> int:
    """Bytes of a step's pictures."""
    return sum(x.numel() * x.element_size() for scales in (step.z, step.x0) for x in scales.values())


def halved(step: Step) -> Step:
    """The step in half precision on the CPU, without the prediction before guidance: what a store keeps."""

    def half(scales: Mapping[int, Tensor]) -> dict[int, Tensor]:
        return {size: x.detach().to("cpu").half() for size, x in scales.items()}

    return dataclasses.replace(step, z=half(step.z), x0=half(step.x0), x0_plain=None)
