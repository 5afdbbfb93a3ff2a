"""The page in a real browser: its controls, what it gives to take home, and its looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_pipeline import SCALES
from page_helpers import choose, draw, open_card, until

from layered.config import SampleConfig
from layered.schedule import Schedule

if TYPE_CHECKING:
    pass

WIDTHS = [(390, 844), (768, 1024), (1440, 900), (1920, 1080)]
CONTRAST = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, under) => { const a = top[3] ?? 1; return [0, 1, 2].map((i) => top[i] * a + under[i] * (1 - a)); };
  const curve = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * curve(r) + 0.7152 * curve(g) + 0.0722 * curve(b);
  const ground = (node) => {
    if (!node) return [255, 255, 255];
    const c = parse(getComputedStyle(node).backgroundColor);
    if (!c.length || c[3] === 0) return ground(node.parentElement);
    return (c[3] ?? 1) === 1 ? c : over(c, ground(node.parentElement));
  };
  const bad = [];
  const walk = document.createTreeWalker(document.querySelector(".contain"), NodeFilter.SHOW_TEXT);
  for (let text = walk.nextNode(); text; text = walk.nextNode()) {
    const node = text.parentElement, style = getComputedStyle(node);
    if (!text.textContent.trim() || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    let opacity = 1;
    for (let up = node; up; up = up.parentElement) opacity *= Number(getComputedStyle(up).opacity);
    const back = ground(node), front = parse(style.color);
    const [a, b] = [light(over([...front.slice(0, 3), (front[3] ?? 1) * opacity], back)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${text.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return bad;
}"""  # every visible text against the ground below it: WCAG AA asks for 4.5


# ------------------------------------------------------------------ the controls


def test_controls_reach_the_run(studio, server):
    page = studio()
    open_card(page, "Solver and states")
    open_card(page, "Shifts of 32 and 64")
    page.locator("#random-seed input").uncheck()
    numbers = {
        "steps": 3,
        "guidance": 5.5,
        "guidance-parallel": 0.4,
        "detail": 1.25,
        "guidance-from": 0.1,
        "guidance-to": 0.8,
        "sleep-below": -6.5,
        "shift-32": 0.5,
        "shift-512": -3,
    }
    for name, value in numbers.items():
        page.locator(f"#{name} input[type=number]").fill(str(value))
    page.locator("#seed input").fill("17")
    for name, label in {
        "guided-up-to": "256",
        "noise": "independent",
        "solver": "DDIM",
        "states": "top-down",
        "clipping": "dynamic",
        "spacing": "time",
    }.items():
        choose(page, name, label)
    page.locator("#eta input[type=number]").fill("0.7")
    assert not page.locator("#ddpm-noise").is_visible()
    draw(page)
    middle = [round(shift, 2) for shift in Schedule.preset("aligned", SCALES).shifts[1:4]]
    assert server[1].asked[-1][1] == SampleConfig(
        steps=3,
        guidance=5.5,
        guidance_parallel=0.4,
        detail=1.25,
        guided_up_to=256,
        guidance_interval=(0.1, 0.8),
        seed=17,
        noise="independent",
        shifts=(0.5, *middle, -3.0),
        solver="ddim",
        eta=0.7,
        states="top-down",
        clipping="dynamic",
        spacing="time",
        sleep_below=-6.5,
    )
    page.locator("#reset").click()
    page.wait_for_function("() => document.querySelector('#steps input').value === '25'")
    page.locator("#ddpm-noise").wait_for()
    page.locator("#steps input[type=number]").fill("1")
    draw(page)
    config = server[1].asked[-1][1]
    assert config == SampleConfig(steps=1, seed=config.seed)


