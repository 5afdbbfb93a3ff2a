"""The one thread that the page's heavy work runs in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from layered.studio.worker import ASIDE_AT_ONCE, Busy, Superseded, Worker


def test_everything_runs_in_one_thread_that_is_not_the_callers() -> None:
    worker = Worker()

    def threads() -> Iterator[int]:
        for _ in range(3):
            yield threading.get_ident()

    seen = {worker.call(threading.get_ident), *worker.stream(threads())}
    assert len(seen) == 1 and threading.get_ident() not in seen


def test_a_stream_is_one_item_ahead_and_no_more() -> None:
    made = []

    def count() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    worker = Worker()
    items = worker.stream(count())
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    worker.call(lambda: None)  # whatever was begun is finished
    assert made == [0, 1, 2, 3]
    assert list(items) == list(range(3, 100))


def test_closing_a_stream_closes_its_generator_before_anything_else_is_done() -> None:
    events = []

    def count() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            events.append("closed")

    worker = Worker()
    items = worker.stream(count())
    next(items)
    items.close()
    assert worker.call(lambda: list(events)) == ["closed"]


def test_closing_a_stream_does_not_wait() -> None:
    going, go_on, released = threading.Event(), threading.Event(), []

    def count() -> Iterator[int]:
        yield 1
        going.set()
        released.append(go_on.wait(30))
        yield 2

    worker = Worker()
    items = worker.stream(count())
    next(items)
    assert going.wait(60)
    items.close()  # waiting for the second item here, it would never be released
    go_on.set()
    assert worker.call(lambda: list(released)) == [True]


def test_a_stream_may_be_closed_by_the_garbage_collector_while_work_is_put_in_line(monkeypatch) -> None:
    """It runs wherever something is allocated; were a lock held there, that thread would wait for itself for ever."""
    worker, closed = Worker(), []

    def count() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(threading.get_ident())

    dropped = worker.stream(count())
    next(dropped)
    holding = [dropped]
    del dropped
    make = Future.__init__

    def collecting(self) -> None:  # every executor and every queue of work makes a future
        make(self)
        if holding:
            holding.clear()

    monkeypatch.setattr(Future, "__init__", collecting)
    done = threading.Thread(target=worker.call, args=(int,), daemon=True)
    done.start()
    done.join(30)
    assert not done.is_alive() and closed == [worker.call(threading.get_ident)]


def test_the_thread_ends_with_its_worker() -> None:
    worker = Worker()
    thread = worker.call(threading.current_thread)
    assert thread.is_alive()
    del worker
    thread.join(30)
    assert not thread.is_alive()


def test_mistakes_reach_whoever_asked() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    worker = Worker()
    items = worker.stream(fails())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no"):
        next(items)
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 / 0)


def test_work_of_others_gets_its_turn_between_two_items() -> None:
    worker, order = Worker(), []

    def count() -> Iterator[int]:
        for number in range(3):
            order.append(number)
            yield number

    items = worker.stream(count())
    next(items)
    worker.call(order.append, "other")
    list(items)
    assert order.index("other") < order.index(2)


def test_beside_the_runs_a_few_wait_and_an_askers_newest_counts() -> None:
    worker, go_on = Worker(), threading.Event()
    held = worker.stream(iter_of(lambda: go_on.wait(30)))
    with ThreadPoolExecutor(ASIDE_AT_ONCE + 2) as callers:
        running = callers.submit(next, held)
        older = callers.submit(worker.aside, "one", int, 1)
        waiting(worker, 1)
        newer = callers.submit(worker.aside, "one", int, 2)
        with pytest.raises(Superseded):
            older.result(60)
        others = [callers.submit(worker.aside, number, int, number) for number in range(ASIDE_AT_ONCE - 1)]
        waiting(worker, ASIDE_AT_ONCE)
        with pytest.raises(Busy, match="try again in a moment"):
            worker.aside("another", int, 3)
        go_on.set()
        assert running.result(60) and newer.result(60) == 2
        assert [other.result(60) for other in others] == list(range(ASIDE_AT_ONCE - 1))
    assert worker.aside("another", int, 3) == 3 and not worker._aside


def iter_of(work) -> Iterator[bool]:
    yield work()


def waiting(worker: Worker, count: int) -> None:
    """Until so many wait beside the runs."""
    while len(worker._aside) < count:
        threading.Event().wait(0.01)
