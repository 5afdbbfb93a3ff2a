"""What the page's events call: check, ask the pipeline, format. Nothing here knows the layout."""

from __future__ import annotations

import contextlib
import html
import re
import secrets
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
import torch

from layered.config import SampleConfig
from layered.sampler import Step
from layered.schedule import STEP_LOGSNR_RANGE, Schedule, time_of_logsnr
from layered.studio import exports
from layered.studio.encode import frame, states
from layered.studio.film import FORMATS, film
from layered.studio.links import PROMPT_LIMIT, describe, shift_name, to_config, to_query, with_shifts
from layered.studio.pace import Pace
from layered.studio.settings import StudioSettings, shown_scales
from layered.studio.snippet import checkpoint_name, snippet
from layered.studio.store import Run, RunStore, Store, halved
from layered.studio.worker import Busy, Superseded, Worker
from layered.trajectory import step_measures
from layered.world import Vistas, caption

T = TypeVar("T")
Measures = dict[str, dict[int, float]]  # by measure and scale

CURVE_POINTS = 61
TIGHT = 0.02  # |ρ − 1| below which nothing worth the name leaks: the sliders move ρ by about half of that
SURPRISES = 50  # prompts tried for one that the model knows
UNKNOWN_WORDS = 20  # named at once, at most
FRAMES_AT_ONCE = 16  # steps that the page may fetch in one request
MESSAGE_LIMIT = 300  # characters of a refusal; it may quote what was sent
GONE = "This run is no longer kept here: press Run again, then take it home."
EXAMPLE_RUN = "example-"  # the ids of runs that were drawn before begin so
DRAWN_BEFORE = "This example was drawn before, and only its pictures are here: press Run, then take it home."


