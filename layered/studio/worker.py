"""The one thread that everything heavy runs in, one piece of work after the other."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Generator, Hashable, Iterator
from concurrent.futures import CancelledError, Future
from contextvars import copy_context
from queue import SimpleQueue
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
        # Not an executor: its submit takes a lock, and a stream may be closed by the garbage collector within that very submit.
        self._work: SimpleQueue[tuple[Future, Callable[[], Any]] | None] = SimpleQueue()
        thread = threading.Thread(target=_work_off, args=(self._work,), name="layered", daemon=True)
        thread.start()
        weakref.finalize(self, _end, self._work, thread)  # at the interpreter's end too
        self._aside: dict[Hashable, Future] = {}  # by who asked
        self._lock = threading.Lock()

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """What ``function(*args, **kwargs)`` returns or raises, run in its turn: a stream has one item at most before it."""
        return self._submit(copy_context().run, function, *args, **kwargs).result()

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
            mine = self._aside[who] = self._submit(copy_context().run, function, *args)
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
        waiting = self._submit(run, next, items, END)
        try:
            while (item := waiting.result()) is not END:
                waiting = self._submit(run, next, items, END)
                yield item
        finally:
            waiting.cancel()
            self._submit(items.close)

    def _submit(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> Future[T]:
        """Puts a call in line. Takes no lock that its own thread may hold already."""
        future: Future[T] = Future()
        self._work.put((future, lambda: function(*args, **kwargs)))
        return future


def _work_off(work: SimpleQueue[tuple[Future, Callable[[], Any]] | None]) -> None:
    """Makes what is in line, one after the other, until it finds None."""
    while (piece := work.get()) is not None:
        future, make = piece
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(make())
            except BaseException as error:  # whoever waits gets it
                future.set_exception(error)
        del piece, future, make  # nothing is held while the next is waited for


def _end(work: SimpleQueue[tuple[Future, Callable[[], Any]] | None], thread: threading.Thread) -> None:
    """Lets the thread finish what is in line. Nobody waits for it but the interpreter, which would tear PyTorch down under it."""
    work.put(None)
    if threading.current_thread() is not thread and not threading.main_thread().is_alive():
        thread.join(5)
