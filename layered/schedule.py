"""Noise schedules: the shifted cosine of every scale, presets, times of the steps (paper, section 2.3; simple diffusion, 3.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from layered.config import PRESETS, SPACINGS, SampleConfig, Spacing

LOGSNR_RANGE = (-15.0, 15.0)  # of the unshifted cosine; a shift moves both ends (simple diffusion, appendix A)
STEP_LOGSNR_RANGE = (-9.0, 15.0)  # unshifted log-SNR of the steps of spacing "logsnr": from global colour to the finest detail
SETTLED = 9.4  # the log-SNR at which a scale is done; ``aligned`` ends there at 512 pixels
LEAD = 3.0  # how much further a scale of preset "staggered" is than the next finer one, in log-SNR; found by measurement
BISECTIONS = 60  # of [0, 1] for the time of a log-SNR under a moving shift: down to the last bit of float64
DETAIL_REFERENCE = 8  # the reference of preset "interpolated" at t = 0, in references: 32 to 256 pixels, as in equation 6
MAX_SHIFT_RISE = 2 * math.pi  # the cosine falls by at least this much per unit of t


# ------------------------------------------------------------------ one scale


def shifted_cosine_logsnr(t: Tensor, shift: float | Tensor = 0.0, end_shift: float | Tensor | None = None) -> Tensor:
    """λ(t) = −2 log tan(πt/2) + δ (simple diffusion, equation 5 in log space), the first term clipped to ``LOGSNR_RANGE``.

    Under a shift so low that λ would not reach ``SETTLED`` with that, it is clipped there instead.

    With ``end_shift`` δ moves in a straight line from ``shift`` at t = 0 to that at t = 1 (its equation 6, «interpolated»).
    ``t`` in [0, 1] of any shape and floating type; the shifts broadcast against it. The clip moves with the shift. Simple
    diffusion squeezes the angle into the range instead of clipping; the two differ only within 4e-4 of either end of t.
    """
    # tan as a ratio of sines: precise at both ends, in float32 too
    cosine = 2 * (torch.sin((1 - t) * (math.pi / 2)).log() - torch.sin(t * (math.pi / 2)).log())
    low, high = LOGSNR_RANGE
    high = torch.as_tensor(SETTLED - torch.as_tensor(shift, dtype=cosine.dtype, device=cosine.device)).clamp(min=high)
    return torch.minimum(cosine.clamp(min=low), high) + moving_shift(t, shift, end_shift)


def moving_shift(t: float | Tensor, shift: float | Tensor, end_shift: float | Tensor | None) -> float | Tensor:
    """δ at time t: (1 − t) δ(0) + t δ(1), or the same at every t without ``end_shift``."""
    return shift if end_shift is None else (1 - t) * shift + t * end_shift


def time_of_logsnr(logsnr: Tensor, shift: float | Tensor = 0.0, end_shift: float | Tensor | None = None) -> Tensor:
    """t at which the shifted cosine has this log-SNR, shaped like ``logsnr``: the inverse of ``shifted_cosine_logsnr``.

    t = (2/π) atan(exp(−(λ − δ)/2)); by bisection in float64 where the shift moves, 0 or 1 where it never has it.
    """
    if end_shift is None:
        return torch.atan(torch.exp(-(logsnr - shift) / 2)) * (2 / math.pi)
    low, high = torch.zeros_like(logsnr, dtype=torch.float64), torch.ones_like(logsnr, dtype=torch.float64)
    for _ in range(BISECTIONS):  # λ falls as t grows
        middle = (low + high) / 2
        above = shifted_cosine_logsnr(middle, shift, end_shift) > logsnr
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return ((low + high) / 2).to(logsnr.dtype)


def alpha_sigma(logsnr: Tensor) -> tuple[Tensor, Tensor]:
    """α = sqrt(sigmoid(λ)) and σ = sqrt(sigmoid(−λ)): variance preserving, α² + σ² = 1 (simple diffusion, section 3.1)."""
    return torch.sigmoid(logsnr).sqrt(), torch.sigmoid(-logsnr).sqrt()


# ------------------------------------------------------------------ all scales


@dataclass(frozen=True)
class Schedule:
    """The log-SNR of every scale over one shared time t.

    With ``end_shifts`` the shift moves in a straight line from ``shifts`` at t = 0 to ``end_shifts`` at t = 1 (simple diffusion,
    equation 6; its appendix A swaps the two ends, and preset ``interpolated`` follows the appendix).
    """

    scales: tuple[int, ...]  # resolutions in pixels, coarse to fine
    shifts: tuple[float, ...]  # δ of every scale, natural log, added to the log-SNR
    end_shifts: tuple[float, ...] | None = None  # δ at t = 1; None: the same as ``shifts`` at every t
    last: float | None = None  # unshifted log-SNR at which the steps of spacing "logsnr" end; None: as its own scales need

    def __post_init__(self) -> None:
        scales = tuple(int(size) for size in self.scales)
        object.__setattr__(self, "scales", scales)
        if not scales or any(size < 1 for size in scales) or list(scales) != sorted(set(scales)):
            raise ValueError(f"A schedule needs its scales coarse to fine, each once: got {self.scales}.")
        for name in ("shifts", "end_shifts"):
            values = getattr(self, name)
            if values is None:
                continue
            values = tuple(float(value) for value in values)
            object.__setattr__(self, name, values)
            if len(values) != len(scales):
                raise ValueError(
                    f"The schedule has {len(values)} {name.replace('_', ' ')} for {len(scales)} scales "
                    f"({', '.join(map(str, scales))}): give one per scale, coarse to fine."
                )
            if not all(map(math.isfinite, values)):
                raise ValueError(f"The {name.replace('_', ' ')} of a schedule are finite numbers: got {values}.")
        if self.last is None:
            object.__setattr__(self, "last", max(STEP_LOGSNR_RANGE[1], SETTLED - min(self.shifts)))
        for start, end in zip(self.shifts, self.end_shifts or self.shifts, strict=True):
            if end - start >= MAX_SHIFT_RISE:
                raise ValueError(
                    f"A shift that rises from {start:g} to {end:g} would let the signal grow with the noise: "
                    f"it may rise by less than {MAX_SHIFT_RISE:.2f}."
                )

    @classmethod
    def preset(cls, name: str, scales: Sequence[int], reference: int = 32) -> Schedule:
        """A named schedule for these scales.

        ``aligned``: δ = 2 log(reference / r), every scale one noisy picture seen at its size (simple diffusion, equation 5).
        ``staggered``: the coarsest as in ``aligned``, every finer one ``LEAD`` further behind the one below it than there, so
        that detail is decided when the picture below is. A level is told nothing of what finer ones hold (paper, section 2.1):
        only then are its prediction and theirs those of one picture. Ours.
        ``paper``: 0 up to 128 pixels, log 1/8 at 256, log 1/32 at 512 (paper, section 2.3), and on along the same line.
        ``unshifted``: 0 (the failure of the paper's figure A.3).
        ``interpolated``: aligned at every t, the reference moving from 8 × ``reference`` at t = 0 to ``reference`` at t = 1, as
        in simple diffusion's appendix A: noise as strong as ``aligned`` has it where the picture is decided, and weaker where its
        detail is drawn, so that more of the steps go to it. Equation 6 as printed has the two ends the other way round, which
        leaves less room for detail, not more.
        """
        ends = None
        if name == "aligned":
            shifts = [2 * math.log(reference / size) for size in scales]
        elif name == "staggered":
            shifts = [2 * math.log(reference / size) - LEAD * math.log2(size / min(scales)) for size in scales]
        elif name == "interpolated":
            shifts, ends = ([2 * math.log(r / size) for size in scales] for r in (DETAIL_REFERENCE * reference, reference))
        elif name == "paper":
            shifts = [0.0 if size <= 128 else math.log(1 / 8) + 2 * math.log(256 / size) for size in scales]
        elif name == "unshifted":
            shifts = [0.0] * len(scales)
        else:
            raise ValueError(f"Unknown schedule preset {name!r}: choose one of {', '.join(PRESETS)}.")
        return cls(tuple(scales), tuple(shifts), ends and tuple(ends))

    @classmethod
    def of_run(cls, config: SampleConfig, scales: Sequence[int]) -> Schedule:
        """The schedule of a run at these scales: its own shifts, which stay the same at every t, or its preset.

        ValueError unless there is one shift per scale.
        """
        if config.shifts is None:
            return cls.preset(config.preset, scales)
        if len(config.shifts) != len(scales):
            raise ValueError(f"Shifts: expected {len(scales)}, one for each of {tuple(scales)}, got {len(config.shifts)}.")
        return cls(tuple(scales), config.shifts)

    def coarsest(self, count: int) -> Schedule:
        """The same schedule of the coarsest ``count`` scales, with steps at the same times."""
        ends = self.end_shifts and self.end_shifts[:count]
        return Schedule(self.scales[:count], self.shifts[:count], ends, self.last)

    @property
    def ceiling(self) -> float:
        """The log-SNR at which every scale stops: ``SETTLED`` where some need more steps than others to get there, else none.

        A scale that is done would otherwise be denoised on while finer ones are drawn, and a network that predicts x is no better
        than so clear a picture: every step would apply its errors once again. Ours.
        """
        return SETTLED if self.last > STEP_LOGSNR_RANGE[1] else math.inf

    def shift(self, size: int, t: float | Tensor = 0.0) -> float | Tensor:
        """δ of one scale at time t (equation 6 when the schedule has end shifts, else constant)."""
        return moving_shift(t, *self._ends(size))

    def _ends(self, size: int) -> tuple[float, float | None]:
        """δ of one scale at t = 0 and, if it moves, at t = 1."""
        index = self.scales.index(size)
        return self.shifts[index], self.end_shifts and self.end_shifts[index]

    def logsnr(self, t: float | Tensor) -> dict[int, Tensor]:
        """λ of every scale at t, at most ``ceiling``, shaped and typed like ``t``; a plain number gives float64 scalars."""
        time = t if isinstance(t, Tensor) else torch.tensor(t, dtype=torch.float64)
        return {size: shifted_cosine_logsnr(time, *self._ends(size)).clamp(max=self.ceiling) for size in self.scales}

    def time_of(self, size: int, logsnr: float = 0.0) -> float | None:
        """t at which one scale has this log-SNR; None where it never has. At 0 signal and noise are equally strong."""
        at = torch.tensor(logsnr, dtype=torch.float64)
        most, least = (float(self.logsnr(end)[size]) for end in (0.0, 1.0))
        return float(time_of_logsnr(at, *self._ends(size))) if least < logsnr < most else None

    def rho(self, t: float = 0.5) -> dict[tuple[int, int], float]:
        """ρ = s · exp((δ_hi − δ_lo)/2) of neighbouring scales, s the ratio of their sizes: how many times the noise of the fine
        picture, once that is low-passed to the coarse size, the coarse one holds.

        At 1 the two are the same observation; at any other value they are two, and with shared noise a network that sees both
        can solve for the clean picture. The same at every ``t`` unless the schedule has end shifts.
        """
        pairs = zip(self.scales, self.scales[1:], strict=False)
        return {(lo, hi): hi / lo * math.exp(float(self.shift(hi, t) - self.shift(lo, t)) / 2) for lo, hi in pairs}


# ------------------------------------------------------------------ times of the steps


def timesteps(steps: int, spacing: Spacing = "time", last: float = STEP_LOGSNR_RANGE[1]) -> Tensor:
    """The ``steps`` + 1 times of a run, float64, from exactly 1 (noise) down to exactly 0 (clean).

    ``time``: equal in t (simple diffusion, appendix A). ``logsnr``: equal in the log-SNR of an unshifted cosine over
    ``STEP_LOGSNR_RANGE``, or on to ``last`` (``Schedule.last``), its first and last then moved to 1 and 0.
    """
    if steps < 1:
        raise ValueError(f"A run needs at least one step, got {steps}.")
    if spacing == "time":
        return torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    if spacing == "logsnr":
        t = time_of_logsnr(torch.linspace(STEP_LOGSNR_RANGE[0], last, steps + 1, dtype=torch.float64))
        t[0], t[-1] = 1.0, 0.0
        return t
    raise ValueError(f"Unknown spacing {spacing!r}: choose one of {', '.join(SPACINGS)}.")
