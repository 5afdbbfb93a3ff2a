"""What the page costs beside the bare sampler: ``python -m layered.studio.benchmark`` (needs playwright and Chromium).

One process serves the page and runs the sampler; a headless browser presses Run. The two take turns, so that what the machine
does besides strikes both alike, and the figure that counts is their ratio. The bare run is in the same thread as the page's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time

PROMPT = "a red hot air balloon over snowy mountains at sunset"
BROWSER = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
DONE = "() => document.querySelector('.viewer')?.dataset.state === 'done'"
FIRST = "() => Number(document.querySelector('.viewer')?.dataset.steps) >= 1"


def main() -> None:
    """Print one JSON line: median seconds of both, their ratio, seconds to the first preview, bytes of a run."""
    parser = argparse.ArgumentParser(prog="python -m layered.studio.benchmark", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="checkpoints/vista-512")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

    from playwright.sync_api import sync_playwright

    from layered.config import SampleConfig
    from layered.pipeline import LayeredPipeline
    from layered.studio import Worker, build_studio, launch_options

    worker = Worker()
    pipeline = worker.call(LayeredPipeline.from_pretrained, options.checkpoint)
    page = build_studio(pipeline, worker=worker)
    _, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())
    bare, through, first, sizes = [], [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER)
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        received = [0]
        network = tab.context.new_cdp_session(tab)
        network.send("Network.enable")
        network.on("Network.dataReceived", lambda event: received.__setitem__(0, received[0] + event["dataLength"]))
        tab.goto(url)
        tab.get_by_label("Prompt").fill(PROMPT)
        for round_ in range(options.rounds + 1):
            started = time.perf_counter()
            worker.call(lambda: [None for _ in pipeline.stream(PROMPT, SampleConfig())])
            bare.append(time.perf_counter() - started)
            before, started = received[0], time.perf_counter()
            tab.locator("#run").click()
            tab.wait_for_function("() => document.querySelector('.viewer')?.dataset.state !== 'done'")
            tab.wait_for_function(FIRST, polling="raf")
            first.append(time.perf_counter() - started)
            tab.wait_for_function(DONE, timeout=600_000, polling="raf")
            through.append(time.perf_counter() - started)
            sizes.append(received[0] - before)
            if round_ == 0:  # the first round pays for buffers and caches
                for values in (bare, through, first, sizes):
                    values.clear()
        browser.close()
    page.close()
    result = {
        "rounds": options.rounds,
        "bare_seconds": round(statistics.median(bare), 3),
        "page_seconds": round(statistics.median(through), 3),
        "ratio": round(statistics.median(p / b for p, b in zip(through, bare, strict=True)), 4),
        "first_preview_seconds": round(statistics.median(first), 3),
        "bytes_per_run": round(statistics.median(sizes)),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
