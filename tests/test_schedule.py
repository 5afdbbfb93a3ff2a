"""The schedules against their equations: end points, shifts, alignment, and the times of the steps."""

from __future__ import annotations

import math

import pytest
import torch

from layered.config import PRESETS, SampleConfig
from layered.schedule import (
    LEAD,
    LOGSNR_RANGE,
    SETTLED,
    STEP_LOGSNR_RANGE,
    Schedule,
    alpha_sigma,
    shifted_cosine_logsnr,
    time_of_logsnr,
    timesteps,
)

COMPACT = (32, 64, 128, 256, 512)


def test_the_cosine_is_its_equation() -> None:
    t = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    assert torch.allclose(shifted_cosine_logsnr(t), -2 * torch.log(torch.tan(math.pi * t / 2)), atol=1e-12)
    assert torch.allclose(shifted_cosine_logsnr(t), -shifted_cosine_logsnr(1 - t), atol=1e-9)


def test_alpha_is_the_cosine_and_sigma_the_sine() -> None:
    t = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    alpha, sigma = alpha_sigma(shifted_cosine_logsnr(t))
    assert torch.allclose(alpha, torch.cos(math.pi * t / 2), atol=1e-12)
    assert torch.allclose(sigma, torch.sin(math.pi * t / 2), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shift", [0.0, -3.5, 2.0])
def test_the_ends_are_finite_and_move_with_the_shift(dtype: torch.dtype, shift: float) -> None:
    low, high = LOGSNR_RANGE
    ends = shifted_cosine_logsnr(torch.tensor([0.0, 1.0], dtype=dtype), shift)
    assert torch.equal(ends, torch.tensor([high + shift, low + shift], dtype=dtype))


def test_float32_is_as_good_as_float64_near_the_ends() -> None:
    t = torch.tensor([6e-4, 1e-3, 0.5, 1 - 1e-3, 1 - 6e-4])
    assert torch.allclose(shifted_cosine_logsnr(t).double(), shifted_cosine_logsnr(t.double()), atol=2e-3)


def test_time_of_logsnr_inverts_the_unshifted_cosine() -> None:
    logsnr = torch.linspace(-14, 14, 57, dtype=torch.float64)
    assert torch.allclose(shifted_cosine_logsnr(time_of_logsnr(logsnr)), logsnr, atol=1e-8)


def test_a_shift_per_sample_broadcasts() -> None:
    t = torch.tensor([0.3, 0.5, 0.7])
    shift = torch.tensor([0.0, -1.0, 2.0])
    assert torch.allclose(shifted_cosine_logsnr(t, shift) - shifted_cosine_logsnr(t), shift, atol=1e-5)


def test_the_paper_preset_has_the_papers_values() -> None:
    assert Schedule.preset("paper", COMPACT).shifts == pytest.approx((0, 0, 0, math.log(1 / 8), math.log(1 / 32)))
    rho = Schedule.preset("paper", (128, 256, 512)).rho()
    assert rho[128, 256] == pytest.approx(2 * math.sqrt(1 / 8)) and rho[256, 512] == pytest.approx(1)


@pytest.mark.parametrize("reference", [32, 64, 128])
def test_aligned_puts_every_scale_on_one_line(reference: int) -> None:
    """Averaging s × s pixels multiplies the SNR by s² (simple diffusion, equation 4): aligned scales then have equal SNR."""
    schedule = Schedule.preset("aligned", COMPACT, reference)
    assert list(schedule.rho().values()) == pytest.approx([1] * 4)
    assert schedule.shift(reference) == 0
    logsnr = schedule.logsnr(0.4)
    for size in COMPACT:
        assert float(logsnr[size]) + 2 * math.log(size / 32) == pytest.approx(float(logsnr[32]))


def test_rho_is_the_ratio_of_noise_to_signal_after_low_pass_at_every_time() -> None:
    schedule = Schedule((128, 256), (0.3, -1.1))
    for t in (0.2, 0.5, 0.9):
        (a_lo, s_lo), (a_hi, s_hi) = (alpha_sigma(value) for value in schedule.logsnr(t).values())
        assert float((s_lo / a_lo) / (s_hi / a_hi / 2)) == pytest.approx(schedule.rho()[128, 256])


def test_unshifted_is_the_same_at_every_scale() -> None:
    values = {float(value) for value in Schedule.preset("unshifted", COMPACT).logsnr(0.37).values()}
    assert len(values) == 1


def test_interpolated_starts_and_ends_at_its_two_schedules() -> None:
    """Simple diffusion, equation 6."""
    near, far = Schedule((256, 512), (-3.0, -5.0)), Schedule((256, 512), (-1.0, -1.5))
    both = Schedule((256, 512), near.shifts, far.shifts)
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    for size in both.scales:
        line = (1 - t) * near.logsnr(t)[size] + t * far.logsnr(t)[size]
        assert torch.allclose(both.logsnr(t)[size], line)
        inner = both.logsnr(t[1:-1])[size]
        assert (inner.diff() < 0).all()
    assert both.rho(0.0) == pytest.approx(near.rho()) and both.rho(1.0) == pytest.approx(far.rho())


def test_the_interpolated_preset_is_simple_diffusions_appendix() -> None:
    """t λ(shift 32) + (1 − t) λ(shift 256): appendix A with noise_d_low 32 and noise_d_high 256."""
    t = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    schedule = Schedule.preset("interpolated", COMPACT)
    for size in COMPACT:
        low, high = (shifted_cosine_logsnr(t) + 2 * math.log(noise_d / size) for noise_d in (32, 256))
        assert torch.allclose(schedule.logsnr(t)[size], t * low + (1 - t) * high)


def test_the_interpolated_preset_falls_all_the_way_and_leaks_nowhere() -> None:
    schedule = Schedule.preset("interpolated", COMPACT)
    t = torch.linspace(0, 1, 4001, dtype=torch.float64)
    for size in COMPACT:
        assert (schedule.logsnr(t)[size].diff() < 0).all()
    for at in (0.0, 0.3, 1.0):
        assert list(schedule.rho(at).values()) == pytest.approx([1] * 4)
    aligned = Schedule.preset("aligned", COMPACT)
    assert schedule.end_shifts == pytest.approx(aligned.shifts)
    assert all(schedule.logsnr(0.2)[size] > aligned.logsnr(0.2)[size] + 3 for size in COMPACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_time_of_a_logsnr_inverts_every_shifted_cosine(dtype: torch.dtype) -> None:
    logsnr = torch.linspace(-8, 8, 33, dtype=dtype)
    start = torch.linspace(-5, 4, 33, dtype=dtype)
    for end in (None, start - 4.2, start + 6.0):
        t = time_of_logsnr(logsnr, start, end)
        assert t.dtype == dtype and (t > 0).all() and (t < 1).all()
        assert torch.allclose(shifted_cosine_logsnr(t, start, end), logsnr, atol=1e-9 if dtype == torch.float64 else 2e-3)
    for never, edge in ((99.0, 0.0), (-99.0, 1.0)):
        assert float(time_of_logsnr(torch.tensor(never), 0.0, 1.0)) == pytest.approx(edge, abs=1e-9)


def test_the_schedule_of_a_run_is_its_shifts_or_its_preset() -> None:
    assert Schedule.of_run(SampleConfig(preset="interpolated"), COMPACT) == Schedule.preset("interpolated", COMPACT)
    own = Schedule.of_run(SampleConfig(preset="interpolated", shifts=(1.0, -1.0)), (32, 64))
    assert own == Schedule((32, 64), (1.0, -1.0))
    with pytest.raises(ValueError, match="expected 2"):
        Schedule.of_run(SampleConfig(shifts=(1.0,)), (32, 64))


def test_logsnr_keeps_the_shape_and_type_of_t() -> None:
    value = Schedule.preset("aligned", (64, 128)).logsnr(torch.rand(5))
    assert value[64].shape == (5,) and value[64].dtype == torch.float32
    assert Schedule.preset("aligned", (64,)).logsnr(0.5)[64].dtype == torch.float64


@pytest.mark.parametrize("spacing", ["time", "logsnr"])
@pytest.mark.parametrize("steps", [1, 2, 25, 250])
def test_timesteps_fall_from_one_to_zero(spacing: str, steps: int) -> None:
    t = timesteps(steps, spacing)
    assert t.shape == (steps + 1,) and t.dtype == torch.float64
    assert t[0] == 1 and t[-1] == 0 and (t.diff() < 0).all()


def test_spacings_are_equal_in_what_they_are_named_after() -> None:
    assert torch.allclose(timesteps(20, "time").diff(), torch.full((20,), -0.05, dtype=torch.float64))
    low, high = STEP_LOGSNR_RANGE
    logsnr = shifted_cosine_logsnr(timesteps(20, "logsnr")[1:-1])
    assert torch.allclose(logsnr.diff(), torch.full((18,), (high - low) / 20, dtype=torch.float64))
    further = shifted_cosine_logsnr(timesteps(20, "logsnr", 27.0)[1:-1], -18.0)
    assert torch.allclose(further.diff(), torch.full((18,), (27.0 - low) / 20, dtype=torch.float64))


def test_the_steps_end_where_the_last_scale_settles_however_many_are_drawn() -> None:
    for name in PRESETS:
        whole = Schedule.preset(name, COMPACT)
        part = whole.coarsest(2)
        assert (part.scales, part.shifts, part.last) == ((32, 64), whole.shifts[:2], whole.last)
        assert part.end_shifts == (whole.end_shifts and whole.end_shifts[:2])
        if name != "staggered":
            assert (whole.last, whole.ceiling) == (STEP_LOGSNR_RANGE[1], math.inf)
    staggered = Schedule.preset("staggered", COMPACT)
    assert staggered.last == pytest.approx(SETTLED - staggered.shifts[-1])
    for steps in (8, 25, 40):
        before, end = timesteps(steps, "logsnr", staggered.last)[-2:]
        step = (staggered.last - STEP_LOGSNR_RANGE[0]) / steps
        assert float(staggered.logsnr(before)[512]) == pytest.approx(SETTLED - step)
        assert float(staggered.logsnr(end)[512]) == pytest.approx(SETTLED)


def test_where_scales_wait_for_others_they_stop_when_they_have_settled() -> None:
    schedule = Schedule.preset("staggered", COMPACT)
    t = torch.tensor([0.0, 1e-6, 1e-4, 0.01, 0.3], dtype=torch.float64)
    for size in COMPACT:
        exact = shifted_cosine_logsnr(t, schedule.shift(size))
        assert torch.equal(schedule.logsnr(t)[size], exact.clamp(max=SETTLED))
    assert float(schedule.logsnr(1e-4)[32]) == SETTLED > float(schedule.logsnr(1e-4)[256])


@pytest.mark.parametrize("shift", [-6.0, -18.0, -30.0])
def test_under_a_low_shift_the_clean_end_is_where_a_scale_settles(shift: float) -> None:
    for shifts in (shift, torch.tensor([shift], dtype=torch.float64)):
        end = shifted_cosine_logsnr(torch.zeros(1, dtype=torch.float64), shifts)
        assert float(end) == pytest.approx(SETTLED)
    assert float(shifted_cosine_logsnr(torch.ones(1), shift)) == LOGSNR_RANGE[0] + shift


def test_staggered_scales_are_as_far_apart_as_they_say() -> None:
    schedule = Schedule.preset("staggered", COMPACT)
    aligned = Schedule.preset("aligned", COMPACT)
    behind = [a - s for a, s in zip(aligned.shifts, schedule.shifts, strict=True)]
    assert behind == pytest.approx([0, LEAD, 2 * LEAD, 3 * LEAD, 4 * LEAD])
    assert Schedule.preset("staggered", (128, 256)).shifts == pytest.approx((aligned.shifts[2], aligned.shifts[3] - LEAD))
    assert all(rho == pytest.approx(math.exp(-LEAD / 2)) for rho in schedule.rho().values())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Schedule.preset("warm", (32,)), "staggered, aligned, paper, unshifted, interpolated"),
        (lambda: Schedule((32, 64), (0.0,)), "one per scale"),
        (lambda: Schedule((64, 32), (0.0, 0.0)), "coarse to fine"),
        (lambda: Schedule((), ()), "coarse to fine"),
        (lambda: Schedule((32,), (math.nan,)), "finite"),
        (lambda: Schedule((32,), (0.0,), (7.0,)), "rise"),
        (lambda: timesteps(0, "time"), "at least one"),
        (lambda: timesteps(5, "sideways"), "time, logsnr"),
    ],
)
def test_mistakes_get_a_sentence(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_the_time_of_a_logsnr_is_where_the_schedule_has_it() -> None:
    fixed = Schedule((128, 256, 512), (0.0, -2.0, 3.0))
    assert fixed.time_of(128) == pytest.approx(0.5)
    for size in fixed.scales:
        for logsnr in (-6.0, 0.0, 5.0):
            assert float(fixed.logsnr(fixed.time_of(size, logsnr))[size]) == pytest.approx(logsnr)
    assert fixed.time_of(128, 15.5) is None and fixed.time_of(512, 15.5) is not None


def test_the_time_of_a_logsnr_with_a_moving_shift() -> None:
    moving = Schedule((128, 256), (1.0, -4.0), (-3.0, 2.0))
    for size in moving.scales:
        for logsnr in (-3.0, 0.0, 4.0):
            assert float(moving.logsnr(moving.time_of(size, logsnr))[size]) == pytest.approx(logsnr, abs=1e-9)
    assert moving.time_of(128, 20.0) is None and moving.time_of(128, -20.0) is None
