"""The studio without a browser: settings, links, the store of runs, pictures, what events answer, files."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np
import pytest
import torch
from fake_pipeline import SCALES, FakePipeline, picture_of

from layered.config import SampleConfig
from layered.plots import SCALE_COLOURS
from layered.schedule import Schedule
from layered.studio import encode
from layered.studio.handlers import Handlers, schedule_value
from layered.studio.links import CUSTOM, PROMPT_LIMIT, flatten, from_query, shift_name, to_config, to_query
from layered.studio.settings import StudioSettings, shown_scales
from layered.studio.worker import Worker
from layered.trajectory import to_uint8

UNITS = ("guidance_parallel", "guidance_from", "guidance_to", "eta", "ddpm_noise")
RANGES = {"steps": (1, 100), "guidance": (0, 20), "seed": (0, 2**32 - 1), "sleep_below": (-20, 0), "guided_up_to": (32, 512)}
RANGES |= {"detail": (0, 2)} | dict.fromkeys(UNITS, (0, 1)) | {shift_name(size): (-12, 6) for size in SCALES}
CONFIGS = [
    SampleConfig(),
    SampleConfig(steps=7, guidance=1.5, seed=2**32 - 1, noise="independent", preset="paper"),
    SampleConfig(shifts=(0.25, -0.5, -1.0, -2.0, -3.0), solver="dpm++", states="top-down", clipping="none"),
    SampleConfig(guidance_interval=(0.2, 0.75), solver="ddpm", ddpm_noise=0.4, spacing="time", sleep_below=-8.0),
    SampleConfig(order="coarse-first", steps=9, guidance_parallel=0.35, detail=1.15),
    SampleConfig(detail_prompt="rough & stormy, 100 % «山»"),
    SampleConfig(eta=0.5, guided_up_to=512, noise="bilinear", preset="unshifted", clipping="dynamic"),
]
HOSTILE = {
    "html": "<img src=x onerror=alert(1)> ${alert(1)} {{value}} `tick`",
    "emoji": "a balloon 🎈🎈🎈 over 山 and море",
    "right to left": "بالون أحمر فوق الجبال",
    "control": "a\x00red\u202eballoon\u200f",
    "long": "a red balloon " * 71,
}


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline(pause=0.0)


@pytest.fixture
def handlers(pipeline: FakePipeline) -> Handlers:
    return Handlers(pipeline, StudioSettings(), Worker())


def values(**changed: Any) -> dict[str, Any]:
    """What the page's controls send: the defaults, and what is changed."""
    return flatten(SampleConfig(), SCALES) | {"random_seed": False} | changed


# ------------------------------------------------------------------ settings and links


@pytest.mark.parametrize(("given", "means"), [("128", 128), ("255", 128), ("9999", 512), ("1", 32), ("x", None), ("nan", None)])
def test_guidance_reaches_a_scale_that_is_there(given, means):
    assert from_query({"guided_up_to": given}, SCALES, RANGES).get("guided_up_to") == means


@pytest.mark.parametrize("config", CONFIGS)
def test_settings_survive_the_controls_and_the_link(config):
    assert to_config(flatten(config, SCALES), SCALES) == config
    query = dict(parse_qsl(to_query("red & blue", config, SCALES)))
    found = from_query(query, SCALES, RANGES)
    assert found["prompt"] == "red & blue"
    assert to_config(flatten(SampleConfig(), SCALES) | found, SCALES) == config


def test_every_control_reaches_the_settings_of_the_run():
    usual = to_config(values(), SCALES)
    changed = {
        "steps": 3,
        "seed": 9,
        "guidance": 5.0,
        "guidance_parallel": 0.6,
        "detail": 1.2,
        "guidance_from": 0.1,
        "guidance_to": 0.9,
        "guided_up_to": 256,
        "eta": 0.3,
        "ddpm_noise": 0.9,
        "sleep_below": -3.0,
        "noise": "box",
        "preset": "paper",
        "solver": "ddim",
        "states": "top-down",
        "clipping": "none",
        "spacing": "time",
        "order": "coarse-first",
        "detail_prompt": "a stormy sea",
    } | {shift_name(size): 1.0 for size in SCALES}
    assert set(changed) == set(flatten(SampleConfig(), SCALES))
    for name, value in changed.items():
        assert to_config(values(**{name: value}), SCALES) != usual, name


