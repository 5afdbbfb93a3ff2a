"""The fields of the configs: checks whose sentences name the setting, and frozen dataclasses to JSON and back."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from typing import Any

# ------------------------------------------------------------------ checks


def number(name: str, value: Any, low: float, high: float) -> None:
    """ValueError unless the value is a number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {shown(value)}.")


def whole(name: str, value: Any, low: int, high: int) -> None:
    """ValueError unless the value is a whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name}: expected a whole number from {low} to {high}, got {shown(value)}.")


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """ValueError unless the value is one of these."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {shown(value)}.")


def several(name: str, value: Any) -> tuple:
    """The values of a list or tuple, as a tuple; ValueError for anything else."""
    if not isinstance(value, (tuple, list)):
        raise ValueError(f"{name}: expected a list, got {shown(value)}.")
    return tuple(value)


def shown(value: Any) -> str:
    """The value as people typed it, cut to a line."""
    return reprlib.repr(value)


def mapping(data: Any, what: str) -> Mapping[str, Any]:
    """The data itself; ValueError unless it is names with values."""
    if not isinstance(data, Mapping):
        raise ValueError(f"Expected {what} as names with values, got {shown(data)}.")
    return data


# ------------------------------------------------------------------ JSON


def added(default: Any) -> Any:
    """A field that came after the first checkpoints: written only where it differs from its default, so that what the older
    programs know is written as they wrote it, digests of it stay what they were, and they can read it."""
    return dataclasses.field(default=default, metadata={"added": True})


def plain(value: Any) -> Any:
    """Dataclasses as dicts and tuples as lists: what ``json`` writes and reads back unchanged."""
    if dataclasses.is_dataclass(value):
        fields = [field for field in dataclasses.fields(value) if not _left_out(value, field)]
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _left_out(value: Any, field: dataclasses.Field) -> bool:
    return "added" in field.metadata and getattr(value, field.name) == field.default


def from_dict(cls: type, data: Any, what: str) -> Any:
    """The dataclass of such a dict. Missing fields take their default; ValueError for unknown or needed ones, and bad values."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if unknown := sorted(set(map(str, mapping(data, what))) - set(fields)):
        raise ValueError(f"Unknown name in {what}: {shown(', '.join(unknown))}. Known are {', '.join(fields)}.")
    needed = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    if missing := [name for name in needed if name not in data]:
        raise ValueError(f"Missing in {what}: {', '.join(missing)}.")
    return cls(**data)
