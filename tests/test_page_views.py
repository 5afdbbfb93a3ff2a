"""What the panels can show besides predictions, and runs beside each other: differences, loupe, comparison, history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from page_helpers import draw, no_requests, pixels, state, until, viewer

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_scale_that_sleeps_shows_the_one_below(studio):
    page = studio("?steps=6&seed=3")
    draw(page)
    viewer(page).focus()
    page.keyboard.press("Home")
    until(page, "step", "0")
    sources = [page.locator(f".panel[data-scale='{size}'] img.picture").get_attribute("src") for size in (32, 128, 512)]
    assert len(set(sources)) == 1 and pixels(page, 512) == (32, 32)
    assert "asleep" in page.locator(".panel[data-scale='512'] figcaption").inner_text()
    page.keyboard.press("End")
    until(page, "step", "5")
    assert pixels(page, 512) == (512, 512)
    assert "asleep" not in page.locator(".panel[data-scale='512'] figcaption").inner_text()


def canvas_mean(page: Page, size: int) -> list[float]:
    """Mean and spread of the levels of a panel's difference picture."""
    return page.evaluate(
        """size => { const c = document.querySelector(`.panel[data-scale='${size}'] canvas`);
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((_, i) => i % 4 !== 3);
        const mean = d.reduce((a, b) => a + b) / d.length;
        return [mean, Math.sqrt(d.reduce((a, b) => a + (b - mean) ** 2, 0) / d.length)]; }""",
        size,
    )


def test_differences_are_worked_out_in_the_page(studio):
    page = studio("?steps=6&seed=3")
    draw(page)
    with no_requests(page):
        page.locator("[data-view=added]").click()
        until(page, "drawn", "added5")
        assert page.locator(".panel[data-scale='512'] canvas").is_visible()
        mean, spread = canvas_mean(page, 512)
        assert 100 < mean < 156 and spread > 3
        viewer(page).focus()
        page.keyboard.press("Home")
        until(page, "drawn", "added0")
        mean, spread = canvas_mean(page, 512)  # it sleeps: nothing is added
        assert abs(mean - 128) < 1 and spread < 2
        page.locator("[data-view=change]").click()
        page.keyboard.press("ArrowRight")
        until(page, "drawn", "change1")
        assert canvas_mean(page, 128)[1] > 1
        page.locator("[data-view=x0]").click()
        assert not page.locator(".panel[data-scale='512'] canvas").is_visible()


def test_the_loupe_enlarges_the_same_spot_everywhere(studio):
    page = studio("?steps=3&seed=3")
    draw(page)
    page.locator(".loupe").check()
    page.locator(".panel[data-scale='256'] .frame").hover(position={"x": 30, "y": 60})
    until(page, "loupe", "true")
    look = "e => [getComputedStyle(e).transform, getComputedStyle(e).transformOrigin]"
    looks = [page.locator(f".panel[data-scale='{size}'] img.picture").evaluate(look) for size in (128, 256, 512)]
    assert looks[0] == looks[1] == looks[2] and looks[0][0] == "matrix(4, 0, 0, 4, 0, 0)"
    assert [round(float(v[:-2])) for v in looks[0][1].split()] == pytest.approx([30, 60], abs=2)
    page.locator("#prompt").hover()
    until(page, "loupe", "false")
    assert page.locator(".panel[data-scale='256'] img.picture").evaluate(look)[0] == "none"


def test_two_runs_are_compared(studio):
    page = studio("?steps=4&seed=3")
    draw(page)
    page.locator(".pin").click()
    until(page, "pinned", "true")
    assert state(page, "compare") == "false"
    page.locator("#guidance input[type=number]").fill("2")
    page.locator("#guidance input[type=number]").press("Tab")
    page.locator("#seed input").fill("8")
    page.locator("#seed input").press("Tab")
    draw(page)
    until(page, "compare", "true")
    assert page.locator(".differs").inner_text() == "guidance 3 → 2 · seed 3 → 8"
    a, b = (page.locator(f".panel[data-scale='512'] {which}") for which in ("img.pinned", "img.picture"))
    assert a.get_attribute("src") != b.get_attribute("src") and a.is_visible()
    assert page.locator(".pinned-curve").count() == 3
    with no_requests(page):
        page.locator(".split").evaluate("e => { e.value = 20; e.dispatchEvent(new Event('input')); }")
        assert "80%" in a.evaluate("e => getComputedStyle(e).clipPath")
        page.locator(".versus").click()
        until(page, "drawn", "versus3")
        assert canvas_mean(page, 512)[1] > 3
        page.locator(".unpin").click()
        until(page, "compare", "false")
        until(page, "view", "x0")
    assert not a.is_visible() and not page.locator(".versus").is_visible()


def test_an_earlier_run_comes_back_with_its_settings(studio):
    page = studio("?steps=3&seed=3")
    draw(page)
    first = page.locator(".panel[data-scale='512'] img.picture").get_attribute("src")
    assert page.locator(".past").count() == 0
    page.locator("#steps input[type=number]").fill("5")
    page.locator("#steps input[type=number]").press("Tab")
    page.locator("#seed input").fill("9")
    page.locator("#seed input").press("Tab")
    draw(page)
    until(page, "runs", "2")
    page.locator(".past").nth(1).click()
    until(page, "steps", "3")
    assert page.locator(".panel[data-scale='512'] img.picture").get_attribute("src") == first
    page.wait_for_function("() => document.querySelector('#seed input').value === '3'")
    assert page.locator("#steps input[type=number]").input_value() == "3"
    with page.expect_download() as download:
        page.locator("#get-png").click()
    assert "seed3" in download.value.suggested_filename
    draw(page)  # a run after that: the other one is still there
    until(page, "runs", "3")


def test_surprise_fills_in_a_prompt_and_runs_it(studio, server):
    page = studio("?steps=2")
    page.locator("#surprise").click()
    until(page, "state", "done")
    prompt = page.locator("#prompt textarea").input_value()
    assert prompt and server[1].asked[-1][0] == prompt