def test_untouched_preset_stays_exact_and_moved_shifts_count():
    paper = flatten(SampleConfig(preset="paper"), SCALES)
    assert to_config(paper, SCALES).shifts is None
    assert to_config(paper | {"shift_512": -3.0}, SCALES).shifts == (0.0, 0.0, 0.0, -2.08, -3.0)
    assert to_config(values(preset=CUSTOM), SCALES).shifts is None  # custom, but nothing was moved
    moved = to_config(values(preset=CUSTOM, shift_32=0.5), SCALES)
    assert moved.shifts[0] == 0.5


def test_a_preset_whose_shifts_move_is_drawn_and_kept_as_long_as_none_is_moved_by_hand():
    moving = flatten(SampleConfig(preset="interpolated"), SCALES)
    config = to_config(moving, SCALES)
    assert (config.preset, config.shifts) == ("interpolated", None)
    handlers = Handlers(FakePipeline(), StudioSettings(), Worker())
    drawn = handlers.schedule(moving)
    exact = Schedule.preset("interpolated", SCALES)
    assert drawn["rho"] == schedule_value(exact, "sinc")["rho"]
    assert drawn["x"][0] == 0 and drawn["x"][-1] == 1 and len(drawn["x"]) == len(drawn["curves"]["512"])
    at = drawn["t"][40]
    for size in SCALES:
        assert 0.3 < at < 0.7 and drawn["curves"][str(size)][40] == pytest.approx(float(exact.logsnr(at)[size]), abs=0.01)
    by_hand = to_config(moving | {"shift_512": 0.0, "preset": CUSTOM}, SCALES)
    assert by_hand.shifts[-1] == 0.0 and Schedule.of_run(by_hand, SCALES).end_shifts is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("steps", 0, "1 to 250"),
        ("steps", 251, "1 to 250"),
        ("steps", 2.5, "whole number"),
        ("steps", None, "empty"),
        ("steps", "many", "expected a number"),
        ("steps", True, "expected a number"),
        ("seed", -1, "seed"),
        ("seed", 2**32, "seed"),
        ("seed", math.nan, "expected a number"),
        ("guidance", math.inf, "expected a number"),
        ("guidance", 21, "0 to 20"),
        ("guidance_from", 0.9, "guidance interval"),
        ("shift_256", -31, "shift"),
        ("shift_256", [], "Shift 256"),
        ("eta", 1.5, "0 to 1"),
        ("noise", "pink", "noise mode"),
        ("preset", "mine", "preset"),
        ("solver", None, "solver"),
        ("states", {"a": 1}, "state mode"),
    ],
)
def test_a_bad_control_is_refused_with_a_sentence(handlers, pipeline, name, value, says):
    changed = {name: value, "guidance_to": 0.5} if name == "guidance_from" else {name: value}
    with pytest.raises(gr.Error, match=says) as caught:
        next(handlers.run("a red balloon", values(**changed), "tab"))
    assert not caught.value.print_exception
    assert not pipeline.asked and len(handlers.store) == 0


def test_links_ignore_what_they_do_not_understand():
    bad = {
        "prompt": "   ",
        "steps": "1e9",
        "seed": "-3",
        "guidance": "nan",
        "noise": "pink",
        "preset": "mine",
        "solver": "<script>",
        "shift_512": "low",
        "shift_64": "-99",
        "__theme": "dark",
        "random_seed": "x",
    }
    assert from_query(bad, SCALES, RANGES) == {"preset": CUSTOM}
    assert from_query({"steps": "12", "solver": "ddpm"}, SCALES, RANGES) == {"steps": 12, "solver": "ddpm"}
    assert len(from_query({"prompt": "x" * 5000}, SCALES, RANGES)["prompt"]) == PROMPT_LIMIT


# ------------------------------------------------------------------ pictures


def test_pictures_are_what_to_uint8_makes_of_them():
    x = torch.linspace(-1.3, 1.3, 3 * 64 * 64).reshape(1, 3, 64, 64)
    ours = np.asarray(encode.image(x)).astype(int)
    assert np.abs(ours - to_uint8(x)[0].astype(int)).max() <= 1
    astray = torch.tensor([math.nan, math.inf, -math.inf, 0.0]).expand(1, 3, 4, 4)
    assert np.asarray(encode.image(astray))[0, :, 0].tolist() == [0, 255, 0, 128]


