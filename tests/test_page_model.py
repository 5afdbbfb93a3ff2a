"""The Model tab in a real browser: the drawing explains itself, words are found and reach the prompt, nothing leaves the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from fake_pipeline import FakePipeline, serve
from page_helpers import no_requests, ready

pytestmark = pytest.mark.usefixtures("counted")

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def open_model(page: Page) -> Locator:
    """The tab, once the server has told what it shows."""
    page.get_by_role("tab", name="Model", exact=True).click()
    page.wait_for_selector("[data-testid=network]:not([data-ready=false])", state="attached")
    page.wait_for_selector("[data-testid=word-list][data-ready=true]")
    return page.locator("#model")


def part(page: Page, name: str) -> Locator:
    return page.locator(f"[data-part='{name}']")


def shown(page: Page) -> str | None:
    return page.get_by_test_id("about").get_attribute("data-shown")


def words(page: Page) -> Locator:
    return page.get_by_test_id("word-list").locator("button.word").locator("visible=true")


@pytest.fixture(scope="module")
def bare():
    """A page over a pipeline that shows no network, knows no words and has no card."""
    pipeline = FakePipeline(pause=0.0)
    del pipeline.model, pipeline.vocabulary, pipeline.card
    with serve(pipeline) as (url, _):
        yield url


def test_the_drawing_explains_itself(studio) -> None:
    page = studio()
    model = open_model(page)
    assert model.locator(".network h2").inner_text() == "Layered U-Net of 32 / 64 / 128 / 256 / 512 px"
    about = page.get_by_test_id("about")
    with no_requests(page):
        part(page, "256 isolated").hover()
        assert shown(page) == "256 isolated" and "level 128" in about.inner_text()
        part(page, "trunk").click()
        assert shown(page) == "trunk" and "64 tokens" in about.inner_text()
        page.keyboard.press("ArrowUp")
        assert shown(page) == "32 skip"
        page.keyboard.press("ArrowRight")
        assert shown(page) == "32 fuse" and "16 channels" in about.inner_text()
        assert page.evaluate("() => document.activeElement.dataset.part") == "32 fuse"
        assert page.locator("svg [data-part][tabindex='0']").count() == 1
    assert page.locator("[data-part$=isolated]").count() == 4  # all levels but the base


def test_a_finger_and_a_narrow_page(studio) -> None:
    page = studio(viewport={"width": 390, "height": 844}, has_touch=True)
    open_model(page)
    part(page, "512 input").tap()
    about = page.get_by_test_id("about")
    assert shown(page) == "512 input" and "6 channels" in about.inner_text()
    box = about.bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 844  # what was tapped is explained in sight
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    boxes = page.locator("svg .part rect").evaluate_all(
        "nodes => nodes.map((n) => n.getBoundingClientRect()).map((r) => [r.left, r.right])"
    )
    assert min(left for left, _ in boxes) >= 0 and max(right for _, right in boxes) <= 390


def test_the_drawing_follows_the_width_and_keeps_what_is_shown(studio) -> None:
    page = studio(viewport={"width": 1440, "height": 900})
    open_model(page)
    part(page, "64 down").click()
    wide = part(page, "64 down").bounding_box()["x"]
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("() => document.querySelector('.plan > svg').viewBox.baseVal.width < 390")
    assert part(page, "64 down").bounding_box()["x"] < wide and shown(page) == "64 down"
    assert page.evaluate("() => document.activeElement.dataset.part") == "64 down"


def test_the_tables_say_what_the_levels_cost(studio) -> None:
    page = studio()
    open_model(page)
    tables = page.get_by_test_id("costs").locator("table")
    assert tables.count() == 3
    cells = tables.nth(0).locator("tbody tr").last.locator("th, td").all_inner_texts()
    assert cells[0] == "all" and cells[-1] == "100.0%"
    assert "2.79" in tables.nth(2).inner_text()


def test_words_are_found_and_reach_the_prompt(studio, server) -> None:
    page = studio()
    open_model(page)
    every = words(page).count()
    with no_requests(page):
        page.get_by_label("Find a word").fill("zeppelin")
        assert words(page).all_inner_texts() == ["zeppelin"]
        assert "No caption has these words" in page.get_by_test_id("word-list").inner_text()
        page.get_by_label("Find a word").fill("xyzzy")
        assert words(page).count() == 0
        page.get_by_label("Find a word").fill("balloon")
        assert 0 < words(page).count() < every
    words(page).get_by_text("hot air balloon", exact=True).click()
    page.get_by_label("Find a word").fill("at sunset")
    words(page).get_by_text("at sunset", exact=True).click()
    page.get_by_role("tab", name="Explore", exact=True).click()
    assert page.locator("#prompt textarea").input_value() == "hot air balloon at sunset"
    page.locator("#run").click()
    page.wait_for_function("() => document.querySelector('[data-testid=viewer]').dataset.state === 'done'")
    assert server[1].asked[-1][0] == "hot air balloon at sunset"


def test_words_are_one_stop_for_the_keyboard(studio) -> None:
    page = studio()
    open_model(page)
    page.get_by_label("Find a word").focus()
    page.keyboard.press("Tab")
    now = "() => document.activeElement.textContent"
    first, second = words(page).nth(0).inner_text(), words(page).nth(1).inner_text()
    assert page.evaluate(now) == first
    page.keyboard.press("ArrowRight")
    assert page.evaluate(now) == second
    page.keyboard.press("End")
    assert page.evaluate(now) == words(page).last.inner_text()
    page.keyboard.press("Tab")
    assert not page.evaluate("() => document.activeElement.classList.contains('word')")


def test_the_card_is_text_and_fetches_nothing(studio) -> None:
    page = studio()
    card = open_model(page).locator("#card-text")
    card.get_by_role("heading", name="fake-512").wait_for()
    assert "license" not in card.inner_text() and card.locator("img").count() == 0
    card.locator("table[tabindex='0']").wait_for()  # it is wide: the keyboard can scroll it
    assert card.get_by_role("link", name="a sample").count() == 1  # that no other host was asked is checked for every page


def test_a_pipeline_without_a_network(open_page: Callable[..., Page], bare: str) -> None:
    page = open_page(bare)
    ready(page)
    model = open_model(page)
    assert "nothing to draw" in model.inner_text() and not page.get_by_test_id("about").is_visible()
    assert "does not say which words" in model.inner_text() and words(page).count() == 0
    model.get_by_text("came without a card").wait_for()
