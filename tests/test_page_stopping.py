"""The page in a real browser: runs that are stopped, replaced or waited for, in one tab and in several."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from page_helpers import PROMPT, at_least, draw, pixels, state, until

from layered.trajectory import Trajectory

if TYPE_CHECKING:
    from playwright.sync_api import Route


@pytest.fixture
def slow(server, monkeypatch) -> None:
    """Runs of a hundred steps then take longer than any test."""
    monkeypatch.setattr(server[1], "pause", 1.0)


def test_stop_stops_and_keeps_what_was_drawn(studio, server, monkeypatch):
    _, pipeline, _ = server
    monkeypatch.setattr(pipeline, "pause", 0.15)  # at fifty steps a second a browser without a GPU has no time for a click
    page = studio("?steps=90")
    page.locator("#prompt textarea").fill(PROMPT)
    closed = pipeline.closed
    page.locator("#run").click()
    at_least(page, 2)
    with page.expect_response(lambda response: response.url.endswith("/cancel") and response.ok):
        page.locator("#stop").click()
    assert pipeline.wait(lambda: pipeline.closed > closed)
    made = pipeline.made
    until(page, "state", "stopped")
    kept = int(state(page, "steps"))
    assert 2 <= kept < 90 and pipeline.made == made
    assert pixels(page, 512)[0] >= 32
    assert "stopped" in page.locator(".viewer .status").inner_text()
    with page.expect_download() as download:
        page.locator("#take-more").click()
        page.locator("#get-trajectory").click()
    assert kept <= len(Trajectory.load(download.value.path()).steps) <= kept + 1
    page.locator("#steps input[type=number]").fill("2")
    draw(page)
    assert state(page, "steps") == "2"


def test_keys_run_and_stop(studio):
    page = studio("?steps=90")
    page.locator("#prompt textarea").fill(PROMPT)
    page.keyboard.press("Control+Enter")
    at_least(page, 1)
    page.keyboard.press("Escape")
    until(page, "state", "stopped")
    page.locator("#steps input[type=number]").fill("2")
    page.locator("#prompt textarea").focus()
    page.keyboard.press("Enter")
    until(page, "state", "done")
    assert state(page, "steps") == "2"


def test_run_while_running_starts_over(studio, server):
    page = studio("?steps=90")
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator("#run").dblclick()
    at_least(page, 2)
    first, asked = state(page, "run"), len(server[1].asked)
    page.locator("#steps input[type=number]").fill("3")
    page.locator("#prompt textarea").fill("a red balloon")
    page.wait_for_function("() => window.layeredViewer.run().seconds > 1")
    page.locator("#prompt textarea").press("Enter")
    page.wait_for_function("run => document.querySelector('.viewer').dataset.run !== run", arg=first)
    until(page, "state", "done")
    assert state(page, "steps") == "3"
    assert [prompt for prompt, _ in server[1].asked[asked - 1 :]] == [PROMPT, "a red balloon"]


def test_a_run_that_replaced_another_can_be_stopped(studio, slow):
    """Also where the server is far away, so that the first run is still being cancelled when its failure is told."""
    page = studio("?steps=90")

    def late(route: Route) -> None:
        time.sleep(0.5)
        route.continue_()

    page.route(re.compile("/reset$"), late)
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator("#run").click()
    page.wait_for_function("() => window.layeredViewer.run()?.seconds > 1")
    first = state(page, "run")
    page.locator("#run").click()
    page.wait_for_function("run => document.querySelector('.viewer').dataset.run !== run", arg=first)
    assert state(page, "state") == "running"
    with page.expect_response(lambda response: response.url.endswith("/cancel") and response.ok):
        page.locator("#stop").click()
    until(page, "state", "stopped")


def test_closed_tab_stops_the_work_and_frees_the_memory(studio, server):
    _, pipeline, handlers = server
    assert pipeline.wait(lambda: len(handlers.store) == 0)
    closed = pipeline.closed
    page = studio("?steps=90")
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator("#run").click()
    at_least(page, 2)
    assert len(handlers.store) == 1
    page.goto("about:blank")
    assert pipeline.wait(lambda: pipeline.closed > closed)
    assert pipeline.wait(lambda: len(handlers.store) == 0)
    page.errors.clear()  # gradio complains of the connection that leaving cut


def one_runs_one_waits(studio, steps):
    """The pages of two visitors: the first one's long run is going on, the second one's, of so many steps, waits for it."""
    first, second = studio("?steps=100"), studio(f"?steps={steps}")
    for page in (first, second):
        page.locator("#prompt textarea").fill(PROMPT)
    first.locator("#run").click()
    at_least(first, 1)
    second.locator("#run").click()
    second.get_by_text(re.compile(r"queue: 1/1")).wait_for()
    return first, second


def test_second_visitor_waits_and_is_told(studio, slow):
    first, second = one_runs_one_waits(studio, 2)
    assert state(second, "state") == "waiting" and state(second, "steps") == "0"
    first.locator("#stop").click()
    until(second, "state", "done")


def test_waiting_can_be_given_up(studio, slow):
    first, second = one_runs_one_waits(studio, 100)
    second.locator("#stop").click()
    until(second, "state", "idle")
    first.locator("#stop").click()
    until(first, "state", "stopped")
    second.locator("#steps input[type=number]").fill("2")
    draw(second)
    assert state(second, "steps") == "2"
