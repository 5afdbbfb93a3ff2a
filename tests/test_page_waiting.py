"""Stop while a run or a sweep still waits, in a real browser: nothing is drawn for nobody, and nothing begins afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from page_helpers import PROMPT, draw, state, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

STEPS = 5  # of a run, or of each picture of a sweep
PLACES = {
    "viewer": ("Explore", "#run", "#stop", "layeredViewer"),
    "sweep": ("Sweep", "#sweep-run", "#sweep-stop", "layeredSweep"),
}


def is_(page: Page, place: str, name: str) -> None:
    page.wait_for_function(
        "([place, name]) => document.querySelector(`[data-testid=${place}]`).dataset.state === name", arg=[place, name]
    )


@pytest.fixture(params=PLACES)
def waiting(request: Any, studio: Any, server: Any) -> Iterator[tuple[Page, str, Any]]:
    """A page whose Run, or Draw, has not yet been answered by the queue; ``go()`` lets it be answered."""
    place = request.param
    tab, run, _, _ = PLACES[place]
    page, asked = studio(f"?steps={STEPS}&seed=1&prompt={PROMPT.replace(' ', '+')}"), []
    page.get_by_role("tab", name=tab, exact=True).click()
    if place == "sweep":
        page.wait_for_function("() => document.querySelector('.sweep-plan')?.dataset.ok === 'true'")
    page.route(re.compile("/queue/join"), lambda route: asked.append(route))
    page.locator(run).click()
    is_(page, place, "waiting")
    while not asked:
        page.wait_for_timeout(50)

    def go() -> None:
        asked[0].continue_()
        page.unroute(re.compile("/queue/join"))

    yield page, place, go


def test_stop_is_held_until_there_is_something_to_cancel(waiting, server, monkeypatch):
    page, place, go = waiting
    monkeypatch.setattr(server[1], "pause", 1.0)
    page.locator(PLACES[place][2]).click()
    is_(page, place, "idle")
    before = server[1].made
    with page.expect_response(lambda response: response.url.endswith("/cancel") and response.ok):
        go()
    page.wait_for_timeout(5000)
    assert server[1].made - before < STEPS and page.locator(f"[data-testid={place}]").get_attribute("data-state") == "idle"
    monkeypatch.setattr(server[1], "pause", 0.0)
    page.locator(PLACES[place][1]).click()  # and the page is free again
    is_(page, place, "done")


def test_a_value_that_was_on_its_way_begins_nothing(waiting, server):
    page, place, go = waiting
    page.evaluate(f"() => window.{PLACES[place][3]}.stop()")  # the page has stopped, the server has not heard of it
    before = server[1].made
    with page.expect_response(lambda response: "/queue/join" in response.url):
        go()
    assert server[1].wait(lambda: server[1].made >= before + STEPS)
    page.wait_for_timeout(1000)
    assert page.locator(f"[data-testid={place}]").get_attribute("data-state") == "idle"


def test_home_and_end_are_the_viewers_where_it_has_the_focus_alone(studio):
    page = studio("?steps=4&seed=1", viewport={"width": 900, "height": 500})
    draw(page)
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("End")
    page.wait_for_function("() => window.scrollY > 0")
    page.keyboard.press("Home")
    page.wait_for_function("() => window.scrollY === 0")
    assert state(page, "step") == "3"
    page.locator("[data-testid=viewer]").focus()
    page.keyboard.press("Home")
    until(page, "step", "0")