def test_preset_fills_the_shifts_and_the_leak_meter_follows(studio, server):
    page = studio("?steps=1")
    chip = page.locator(".chip[data-pair='128-256']")
    assert "no leak" in chip.inner_text() and "Nothing leaks" in page.locator(".schedule .explain").inner_text()
    choose(page, "preset", "paper")
    page.wait_for_function("() => document.querySelector('#shift-256 input[type=number]').value === '-2.08'")
    page.locator(".chip[data-pair='128-256'][data-leaks=true]").wait_for()
    assert "0.71" in chip.inner_text() and chip.inner_text().endswith("leaks")
    draw(page)
    config = server[1].asked[-1][1]
    assert config.preset == "paper" and config.shifts is None
    page.locator("#shift-256 input[type=number]").fill("-1.39")
    page.locator("#preset label.selected", has_text="custom").wait_for()
    page.locator(".chip[data-pair='128-256'][data-leaks=false]").wait_for()
    choose(page, "noise", "independent")
    page.get_by_text("Independent noise: nothing is shared").wait_for()


def test_a_detail_prompt_comes_from_the_link_reaches_the_run_and_stays_optional(studio, server):
    page = studio("?steps=1&detail_prompt=a+stormy+sea")
    box = page.locator("#detail-prompt textarea")
    assert box.input_value() == "a stormy sea"
    draw(page, "a red balloon")
    assert server[1].asked[-1][1].detail_prompt == "a stormy sea"
    assert "detail_prompt=a+stormy+sea" in page.evaluate("() => window.layeredViewer.run().query")
    assert page.evaluate("() => window.layeredViewer.run().settings.detail_prompt") == "a stormy sea"
    page.locator(".pin").click()
    box.fill("a purple fog")
    page.locator("#words", has_text="purple").wait_for()  # unknown words of either prompt are named
    box.press("Enter")
    page.locator(".differs", has_text="detail prompt a stormy sea → a purple fog").wait_for()
    assert server[1].asked[-1][1].detail_prompt == "a purple fog"
    until(page, "state", "done")
    box.fill("x" * 1001)
    page.locator("#run").click()
    page.get_by_text("The detail prompt has 1,001 characters").wait_for()
    page.locator("#reset").click()
    page.wait_for_function("() => document.querySelector('#detail-prompt textarea').value === ''")


# ------------------------------------------------------------------ looks


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_in_both_themes(studio, theme):
    page = studio("?steps=2", color_scheme=theme, viewport={"width": 1440, "height": 900})
    draw(page)
    open_card(page, "Solver and states")
    page.locator("#take-more").click()
    page.locator("#ddpm-noise").wait_for()
    page.mouse.move(0, 0)
    assert page.evaluate("() => document.body.classList.contains('dark')") is (theme == "dark")
    page.wait_for_function(f"() => ({CONTRAST})().length === 0") if not page.evaluate(CONTRAST) else None
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size[0]))
def test_every_width_fits_and_run_stays_in_reach(studio, size):
    page = studio("?steps=2", viewport={"width": size[0], "height": size[1]})
    draw(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
    page.mouse.wheel(0, 4000)
    page.wait_for_function("() => window.scrollY > 0 || document.documentElement.scrollHeight <= window.innerHeight")
    for name in ("#run", "#stop"):
        box = page.locator(name).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= size[1]


def test_everything_has_a_name_and_the_keyboard_reaches_it(studio):
    page = studio()
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('.contain :is(button, input, textarea, select, [role=group])')]
        .filter((node) => node.checkVisibility())
        .filter((node) => !(node.ariaLabel || node.title || node.innerText?.trim() || node.labels?.length))
        .map((node) => node.outerHTML.slice(0, 90))"""
    )
    assert not unnamed
    assert page.evaluate("() => [...document.images].every((image) => image.alt)")
    page.locator("#prompt textarea").focus()
    for name in ("run", "stop"):
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.id") == name
    assert page.title() == "Layered Diffusion"


def test_motion_is_left_out_when_asked(studio):
    page = studio(reduced_motion="reduce")
    assert float(page.locator("#run").evaluate("node => parseFloat(getComputedStyle(node).transitionDuration)")) < 0.001
