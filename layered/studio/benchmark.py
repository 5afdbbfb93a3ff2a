"""What the page costs beside the bare sampler: ``python -m layered.studio.benchmark`` (needs playwright and Chromium).

One process serves the page and runs the sampler, in one and the same thread whether through the page or not. Three take turns:
the bare sampler; the page's stream of a run, read over HTTP by a client that draws nothing, which is what the server does for a
visitor; and a headless browser on the same cores, which draws without a GPU. What the machine does besides strikes all alike:
the figures that count are the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import statistics
import time
from collections.abc import Callable
from typing import Any

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
FIRST = "() => ['running', 'done'].includes(document.querySelector('.viewer')?.dataset.state)"
USABLE = "() => window.layeredViewer && document.querySelector('.schedule')?.dataset.ready === 'true'"


def seconds(work: Callable[[], Any]) -> float:
    """How long ``work()`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Client:
    """Reads what the page's Run sends, as the page's script does: joins the queue, then takes the events as they come."""

    def __init__(self, url: str, config: dict[str, Any]) -> None:
        import httpx

        self.http, self.base = httpx.Client(timeout=600), url.rstrip("/") + "/gradio_api/queue"
        components = {component["id"]: component["props"] for component in config["components"]}
        run = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "run")
        event = next(d for d in config["dependencies"] if [run, "click"] in [list(target) for target in d["targets"]])
        inputs = [components[number] for number in event["inputs"]]
        values = [PROMPT if props.get("elem_id") == "prompt" else props.get("value") for props in inputs]
        self.asked = {"fn_index": event["id"], "data": values, "event_data": None, "trigger_id": None}

    def run(self) -> int:
        """Bytes of a whole run."""
        name = secrets.token_hex(8)
        self.http.post(f"{self.base}/join", json=self.asked | {"session_hash": name}).raise_for_status()
        size = 0
        with self.http.stream("GET", f"{self.base}/data", params={"session_hash": name}) as events:
            for line in events.iter_lines():
                size += len(line)
                if '"process_completed"' in line:
                    if not json.loads(line.removeprefix("data:"))["success"]:
                        raise RuntimeError(f"The page refused the run: {line[:500]}")
                    return size
        raise RuntimeError("The page closed the stream of a run before its end.")


class Tab:
    """The page in a headless browser."""

    def __init__(self, playwright: Any, url: str) -> None:
        self.browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER)
        self.system = self.browser.new_browser_cdp_session()
        self.url, self.first = url, 0.0  # seconds from the click to the first picture of the last run

    def open(self) -> tuple[float, int]:
        """The page anew, with nothing cached: seconds until it can be used, bytes on the wire until then."""
        self.page = self.browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        wire, sizes = self.page.context.new_cdp_session(self.page), []
        wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        wire.send("Network.enable")
        usable = seconds(lambda: (self.page.goto(self.url, wait_until="commit"), self.page.wait_for_function(USABLE)))
        return usable, int(sum(sizes))

    def run(self) -> None:
        """Press Run and wait for the last step."""
        self.page.locator("#prompt textarea").fill(PROMPT)
        started = time.perf_counter()
        self.page.locator("#run").click()
        self.page.wait_for_function("() => document.querySelector('.viewer')?.dataset.state !== 'done'")
        self.page.wait_for_function(FIRST, polling="raf")
        self.first = time.perf_counter() - started
        self.page.wait_for_function(DONE, timeout=600_000, polling=100)

    def cpu_seconds(self) -> float:
        """CPU time of all the browser's processes so far."""
        return sum(process["cpuTime"] for process in self.system.send("SystemInfo.getProcessInfo")["processInfo"])


def main() -> None:
    """Print one JSON line: medians over the rounds."""
    parser = argparse.ArgumentParser(prog="python -m layered.studio.benchmark", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="checkpoints/vista-512")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

    from playwright.sync_api import sync_playwright

    from layered.pipeline import LayeredPipeline
    from layered.studio import Worker, build_studio, launch_options

    worker = Worker()
    pipeline = worker.call(LayeredPipeline.from_pretrained, options.checkpoint)
    page = build_studio(pipeline, worker=worker)
    _, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())
    client = Client(url, page.get_config_file())

    def bare() -> None:
        worker.call(lambda: [None for _ in pipeline.stream(PROMPT)])

    rows: list[dict[str, float]] = []
    for _ in range(options.rounds + 1):
        rows.append({"bare": seconds(bare), "streamed": seconds(client.run)})
    sizes = client.run()
    with sync_playwright() as playwright:
        tab = Tab(playwright, url)
        for row in rows:
            row["usable"], row["loaded"] = tab.open()
            row["bare beside a browser"] = seconds(bare)
            before = tab.cpu_seconds()
            row["browser"] = seconds(tab.run)
            row["first"], row["cpu"] = tab.first, tab.cpu_seconds() - before
            tab.page.context.close()
        tab.browser.close()
    page.close()
    del rows[0]  # the first round pays for buffers and caches

    def median(value: Callable[[dict[str, float]], float]) -> float:
        return round(statistics.median(map(value, rows)), 3)

    result = {
        "rounds": options.rounds,
        "bare_seconds": median(lambda row: row["bare"]),
        "streamed_seconds": median(lambda row: row["streamed"]),
        "streamed_to_bare": median(lambda row: row["streamed"] / row["bare"]),
        "browser_seconds": median(lambda row: row["browser"]),
        "browser_to_bare": median(lambda row: row["browser"] / row["bare beside a browser"]),
        "browser_cpu_seconds": median(lambda row: row["cpu"]),
        "first_preview_seconds": median(lambda row: row["first"]),
        "bytes_per_run": sizes,
        "usable_after_seconds": median(lambda row: row["usable"]),
        "bytes_to_usable": int(median(lambda row: row["loaded"])),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
