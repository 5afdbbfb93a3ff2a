"""The page in a real browser: runs, replay, prompts. Nothing waits for a moment that passes."""

from __future__ import annotations

import itertools
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from fake_pipeline import SCALES, serve
from page_helpers import PROMPT, at_least, draw, no_requests, pixels, ready, state, until, viewer

from layered.config import SampleConfig
from layered.studio.settings import EXAMPLES

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "vista-512"


# ------------------------------------------------------------------ a run


def test_three_scales_form_step_by_step(studio, server):
    page = studio("?steps=12")
    page.evaluate(
        """() => { window.blank = 0; window.seen = 0;
        const look = () => { if (Number(document.querySelector('[data-testid=viewer]').dataset.steps) > 0) {
          window.seen++; for (const i of document.querySelectorAll('.panel img.picture'))
            if (i.closest('.panel').dataset.coarse === 'false' && !(i.complete && i.naturalWidth)) window.blank++; }
          requestAnimationFrame(look); }; look(); }"""
    )
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator("#run").click()
    at_least(page, 3)
    until(page, "state", "done")
    assert state(page, "steps") == "12" and state(page, "step") == "11"
    assert [pixels(page, size) for size in (128, 256, 512)] == [(128, 128), (256, 256), (512, 512)]
    assert page.evaluate("() => window.seen") > 3 and page.evaluate("() => window.blank") == 0  # nothing flickers
    said = page.locator(".viewer .status").inner_text()
    seed = int(re.fullmatch(r"step 12 / 12 · [\d.]+ s · seed (\d+)", said).group(1))
    assert page.locator("#seed input").input_value() == str(seed)
    assert server[1].asked[-1] == (PROMPT, SampleConfig(steps=12, seed=seed))
    caption = page.locator(".panel[data-scale='512'] figcaption").inner_text()
    assert "512" in caption and "λ" in caption and "Δ" in caption and "dB" in caption
    boxes = [page.locator(f".panel[data-scale='{size}'] .frame").bounding_box() for size in (128, 256, 512)]
    assert max(box["width"] for box in boxes) - min(box["width"] for box in boxes) < 1


def test_steps_replay_without_the_server(studio):
    page = studio("?steps=6&seed=3")
    draw(page)
    scrub = page.locator(".scrub")
    last = page.locator(".panel[data-scale='512'] img.picture").get_attribute("src")
    with no_requests(page):
        scrub.focus()
        scrub.press("Home")
        until(page, "step", "0")
        assert page.locator(".panel[data-scale='512'] img.picture").get_attribute("src") != last
        assert "step 1 / 6" in page.locator(".viewer .status").inner_text()
        left = float(page.locator(".curves .cursor").get_attribute("x1"))
        viewer(page).focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        until(page, "step", "2")
        assert float(page.locator(".curves .cursor").get_attribute("x1")) == pytest.approx(left + 400)
        page.keyboard.press("ArrowLeft")
        until(page, "step", "1")
        page.keyboard.press(" ")
        until(page, "playing", "true")
        until(page, "step", "5")
        until(page, "playing", "false")
        assert page.locator(".panel[data-scale='512'] img.picture").get_attribute("src") == last
        page.locator(".curves svg").click(position={"x": 2, "y": 40})
        until(page, "step", "0")
        page.locator(".live").click()
        until(page, "step", "5")
        for name in ("logsnr", "agreement", "detail", "change"):
            page.locator(f"[data-measure={name}]").nth(-1).click()
            until(page, "measure", name)
            assert page.locator(".curves polyline").count() == 3
            assert page.locator(".curves polyline").first.get_attribute("points").count(",") >= 5 - (name == "agreement")


@pytest.fixture
def thinned(server, monkeypatch):
    """``thinned(frames)``: of a run's steps the page hears the first and the last, and fetches the others from ``frames``."""
    handlers = server[2]
    run = handlers.run

    def ends_only(*given):
        return ((value, of) for value, of in run(*given) if value["frame"]["step"] in (0, value["total"] - 1))

    def thin(frames) -> None:
        monkeypatch.setattr(handlers, "run", ends_only)
        monkeypatch.setattr(handlers, "frames", frames)

    return thin


