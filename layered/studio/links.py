"""Settings of a run as flat values: the names that controls, links, files and the API share, and the way to ``SampleConfig``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from layered.config import MAX_PROMPT, PRESETS, SampleConfig, to_json_dict
from layered.schedule import Schedule

CUSTOM = "custom"  # the preset's name on the page once a shift was moved by hand
NEVER_SLEEP = -20.0  # the slider's lowest value stands for None
SAME_SHIFT = 0.0051  # sliders move by 0.01: closer than that is the preset itself
PROMPT_LIMIT = MAX_PROMPT  # characters

WHOLE = ("steps", "seed", "guided_up_to")
NUMBERS = ("guidance", "guidance_parallel", "guidance_from", "guidance_to", "detail", "eta", "ddpm_noise", "sleep_below")
NAMES = ("noise", "preset", "solver", "states", "clipping", "spacing", "order")
TEXTS = ("detail_prompt",)
LABELS = {
    "steps": "Steps",
    "seed": "Seed",
    "guidance": "Guidance",
    "guidance_parallel": "Guidance on contrast",
    "guidance_from": "Guidance from",
    "guidance_to": "Guidance to",
    "guided_up_to": "Guided up to",
    "detail": "Detail",
    "eta": "Eta",
    "ddpm_noise": "DDPM noise",
    "sleep_below": "Sleep below",
}


def shift_name(size: int) -> str:
    """Name of the flat value that holds δ of one scale."""
    return f"shift_{size}"


def names(scales: Sequence[int]) -> tuple[str, ...]:
    """All flat values of a run, without the prompt."""
    return WHOLE + NUMBERS + NAMES + TEXTS + tuple(shift_name(size) for size in scales)


# ------------------------------------------------------------------ flat values ↔ SampleConfig


def flatten(config: SampleConfig, scales: Sequence[int]) -> dict[str, Any]:
    """A run's settings as one value per control. Guidance or a detail prompt per scale becomes its last, the finest's; the size
    that guidance reaches is that of the finest scale which is guided."""
    shifts = Schedule.of_run(config, scales).shifts
    alike = (*WHOLE, *NAMES, "guidance_parallel", "detail", "eta", "ddpm_noise")
    values: dict[str, Any] = {name: getattr(config, name) for name in alike}
    values["guided_up_to"] = guided_scale(config.guided_up_to, scales)
    values["preset"] = CUSTOM if config.shifts else config.preset
    values["guidance"] = config.guidance[-1] if isinstance(config.guidance, tuple) else config.guidance
    details = config.detail_prompt
    values["detail_prompt"] = details[-1][1] if isinstance(details, tuple) else details
    values["guidance_from"], values["guidance_to"] = config.guidance_interval
    values["sleep_below"] = NEVER_SLEEP if config.sleep_below is None else config.sleep_below
    return values | {shift_name(size): round(shift, 2) for size, shift in zip(scales, shifts, strict=True)}


def guided_scale(size: float, scales: Sequence[int]) -> int:
    """The finest scale that is guided where guidance reaches up to ``size`` pixels: the coarsest always is."""
    return max((scale for scale in scales if scale <= size), default=scales[0])


def to_config(values: Mapping[str, Any], scales: Sequence[int]) -> SampleConfig:
    """One value per control → ``SampleConfig``. ValueError with a sentence for people when a value is missing or wrong."""
    given = {name: _whole(name, values.get(name)) for name in WHOLE}
    given |= {name: _number(name, values.get(name)) for name in NUMBERS}
    shifts = tuple(_number(f"Shift {size}", values.get(shift_name(size))) for size in scales)
    config = SampleConfig(
        guidance_interval=(given.pop("guidance_from"), given.pop("guidance_to")),
        sleep_below=None if given["sleep_below"] <= NEVER_SLEEP else given["sleep_below"],
        **{name: values.get(name) for name in NAMES + TEXTS if name != "preset"},
        **{name: value for name, value in given.items() if name != "sleep_below"},
    )
    return with_shifts(config, values.get("preset"), shifts, scales)


def with_shifts(config: SampleConfig, preset: Any, shifts: Sequence[float], scales: Sequence[int]) -> SampleConfig:
    """The settings with what a preset's name and the shifts beside it say: the preset alone where they are its own.

    ValueError for an unknown name and for shifts that are none.
    """
    preset = SampleConfig().preset if preset == CUSTOM else preset
    config = dataclasses.replace(config, preset=preset, shifts=tuple(shifts))
    exact = Schedule.preset(config.preset, scales).shifts
    same = all(abs(a - b) < SAME_SHIFT for a, b in zip(shifts, exact, strict=True))
    return dataclasses.replace(config, shifts=None) if same else config


def _whole(name: str, value: Any) -> int:
    number = _number(name, value)
    if not number.is_integer():
        raise ValueError(f"{LABELS[name]}: {number:g} is not a whole number.")
    return int(number)


def _number(name: str, value: Any) -> float:
    label = LABELS.get(name, name)
    if value is None or value == "":
        raise ValueError(f"{label} is empty: enter a number, or press «Reset to defaults».")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{label}: expected a number, got {str(value)[:40]!r}.")
    return float(value)


# ------------------------------------------------------------------ for people


def describe(prompt: str, config: SampleConfig, schedule: Schedule, model: str) -> dict[str, Any]:
    """Everything that decides a run, ready for JSON: ``SampleConfig``'s fields, the prompt, the model, the shifts in use."""
    used = {str(size): shift for size, shift in zip(schedule.scales, schedule.shifts, strict=True)}
    return {"prompt": prompt, **to_json_dict(config), "shifts_used": used, "model": model}


