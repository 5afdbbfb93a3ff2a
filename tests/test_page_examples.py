"""Examples drawn before, in a real browser: a click shows them at once, as long as the controls say what drew them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_pipeline import FakePipeline, serve
from page_helpers import draw, no_requests, pixels, ready, state, until, viewer

from layered.studio.examples import EXAMPLE_RUN, draw_examples, slug
from layered.studio.handlers import Handlers
from layered.studio.settings import EXAMPLES, StudioSettings
from layered.studio.worker import Worker

FIRST = EXAMPLE_RUN + slug(EXAMPLES[0][0])  # the run of the first example


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Iterator[tuple[str, FakePipeline]]:
    """The page with two examples, of which the first was drawn before."""
    folder = tmp_path_factory.mktemp("examples")
    pipeline = FakePipeline(pause=0.0)
    pipeline.digest = "abc"
    one = StudioSettings(examples=EXAMPLES[:1], drawn_before=str(folder))
    draw_examples(Handlers(pipeline, one, Worker()), folder, [11], cores=2)
    with serve(pipeline, StudioSettings(examples=EXAMPLES[:2], drawn_before=str(folder))) as (url, _):
        yield url, pipeline


@pytest.fixture
def open_studio(drawn: Any, open_page: Callable[..., Any]) -> Callable[..., Any]:
    def open_(query: str = "") -> Any:
        page = open_page(drawn[0] + query)
        ready(page)
        return page

    return open_


def chip(page: Any, number: int) -> None:
    page.locator("#examples button").nth(number).click()


def test_an_example_is_there_at_once_and_whole(open_studio, drawn):
    page, before = open_studio(), len(drawn[1].asked)
    chip(page, 0)
    until(page, "run", FIRST)
    until(page, "state", "done")
    assert state(page, "steps") == state(page, "whole") == "25" and pixels(page, 512) == (512, 512)
    assert "drawn before, on 2 cores" in page.locator(".viewer .status").inner_text()
    assert page.locator("#prompt textarea").input_value() == EXAMPLES[0][1]
    page.wait_for_function("() => document.querySelector('#seed input').value === '11'")
    assert page.locator("#random-seed input").is_checked()
    assert page.evaluate("() => window.layeredViewer.run().python").startswith("# Draws this picture again")
    with no_requests(page):
        viewer(page).focus()
        page.keyboard.press("Home")
        until(page, "step", "0")
        page.locator("[data-view=added]").click()
        until(page, "drawn", "added0")
    assert len(drawn[1].asked) == before
    page.locator("#get-png").click()
    page.get_by_text("press Run, then take it home").first.wait_for()
    page.locator("[data-view=x0]").click()
    draw(page, EXAMPLES[0][1])  # Run draws anew
    until(page, "runs", "2")
    assert len(drawn[1].asked) == before + 1 and state(page, "run") != FIRST
    assert "drawn before" not in page.locator(".viewer .status").inner_text()
    chip(page, 0)  # again: the same run, not a second one
    until(page, "run", FIRST)
    assert state(page, "runs") == "2"


def test_other_settings_or_no_file_draw_it(open_studio, drawn):
    page = open_studio("?steps=3")
    for number in (0, 1):
        before = len(drawn[1].asked)
        chip(page, number)
        assert drawn[1].wait(lambda before=before: len(drawn[1].asked) == before + 1)
        until(page, "state", "done")
        assert drawn[1].asked[-1][0] == EXAMPLES[number][1] and drawn[1].asked[-1][1].steps == 3
        assert not state(page, "run").startswith("example-")


def test_an_example_takes_over_from_a_run(open_studio, drawn):
    page = open_studio()
    drawn[1].pause = 0.2
    page.locator("#prompt textarea").fill("a red balloon")
    page.locator("#run").click()
    until(page, "state", "running")
    chip(page, 0)
    until(page, "run", FIRST)
    until(page, "state", "done")
    assert drawn[1].wait(lambda: drawn[1].closed == len(drawn[1].asked))
    drawn[1].pause = 0.0
    page.evaluate("() => new Promise((done) => setTimeout(done, 400))")
    assert state(page, "run") == FIRST and state(page, "state") == "done"
    draw(page)
    until(page, "runs", "3")
