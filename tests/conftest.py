"""What several test files share: a tiny text encoder made on the spot, and a browser that watches what a page does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

os.environ.update(
    GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false"
)

import pytest
import torch

from layered.text import TextEncoder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGE_TIMEOUT = 60_000  # ms to wait for anything on a page
TINY_WORDS = (
    "a the of over at on with red blue crimson green white balloon boat cabin lighthouse mountain mountains lake sea sunset night"
    " snowy fog"
).split()

torch.set_num_threads(min(2, os.cpu_count() or 1))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Weights and pictures that a test draws without a generator are the same on every run."""
    torch.manual_seed(0)


# ---------------------------------------------------------------- text


def write_tokenizer(folder: Path, start: str | None = "[CLS]", end: str = "[SEP]") -> int:
    """Write a WordPiece tokenizer of ``TINY_WORDS`` and single letters into a folder; returns the number of its tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz"
    marks = ["[PAD]", "[UNK]", *([start] if start else []), end]
    vocabulary = list(dict.fromkeys([*marks, *TINY_WORDS, *letters, *("##" + letter for letter in letters)]))
    ids = {token: index for index, token in enumerate(vocabulary)}
    core = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    single = f"{start} $A {end}" if start else f"$A {end}"
    core.post_processor = processors.TemplateProcessing(single=single, special_tokens=[(mark, ids[mark]) for mark in marks[2:]])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", cls_token=start, sep_token=end
    )
    tokenizer.save_pretrained(folder)
    return len(vocabulary)


@pytest.fixture(scope="session")
def tiny_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT of width 32 and its tokenizer, as transformers saves them."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoders") / "tiny-bert"
    size = write_tokenizer(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=size, max_position_embeddings=64, **shape)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tiny_encoder_folder: Path) -> TextEncoder:
    """A text encoder of width 32 with random weights, so that a test needs no real ones."""
    return TextEncoder.from_pretrained(tiny_encoder_folder)


# ---------------------------------------------------------------- page


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Any, Any]]:
    """The page over a pipeline that needs no model: its address, the pipeline, the handlers."""
    from fake_pipeline import FakePipeline, serve

    pipeline = FakePipeline(pause=0.02)
    with serve(pipeline) as (url, handlers):
        yield url, pipeline, handlers


@pytest.fixture(scope="module")
def client(server: tuple[str, Any, Any]) -> Any:
    """A program that asks the page's named endpoints, which draw at once."""
    from gradio_client import Client

    server[1].pause = 0.0
    return Client(server[0], verbose=False)


@pytest.fixture
def studio(open_page: Callable[..., Page], server: tuple[str, Any, Any]) -> Callable[..., Page]:
    """``studio("?steps=5", **context)`` opens the page, ready."""
    from page_helpers import ready

    def open_(query: str = "", **context: Any) -> Page:
        page = open_page(server[0] + query, **context)
        ready(page)
        return page

    return open_


@pytest.fixture(scope="session")
def counted() -> None:
    """PyTorch has loaded what counting a network's cost takes: seconds on a busy machine, which no page should wait for."""
    from fake_pipeline import thin_network

    from layered.cost import beside_twin, measure

    beside_twin(measure(thin_network((32,))))


# ------------------------------------------------------------- browser


def _missing(what: str) -> None:
    """Skip a browser test, or fail it where the browser must be there (continuous integration)."""
    if os.environ.get("LAYERED_REQUIRE_BROWSER") == "1" or os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium: the program that ``LAYERED_CHROMIUM`` names, or the first one on the path."""
    found = [os.environ.get("LAYERED_CHROMIUM"), *map(shutil.which, CHROMIUM_NAMES)]
    program = next((path for path in found if path), None)
    if program is None:
        _missing("No Chromium: install it (apt-get install chromium) or name its program in LAYERED_CHROMIUM.")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("No playwright: pip install -r requirements-dev.txt")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """``open_page(url, **context)`` opens a page in a fresh context, for example with ``viewport={"width": 390, "height": 844}``.

    When the test ends, it fails if a page raised an error, logged one to the console, or asked another host for anything. What a
    test expects of that kind it takes out of ``page.errors`` or ``page.outside``.
    """
    opened: list[Any] = []

    def open_(url: str, **context: Any) -> Page:
        page: Any = chromium.new_context(**context).new_page()
        page.set_default_timeout(PAGE_TIMEOUT)
        page.errors, page.outside = [], []
        own = urlsplit(url).netloc

        def watch_request(request: Any) -> None:
            address = urlsplit(request.url)
            if address.scheme not in ("data", "blob", "about") and address.netloc != own:
                page.outside.append(request.url)

        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        page.on("request", watch_request)
        opened.append(page)
        page.goto(url)
        return page

    yield open_
    for page in opened:
        page.context.close()
    assert not [error for page in opened for error in page.errors]
    assert not [address for page in opened for address in page.outside]