# ------------------------------------------------------------------ query strings


def to_query(prompt: str, config: SampleConfig, scales: Sequence[int], usual: SampleConfig | None = None) -> str:
    """The query string that restores a run: prompt and seed always, the rest where it differs from the page's ``usual``."""
    values, usual = flatten(config, scales), flatten(usual or SampleConfig(), scales)
    shown = {name: value for name, value in values.items() if name == "seed" or value != usual[name]}
    if config.shifts is None:  # the preset's name says it exactly
        shown = {name: value for name, value in shown.items() if not name.startswith("shift_")}
    return urlencode({"prompt": prompt, **{name: f"{v:g}" if isinstance(v, float) else str(v) for name, v in shown.items()}})


def from_query(
    query: Mapping[str, str],
    scales: Sequence[int],
    ranges: Mapping[str, tuple[float, float]],
    hidden: Collection[str] = (),
) -> dict[str, Any]:
    """Query parameters → values for the controls (and ``prompt``). Unknown names and bad values are left out.

    ``ranges`` are the lowest and highest values that each numeric control accepts, ``hidden`` the names that the page does not
    offer: they are left out too.
    """
    query = {name: value for name, value in query.items() if name not in hidden}
    usual = flatten(SampleConfig(), scales)
    found: dict[str, Any] = {}
    if query.get("preset") in PRESETS:
        found |= {
            name: v for name, v in flatten(SampleConfig(preset=query["preset"]), scales).items() if name.startswith("shift_")
        }
        found["preset"] = query["preset"]
    elif query.get("preset") == CUSTOM:
        found["preset"] = CUSTOM
    for name, value in query.items():
        if name == "guided_up_to":
            number = _parse(str(value))
            if number is not None:
                found[name] = guided_scale(number, scales)
        elif name in ranges and name in usual:
            number = _parse(str(value))
            if number is not None and ranges[name][0] <= number <= ranges[name][1]:
                found[name] = int(number) if name in WHOLE else number
        elif name in NAMES and name != "preset":
            try:
                dataclasses.replace(SampleConfig(), **{name: value})
            except ValueError:
                continue
            found[name] = value
        elif name in TEXTS and len(scales) > 1:
            found[name] = str(value)[:PROMPT_LIMIT]
    if any(name.startswith("shift_") for name in query) and "preset" not in found:
        found["preset"] = CUSTOM
    prompt = query.get("prompt")
    if isinstance(prompt, str) and prompt.strip():
        found["prompt"] = prompt[:PROMPT_LIMIT]
    return found


def _parse(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
