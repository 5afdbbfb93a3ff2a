"""Experiments of one click in a real browser: A, then B with one thing changed, and what ends them; A and B in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from page_helpers import PROMPT, draw, state, until, viewer

if TYPE_CHECKING:
    from playwright.sync_api import Page

OVER = """() => { const d = document.querySelector('.viewer').dataset;
  return d.compare === 'true' && d.state === 'done' && d.trial === ''; }"""


def start(page: Page, name: str) -> None:
    page.locator(".try").click()
    page.locator(f"[data-experiment={name}]").click()


def cells(page: Page) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in page.locator(".figures tbody tr").all()]


def test_a_click_draws_a_and_b_and_compares_them(studio, server):
    page = studio("?steps=4&solver=ddim")
    page.locator("#prompt textarea").fill(PROMPT)
    before = len(server[1].asked)
    start(page, "schedule")
    page.wait_for_function(OVER)
    (first, a), (second, b) = server[1].asked[before:]
    assert first == second == PROMPT and a.seed == b.seed and (a.steps, a.solver) == (b.steps, b.solver) == (4, "ddim")
    assert (a.preset, b.preset) == ("paper", "aligned")
    assert page.locator(".differs").inner_text().startswith("preset paper → aligned")
    assert "ρ between 128 and 256 is 0.71 in A" in page.locator(".look").inner_text()
    assert page.locator(".pinned-curve").count() == 3 and page.locator(".versus").is_visible()
    assert page.locator("#preset label.selected").inner_text().strip() == "aligned"  # the controls are B's
    assert page.locator("#seed input").input_value() == str(b.seed) and not page.locator("#random-seed input").is_checked()
    table = cells(page)
    assert [len(row) for row in table] == [6, 6, 6] and all(" dB" in text for row in table for text in row[:2])
    final = page.evaluate("() => window.layeredViewer.run().frames.at(-1).measures.detail['512']")
    assert table[2][3] == f"{final:.3f}" and "A took" in page.locator(".figures caption").inner_text()
    page.locator(".coarse").check()
    assert len(cells(page)) == 5
    page.locator(".unpin").click()
    until(page, "compare", "false")
    assert not page.locator(".outcome").is_visible()


def test_two_prompts_share_the_noise(studio, server):
    page = studio("?steps=3")
    before = len(server[1].asked)
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator(".try").click()
    page.locator("[data-experiment=prompts]").click()  # without words there is nothing to compare
    page.get_by_label("The second prompt").fill("a <b>blue</b> boat at night")
    page.keyboard.press("Enter")
    page.wait_for_function(OVER)
    (first, a), (second, b) = server[1].asked[before:]
    assert (first, second) == (PROMPT, "a <b>blue</b> boat at night") and a == b
    assert "<b>blue</b>" in page.locator(".differs").inner_text()
    assert page.locator("#prompt textarea").input_value() == second


def test_stop_ends_the_whole_experiment(studio, server, monkeypatch):
    monkeypatch.setattr(server[1], "pause", 0.3)  # so that A is not over before it is stopped
    page = studio("?steps=100")
    page.locator("#prompt textarea").fill(PROMPT)
    before = len(server[1].asked)
    start(page, "noise")
    until(page, "state", "running")
    assert state(page, "trial") == "a" and "run A · step" in page.locator(".viewer .status").inner_text()
    page.locator("#stop").click()
    until(page, "trial", "")
    until(page, "state", "stopped")
    assert server[1].wait(lambda: server[1].closed == len(server[1].asked))
    page.locator("#steps input[type=number]").fill("2")
    page.locator("#steps input[type=number]").press("Tab")
    draw(page)  # an ordinary run after it: nothing follows by itself
    page.evaluate("() => new Promise((done) => setTimeout(done, 600))")
    assert len(server[1].asked) == before + 2 and state(page, "pinned") == "false" and state(page, "trial") == ""


def test_an_experiment_takes_over_from_a_run(studio, server):
    page = studio("?steps=100")
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator("#run").click()
    until(page, "state", "running")
    page.locator("#steps input[type=number]").fill("3")
    page.locator("#steps input[type=number]").press("Tab")
    start(page, "guidance")
    page.wait_for_function(OVER)
    assert [config.guidance for _, config in server[1].asked[-2:]] == [1.0, 3.0]
    assert {config.steps for _, config in server[1].asked[-2:]} == {3}


def test_a_run_that_is_refused_ends_it_with_a_sentence(studio):
    page = studio("?steps=3")
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator("#random-seed input").uncheck()
    page.locator("#seed input").fill("")
    page.locator("#seed input").press("Tab")
    start(page, "noise")
    page.get_by_text("Seed is empty").first.wait_for()
    until(page, "trial", "")
    assert state(page, "pinned") == "false"


def test_the_menu_is_closed_by_escape_and_reached_by_keyboard(studio):
    page = studio("?steps=2")
    page.locator(".try").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.dataset.experiment") == "noise"
    page.keyboard.press("Escape")
    assert page.locator(".try").get_attribute("aria-expanded") == "false" and not page.locator("#trials").is_visible()
    assert page.evaluate("() => document.activeElement.className") == "try"
    assert viewer(page).get_attribute("data-trial") in (None, "")
