"""Two models on the page, in a real browser: links in the masthead lead from one to the other and keep the prompt."""

from __future__ import annotations

from fake_pipeline import FakePipeline, serve
from page_helpers import draw, ready
from test_models import FEW, student


def test_the_masthead_leads_to_the_other_model_and_keeps_the_prompt(open_page):
    first, second = FakePipeline(pause=0.0), student()
    with serve([first, second]) as (url, _):
        page = open_page(url)
        ready(page)
        links = page.locator(".masthead .models a")
        assert links.all_inner_texts() == ["fake-512", "Fake 128 (few)"]
        assert links.first.get_attribute("aria-current") == "page"
        assert not page.locator(".nav-holder").is_visible()  # gradio's own bar
        page.locator("#prompt textarea").fill("a red balloon")
        links.nth(1).click()
        page.wait_for_url("**/model-fake-128-few?prompt=a+red+balloon")
        ready(page)
        assert page.locator("#prompt textarea").input_value() == "a red balloon"
        assert page.locator("#steps input[type=number]").input_value() == "4"
        assert page.locator(".panel").count() == 3 and not page.locator("#shift-512").count()
        assert page.locator(".loupe-check").is_visible() and not page.locator(".coarse-check").is_visible()  # all are on show
        draw(page, "a white boat")
        prompt, config = second.asked[-1]
        assert prompt == "a white boat" and config.steps == FEW.steps and config.solver == FEW.solver
        assert not first.asked
        page.get_by_role("tab", name="Model", exact=True).click()
        page.locator("#network").wait_for()
        page.locator(".masthead .models a").first.click()
        page.wait_for_url("**/?prompt=a+white+boat")
        ready(page)
        assert page.locator("#steps input[type=number]").input_value() == "25"


def test_one_model_shows_no_links(studio):
    page = studio()
    assert not page.locator(".masthead .models").is_visible()


def test_a_model_of_one_scale_has_a_noise_tab_and_runs_without_what_joins_scales(open_page):
    with serve(FakePipeline((64,), pause=0.0)) as (url, _):
        page = open_page(url + "?steps=2&noise=independent&order=coarse-first")
        ready(page)
        assert page.locator("#schedule").get_by_text("One scale: nothing to share.").is_visible()
        assert not page.locator("#noise").is_visible() and not page.locator("#guided-up-to").is_visible()
        draw(page, "a red balloon")
        page.get_by_role("tab", name="Noise", exact=True).click()
        page.locator("#noise-lab [data-ready=true]").wait_for()
        assert page.locator("#noise-lab .head").first.inner_text() == "White, unit variance"
        assert not page.locator("#noise-lab .pairs").count()
