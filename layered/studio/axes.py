"""What an axis of a sweep may vary, and how its values are written: «1, 2, 4», «1..9 step 2», names, a prompt on each line."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from layered.config import NOISE_MODES, PRESETS, SOLVERS, STATE_MODES, SampleConfig
from layered.studio.links import flatten, shift_name

NONE = "none"  # the second axis where there is one only
PROMPT = "prompt"
ALL_SHIFTS = "shift_all"
USUAL = SampleConfig()
TEXT_LIMIT = 40_000  # characters of typed values: as many prompts as a grid can have

NUMBER = r"[+-]?(?:\d{1,12}(?:\.\d{1,9})?|\.\d{1,9})"
RANGE = re.compile(rf"({NUMBER})\s*\.\.\s*({NUMBER})(?:\s*step\s*({NUMBER}))?", re.IGNORECASE)
HINT = "Write a list such as 1, 2, 4 or a range such as 1..9 step 2."


# ------------------------------------------------------------------ what an axis may vary


@dataclass(frozen=True)
class Setting:
    """One setting that an axis can vary."""

    name: str  # of the flat value, see ``links``; or ``PROMPT`` or ``ALL_SHIFTS``
    label: str
    kind: str  # "number", "whole", "name" or "text"
    usual: tuple[Any, ...]  # values to start from
    choices: tuple[str, ...] = ()  # of kind "name"


def sweepable(
    scales: Sequence[int], prompts: Sequence[str] = (), usual: SampleConfig = USUAL, adds: bool = True
) -> dict[str, Setting]:
    """Every setting that an axis can vary, by name: those that change something at more than one scale only where there are more.

    ``prompts`` are the ones to start from; the steps and weights to start from lie around those of ``usual``. ``adds``: whether
    the model's finer scales add to the coarser.
    """
    several = len(scales) > 1
    weight = flatten(usual, scales)["guidance"]
    weights = (1, weight / 2, weight, min(2 * weight, 20)) if weight > 1 else (1, 1.5, 2, 3)
    steps = (max(1, round(share * usual.steps)) for share in (0.2, 0.4, 1, 2))
    all_of_them = [
        Setting("guidance", "Guidance", "number", tuple(sorted(set(weights)))),
        Setting("guidance_parallel", "Guidance on contrast", "number", (0, 0.5, 1)),
        Setting("steps", "Steps", "whole", tuple(sorted(set(steps)))),
        Setting(PROMPT, "Prompt", "text", tuple(prompts)),
        *([Setting("detail", "Detail", "number", (0.8, 1, 1.2))] if several and adds else []),
        *([Setting("detail_prompt", "Detail prompt", "text", tuple(prompts))] if several else []),
        Setting("seed", "Seed", "whole", (1, 2, 3, 4)),
        Setting(ALL_SHIFTS, "Shift of all scales, added", "number", (-2, 0, 2)),
        *(Setting(shift_name(size), f"Shift δ {size}", "number", (-4, -2, 0)) for size in scales),
        Setting("preset", "Shift preset", "name", PRESETS, PRESETS),
        *([Setting("noise", "Noise across scales", "name", NOISE_MODES, NOISE_MODES)] if several else []),
        Setting("solver", "Solver", "name", SOLVERS, SOLVERS),
        *([Setting("states", "States", "name", STATE_MODES, STATE_MODES)] if several else []),
        Setting("ddpm_noise", "DDPM noise", "number", (0, 0.2, 0.5, 1)),
        Setting("eta", "Eta (DDIM)", "number", (0, 0.5, 1)),
    ]
    return {setting.name: setting for setting in all_of_them}


@dataclass(frozen=True)
class Axis:
    """A setting with its values, in order and each once."""

    setting: Setting
    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The values for people; shifts that are added keep their sign."""
        if self.setting.kind in ("name", "text"):
            return self.values
        sign = "+" if self.setting.name == ALL_SHIFTS else ""
        return tuple(
            str(v) if isinstance(v, int) else format(v, (sign if v else "") + ".6g").replace("-", "−") for v in self.values
        )


