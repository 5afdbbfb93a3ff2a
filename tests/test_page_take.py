"""Taking a run home from the page, and bringing it back, in a real browser."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest
from page_helpers import PROMPT, draw, no_requests, until
from PIL import Image

from layered.config import SampleConfig
from layered.studio.exports import TEXT_KEY, read_png_settings, save_png
from layered.trajectory import Trajectory

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = {
    "png": "layered-512-seed21-step3.png",
    "sheet": "layered-sheet-seed21-step3.png",
    "mp4": "layered-film-seed21-step3.mp4",
    "webp": "layered-film-seed21-step3.webp",
    "pdf": "layered-figure-seed21-step3.pdf",
    "svg": "layered-figure-seed21-step3.svg",
    "trajectory": "trajectory-seed21-3steps.safetensors",
}
SETTINGS = {"prompt": "a white sailboat", "steps": 4, "seed": 77, "preset": "paper", "solver": "ddim", "eta": 0.5}
DROP = """async ([name, bytes, kind]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([Uint8Array.from(bytes)], name));
  const send = (type) => {
    const event = new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: carried, relatedTarget: null });
    return document.body.dispatchEvent(event);
  };
  const hint = document.querySelector(".take .drop");
  send("dragenter");
  const seen = { shown: !hint.hidden, over: send("dragover") };
  if (kind === "leave") send("dragleave"); else seen.drop = send("drop");
  return { ...seen, hidden: hint.hidden };
}"""  # over and drop are false where the page took them: else the browser would leave it to show the file


def say(page: Page, text: str) -> None:
    page.locator("[data-testid=note]").filter(has_text=text).wait_for()


def drop(page: Page, name: str, data: bytes, kind: str = "drop") -> dict[str, bool]:
    return page.evaluate(DROP, [name, list(data), kind])


def restored(page: Page, prompt: str = SETTINGS["prompt"], seed: int = SETTINGS["seed"]) -> None:
    page.wait_for_function(
        "([prompt, seed]) => document.querySelector('#prompt textarea').value === prompt"
        " && document.querySelector('#seed input').value === seed",
        arg=[prompt, str(seed)],
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(*chunks: bytes, end: bool = True) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + (chunk(b"IEND", b"") if end else b"")


def text(data: bytes, compressed: bool = False) -> bytes:
    head = TEXT_KEY.encode() + (b"\0\1\0" if compressed else b"\0\0\0") + b"en\0settings\0"
    return chunk(b"iTXt", head + (zlib.compress(data) if compressed else data))


# ------------------------------------------------------------------ out


def test_every_file_is_of_the_run_on_show(studio):
    page = studio("?steps=3&seed=21&preset=paper&solver=dpm%2B%2B")
    draw(page)
    page.locator("#take-more").click()
    got = {}
    for kind, name in NAMES.items():
        with page.expect_download() as download:
            page.locator(f"#get-{kind}").click()
        assert download.value.suggested_filename == name
        got[kind] = Path(download.value.path())
        page.locator(".take[data-busy='']").wait_for()
    settings = read_png_settings(got["png"])
    assert (settings["prompt"], settings["seed"], settings["solver"], settings["preset"]) == (PROMPT, 21, "dpm++", "paper")
    assert read_png_settings(got["sheet"]) == settings
    assert Trajectory.load(got["trajectory"]).config == SampleConfig(steps=3, seed=21, preset="paper", solver="dpm++")
    with av.open(str(got["mp4"])) as opened:
        assert opened.streams.video[0].codec_context.name == "h264"
    with Image.open(got["webp"]) as opened:
        assert opened.is_animated
    assert got["pdf"].read_bytes().startswith(b"%PDF") and PROMPT in got["svg"].read_text(encoding="utf-8")


def test_link_settings_and_python_are_copied_without_the_server(studio, server):
    page = studio("?steps=2&seed=21&preset=paper", permissions=["clipboard-read", "clipboard-write"])
    draw(page)
    first = server[1].asked[-1]
    page.locator("#take-more").click()
    copied = {}
    with no_requests(page):
        for kind, told in {"link": "Link copied", "settings": "Settings copied", "python": "Copied: run it"}.items():
            page.locator(f"#get-{kind}").click()
            say(page, told)
            copied[kind] = page.evaluate("() => navigator.clipboard.readText()")
    assert page.url == copied["link"]
    settings = json.loads(copied["settings"])
    assert (settings["prompt"], settings["seed"], settings["preset"]) == (PROMPT, 21, "paper")
    assert f"generate({PROMPT!r}, config)" in copied["python"]
    assert "config = SampleConfig(steps=2, seed=21, preset='paper')" in copied["python"]
    other = studio(copied["link"].removeprefix(server[0]))
    restored(other, PROMPT, 21)
    other.locator("#run").click()
    until(other, "state", "done")
    assert server[1].asked[-1] == first


def test_before_a_run_every_button_says_so(studio):
    page = studio()
    page.locator("#get-png").click()
    say(page, "press Run first")
    assert page.locator("#get-mp4").is_visible() is False
    page.locator("#take-more").click()
    assert page.locator("#take-more").get_attribute("aria-expanded") == "true"
    page.locator("#get-python").click()
    say(page, "press Run first")


def test_a_run_that_is_gone_says_so_and_the_row_is_free_again(studio, server):
    page = studio("?steps=1&seed=1")
    draw(page)
    server[2].store.drop_session(next(iter(server[2].store._kept.values())).session)
    page.locator("#get-png").click()
    page.get_by_text("no longer kept here").first.wait_for()
    page.locator(".take[data-busy='']").wait_for()
    draw(page)
    with page.expect_download():
        page.locator("#get-png").click()


# ------------------------------------------------------------------ back


@pytest.mark.parametrize("how", ["drop", "button"])
def test_a_picture_brings_its_settings_back(studio, server, tmp_path, how):
    page = studio("?steps=2&seed=3&states=top-down")
    path = save_png(Image.new("RGB", (8, 8)), SETTINGS, tmp_path / "picture.png")
    if how == "drop":
        assert drop(page, "any name.bin", path.read_bytes()) == {"shown": True, "over": False, "drop": False, "hidden": True}
    else:
        with page.expect_file_chooser() as chooser:
            page.locator("#take-open").click()
        chooser.value.set_files(path)
    restored(page)
    page.get_by_text("Press Run to draw it again").first.wait_for()
    assert page.locator("#random-seed input").is_checked() is False
    page.locator("#run").click()
    until(page, "state", "done")
    asked = SampleConfig(steps=4, seed=77, preset="paper", solver="ddim", eta=0.5)
    assert server[1].asked[-1] == (SETTINGS["prompt"], asked)


def test_what_the_page_gives_it_takes_back(studio, server):
    page = studio("?steps=2&seed=21&noise=box")
    draw(page)
    first = server[1].asked[-1]
    page.locator("#take-more").click()
    saved = {}
    for kind in ("png", "sheet", "trajectory"):
        with page.expect_download() as download:
            page.locator(f"#get-{kind}").click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
        page.locator(".take[data-busy='']").wait_for()
    saved["settings.json"] = json.dumps(page.evaluate("() => window.layeredViewer.run().settings")).encode()
    for name, data in saved.items():
        other = studio("?seed=4&steps=9")
        if name.endswith(".safetensors"):  # only its head is read: the rest need not travel through the test
            data = data[: 8 + int.from_bytes(data[:8], "little")]
        drop(other, name, data)
        restored(other, PROMPT, 21)
        other.locator("#run").click()
        until(other, "state", "done")
        assert server[1].asked[-1] == first, name


def test_compressed_settings_are_read_too(studio):
    page = studio()
    drop(page, "a.png", png(text(json.dumps(SETTINGS).encode(), compressed=True)))
    restored(page)


HOSTILE = json.dumps(SETTINGS | {"prompt": "<img src=x onerror=alert(1)> ${alert(1)}", "model": "<img src=x onerror=alert(1)>"})
BAD = {
    "another kind of file": ("a.txt", b"hello", "not a file of this page"),
    "an empty file": ("a.png", b"", "not a file of this page"),
    "a picture without settings": ("a.png", png(), "carries no settings"),
    "another program's text": ("a.png", png(chunk(b"iTXt", b"Comment\0\0\0\0\0hello")), "carries no settings"),
    "cut in a chunk": ("a.png", png(text(json.dumps(SETTINGS).encode()))[:60], "broken or cut short"),
    "cut before the end": ("a.png", png(end=False), "broken or cut short"),
    "a chunk longer than the file": ("a.png", png(end=False) + b"\xff\xff\xff\xffiTXt" + b"0" * 64, "broken or cut short"),
    "a chunk without its parts": ("a.png", png(chunk(b"iTXt", TEXT_KEY.encode() + b"\0\0")), "broken or cut short"),
    "not unicode": ("a.png", png(text(b"\xff\xfe\xff")), "broken or cut short"),
    "badly compressed": ("a.png", png(text(b"")[:-4], chunk(b"iTXt", TEXT_KEY.encode() + b"\0\1\0\0\0hello")), "broken"),
    "a bomb": ("a.png", png(text(b"[" * 50_000_000, compressed=True)), "too large"),
    "not JSON": ("a.png", png(text(b"{")), "broken"),
    "no settings of a run": ("a.json", b"[1, 2]", "no settings of a run"),
    "a bad value": ("a.json", json.dumps(SETTINGS | {"steps": 0}).encode(), "1 to 250"),
    "an unknown name": ("a.json", json.dumps(SETTINGS | {"<b>x": 0}).encode(), "Unknown name"),
    "a long file of settings": ("a.json", b" " * 270_000, "too large"),
    "another safetensors file": ("a.safetensors", (2).to_bytes(8, "little") + b"{}", "not a file of this page"),
    "a broken head": ("a.safetensors", (2**60).to_bytes(8, "little") + b"{}", "broken or cut short"),
}


def test_whatever_else_is_dropped_gets_a_sentence(studio):
    page = studio("?seed=5&steps=7")
    page.locator("#prompt textarea").fill("kept")
    for name, (file, data, says) in BAD.items():
        drop(page, file, data)
        toast = page.locator(".toast-body", has_text=says)
        toast.first.wait_for()
        page.locator(".toast-close").first.click()
        toast.first.wait_for(state="detached")
        assert page.locator("#prompt textarea").input_value() == "kept", name
        assert page.locator("#seed input").input_value() == "5", name


def test_hostile_settings_are_only_text(studio):
    page = studio()
    page.on("dialog", lambda dialog: page.errors.append(dialog.message))
    drop(page, "a.png", png(text(HOSTILE.encode())))
    restored(page, json.loads(HOSTILE)["prompt"])
    page.get_by_text("It was drawn by <img").first.wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_the_hint_goes_when_the_file_leaves_and_own_pictures_are_no_files(studio):
    page = studio("?steps=1")
    seen = drop(page, "a.png", png(), kind="leave")
    assert seen == {"shown": True, "over": False, "hidden": True}
    page.evaluate("() => document.body.dispatchEvent(new DragEvent('dragstart', { bubbles: true }))")
    seen = drop(page, "a.png", png())
    assert seen == {"shown": False, "over": True, "drop": True, "hidden": True}


def test_the_row_fits_a_phone_and_the_keyboard_reaches_all_of_it(studio):
    page = studio("?steps=1", viewport={"width": 390, "height": 844})
    page.locator("#get-png").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    reached = []
    for _ in range(10):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.id"))
    assert reached == ["take-open", *(f"get-{kind}" for kind in (*list(NAMES)[1:], "python", "settings", "link"))]
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    boxes = page.evaluate("() => [...document.querySelectorAll('.take button')].map((b) => b.getBoundingClientRect().height)")
    assert min(boxes) >= 40
