"""Examples drawn before, so that a click on one answers at once: ``python -m layered.studio.examples`` draws them.

One file per example holds the run as the page receives it, its settings, and a digest of the weights that drew it. A file counts
only while the served checkpoint has that digest and a run of these settings would be described in the same words. A setting
that was not there yet when it was drawn is at its default, which draws what was drawn before. Those of a further model lie in a
folder of its own: ``--checkpoint checkpoints/fast --out assets/examples/fast``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from layered.studio.encode import QUALITY, frame
from layered.studio.handlers import EXAMPLE_RUN, Handlers, slug
from layered.studio.links import flatten, to_config, to_query
from layered.studio.snippet import snippet

FORMAT = 1
BUDGET = 6 << 20  # bytes of all files together
QUALITIES = (QUALITY, 82, 76, 70, 64, 56, 48, 40, 34)  # of JPEG, the first that fits


class Examples:
    """The examples of ``handlers.settings`` that were drawn before by the weights that are served."""

    def __init__(self, handlers: Handlers) -> None:
        self.usual = handlers.usual
        self.runs: dict[str, dict[str, Any]] = {}  # by the run's id
        self._of_prompt: dict[str, str] = {}
        for path, prompt in _files(handlers):
            drawn = _read(path)
            settings = drawn and _settings(drawn, prompt, handlers)
            if settings:
                config = dataclasses.replace(self.usual, seed=drawn["seed"])
                python = snippet(prompt, config, handlers.checkpoint)
                self.runs[drawn["run"]] = drawn | {"settings": settings, "python": python}
                self._of_prompt[prompt] = drawn["run"]

    def get(self, run_id: Any) -> dict[str, Any] | None:
        """A whole run for the page: its frames and what ``handlers.step_value`` says besides, on how many cores it was drawn."""
        return self.runs.get(run_id) if isinstance(run_id, str) else None

    def of(self, prompt: str) -> str | None:
        """The id of this prompt's run, if it was drawn before."""
        return self._of_prompt.get(prompt)

    def same(self, run_id: str, values: dict[str, Any], scales: tuple[int, ...]) -> bool:
        """Whether Run with these values of the controls would draw this run, or with a random seed might."""
        seed = self.runs[run_id]["seed"]
        if values.get("random_seed"):
            values = values | {"seed": seed}
        try:
            usual = to_config(flatten(self.usual, scales), scales)  # as the controls say it
            return to_config(values, scales) == dataclasses.replace(usual, seed=seed)
        except ValueError:
            return False


def _files(handlers: Handlers) -> Iterator[tuple[Path, str]]:
    for name, prompt in handlers.settings.examples:
        path = Path(handlers.settings.drawn_before) / handlers.slug / f"{slug(name)}.json"
        if path.is_file():
            yield path, prompt


def _read(path: Path) -> dict[str, Any] | None:
    try:
        drawn = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return drawn if isinstance(drawn, dict) and drawn.get("format") == FORMAT else None


def _settings(drawn: dict[str, Any], prompt: str, handlers: Handlers) -> dict[str, Any] | None:
    """The settings of a run that was drawn as the page would draw it now, in today's words; None for any other."""
    digest = getattr(handlers.pipeline, "digest", None)
    try:
        expected = json.loads(json.dumps(handlers.describe(prompt, dataclasses.replace(handlers.usual, seed=drawn["seed"]))))
        whole = [step["step"] for step in drawn["frames"]] == list(range(drawn["total"]))
        same = expected | drawn["settings"] == expected and drawn["settings"]["prompt"] == prompt
        return expected if digest is not None and drawn["digest"] == digest and same and whole else None
    except (KeyError, TypeError, ValueError):
        return None


# ------------------------------------------------------------------ drawing them


def draw_examples(handlers: Handlers, folder: Path, seeds: list[int], cores: int, budget: int = BUDGET) -> list[Path]:
    """Draw every example at the default settings and write its file; returns their paths.

    ``seeds``: one for all, or one each. ValueError when they are another number, when the pipeline has no digest, or when an
    example does not fit its share of ``budget`` at the lowest quality.
    """
    named = handlers.settings.examples
    seeds = seeds * len(named) if len(seeds) == 1 else seeds
    if len(seeds) != len(named):
        raise ValueError(f"Give one seed, or one for each of the {len(named)} examples: got {len(seeds)}.")
    if getattr(handlers.pipeline, "digest", None) is None:
        raise ValueError("This pipeline has no digest of its weights, so nobody could tell which ones drew the examples.")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for (name, prompt), seed in zip(named, seeds, strict=True):
        text = _drawn(handlers, name, prompt, seed, cores, budget // len(named))
        paths.append(folder / f"{slug(name)}.json")
        paths[-1].write_text(text, encoding="utf-8")
    return paths


def _drawn(handlers: Handlers, name: str, prompt: str, seed: int, cores: int, most: int) -> str:
    """The file of one example, at the best quality at which it takes ``most`` bytes."""
    config = dataclasses.replace(handlers.usual, seed=seed)
    told = {"format": FORMAT, "digest": handlers.pipeline.digest, "cores": cores, "run": EXAMPLE_RUN + slug(name)}
    told |= {"seed": seed, "total": config.steps, "query": to_query(prompt, config, handlers.scales, handlers.usual)}
    told |= {"settings": handlers.describe(prompt, config)}
    steps = list(handlers.steps(prompt, config, lambda step, measures, elapsed: (step, measures, elapsed)))
    for quality in QUALITIES:
        frames = [frame(step, measures, quality=quality) for step, measures, _ in steps]
        text = json.dumps(told | {"seconds": round(steps[-1][2], 1), "frames": frames}, ensure_ascii=False) + "\n"
        if len(text.encode()) <= most:
            return text
    raise ValueError(f"«{name}» takes {len(text.encode()):,} bytes at the lowest quality: more than its share of {most:,}.")


def main(arguments: list[str] | None = None) -> int:
    """Draw them all; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m layered.studio.examples", description="Draw the page's examples ahead.")
    parser.add_argument("--checkpoint", default="checkpoints/vista-512", help="folder or hub name")
    parser.add_argument("--text-encoder", help="folder of the text encoder, if it is not the installed one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one for all, or one for each example")
    parser.add_argument("--out", type=Path, help="folder (default: where the page looks)")
    options = parser.parse_args(arguments)

    from layered.pipeline import LayeredPipeline
    from layered.studio import StudioSettings, Worker

    try:
        load, worker = LayeredPipeline.from_pretrained, Worker()
        pipeline = worker.call(load, options.checkpoint, text_encoder=options.text_encoder, device=options.device)
        handlers = Handlers(pipeline, StudioSettings(), worker)
        out = options.out or Path(handlers.settings.drawn_before)
        for path in draw_examples(handlers, out, options.seeds, os.cpu_count() or 1):
            print(f"Wrote {path}: {path.stat().st_size:,} bytes")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