class Handlers:
    """The page's answers, over one pipeline and one store of runs."""

    def __init__(self, pipeline: Any, settings: StudioSettings, worker: Worker, first: Handlers | None = None) -> None:
        """``first``: those of the first page, where this is a further model's. What is kept, and its bounds, are shared."""
        self.pipeline, self.settings, self.worker = pipeline, settings, worker
        self.scales: tuple[int, ...] = tuple(pipeline.scales)
        self.usual, self.isolated, self.adds = pipeline.usual, pipeline.isolated, pipeline.adds
        self.banded = (network := getattr(pipeline, "model", None)) is not None and network.config.banded
        self.distilled = "distilled" in (getattr(pipeline, "meta", None) or {})  # into the few steps of ``usual``
        self.store = first.store if first else RunStore(settings.keep_runs, settings.keep_bytes, settings.keep_seconds)
        self.sweeps: Store[Any] = (
            first.sweeps if first else Store(settings.keep_sweeps, settings.keep_sweep_bytes, settings.keep_seconds)
        )
        self.pace = Pace()
        self.model = str(getattr(pipeline, "name", "") or "layered diffusion")
        self.checkpoint = checkpoint_name(str(getattr(pipeline, "source", "") or self.model))
        self.slug = slug(self.model) if first else ""  # a part of its page's address and of its endpoints' names

    def endpoint(self, name: str) -> str:
        """The name of an endpoint: a further model's ends with the model's."""
        return f"{name}_{self.slug.replace('-', '_')}" if self.slug else name

    # ------------------------------------------------------------ a run

    def run(self, prompt: Any, values: Mapping[str, Any], session: str) -> Iterator[tuple[dict[str, Any], Run]]:
        """Every step's value for the viewer, with the run it belongs to. Closing it stops the work; what was sent is kept."""
        with refused():
            prompt = check_prompt(prompt)
            values = dict(values)
            if values.get("random_seed"):
                values["seed"] = secrets.randbelow(2**32)
            config = to_config(values, self.scales)
            settings = self.describe(prompt, config)
        run = self.store.open(session, prompt, config, settings)
        python = snippet(prompt, config, self.checkpoint)
        query = to_query(prompt, config, self.scales, self.usual)
        shared = {"seed": config.seed, "query": query, "settings": settings, "python": python}

        def shown(step: Step, measures: Measures, elapsed: float) -> tuple[Step, dict[str, Any], float]:
            return halved(step), frame(step, measures), elapsed

        for step, drawn, elapsed in self.steps(prompt, config, shown):
            run.finished = step.ends
            self.store.add(run, step)
            yield step_value(run, drawn, step.total, elapsed) | shared, run

    def describe(self, prompt: str, config: SampleConfig) -> dict[str, Any]:
        """A run's settings for people. ValueError when they do not fit the model."""
        return describe(prompt, config, self.pipeline.schedule(config), self.model)

    def steps(
        self,
        prompt: str,
        config: SampleConfig,
        make: Callable[[Step, Measures, float], T],
        within: contextlib.AbstractContextManager[Any] | None = None,
    ) -> Iterator[T]:
        """What ``make`` says of every step of a run, given its measures and the seconds so far.

        Sampling and ``make`` run in the worker, one step ahead of who takes the values, ``within`` something that is entered
        and left there too: left before the values end, or when they are closed. A user's mistakes become ``gr.Error``.
        """

        def work() -> Generator[T, None, None]:
            previous, start = None, time.perf_counter()
            with refused():
                stream = self.pipeline.stream(prompt, config)
            with contextlib.closing(stream), within or contextlib.nullcontext():
                while True:
                    with refused():
                        step = next(stream, None)
                    if step is None:
                        if previous is not None:
                            self.pace.note(max(previous.x0), (time.perf_counter() - start) / previous.total)
                        return
                    before = previous if step.index else None  # coarse-first begins anew with the finer scales
                    yield make(step, step_measures(step, before), time.perf_counter() - start)
                    previous = step

        yield from self.worker.stream(work())

    def frames(self, asked: Any) -> list[dict[str, Any]]:
        """Steps of a kept run for the page's script: ``{"run": id, "steps": [...], "kind": "frame" or "z"}``.

        ``frame`` is what ``run`` sent (for a page that missed some), ``z`` the noisy states, which are only sent when looked at.
        The script may be anyone's: nothing that it asks is trusted.
        """
        if not isinstance(asked, dict) or not isinstance(asked.get("steps"), list):
            return []
        run = self.store.get(asked.get("run"))
        kept = list(run.drawn) if run else []
        wanted = {i for i in asked["steps"][:FRAMES_AT_ONCE] if isinstance(i, int) and not isinstance(i, bool)}
        wanted = sorted(i for i in wanted if 0 <= i < len(kept))
        if asked.get("kind") == "z":  # no PyTorch in it: so it need not wait for the worker, which may be drawing the next step
            return [{"step": i, "z": states(kept[i].z, kept[i].logsnr)} for i in wanted]

        def again(i: int) -> dict[str, Any]:
            return frame(kept[i], step_measures(kept[i], kept[i - 1] if i else None))

        made: list[dict[str, Any]] = []
        with contextlib.suppress(Busy):  # what was made is answered, and the page asks again for the rest
            for i in wanted:
                made.append(self.worker.aside(object(), again, i))
        return made

    # ------------------------------------------------------------ beside a run

    def for_lab(self, lab: str, request: gr.Request | None, make: Callable[..., dict[str, Any]], *given: Any) -> Any:
        """What a lab asks to be made for its page; gr.skip() where the same tab has asked it for something newer meanwhile."""
        session = request.session_hash if request else None
        with refused("Not drawn"):
            try:
                return self.worker.aside((lab, session) if session else object(), make, *given)
            except Superseded:
                return gr.skip()

    def unknown_words(self, prompts: Iterable[Any], asker: Hashable) -> dict[str, list[dict[str, Any]]]:
        """Words of the prompts of a run that no training caption had, each once as ``word``, with known ones ``near`` it.

        gr.skip() where the same asker has asked for newer prompts meanwhile; nothing is near while too many ask.
        """
        said = [prompt[:PROMPT_LIMIT] for prompt in prompts if isinstance(prompt, str) and prompt.strip()]
        words = list(dict.fromkeys(word for prompt in said for word in self.pipeline.unknown_words(prompt)))[:UNKNOWN_WORDS]

        def told() -> list[dict[str, Any]]:
            return [{"word": word, "near": self.pipeline.near_words(word)} for word in words]

        try:
            return {"words": self.worker.aside(("words", asker), told) if words else []}
        except Superseded:
            return gr.skip()
        except Busy:
            return {"words": [{"word": word, "near": []} for word in words]}

    def surprise(self) -> str:
        """A prompt of the world's grammar whose words the model knows all; an example where it knows another world."""
        for _ in range(SURPRISES):
            prompt = caption(Vistas(secrets.randbelow(2**32)).spec(0))
            if not self.pipeline.unknown_words(prompt):
                return prompt
        return secrets.choice(self.settings.examples)[1]

    def schedule(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The curves and ρ of the shifts on the page; gr.skip() while one of them is not a number.

        ``x``: where they are drawn, 0 to 1, in steps of equal log-SNR, as a run takes them: t alone has most of them near 0.
        """
        try:
            shifts = tuple(float(values[shift_name(size)]) for size in self.scales)
            config = with_shifts(SampleConfig(), values.get("preset"), shifts, self.scales)
            schedule = Schedule.of_run(config, self.scales)
            t = time_of_logsnr(torch.linspace(schedule.last, STEP_LOGSNR_RANGE[0], CURVE_POINTS, dtype=torch.float64))
            curves = schedule_value(schedule, str(values.get("noise")), t=t, banded=self.banded)
            return curves | {"x": [round(i / (CURVE_POINTS - 1), 3) for i in range(CURVE_POINTS)]}
        except (TypeError, ValueError, KeyError):
            return gr.skip()

    # ------------------------------------------------------------ files

    def export(self, run_id: Any, kind: Any, folder: str) -> Iterator[tuple[int, int] | str]:
        """A kept run as a file of ``kind``, a name in ``exports.WRITERS`` or ``film.FORMATS``: its path, in the end.

        A film tells after each frame how many are made, and of how many: others' steps come between its frames, and closing
        it stops it. gr.Error with a sentence where there is no such run or kind. The file goes when the run goes.
        """
        run = self.store.get(run_id)
        if run is None or not run.steps:
            say = GONE if run_id else "There is nothing to take home yet: press Run first."
            say = DRAWN_BEFORE if str(run_id).startswith(EXAMPLE_RUN) else say
            raise gr.Error(say, title="Nothing to download", print_exception=False)
        if not isinstance(kind, str) or kind not in (*exports.WRITERS, *FORMATS):
            raise gr.Error("This page makes no such file.", title="Nothing to download", print_exception=False)
        key = f"{kind}{len(run.steps)}"
        if key not in run.files or not Path(run.files[key]).exists():
            if kind in FORMATS:
                path = exports.new_file(folder, f"layered-film-{exports.stem(run)}.{kind}")
                shown = shown_scales(tuple(sorted(run.steps[0].x0)))  # a run stopped in the order coarse-first lacks the finest
                yield from self.worker.stream(film(run.steps, run.prompt, shown, path, kind))
            else:
                path = self.worker.call(exports.WRITERS[kind], run, folder, self.model)
            run.files[key] = str(path)
        yield run.files[key]


def slug(name: str) -> str:
    """A short name as part of a file's name or of an address."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "other"


# ------------------------------------------------------------------ values


def step_value(run: Run, shown: dict[str, Any], total: int, elapsed: float) -> dict[str, Any]:
    """One step for the viewer; the same keys at every step, so that unchanged ones cost nothing on the wire."""
    state = "done" if run.finished else "running"
    return {"run": run.id, "state": state, "total": total, "seconds": round(elapsed, 3), "frame": shown}


def schedule_value(
    schedule: Schedule, noise: str, now: float = 0.5, t: torch.Tensor | None = None, banded: bool = False
) -> dict[str, Any]:
    """λ of every scale at the times ``t``, ρ per neighbouring pair at time ``now``, and one sentence on what it means.

    ``banded``: whether the model's levels see only their own band of the noise, so that none can solve for the picture.
    """
    t = torch.linspace(0.02, 0.98, CURVE_POINTS, dtype=torch.float64) if t is None else t
    curves = {str(size): [round(v, 3) for v in values.tolist()] for size, values in schedule.logsnr(t).items()}
    shared = noise != "independent"
    apart = {pair: abs(rho - 1) >= TIGHT for pair, rho in schedule.rho(now).items()}
    pairs = [
        {"low": low, "high": high, "rho": round(rho, 3), "leaks": shared and not banded and apart[low, high]}
        for (low, high), rho in schedule.rho(now).items()
    ]
    if not pairs:
        say = "One scale: nothing to share."
    elif banded and all(pair["rho"] < 1 - TIGHT for pair in pairs):
        say = "ρ < 1: every scale is clearer than the next finer one, so detail is decided when what lies below it is."
    elif banded and any(apart.values()):
        say = "ρ ≠ 1: two scales are not equally clear. Levels of this model see only their own band of the noise: nothing leaks."
    elif not shared:
        say = "Independent noise: nothing is shared between the scales, so nothing can leak, whatever ρ is."
    elif any(pair["leaks"] for pair in pairs):
        say = "ρ ≠ 1: two scales see one noise at different strengths, so a level that sees both can solve for the clean picture."
    else:
        say = "ρ = 1: all scales are one noisy picture seen at different sizes. Nothing leaks."
    return {"t": [round(v, 4) for v in t.tolist()], "curves": curves, "rho": pairs, "say": say}


# ------------------------------------------------------------------ refusals


def check_prompt(prompt: Any) -> str:
    """The prompt without surrounding space. ValueError with advice when there is none or it is too long."""
    if not isinstance(prompt, str):
        raise ValueError("The prompt must be text.")
    prompt = prompt.strip()
    if not prompt:
        raise ValueError("The prompt is empty: describe a landscape, for example «a red balloon over snowy mountains at sunset».")
    if len(prompt) > PROMPT_LIMIT:
        raise ValueError(f"The prompt has {len(prompt):,} characters: at most {PROMPT_LIMIT:,} are read. Please shorten it.")
    return prompt


@contextlib.contextmanager
def refused(title: str = "Not run") -> Iterator[None]:
    """``with refused():`` turns what a user can cause, a ValueError, into a ``gr.Error`` with its sentence."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        short = message if len(message) <= MESSAGE_LIMIT else message[:MESSAGE_LIMIT] + " …"
        raise gr.Error(html.escape(short, quote=False), title=title, print_exception=False) from None