def test_missing_steps_are_asked_for_again_while_the_server_is_busy(studio, server, thinned):
    frames, asked = server[2].frames, []

    def busy(wanted):
        asked.append(wanted["steps"])
        return [] if len(asked) in (1, 3) else frames(wanted | {"steps": wanted["steps"][:2]})

    thinned(busy)
    page = studio("?steps=6&seed=1")
    draw(page)
    assert state(page, "steps") == "6"
    assert asked == [[1, 2, 3, 4], [1, 2, 3, 4], [3, 4], [3, 4]]


def test_steps_that_never_come_are_not_asked_for_without_end(studio, thinned):
    asked = []
    thinned(lambda wanted: asked.append(time.monotonic()) or [])
    page = studio("?steps=6&seed=1")
    draw(page)
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert state(page, "steps") == "2" and 2 <= len(pauses) <= 5 and pauses[-1] > pauses[0]
    page.wait_for_timeout(3000)
    assert len(asked) == len(pauses) + 1


def test_noisy_states_are_fetched_once_when_looked_at(studio):
    page = studio("?steps=4&seed=3")
    draw(page)
    clean = page.locator(".panel[data-scale='256'] img.picture").get_attribute("src")
    page.get_by_role("button", name="Noisy state z").click()
    until(page, "shows", "z")
    page.wait_for_function("() => window.layeredViewer.run().frames.every((frame) => frame.z)")
    noisy = page.locator(".panel[data-scale='256'] img.picture").get_attribute("src")
    assert noisy != clean and pixels(page, 512) == (512, 512)
    with no_requests(page):
        viewer(page).focus()
        page.keyboard.press("Home")
        until(page, "step", "0")
        assert state(page, "shows") == "z" and page.locator(".panel[data-scale='256'] img.picture").get_attribute("src") != noisy
        page.get_by_role("button", name="Prediction").click()
        until(page, "shows", "x0")
    page.get_by_role("button", name="Noisy state z").click()
    draw(page)  # the next run is followed in the same view
    page.wait_for_function("() => window.layeredViewer.run().frames.every((frame) => frame.z)")
    until(page, "shows", "z")


def test_coarse_scales_true_pixels_and_one_panel_large(studio):
    page = studio("?steps=2", viewport={"width": 1440, "height": 900})
    draw(page)
    assert page.locator(".panel:visible").count() == 3
    page.get_by_label("show 32 and 64").check()
    assert page.locator(".panel:visible").count() == 5 and page.locator(".curves polyline").count() == 5
    assert pixels(page, 32) == (32, 32)
    page.get_by_role("button", name="True pixels").click()
    until(page, "size", "true")
    for size in SCALES:
        box = page.locator(f".panel[data-scale='{size}'] .frame").bounding_box()
        assert (box["width"], box["height"]) == (size, size)
    page.get_by_role("button", name="Equal size").click()
    page.get_by_label("show 32 and 64").uncheck()
    frame = page.locator(".panel[data-scale='256'] .frame")
    small = frame.bounding_box()["width"]
    frame.click()
    assert frame.get_attribute("aria-expanded") == "true" and frame.bounding_box()["width"] > 1.5 * small
    frame.click()
    assert frame.bounding_box()["width"] == pytest.approx(small)


# ------------------------------------------------------------------ the prompt


def test_unknown_words_are_named_as_text(studio):
    page = studio()
    page.locator("#prompt textarea").fill("a crimson balloon <b>bold</b> بالون")
    page.wait_for_function("() => document.querySelectorAll('.words i').length === 3")
    assert page.locator(".words i").all_inner_texts() == ["crimson", "<b>bold</b>", "بالون"]
    assert page.locator(".words b").count() == 0
    page.locator("#prompt textarea").fill("a red balloon")
    page.locator(".words").wait_for(state="hidden")


