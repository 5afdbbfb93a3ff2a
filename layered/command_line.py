"""What the commands make sure of before they work: that there is such a device, and that the results can be written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch


def check_device(name: str) -> None:
    """Raises ValueError where PyTorch cannot compute on a device of that name."""
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # of a name that is none, of a PyTorch that is built without it
        raise ValueError(f"There is no device {name!r} here: leave it out, or give cpu or one that PyTorch can use.") from error


def open_folder(folder: Path) -> None:
    """Makes the folder of the results, with those above it. Raises ValueError where nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"Nothing can be written into a folder {folder} ({error.strerror}): name another one.") from error
