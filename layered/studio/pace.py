"""How long a denoising step takes here, learned from the runs of this process: what an estimate can honestly rest on."""

from __future__ import annotations

import threading

NEWEST = 0.5  # weight of the newest run in the running mean


class Pace:
    """Seconds per step by the finest scale of a run, a running mean over whole runs. May be called from any thread."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._lock = threading.Lock()

    def note(self, size: int, seconds: float) -> None:
        """A run whose finest scale was ``size`` pixels took ``seconds`` per step."""
        with self._lock:
            before = self._seconds.get(size, seconds)
            self._seconds[size] = before + NEWEST * (seconds - before)

    def per_step(self, size: int) -> tuple[float, int] | None:
        """Seconds per step and the finest scale they were measured at: ``size``, or the next finer one that was run, whose
        steps take longer and so bound it from above. None when neither was run."""
        with self._lock:
            at = min((known for known in self._seconds if known >= size), default=None)
            return None if at is None else (self._seconds[at], at)