def test_a_known_word_takes_the_place_of_an_unknown_one(studio):
    page = studio()
    says = "text => document.querySelector('#prompt textarea').value === text"
    page.locator("#prompt textarea").fill("A crimson balloon over the Ocean")
    page.locator(".words button", has_text="red").click()
    page.wait_for_function(says, arg="A red balloon over the Ocean")
    page.wait_for_function("() => document.querySelectorAll('.words i').length === 1")
    page.locator(".words button").click()
    page.wait_for_function(says, arg="A red balloon over the sea")
    page.locator(".words").wait_for(state="hidden")


@pytest.mark.parametrize(
    "attack", ["<img src=x onerror=window.hit=1>", "${window.hit=1}", "{{{value}}}<script>window.hit=1</script>"]
)
def test_a_prompt_is_never_markup(studio, attack):
    page = studio(f"?steps=1&prompt={quote(attack)}")
    page.wait_for_function("text => document.querySelector('#prompt textarea').value === text", arg=attack)
    page.locator("#run").click()
    until(page, "state", "done")
    assert page.evaluate("() => window.hit") is None
    assert json.loads(page.evaluate("() => JSON.stringify(window.layeredViewer.run().settings)"))["prompt"] == attack


def told(page: Page, text: str) -> None:
    """Press Run once, right after whatever was before: the page says ``text``."""
    page.locator("#run").click()
    page.get_by_text(text).first.wait_for(timeout=30_000)


def test_mistakes_are_told_and_the_page_goes_on(studio):
    page = studio("?steps=2")
    told(page, "The prompt is empty")
    until(page, "state", "idle")
    page.locator("#prompt textarea").fill("x" * 10_000)
    told(page, "10,000 characters")
    page.locator("#prompt textarea").fill(PROMPT)
    page.locator("#seed input").fill("")
    page.locator("#random-seed input").uncheck()
    told(page, "Seed is empty")
    page.locator("#seed input").fill("99999999999")
    told(page, "expected a whole number from 0 to 4294967295")
    page.locator("#seed input").fill("4")
    page.locator("#guidance-from input[type=number]").fill("0.9")
    page.locator("#guidance-to input[type=number]").fill("0.1")
    told(page, "guidance interval: expected two times")
    page.locator("#guidance-from input[type=number]").fill("0")
    draw(page)
    assert state(page, "steps") == "2"


def test_examples_fill_the_prompt_and_run(studio, server):
    page = studio("?steps=2")
    assert page.locator(".chip-button").count() == len(EXAMPLES) + 1
    page.get_by_role("button", name=EXAMPLES[0][0]).click()
    until(page, "state", "done")
    assert page.locator("#prompt textarea").input_value() == EXAMPLES[0][1] == server[1].asked[-1][0]


# ------------------------------------------------------------------ the real thing


@pytest.mark.skipif(not CHECKPOINT.is_dir(), reason="checkpoints/vista-512 is not there")
def test_the_bundled_checkpoint_draws(open_page):
    from layered.pipeline import LayeredPipeline

    with serve(LayeredPipeline.from_pretrained(CHECKPOINT)) as (url, _):
        page = open_page(f"{url}?steps=4&seed=1")
        ready(page)
        page.get_by_role("button", name=EXAMPLES[0][0]).click()
        until(page, "state", "done")
        assert [pixels(page, size) for size in (128, 256, 512)] == [(128, 128), (256, 256), (512, 512)]
        agreement = page.evaluate("() => window.layeredViewer.run().frames.at(-1).measures.agreement['512']")
        assert agreement > 15  # dB: the scales show one picture
        colours = page.locator(".panel[data-scale='128'] img.picture").evaluate(
            """async (image) => { await image.decode(); const c = document.createElement('canvas'); c.width = c.height = 128;
            const g = c.getContext('2d'); g.drawImage(image, 0, 0); return new Set(g.getImageData(0, 0, 128, 128).data).size; }"""
        )
        assert colours > 50  # a picture, not one flat colour
