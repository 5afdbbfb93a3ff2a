"""Experiments of one click: two runs on the same noise that differ in one thing, and what to look for between them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from layered.config import SampleConfig
from layered.schedule import Schedule
from layered.studio.handlers import check_prompt
from layered.studio.links import flatten, from_query, shift_name
from layered.studio.settings import shown_scales


@dataclass(frozen=True)
class Experiment:
    """What runs A and B change in the settings that are on the page; everything else is the same in both."""

    key: str
    title: str
    says: str  # in one line, what is compared
    look: str  # a sentence or two beside the result: what to look for
    a: Mapping[str, Any] = field(default_factory=dict)  # flat values, see ``links``
    b: Mapping[str, Any] = field(default_factory=dict)
    asks: bool = False  # whether B has a prompt of its own, which is asked for

    def for_page(self) -> dict[str, Any]:
        """What the viewer needs to offer it."""
        return {name: getattr(self, name) for name in ("key", "title", "says", "look", "asks")}


def experiments(
    scales: tuple[int, ...], usual: SampleConfig, distilled: bool = False, banded: bool = False
) -> tuple[Experiment, ...]:
    """The experiments of a page whose model draws at these scales, with these settings unless others are asked for.

    Of one scale: without those that compare the ways in which scales hang together. ``distilled``: whether guidance is built in;
    ``banded``: whether levels see only their own band of the noise.
    """
    several = len(scales) > 1
    finest, below = scales[-1], scales[-2] if len(scales) > 1 else scales[-1]
    rho = {name: Schedule.preset(name, shown_scales(scales)).rho() for name in ("paper", "aligned")}
    apart = max(rho["paper"], key=lambda pair: abs(rho["paper"][pair] - rho["aligned"][pair]), default=(below, finest))
    low, high = apart
    strong = SampleConfig().guidance if usual.guidance == 1 else usual.guidance
    rho_says = (
        f": ρ between {low} and {high} is {_rho(rho['paper'], apart)} in A and {_rho(rho['aligned'], apart)} in B; "
        "where it is not 1, shared noise can give the answer away"
    )
    all_of_them = (
        Experiment(
            "noise",
            "Sinc against independent noise",
            "Do the scales agree better when they see the same noise?",
            f"Look at the agreement: how close {finest} px, brought down, is to {below} px in A, whose noise is shared, "
            "and in B, where every scale has its own."
            + (" Here levels see only the part of the noise that is theirs, so both agree and the detail differs." * banded),
            {"noise": "sinc"},
            {"noise": "independent"},
        ),
        _schedules(scales, usual, several, rho_says),
        Experiment(
            "states",
            "Per scale against top-down",
            "Every scale by its own prediction, or all from the finest.",
            f"Look at the curves of change: when do the coarse scales settle in A, and when in B, "
            f"where {finest} px decides for them?",
            {"states": "per-scale", "order": "together"},
            {"states": "top-down", "order": "together"},
        ),
        Experiment(
            "guidance",
            f"Guidance 1 against {strong:g}",
            "The guidance that is built in, and more on top of it." if distilled else "Without guidance, and with a usual one.",
            "Look for the prompt, word by word: which of the things that it names are in A "
            f"({'the guidance that is built in' if distilled else 'no guidance'}), and which in B?",
            {"guidance": 1.0},
            {"guidance": strong},
        ),
        Experiment(
            "prompts",
            "Two prompts, the same noise",
            "What comes from the words, and what from the noise?",
            "Look at what stays in place from A to B: that comes from the noise. What changes comes from the words.",
            asks=True,
        ),
    )
    return tuple(one for one in all_of_them if several or one.key not in ("noise", "states"))


def _schedules(scales: Sequence[int], usual: SampleConfig, several: bool, rho_says: str) -> Experiment:
    """Two schedules against each other: where scales usually wait for the next coarser one, against all of them at once."""
    if several and usual.preset == "staggered":
        return Experiment(
            "schedule",
            "Aligned against staggered schedule",
            "All scales at once, or each when the one below it is done.",
            f"Look at the edges at {scales[-1]} px, and with the scrubber at when each scale settles. A level is not told what "
            "finer ones hold: in A detail is decided while the picture below it still moves.",
            _preset("aligned", scales),
            _preset("staggered", scales),
        )
    return Experiment(
        "schedule",
        "Paper against aligned schedule",
        "Two ways to shift the noise of the finer scales." if several else "Two ways to shift the noise.",
        f"Look at the early steps, with the scrubber{rho_says if several else ''}.",
        _preset("paper", scales),
        _preset("aligned", scales),
    )


def _rho(values: Mapping[tuple[int, int], float], pair: tuple[int, int]) -> str:
    return f"{values[pair]:.2f}".rstrip("0").rstrip(".") if pair in values else "1"


def _preset(name: str, scales: Sequence[int]) -> dict[str, Any]:
    values = flatten(SampleConfig(preset=name), scales)
    return {key: values[key] for key in ("preset", *map(shift_name, scales))}


def next_run(
    asked: Any,
    known: Sequence[Experiment],
    prompt: Any,
    values: Mapping[str, Any],
    usual: Mapping[str, Any],
    scales: Sequence[int],
    ranges: Mapping[str, tuple[float, float]],
    example: str,
) -> tuple[str, dict[str, Any]]:
    """Prompt and flat values of the next run of an experiment.

    ``asked`` is the page's, and may be anyone's: ``{"experiment": key, "side": "a"}`` takes the ``prompt`` (or ``example``, if
    there is none) and the ``values`` of the controls; ``{..., "side": "b", "query": A's}`` takes those of run A, and ``"prompt"``
    where the experiment asks for a second one. ValueError with a sentence for anything else.
    """
    asked = asked if isinstance(asked, dict) else {}
    one = next((one for one in known if one.key == asked.get("experiment")), None)
    if one is None or asked.get("side") not in ("a", "b"):
        raise ValueError("There is no such experiment on this page.")
    if asked["side"] == "a":
        values = {**values, **one.a}
        if values.get("random_seed"):
            values["seed"] = secrets.randbelow(2**32)
        prompt = prompt if isinstance(prompt, str) and prompt.strip() else example
    else:
        found = from_query(dict(parse_qsl(str(asked.get("query", "")))), scales, ranges)
        prompt = check_prompt(asked.get("prompt") if one.asks else found.get("prompt"))
        values = {**usual, **found, **one.b}
    return prompt, {**{name: values.get(name) for name in usual}, "random_seed": False}
