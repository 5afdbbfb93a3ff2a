"""What the tests of the page share: its state, read from data attributes, and the moves that people make."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PROMPT = "a crimson balloon over snowy mountains"


def ready(page: Page) -> None:
    page.wait_for_function(
        "() => window.layeredViewer && document.querySelector('[data-testid=schedule]')?.dataset.ready === 'true'"
    )


def viewer(page: Page) -> Locator:
    return page.locator("[data-testid=viewer]")


def state(page: Page, name: str) -> str:
    return viewer(page).get_attribute(f"data-{name}") or ""


def at_least(page: Page, steps: int) -> None:
    page.wait_for_function(
        "n => Number(document.querySelector('[data-testid=viewer]').dataset.steps) >= n", arg=steps, polling="raf"
    )


def until(page: Page, name: str, value: str) -> None:
    page.wait_for_function(
        "([name, value]) => document.querySelector('[data-testid=viewer]').dataset[name] === value", arg=[name, value]
    )


def draw(page: Page, prompt: str = PROMPT) -> None:
    """Type a prompt, run it to the end."""
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#run").click()
    until(page, "state", "done")


def pixels(page: Page, size: int) -> tuple[int, int]:
    """Width and height of what a panel shows, once it is decoded."""
    return tuple(
        page.locator(f".panel[data-scale='{size}'] img.picture").evaluate(
            "async i => { await i.decode(); return [i.naturalWidth, i.naturalHeight] }"
        )
    )


@contextlib.contextmanager
def no_requests(page: Page) -> Iterator[None]:
    """Fails when the page asks its server for anything meanwhile."""
    asked: list[str] = []
    note = lambda request: asked.append(request.url) if not request.url.startswith(("data:", "blob:")) else None  # noqa: E731
    page.evaluate("() => new Promise((done) => requestIdleCallback(done))")
    page.on("request", note)
    yield
    page.remove_listener("request", note)
    assert not asked


def choose(page: Page, name: str, label: str) -> None:
    page.locator(f"#{name} label").filter(has_text=re.compile(f"^\\s*{label}\\s*$")).click()


def open_card(page: Page, name: str) -> None:
    page.locator("button.label-wrap", has_text=name).click()
