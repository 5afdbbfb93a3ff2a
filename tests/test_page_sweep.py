"""The sweep's tab in a real browser: what the axes take, drawing and stopping, looking, opening a cell, files, looks."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest
from fake_pipeline import SCALES, FakePipeline, serve
from page_helpers import PROMPT, no_requests, ready, until
from test_page_controls import CONTRAST, WIDTHS

from layered.config import SampleConfig
from layered.studio.exports import read_png_settings
from layered.studio.settings import EXAMPLES

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

LINK = f"?prompt={PROMPT.replace(' ', '+')}&seed=7&steps=2"


def sheet(page: Page) -> Locator:
    return page.locator("[data-testid=sweep]")


def waits(page: Page, name: str, value: str) -> None:
    page.wait_for_function(
        "([name, value]) => document.querySelector('[data-testid=sweep]')?.dataset[name] === value", arg=[name, value]
    )


def says(page: Page, words: str) -> None:
    """Waits until the plan says it."""
    page.wait_for_function(
        "words => document.querySelector('.sweep-plan')?.innerText.replace(/\\s+/g, ' ').includes(words)", arg=words
    )


def vary(page: Page, which: str, what: str, numbers: str | None = None) -> None:
    page.locator(f"#sweep-{which}-setting input").click()
    page.get_by_role("option", name=what, exact=True).click()
    page.get_by_role("option").first.wait_for(state="detached")  # the list has closed: the other axis has one of the same names
    if numbers is not None:
        page.locator(f"#sweep-{which}-numbers").locator("input, textarea").fill(numbers)


def draw(page: Page) -> None:
    page.locator("#sweep-run").click()
    waits(page, "state", "done")


@pytest.fixture
def sweep(studio):
    """``sweep("?steps=2", **context)`` opens the tab, its plan made."""

    def open_(query: str = LINK, **context: Any) -> Page:
        page = studio(query, **context)
        page.get_by_role("tab", name="Sweep", exact=True).click()
        page.wait_for_function("() => document.querySelector('.sweep-plan')?.dataset.ok")
        return page

    return open_


# ------------------------------------------------------------------ drawing


def test_a_grid_is_drawn_cell_by_cell_with_the_rest_as_in_explore(sweep, server):
    page = sweep(LINK + "&noise=independent")
    says(page, PROMPT)
    vary(page, "columns", "Guidance", "1..5 step 2")
    vary(page, "rows", "Shift of all scales, added", "0, 1")
    says(page, "3 × 2 = 6 pictures at 128 px, 12 steps")
    assert "independent" in page.locator(".sweep-plan .base").inner_text()
    assert page.locator(".sheet .cell").count() == 6  # the empty grid stands there before
    before = len(server[1].asked)
    draw(page)
    assert sheet(page).get_attribute("data-made") == "6"
    asked = server[1].asked[before:]
    assert [config.guidance for _, config in asked] == [1, 3, 5] * 2
    shifts = (1.0, -0.39, -1.77)
    expected = SampleConfig(steps=2, seed=7, noise="independent", guidance=5.0, shifts=shifts, scales=SCALES[:3])
    assert asked[-1] == (PROMPT, expected) and asked[2][1].shifts is None
    heads = page.locator(".sheet th").all_inner_texts()
    assert heads == ["Shift of all scales, added", "Guidance", "1", "3", "5", "0", "+1"]
    sizes = page.locator(".sheet .cell img").evaluate_all(
        "async images => Promise.all(images.map(async i => { await i.decode(); return i.naturalWidth; }))"
    )
    assert sizes == [128] * 6
    says(page, "by the runs so far")


def test_an_axis_of_names_of_prompts_and_one_row_alone(sweep, server):
    page = sweep()
    vary(page, "rows", "Nothing: one row")
    vary(page, "columns", "Solver")
    says(page, "3 pictures at 128 px")
    page.locator("#sweep-columns-names label", has_text="ddpm").click()
    says(page, "2 pictures at 128 px")
    vary(page, "rows", "Prompt")
    page.locator("#sweep-rows-prompts textarea").fill("a boat <b>x</b> ${1}\n\na cabin")
    says(page, "2 × 2 = 4 pictures")
    page.locator("#sweep-size label", has_text="64").click()
    says(page, "at 64 px")
    before = len(server[1].asked)
    draw(page)
    assert [(prompt, config.solver) for prompt, config in server[1].asked[before:]] == [
        (prompt, solver) for prompt in ("a boat <b>x</b> ${1}", "a cabin") for solver in ("ddim", "dpm++")
    ]
    assert page.locator(".sheet tbody th").first.inner_text() == "a boat <b>x</b> ${1}"
    assert page.locator(".sheet b").count() == 0


def test_without_a_prompt_the_first_example_is_drawn_and_said(sweep, server):
    page = sweep("?steps=1")
    says(page, EXAMPLES[0][1])
    says(page, "Explore has none yet")
    vary(page, "columns", "Seed", "5")
    vary(page, "rows", "Nothing: one row")
    says(page, "1 picture at 128 px")
    draw(page)
    assert server[1].asked[-1] == (EXAMPLES[0][1], SampleConfig(steps=1, seed=5, scales=SCALES[:3]))


def test_what_cannot_be_drawn_is_said_at_once_and_refused(sweep, server):
    page = sweep()
    vary(page, "columns", "Steps", "5, ten")
    says(page, "«ten» is not a number")
    assert page.locator(".sweep-plan").get_attribute("data-ok") == "false"
    before = len(server[1].asked)
    page.locator("#sweep-run").click()
    page.locator(".toast-body", has_text="«ten» is not a number").wait_for()
    waits(page, "state", "idle")
    assert len(server[1].asked) == before
    vary(page, "columns", "Steps", "1, 2")
    says(page, "2 × 3 = 6 pictures")
    draw(page)


def test_stop_keeps_what_is_done_and_drawing_goes_on_after(sweep, server, monkeypatch):
    page = sweep()
    vary(page, "columns", "Seed", "1..6")
    vary(page, "rows", "Nothing: one row")
    says(page, "6 pictures")
    monkeypatch.setattr(server[1], "pause", 0.4)
    page.locator("#sweep-run").click()
    page.wait_for_function("() => Number(document.querySelector('[data-testid=sweep]').dataset.made) >= 2")
    closed = server[1].closed
    page.keyboard.press("Escape")
    waits(page, "state", "stopped")
    assert server[1].wait(lambda: server[1].closed > closed)
    monkeypatch.setattr(server[1], "pause", 0.0)
    name = sheet(page).get_attribute("data-sweep")
    made = len(server[2].sweeps.get(name).results)
    waits(page, "made", str(made))  # the page has all that the server finished
    assert 2 <= made < 6 and page.locator(".cell[data-state=done]").count() == made
    assert page.locator(".cell[data-state=live]").count() == 0 and "stopped" in page.locator(".sweep .status").inner_text()
    with page.expect_download() as download:
        page.locator("#get-sweep-table").click()
    with open(download.value.path(), encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == made * 3
    page.locator("#sweep-run").click()  # pressed while gradio may still be cancelling
    waits(page, "made", "6")
    waits(page, "state", "done")
    assert sheet(page).get_attribute("data-sweep") != name


def test_two_visitors_wait_in_the_same_queue(sweep, server, monkeypatch):
    first, second = sweep(), sweep(LINK + "&steps=1")
    for page in (first, second):
        vary(page, "rows", "Nothing: one row")
    says(first, "4 pictures at 128 px, 8 steps")
    says(second, "4 pictures at 128 px, 4 steps")
    monkeypatch.setattr(server[1], "pause", 0.5)
    before = len(server[1].asked)
    first.locator("#sweep-run").click()
    first.wait_for_function("() => Number(document.querySelector('[data-testid=sweep]').dataset.made) >= 1")
    second.locator("#sweep-run").click()
    waits(second, "state", "waiting")
    monkeypatch.setattr(server[1], "pause", 0.0)
    waits(first, "state", "done")
    waits(second, "state", "done")
    assert [config.steps for _, config in server[1].asked[before:]] == [2] * 4 + [1] * 4


# ------------------------------------------------------------------ looking


def test_looking_moves_with_the_keys_and_needs_no_server(sweep):
    page = sweep()
    draw(page)
    with no_requests(page):
        page.locator(".cell[data-cell='0']").focus()
        waits(page, "looked", "0")
        for key, at in (
            ("ArrowRight", "1"),
            ("ArrowDown", "5"),
            ("End", "7"),
            ("ArrowRight", "7"),
            ("Home", "4"),
            ("ArrowUp", "0"),
        ):
            page.keyboard.press(key)
            waits(page, "looked", at)
        page.locator(".cell[data-cell='6']").hover()
        waits(page, "looked", "6")
        assert page.locator(".inspect .where").inner_text().split() == "Guidance 3 Shift of all scales, added 0".split()
        facts = page.locator(".inspect .facts").inner_text()
        assert "seed 7" in facts and "2 steps" in facts and all(str(size) in facts for size in (32, 64, 128))
        assert page.locator(".cell[tabindex='0']").count() == 1
        for mark, unit in (("seconds", " s"), ("agreement", " dB"), ("detail", ""), ("difference", "")):
            page.locator(f".marks [data-mark={mark}]").click()
            texts = page.locator(".cell .mark").all_inner_texts()
            assert len(texts) == 12 and all(text.endswith(unit) and float(text.removesuffix(unit)) >= 0 for text in texts)
        assert texts[0] == "0.000" and float(texts[-1]) > 0
        widths = page.locator(".cell .meter").evaluate_all("bars => bars.map((bar) => parseFloat(bar.style.width))")
        assert min(widths) == 0 and max(widths) == 100


def test_a_cell_opens_in_explore_with_its_prompt_and_settings(sweep, server):
    page = sweep(LINK + "&solver=dpm%2B%2B")
    vary(page, "rows", "Prompt")
    says(page, "4 × 3 = 12")
    draw(page)
    page.locator(".cell[data-cell='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.wait_for_function("text => document.querySelector('#prompt textarea').value === text", arg=EXAMPLES[1][1])
    page.wait_for_function("() => document.activeElement.id === 'run'")
    assert page.locator("#guidance input[type=number]").input_value() == "1.5"
    assert page.locator("#random-seed input").is_checked() is False
    page.keyboard.press("Enter")
    until(page, "state", "done")
    assert server[1].asked[-1] == (EXAMPLES[1][1], SampleConfig(steps=2, seed=7, solver="dpm++", guidance=1.5))
    page.get_by_role("tab", name="Sweep", exact=True).click()  # the sweep is still there
    assert sheet(page).get_attribute("data-made") == "12"
    says(page, "Seed 7")


def test_a_finger_looks_first_and_opens_then(sweep):
    page = sweep(viewport={"width": 390, "height": 844}, has_touch=True)
    draw(page)
    page.locator(".cell[data-cell='5']").tap()
    waits(page, "looked", "5")
    assert page.locator("#sweep-run").is_visible()
    page.locator(".cell[data-cell='5']").tap()
    page.wait_for_function("() => document.activeElement.id === 'run'")


# ------------------------------------------------------------------ taking it home


def test_the_picture_carries_its_settings(sweep):
    page = sweep()
    page.locator("#get-sweep-picture").click()
    page.get_by_text("draw a sweep first").first.wait_for()
    draw(page)
    with page.expect_download() as download:
        page.locator("#get-sweep-picture").click()
    assert download.value.suggested_filename == "sweep-128px.png"
    settings = read_png_settings(download.value.path())
    assert settings["prompt"] == PROMPT and settings["sweep"]["columns"]["values"] == [1, 1.5, 3, 6]


def test_a_closed_tab_is_forgotten(open_page):
    with serve(FakePipeline(pause=0.0)) as (url, handlers):
        page = open_page(url + LINK)
        ready(page)
        page.get_by_role("tab", name="Sweep", exact=True).click()
        page.wait_for_function("() => document.querySelector('.sweep-plan')?.dataset.ok")
        draw(page)
        store = handlers.sweeps
        assert len(store) == 1
        page.close()
        assert handlers.pipeline.wait(lambda: len(store) == 0)


# ------------------------------------------------------------------ looks


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_in_both_themes(sweep, theme):
    page = sweep(color_scheme=theme, viewport={"width": 1440, "height": 900})
    draw(page)
    page.locator(".marks [data-mark=detail]").click()
    page.mouse.move(0, 0)
    page.wait_for_function(f"() => ({CONTRAST})().length === 0") if not page.evaluate(CONTRAST) else None
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size[0]))
def test_every_width_fits(sweep, size):
    page = sweep(viewport={"width": size[0], "height": size[1]})
    vary(page, "columns", "Seed", "1..12")
    says(page, "12 × 3 = 36 pictures")
    draw(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]


def test_everything_has_a_name(sweep):
    page = sweep()
    draw(page)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('#sweep-tab :is(button, input, textarea, select, [role=group], img)')]
        .filter((node) => node.checkVisibility())
        .filter((node) => !(node.ariaLabel || node.title || node.alt || node.innerText?.trim() || node.labels?.length))
        .map((node) => node.outerHTML.slice(0, 90))"""
    )
    assert not unnamed
