"""Stop during the first step of a run or a sweep, over HTTP: the work ends, and is not left to the garbage collector."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

SESSION = "a-visitor"


@pytest.fixture
def halted(server: Any, monkeypatch: Any) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Two events: no run gets its first step before one is set, and the other is set when a run has ended or was closed."""
    go_on, ended, steps = threading.Event(), threading.Event(), server[1]._steps

    def waiting(*given: Any) -> Iterator[Any]:
        try:
            go_on.wait(120)
            yield from steps(*given)
        finally:
            ended.set()

    monkeypatch.setattr(server[1], "_steps", waiting)
    yield go_on, ended
    go_on.set()


def request_of(url: str, button: str) -> dict[str, Any]:
    """What the page sends when a button is pressed, with every control as it is at first."""
    config = httpx.get(f"{url}config", timeout=60).json()
    props = {one["id"]: one["props"] for one in config["components"]}
    pressed = next(id for id, of in props.items() if of.get("elem_id") == button)
    event = next(one for one in config["dependencies"] if [pressed, "click"] in one["targets"])
    data = ["a red balloon" if props[id].get("elem_id") == "prompt" else props[id].get("value") for id in event["inputs"]]
    return {"data": data, "fn_index": event["id"], "session_hash": SESSION}


@pytest.mark.parametrize("button", ["run", "sweep-run"])
def test_stop_during_the_first_step_ends_the_work(server, halted, button):
    (url, pipeline, _), (go_on, ended) = server, halted
    asked, request = len(pipeline.asked), request_of(url, button)
    joined = httpx.post(f"{url}gradio_api/queue/join", json=request, timeout=60).json()
    assert pipeline.wait(lambda: len(pipeline.asked) > asked)
    gc.disable()  # what is left lying would be closed in its own time
    try:
        with ThreadPoolExecutor(1) as visitor:
            stop = {"session_hash": SESSION, "fn_index": request["fn_index"], "event_id": joined["event_id"]}
            stopped = visitor.submit(httpx.post, f"{url}gradio_api/cancel", json=stop, timeout=60)
            time.sleep(1.0)  # it is answered at once, or when the step is drawn
            go_on.set()
            assert stopped.result().is_success
        assert ended.wait(20)
    finally:
        gc.enable()