def test_noisy_states_fit_the_range_and_become_the_picture():
    z = torch.randn(1, 3, 128, 128)
    noise = np.asarray(encode.noisy_image(z, -15.0))
    assert 0.9 < ((noise > 0) & (noise < 255)).mean() < 0.99
    clean = torch.rand(1, 3, 128, 128) * 2 - 1
    assert np.abs(np.asarray(encode.noisy_image(clean, 15.0)).astype(int) - to_uint8(clean)[0].astype(int)).max() <= 1


def test_numbers_are_ready_for_json():
    assert encode.numbers({128: 1.23456, 256: math.nan, 512: math.inf}) == {"128": 1.235, "256": None, "512": None}


# ------------------------------------------------------------------ a run


def test_run_sends_every_step_and_keeps_it(handlers, pipeline):
    sent = list(handlers.run("  a red balloon ", values(steps=4, seed=11), "tab"))
    assert [value["frame"]["step"] for value, _ in sent] == [0, 1, 2, 3]
    assert [value["state"] for value, _ in sent] == ["running"] * 3 + ["done"]
    first, run = sent[0]
    json.dumps(first, allow_nan=False)
    sizes = [{size: picture_of(url).size for size, url in value["frame"]["x0"].items()} for value, _ in sent]
    assert sizes[0] == {"32": (32, 32)}  # the others sleep under pure noise
    assert sizes[-1] == {str(s): (s, s) for s in SCALES}
    assert set(first["frame"]["measures"]) == {"logsnr", "change", "agreement", "detail"}
    assert first["seed"] == 11 and first["settings"]["prompt"] == "a red balloon" and first["total"] == 4
    assert pipeline.asked == [("a red balloon", SampleConfig(steps=4, seed=11))]
    assert handlers.store.get(run.id) is run and len(run.steps) == 4 and run.finished
    assert "z" not in first["frame"]  # only fetched when looked at
    assert len(json.dumps(first)) < 150_000


def test_a_surprise_is_a_prompt_that_the_model_knows(handlers, pipeline, monkeypatch):
    assert handlers.surprise() in [prompt for _, prompt in handlers.settings.examples]  # it knows few words
    monkeypatch.setattr(pipeline, "unknown_words", lambda prompt: ["fog"] if "fog" in prompt else [])
    drawn = {handlers.surprise() for _ in range(30)}
    assert len(drawn) > 20 and not any("fog" in prompt for prompt in drawn)


def test_random_seed_is_drawn_anew_and_told(handlers):
    seeds = {next(handlers.run("x", values(steps=1, random_seed=True), "tab"))[0]["seed"] for _ in range(4)}
    assert len(seeds) > 1 and all(0 <= seed < 2**32 for seed in seeds)


def test_closed_run_stops_the_work_and_keeps_what_was_drawn(handlers, pipeline):
    stream = handlers.run("a red balloon", values(steps=50), "tab")
    _, run = next(stream)
    next(stream)
    stream.close()
    handlers.worker.call(lambda: None)  # whatever was begun is finished
    assert pipeline.closed == 1 and pipeline.made <= 3  # one step ahead of what was sent
    assert len(run.steps) == 2 and not run.finished
    assert handlers.store.get(run.id) is run


@pytest.mark.parametrize("prompt", HOSTILE.values(), ids=HOSTILE)
def test_any_text_is_a_prompt(handlers, prompt):
    value, run = next(handlers.run(prompt, values(steps=1), "tab"))
    assert value["settings"]["prompt"] == prompt.strip() == run.prompt
    assert isinstance(handlers.unknown_words([prompt], "tab")["words"], list)


@pytest.mark.parametrize(
    ("prompt", "says"), [("", "empty"), (" \n ", "empty"), ("x" * 10_000, "10,000 characters"), (None, "text"), (["a"], "text")]
)
def test_no_prompt_or_too_much_of_it_is_refused(handlers, prompt, says):
    with pytest.raises(gr.Error, match=says):
        next(handlers.run(prompt, values(), "tab"))
    assert handlers.unknown_words([prompt], "tab") is not None


