"""The one thread that everything heavy runs in, one piece of work after the other."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Hashable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")
END = object()
ASIDE_AT_ONCE = 12  # pieces of work beside the runs that may wait, over all visitors


class Busy(ValueError):
    """Too much waits already; the message is a sentence for people."""


class Superseded(Exception):
    """Whoever asked has asked for something newer, so this is not needed any more."""


class Worker:
    """Runs the model and all other work on large tensors, for all visitors, in one thread of its own.

    Gradio calls its handlers in any of many threads. Each that enters PyTorch would get its own team of OpenMP threads, and
    from the second team on they share the cores badly: on two cores the same run then takes 1.25 to 1.35 times as long, for
    good. So the checkpoint is to be loaded here too.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="layered")
        self._aside: dict[Hashable, Future] = {}  # by who asked
        self._lock = threading.Lock()

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """What ``function(*args, **kwargs)`` returns or raises, run in its turn: a stream has one item at most before it."""
        return self._thread.submit(copy_context().run, function, *args, **kwargs).result()

    def aside(self, who: Hashable, function: Callable[..., T], *args: Any) -> T:
        """As ``call``, for what pages ask beside their runs, which no queue of Gradio's bounds.

        Of what one asker wants only the newest is made: Superseded for an older piece of work that still waits. Busy when
        ``ASIDE_AT_ONCE`` askers wait already.
        """
        with self._lock:
            older = self._aside.get(who)
            if older is None and len(self._aside) >= ASIDE_AT_ONCE:
                raise Busy("Many visitors ask for pictures at once, more than this page can make: try again in a moment.")
            if older is not None:
                older.cancel()
            mine = self._aside[who] = self._thread.submit(copy_context().run, function, *args)
        try:
            return mine.result()
        except CancelledError:
            raise Superseded from None
        finally:
            with self._lock:
                if self._aside.get(who) is mine:
                    del self._aside[who]

    def stream(self, items: Generator[T, None, None]) -> Iterator[T]:
        """The items of a generator, each made while the one before is on its way.

        Closing it closes the generator before any later work, and waits for nothing: Gradio closes in its event loop.
        """
        run = copy_context().run  # with the visitor's request, by which a GPU is lent
        waiting = self._thread.submit(run, next, items, END)
        try:
            while (item := waiting.result()) is not END:
                waiting = self._thread.submit(run, next, items, END)
                yield item
        finally:
            waiting.cancel()
            with contextlib.suppress(RuntimeError):  # the interpreter is ending
                self._thread.submit(items.close)
