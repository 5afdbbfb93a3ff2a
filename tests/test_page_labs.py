"""The page in a real browser: the tabs Noise and Schedule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from page_helpers import choose, draw
from test_page_controls import CONTRAST, WIDTHS

from layered.config import SampleConfig
from layered.schedule import Schedule

if TYPE_CHECKING:
    from playwright.sync_api import Page


def lab(page: Page, name: str, *, parts: tuple[str, ...] = ()) -> None:
    """Open a lab and wait until everything in it is drawn."""
    page.get_by_role("tab", name=name, exact=True).click()
    for part in (f"#{name.lower()}-lab [data-ready=true]", f"#{name.lower()}-noised [data-ready=true]", *parts):
        page.locator(part).wait_for()


def number(page: Page, name: str, value: float) -> None:
    page.locator(f"#{name} input[type=number]").fill(str(value))


def curve_at(page: Page, size: int, t: float) -> tuple[float, float]:
    """Where on the screen the grip of a curve is at t."""
    return tuple(
        page.evaluate(
            """([size, t]) => {
              const line = document.querySelector(`.schedule-lab .grip[data-size='${size}']`);
              const points = [...line.points], box = line.ownerSVGElement.getBoundingClientRect();
              const near = points.reduce((a, b) => (Math.abs(b.x - 1000 * t) < Math.abs(a.x - 1000 * t) ? b : a));
              return [box.left + (near.x * box.width) / 1000, box.top + (near.y * box.height) / 300];
            }""",
            [size, t],
        )
    )


# ------------------------------------------------------------------ noise


def test_noise_shows_both_modes_and_follows_the_choice_and_the_seed(studio):
    page = studio()
    lab(page, "Noise")
    root = page.get_by_test_id("noise-lab")
    good = root.locator("[data-mode=sinc]")
    assert good.locator(".verdict").get_attribute("data-good") == "true"
    assert good.locator(".r").all_inner_texts() == ["r = 1.000"] * 2
    assert root.locator("[data-mode=independent] .verdict").get_attribute("data-good") == "false"
    apart = root.locator("[data-mode=independent] .r").first
    before = apart.inner_text()
    assert abs(float(before.removeprefix("r = ").replace("−", "-"))) < 0.05
    assert root.locator("[data-mode=sinc] .pictures img").count() == 3
    number(page, "noise-seed", 5)
    page.wait_for_function("before => document.querySelector('[data-mode=independent] .r').innerText !== before", arg=before)
    choose(page, "noise-other", "bilinear")
    weak = root.locator("[data-mode=bilinear]")
    weak.locator(".verdict", has_text="Too weak").wait_for()
    assert [text.split()[-1] for text in weak.locator(".pictures figcaption").all_inner_texts()][1:] == ["0.25", "1.00"]
    page.locator("#noise-noised h3", has_text="bilinear").wait_for()
    source = good.locator(".pictures img").first
    close = source.get_attribute("src")
    page.get_by_role("button", name="Whole").click()
    assert source.get_attribute("src") != close
    assert source.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") == 128


def test_new_seed_draws_other_noise(studio):
    page = studio()
    lab(page, "Noise")
    before = page.locator("[data-mode=sinc] .pictures img").first.get_attribute("src")
    page.locator("#noise-fresh").click()
    page.wait_for_function("() => document.querySelector('#noise-seed input').value !== '0'")
    page.wait_for_function("before => document.querySelector('[data-mode=sinc] .pictures img').src !== before", arg=before)


def test_a_picture_under_the_noise_follows_t_and_the_choice(studio):
    page = studio()
    lab(page, "Noise")
    noised = page.locator("#noise-noised .noised")
    assert noised.locator("img").count() == 6
    number(page, "noise-t", 0)
    page.locator("#noise-noised [data-t='0']").wait_for()
    assert set(noised.locator(".clear").all_inner_texts()) == {"signal leads"}
    choose(page, "noise-picture", "Night")
    page.locator("#noise-noised [data-picture=Night]").wait_for()
    assert "at 512 pixels under independent noise" in noised.locator("img").last.get_attribute("alt")


# ------------------------------------------------------------------ schedule


def test_a_curve_drawn_down_moves_its_shift_alone(studio):
    page = studio()
    lab(page, "Schedule")
    page.locator(".schedule-lab").scroll_into_view_if_needed()
    x, y = curve_at(page, 256, 0.5)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 20)
    page.mouse.move(x, y + 40, steps=4)
    page.mouse.up()
    page.locator("#lab-preset label.selected", has_text="custom").wait_for()
    shift = float(page.locator("#lab-shift-256 input[type=number]").input_value())
    usual = [round(s, 2) for s in Schedule.preset("aligned", (128, 256, 512)).shifts]
    assert -9 < shift < usual[1] - 1
    root = page.get_by_test_id("schedule-lab")
    shifts = f"{usual[0]} {shift:g} {usual[2]}"
    page.wait_for_function("want => document.querySelector('.schedule-lab').dataset.shifts === want", arg=shifts)
    chip = root.locator(".chip[data-pair='128-256'][data-leaks=true]")
    chip.wait_for()
    assert "can solve for the clean picture" in root.locator(".explain").inner_text()
    assert curve_at(page, 256, 0.5)[1] == pytest.approx(y + 40, abs=4)


def test_sliders_presets_and_t_do_what_the_mouse_does(studio):
    page = studio()
    lab(page, "Schedule")
    choose(page, "lab-preset", "unshifted")
    page.locator(".schedule-lab[data-shifts='0 0 0']").wait_for()
    marks = page.locator(".schedule-lab .crossing")
    assert [mark.evaluate("node => node.style.left") for mark in marks.all()] == ["50%"] * 3
    number(page, "lab-shift-512", -4)
    page.locator(".schedule-lab[data-shifts='0 0 -4']").wait_for()
    number(page, "lab-t", 0.4)
    page.locator(".schedule-lab[data-t='0.4']").wait_for()
    page.locator("#schedule-noised [data-t='0.4']").wait_for()
    lead = {s: page.locator(f"#schedule-noised figure[data-size='{s}'] .clear").inner_text() for s in (128, 512)}
    assert lead == {128: "signal leads", 512: "noise leads"}
    box = page.locator(".schedule-lab .lines").bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 8)
    page.locator(".schedule-lab[data-t='0.75']").wait_for()
    page.get_by_role("button", name="noise σ").click()
    assert page.locator(".schedule-lab .axis.top").inner_text() == "1"


def test_shifts_that_move_over_t(studio):
    page = studio()
    lab(page, "Schedule")
    assert not page.locator("#lab-end-256").is_visible()
    page.locator("#lab-moving input").check()
    page.locator("#lab-end-256").wait_for()
    number(page, "lab-end-256", -1)
    page.locator(".schedule-lab .explain", has_text="it moves with the shifts").wait_for()
    number(page, "lab-end-256", 6)
    page.locator(".schedule-lab[data-refused=true] .explain", has_text="rises from -4.16 to 6").wait_for()
    page.locator("#lab-moving input").uncheck()
    page.locator(".schedule-lab[data-refused=false]").wait_for()


def test_the_shifts_go_to_explore_and_into_its_run(studio, server):
    page = studio("?steps=1")
    lab(page, "Schedule")
    choose(page, "lab-preset", "paper")
    page.locator(".schedule-lab[data-shifts='0 -2.08 -3.47']").wait_for()
    page.locator("#use-in-explore").click()
    page.locator("#preset label.selected", has_text="paper").wait_for()
    draw(page)
    assert server[1].asked[-1][1] == SampleConfig(steps=1, preset="paper", seed=server[1].asked[-1][1].seed)
    page.get_by_role("tab", name="Schedule", exact=True).click()
    number(page, "lab-shift-128", -1.5)
    page.locator(".schedule-lab[data-shifts='-1.5 -2.08 -3.47']").wait_for()
    page.locator("#use-in-explore").click()
    page.wait_for_function("() => document.querySelector('#shift-128 input[type=number]').value === '-1.5'")
    page.locator("#preset label.selected", has_text="custom").wait_for()
    draw(page)
    assert server[1].asked[-1][1].shifts == (0.0, 0.0, -1.5, -2.08, -3.47)


# ------------------------------------------------------------------ looks


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_labs_are_readable_in_both_themes(studio, theme):
    page = studio(color_scheme=theme, viewport={"width": 1440, "height": 900})
    for name in ("Noise", "Schedule"):
        lab(page, name)
        page.mouse.move(0, 0)
        assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size[0]))
def test_the_labs_fit_every_width_and_everything_has_a_name(studio, size):
    page = studio(viewport={"width": size[0], "height": size[1]})
    for name in ("Noise", "Schedule"):
        lab(page, name)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll('.lab :is(button, input, canvas, svg[role=img], img)')]
            .filter((node) => node.checkVisibility())
            .filter((node) => !(node.ariaLabel || node.alt || node.title || node.innerText?.trim() || node.labels?.length))
            .map((node) => node.outerHTML.slice(0, 90))"""
        )
        assert not unnamed
    assert not re.search(r"undefined|NaN", page.locator("#tabs").inner_text())