def read_axis(asked: Any, settings: Mapping[str, Setting], limit: int, which: str) -> Axis | None:
    """``{"setting": name, "values": list or text}`` → an axis; None for none. ``limit`` values at most.

    Raises ValueError with a sentence for whatever is wrong; ``which`` names the axis in it.
    """
    if asked is None or (isinstance(asked, Mapping) and asked.get("setting") == NONE):
        return None
    if not isinstance(asked, Mapping) or not isinstance(asked.get("setting"), str):
        raise ValueError(f'{which}: expected {{"setting": …, "values": …}}, got {short(asked)}.')
    setting = settings.get(asked["setting"])
    if setting is None:
        raise ValueError(f"{which}: {short(asked['setting'])} cannot be varied. Choose one of {', '.join(settings)}.")
    given = asked.get("values")
    if isinstance(given, str) and len(given) > TEXT_LIMIT:
        raise ValueError(f"{setting.label}: the list of values is too long.")
    if not isinstance(given, (str, list, tuple)):
        raise ValueError(f"{setting.label}: expected a list of values, got {short(given)}.")
    if setting.kind == "text":
        values = _texts(given, setting.label)
    elif setting.kind == "name":
        values = _names(given, setting)
    else:
        numbers = parse_numbers(given, setting.label, limit) if isinstance(given, str) else [_json(v, setting) for v in given]
        values = [_whole(v, setting.label) for v in numbers] if setting.kind == "whole" else [float(v) for v in numbers]
    if not values:
        raise ValueError(f"{setting.label} has no values: {'choose at least one.' if setting.choices else 'write at least one.'}")
    if len(values) > limit:
        raise ValueError(f"{setting.label} has {len(values):,} values: at most {limit} pictures are drawn in one sweep.")
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"{setting.label}: {short(value)} is listed twice.")
    return Axis(setting, tuple(values))


def parse_numbers(text: str, label: str, limit: int) -> list[Decimal]:
    """«1, 2, 4» and «1..9 step 2», mixed as one likes → exact numbers. A range counts down where it ends below its start."""
    numbers: list[Decimal] = []
    for part in re.split(r"[,;\n]", text.replace("−", "-").replace("…", "..")):
        if found := RANGE.fullmatch(part.strip()):
            numbers += _range(*found.groups(), label=label, limit=limit)
            continue
        for word in part.split():
            if not re.fullmatch(NUMBER, word):
                raise ValueError(f"{label}: «{_cut(part.strip())}» is not a number. {HINT}")
            numbers.append(Decimal(word))
    return numbers


def _range(first: str, last: str, step: str | None, label: str, limit: int) -> list[Decimal]:
    start, end, by = Decimal(first), Decimal(last), Decimal(step or "1")
    if by <= 0:
        raise ValueError(f"{label}: the step of a range is a number above 0, got {by}.")
    count = int(abs(end - start) / by) + 1
    if count > limit:
        raise ValueError(f"{label}: {first}..{last} has {count:,} values: at most {limit} pictures are drawn in one sweep.")
    return [start + (by if end >= start else -by) * index for index in range(count)]


def _json(value: Any, setting: Setting) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{setting.label}: {short(value)} is not a number.")
    return Decimal(str(value))


def _whole(value: Decimal, label: str) -> int:
    if value != value.to_integral_value():
        raise ValueError(f"{label}: {value} is not a whole number.")
    return int(value)


def _texts(given: str | Sequence[Any], label: str) -> list[str]:
    lines = given.splitlines() if isinstance(given, str) else list(given)
    if not all(isinstance(line, str) for line in lines):
        raise ValueError(f"{label}: every value must be text.")
    return [line.strip() for line in lines if line.strip()]


def _names(given: str | Sequence[Any], setting: Setting) -> list[str]:
    names = [name for name in re.split(r"[,;\s]+", given) if name] if isinstance(given, str) else list(given)
    for name in names:
        if name not in setting.choices:
            raise ValueError(f"{setting.label}: {short(name)} is none of {', '.join(setting.choices)}.")
    return names


def short(value: Any) -> str:
    """A value as people wrote it, cut to a line."""
    return f"«{_cut(value)}»" if isinstance(value, str) else _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + " …"