def test_refusals_quote_no_markup(handlers):
    with pytest.raises(gr.Error) as caught:
        next(handlers.run("x", values(solver="<img src=x onerror=alert(1)>"), "tab"))
    assert "<img" not in str(caught.value)
    with pytest.raises(gr.Error) as caught:
        next(handlers.run("x", values(solver="x" * 10_000), "tab"))
    assert len(str(caught.value)) < 500


def test_a_mistake_found_by_the_pipeline_is_told_too(handlers, pipeline, monkeypatch):
    def refuse(prompt: str, config: SampleConfig) -> Iterator[Any]:
        raise ValueError("This model cannot draw that: choose fewer scales.")

    monkeypatch.setattr(pipeline, "stream", refuse)
    with pytest.raises(gr.Error, match="choose fewer scales"):
        next(handlers.run("x", values(), "tab"))


def test_missed_steps_and_noisy_states_can_be_fetched(handlers):
    sent = [value for value, run in handlers.run("a red balloon", values(steps=3), "tab")]
    name = sent[0]["run"]
    (again,) = handlers.frames({"run": name, "steps": [1], "kind": "frame"})
    assert again["step"] == 1 and set(again["x0"]) == set(sent[1]["frame"]["x0"])
    for measure, numbers in sent[1]["frame"]["measures"].items():
        assert again["measures"][measure] == pytest.approx(numbers, rel=0.05, abs=2e-3)
    noisy = handlers.frames({"run": name, "steps": [2, 0], "kind": "z"})
    assert [state["step"] for state in noisy] == [0, 2]
    assert picture_of(noisy[0]["z"]["512"]).size == (512, 512)


@pytest.mark.parametrize(
    "asked", [None, "x", {}, {"run": "nobody", "steps": [0]}, {"run": {"a": 1}, "steps": [0]}, {"steps": "all"}, [1, 2]]
)
def test_fetching_trusts_nothing(handlers, asked):
    assert handlers.frames(asked) == []


def test_fetching_is_bounded_and_ignores_bad_steps(handlers):
    name = [value for value, _ in handlers.run("x", values(steps=2), "tab")][0]["run"]
    asked = {"run": name, "steps": [-1, True, "0", 1, 99, 2**70, None, 1.0], "kind": "z"}
    assert [state["step"] for state in handlers.frames(asked)] == [1]
    assert handlers.frames({"run": name, "steps": [9] * 10_000 + [1], "kind": "z"}) == []


# ------------------------------------------------------------------ the schedule


def test_leak_meter_says_what_rho_means():
    aligned = schedule_value(Schedule.preset("aligned", SCALES), "sinc")
    assert not any(pair["leaks"] for pair in aligned["rho"]) and "Nothing leaks" in aligned["say"]
    paper = schedule_value(Schedule.preset("paper", SCALES), "sinc")
    leaks = {(pair["low"], pair["high"]): pair["leaks"] for pair in paper["rho"]}
    assert leaks[128, 256] and not leaks[256, 512]
    assert paper["rho"][2]["rho"] == pytest.approx(2 * math.exp(math.log(1 / 8) / 2), abs=1e-3)
    apart = schedule_value(Schedule.preset("paper", SCALES), "independent")
    assert not any(pair["leaks"] for pair in apart["rho"]) and "nothing can leak" in apart["say"]
    for preset, says in (
        ("paper", "see only their own band"),
        ("staggered", "clearer than the next finer one"),
        ("aligned", "ρ = 1"),
    ):
        banded = schedule_value(Schedule.preset(preset, SCALES), "sinc", banded=True)
        assert not any(pair["leaks"] for pair in banded["rho"]) and says in banded["say"]
    for noise in ("sinc", "independent"):
        assert schedule_value(Schedule.preset("paper", (64,)), noise)["say"] == "One scale: nothing to share."
    assert len(paper["t"]) == len(paper["curves"]["512"])
    assert all(a > b for a, b in itertools.pairwise(paper["curves"]["512"]))
    json.dumps(paper, allow_nan=False)


@pytest.mark.parametrize("value", [None, "x", math.nan, []])
def test_schedule_waits_for_a_number(handlers, value):
    assert handlers.schedule(values(shift_512=value)) == gr.skip()


def test_shown_scales_and_colours():
    assert shown_scales(SCALES) == (128, 256, 512) and shown_scales((128, 256)) == (128, 256)
    assert set(SCALE_COLOURS) == {*SCALES, 1024} and len(set(SCALE_COLOURS.values())) == 6
