"""The page under axe: every tab, light and dark, on a phone and on a desk, idle and after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_helpers import draw

from layered.studio.page import TABS

pytestmark = pytest.mark.usefixtures("counted")

if TYPE_CHECKING:
    from playwright.sync_api import Page

GRAVE = ("serious", "critical")
SETTLED = "() => ![...document.querySelectorAll('[data-ready=false]')].some((part) => part.checkVisibility())"


def findings(page: Page) -> list[str]:
    """What axe calls serious or critical, one line per element: rule, element, its markup."""
    page.wait_for_function(SETTLED)
    result: dict[str, Any] = Axe().run(page, options={"resultTypes": ["violations"]}).response
    assert result["testEngine"]["name"] == "axe-core" and len(result["passes"]) > 10  # it has looked
    return [
        f"{found['id']}: {' '.join(map(str, node['target']))} {node['html'][:160]} {node['failureSummary'][:300]}"
        for found in result["violations"]
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]


def open_tab(page: Page, name: str) -> None:
    page.evaluate("id => document.getElementById(id).click()", name)  # on a phone some are in a menu
    page.wait_for_selector(f"#{name}[aria-selected=true]", state="attached")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 844), (1440, 900)], ids=["phone", "desk"])
def test_nothing_serious_on_any_tab(studio, theme: str, size: tuple[int, int]) -> None:
    page = studio(f"?steps=4&__theme={theme}", viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
    for name, _ in TABS:
        open_tab(page, f"tab-{name.lower()}-button")
        assert not findings(page), name
    open_tab(page, "tab-explore-button")
    draw(page)
    assert not findings(page)


def test_axe_finds_what_is_wrong(studio) -> None:
    page = studio()
    page.evaluate(
        """() => document.querySelector('.masthead').insertAdjacentHTML('beforeend', '<img src="data:,"><button></button>')"""
    )
    assert sorted(line.split(":")[0] for line in findings(page)) == ["button-name", "image-alt"]
