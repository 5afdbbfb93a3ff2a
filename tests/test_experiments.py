"""What an experiment's runs are: one thing differs, the noise is the same, and nothing that the page sends is trusted."""

from __future__ import annotations

import pytest
from fake_pipeline import SCALES

from layered.config import SampleConfig
from layered.studio.experiments import Experiment, experiments, next_run
from layered.studio.links import flatten, shift_name, to_config, to_query

RANGES = {"steps": (1, 100), "guidance": (0, 20), "seed": (0, 2**32 - 1), "sleep_below": (-20, 0), "guided_up_to": (32, 512)}
RANGES |= {shift_name(size): (-12, 6) for size in SCALES}
USUAL = flatten(SampleConfig(), SCALES) | {"random_seed": True}
ALL = {one.key: one for one in experiments(SCALES, SampleConfig())}


def both(one: Experiment, values: dict, prompt: str = "a red balloon") -> tuple[tuple[str, SampleConfig], ...]:
    """Prompt and settings of A and of B, as the page comes by them."""
    rest = (USUAL, SCALES, RANGES, "an example")
    asked = {"experiment": one.key, "side": "a"}
    first, of_a = next_run(asked, list(ALL.values()), prompt, USUAL | values, *rest)
    a = to_config(of_a, SCALES)
    asked |= {"side": "b", "query": to_query(first, a, SCALES), "prompt": "a blue boat"}
    second, of_b = next_run(asked, list(ALL.values()), "typed meanwhile", USUAL | {"steps": 1}, *rest)
    assert of_a["random_seed"] is of_b["random_seed"] is False and set(of_a) == set(of_b) == set(USUAL)
    return (first, a), (second, to_config(of_b, SCALES))


@pytest.mark.parametrize("values", [{}, {"steps": 7, "seed": 5, "random_seed": False, "noise": "box", "solver": "ddim"}])
@pytest.mark.parametrize("one", ALL.values(), ids=ALL)
def test_one_thing_differs(one: Experiment, values: dict) -> None:
    (first, a), (second, b) = both(one, values)
    differ = {name for name in vars(a) if getattr(a, name) != getattr(b, name)}
    setting = {"noise": "noise", "schedule": "preset", "states": "states", "guidance": "guidance"}
    assert differ == ({setting[one.key]} if one.key in setting else set())
    assert (first != second) is one.asks and first == "a red balloon" and second in (first, "a blue boat")
    if values:
        assert (a.seed, b.seed, a.steps, a.solver) == (5, 5, 7, "ddim")


def test_the_settings_are_those_that_the_title_names() -> None:
    found = {key: tuple(config for _, config in both(one, {})) for key, one in ALL.items()}
    assert [config.noise for config in found["noise"]] == ["sinc", "independent"]
    assert [config.preset for config in found["schedule"]] == ["paper", "aligned"]
    assert all(config.shifts is None for config in found["schedule"])
    assert [config.states for config in found["states"]] == ["per-scale", "top-down"]
    assert [config.guidance for config in found["guidance"]] == [1.0, SampleConfig().guidance]
    assert "0.71" in ALL["schedule"].look and "between 128 and 256" in ALL["schedule"].look


def test_a_model_whose_scales_wait_for_each_other_is_compared_with_all_at_once() -> None:
    found = {one.key: one for one in experiments(SCALES, SampleConfig(preset="staggered"))}["schedule"]
    a, b = (to_config(USUAL | side, SCALES) for side in (found.a, found.b))
    assert (a.preset, b.preset, a.shifts, b.shifts) == ("aligned", "staggered", None, None)
    assert "Aligned against staggered" in found.title and "512 px" in found.look
    single = {one.key: one for one in experiments(SCALES[-1:], SampleConfig(preset="staggered"))}["schedule"]
    assert "Paper against aligned" in single.title


def test_a_random_seed_is_drawn_once_and_an_empty_prompt_takes_an_example() -> None:
    seeds = {both(ALL["noise"], {})[0][1].seed for _ in range(4)}
    assert len(seeds) > 1
    assert both(ALL["noise"], {}, prompt="  ")[0][0] == both(ALL["noise"], {}, prompt=None)[1][0] == "an example"


def test_top_down_is_never_asked_for_coarse_first() -> None:
    assert {config.order for _, config in both(ALL["states"], {"order": "coarse-first"})} == {"together"}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (None, "no such experiment"),
        ([], "no such experiment"),
        ({"experiment": "x", "side": "a"}, "no such experiment"),
        ({"experiment": ["noise"], "side": "a"}, "no such experiment"),
        ({"experiment": "noise", "side": "c"}, "no such experiment"),
        ({"experiment": "noise", "side": "b"}, "prompt must be text"),
        ({"experiment": "prompts", "side": "b", "query": "prompt=x", "prompt": "  "}, "prompt is empty"),
        ({"experiment": "prompts", "side": "b", "query": "prompt=x", "prompt": "x" * 1001}, "1,001 characters"),
    ],
)
def test_what_the_page_asks_is_checked(asked, says) -> None:
    with pytest.raises(ValueError, match=says):
        next_run(asked, list(ALL.values()), "x", USUAL, USUAL, SCALES, RANGES, "an example")


def test_a_query_of_anyone_reaches_no_further_than_the_controls() -> None:
    asked = {"experiment": "noise", "side": "b", "query": "prompt=x&steps=9999&solver=euler&seed=4&nonsense=1"}
    _, values = next_run(asked, list(ALL.values()), "", {}, USUAL, SCALES, RANGES, "an example")
    assert to_config(values, SCALES) == SampleConfig(seed=4, noise="independent")


def test_a_model_of_one_scale_has_experiments_too() -> None:
    found = {one.key: one for one in experiments((64,), SampleConfig())}
    assert list(found) == ["schedule", "guidance", "prompts"]  # nothing is shared, nothing decides for the others
    assert "ρ" not in found["schedule"].look and "finer" not in found["schedule"].says


def test_levels_that_see_only_their_own_noise_are_said_to_agree_in_both() -> None:
    looks = [experiments(SCALES, SampleConfig(), banded=banded)[0].look for banded in (False, True)]
    assert looks[1].startswith(looks[0]) and "both agree" in looks[1] and "both agree" not in looks[0]


def test_guidance_of_a_distilled_model_is_built_in() -> None:
    one = {one.key: one for one in experiments(SCALES, SampleConfig(guidance=1.0, steps=4), distilled=True)}["guidance"]
    assert "built in" in one.says and "built in" in one.look and "no guidance" not in one.look + one.says


@pytest.mark.parametrize(("usual", "strong"), [(SampleConfig(guidance=2.5), 2.5), (SampleConfig(guidance=1.0, steps=8), 3.0)])
def test_guidance_is_compared_with_the_models_own_or_else_with_some(usual, strong) -> None:
    one = {one.key: one for one in experiments(SCALES, usual)}["guidance"]
    assert (one.a, one.b) == ({"guidance": 1.0}, {"guidance": strong}) and f"{strong:g}" in one.title
