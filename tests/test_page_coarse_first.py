"""The order coarse-first on the page: the coarse pictures first, then the finer ones in their place, to the same end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fake_pipeline import FakePipeline, serve
from page_helpers import PROMPT, choose, draw, pixels, ready, state, until, viewer

from layered.trajectory import Trajectory


class Halting(FakePipeline):
    """Waits before the step of this number, counted over both parts, until it may go on."""

    at, go = -1, True

    def stream(self, prompt, config=None):
        for count, step in enumerate(super().stream(prompt, config)):
            assert count != self.at or self.wait(lambda: self.go)
            yield step


@pytest.fixture
def halting() -> Iterator[tuple[str, Halting]]:
    pipeline = Halting(pause=0.05)
    with serve(pipeline) as (url, _):
        yield url, pipeline


def status(page: Any) -> str:
    return page.locator(".viewer .status").inner_text()


def test_the_coarse_pictures_are_finished_first_and_the_others_grow_on_them(halting, open_page):
    url, pipeline = halting
    page = open_page(url + "?steps=6&seed=3&order=coarse-first")
    ready(page)
    page.locator("#prompt textarea").fill(PROMPT)
    pipeline.at, pipeline.go = 6, False
    page.locator("#run").click()
    until(page, "step", "5")
    assert state(page, "whole") == "0" and state(page, "state") == "running"
    assert "128 first: step 6 / 6" in status(page)
    assert pixels(page, 128) == pixels(page, 512) == (128, 128)
    assert "not yet" in page.locator(".panel[data-scale='512'] figcaption").inner_text()
    finished = page.locator(".panel[data-scale='128'] img.picture").get_attribute("src")
    page.locator("[data-view=z]").click()  # a state that is not there yet is not shown
    until(page, "shows", "z")
    assert page.locator(".panel[data-scale='512'] img.picture").get_attribute("src") is None
    page.locator("[data-view=x0]").click()
    pipeline.go = True
    until(page, "state", "done")
    assert state(page, "whole") == "6" and pixels(page, 512) == (512, 512)
    assert page.locator(".panel[data-scale='128'] img.picture").get_attribute("src") == finished
    page.locator("[data-view=z]").click()
    page.wait_for_function("() => document.querySelector(\".panel[data-scale='512'] img.picture\").naturalWidth === 512")


def test_while_they_grow_the_finished_pictures_stay_on_show(halting, open_page):
    url, pipeline = halting
    page = open_page(url + "?steps=6&seed=3&order=coarse-first")
    ready(page)
    page.locator("#prompt textarea").fill(PROMPT)
    pipeline.at, pipeline.go = 6 + 4, False
    page.locator("#run").click()
    page.wait_for_function(
        "() => document.querySelector('.viewer .status').textContent.includes('growing 256 and 512, step 4 / 6')"
    )
    assert status(page).startswith("128 finished · growing 256 and 512, step 4 / 6 · ")
    shows = page.locator(".panel[data-scale='128'] img.picture")
    finished = shows.get_attribute("src")
    viewer(page).focus()
    page.keyboard.press("ArrowLeft")  # whoever looks back sees that step as it was
    until(page, "step", "2")
    assert shows.get_attribute("src") != finished
    page.locator(".live").click()
    until(page, "step", "3")
    assert shows.get_attribute("src") == finished
    page.locator("#stop").click()
    until(page, "state", "stopped")
    pipeline.go = True
    with page.expect_download() as download:
        page.locator("#get-png").click()
    assert download.value.suggested_filename == "layered-128-seed3-step6.png"  # the picture that is finished
    page.locator("#take-more").click()
    with page.expect_download() as download:
        page.locator("#get-trajectory").click()
    run = Trajectory.load(download.value.path())
    assert run.scales == (32, 64, 128) and len(run.steps) == 6 and len(run.shifts) == 3


def test_the_control_reaches_the_run_and_top_down_is_refused(studio, server):
    page = studio("?steps=3&states=top-down&seed=2")
    choose(page, "order", "coarse first")
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator("#run").click()
    page.get_by_text("cannot be drawn first with states top-down").wait_for()
    page = studio("?steps=3&seed=2")
    draw(page)
    whole = page.locator(".panel[data-scale='512'] img.picture").get_attribute("src")
    choose(page, "order", "coarse first")
    draw(page)
    until(page, "whole", "3")
    config = server[1].asked[-1][1]
    assert config.order == "coarse-first" and "order=coarse-first" in page.evaluate("() => window.layeredViewer.run().query")
    assert page.locator(".panel[data-scale='512'] img.picture").get_attribute("src") == whole
