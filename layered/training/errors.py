"""What stops a run: said to the person who runs it."""

from __future__ import annotations


class TrainingError(ValueError):
    """A run that cannot begin or go on, with a sentence that says what was wrong and what to do."""
