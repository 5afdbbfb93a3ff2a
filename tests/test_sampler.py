"""The sampler against exact denoisers: an oracle, Gaussian data in closed form, seeds, closing, immutability."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import FrozenInstanceError

import pytest
import torch
from torch import Tensor

from layered.config import SOLVERS, STATE_MODES, SampleConfig
from layered.diffusion import Prediction
from layered.pyramid import downsample_image, downsample_noise, draw_noise, image_pyramid
from layered.sampler import Step, _of_step, clip_x0, make_generators, sample
from layered.schedule import Schedule, alpha_sigma
from layered.solvers import ddim_step, ddpm_step, dpmpp_step

SCALES = (8, 16, 32)
ALIGNED = Schedule.preset("aligned", SCALES)
SOLVER_SETTINGS = [("ddim", 0.0), ("ddim", 1.0), ("ddpm", 0.0), ("dpm++", 0.0)]


def last(steps) -> Step:
    *_, step = steps
    return step


class Oracle:
    """A denoiser that knows the picture: x̂ = D(x) whatever it is shown."""

    def __init__(self, x: Tensor, scales: tuple[int, ...] = SCALES) -> None:
        self.pyramid = image_pyramid(x, scales)
        self.calls = 0

    def __call__(self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], t: float) -> Prediction:
        self.calls += 1
        return Prediction({size: self.pyramid[size].clone() for size in z}, None)


class Gaussian:
    """E[x | z] for data of independent pixels N(0, std²) at every scale: α std² z / (α² std² + σ²)."""

    def __init__(self, std: float) -> None:
        self.variance = std**2

    def __call__(self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], t: float) -> Prediction:
        x0 = {}
        for size, value in z.items():
            alpha, sigma = (part[:, None, None, None] for part in alpha_sigma(logsnr[size]))
            x0[size] = alpha * self.variance / (alpha**2 * self.variance + sigma**2) * value
        return Prediction(x0, x0)


class Flat:
    """E[x | z] for flat pictures of one Gaussian level N(0, std²), from the finest state alone."""

    def __init__(self, std: float) -> None:
        self.variance = std**2

    def __call__(self, z: Mapping[int, Tensor], logsnr: Mapping[int, Tensor], t: float) -> Prediction:
        top = max(z)
        alpha, sigma = (part[:, None, None, None] for part in alpha_sigma(logsnr[top]))
        mean = z[top].mean(dim=(2, 3), keepdim=True)
        level = alpha * self.variance / (alpha**2 * self.variance + sigma**2 / top**2) * mean
        return Prediction({size: level.expand_as(value) for size, value in z.items()}, None)


def picture(batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


# ------------------------------------------------------------------ exact denoisers


@pytest.mark.parametrize(("solver", "eta"), SOLVER_SETTINGS)
@pytest.mark.parametrize("states", STATE_MODES)
@pytest.mark.parametrize("noise", ["sinc", "independent", "box", "bilinear"])
def test_an_oracle_recovers_the_picture(solver: str, eta: float, states: str, noise: str) -> None:
    oracle = Oracle(picture())
    config = SampleConfig(steps=6, solver=solver, eta=eta, states=states, noise=noise)
    steps = list(sample(oracle, ALIGNED, config, make_generators([3])))
    assert len(steps) == oracle.calls == 6
    for size in SCALES:
        assert torch.allclose(steps[-1].x0[size], oracle.pyramid[size], atol=1e-6)
        near = alpha_sigma(torch.tensor(steps[-1].logsnr[size]))[0] * oracle.pyramid[size]
        assert (steps[-1].z[size] - near).std() < 2 * alpha_sigma(torch.tensor(steps[-1].logsnr[size]))[1]


@pytest.mark.parametrize(
    ("solver", "settings", "steps", "tolerance"),
    [
        ("ddim", {}, 100, 0.03),
        ("ddim", {"eta": 1.0}, 200, 0.04),
        ("ddpm", {"ddpm_noise": 0.2}, 200, 0.04),
        ("dpm++", {}, 50, 0.02),
    ],
)
def test_gaussian_data_keep_their_deviation(solver: str, settings: dict, steps: int, tolerance: float) -> None:
    """The exact denoiser of N(0, 0.5²) must give samples of deviation 0.5 at every scale, within the steps' own error."""
    config = SampleConfig(steps=steps, solver=solver, clipping="none", noise="independent", **settings)
    final = last(sample(Gaussian(0.5), ALIGNED, config, make_generators(range(16))))
    for size in SCALES:
        assert float(final.x0[size].std()) == pytest.approx(0.5, rel=tolerance + 1.5 / (16 * 3 * size**2) ** 0.5)


def test_the_two_solvers_of_order_one_and_two_differ_in_error() -> None:
    """With few steps DPM-Solver++(2M) is nearer the exact flow of Gaussian data than DDIM, whose first order it extends."""
    errors = {}
    for solver in ("ddim", "dpm++"):
        config = SampleConfig(steps=20, solver=solver, clipping="none")
        final = last(sample(Gaussian(0.5), ALIGNED, config, make_generators(range(4))))
        errors[solver] = abs(float(final.x0[32].std()) - 0.5)
    assert errors["dpm++"] < errors["ddim"] / 2


@pytest.mark.parametrize("noise", ["sinc", "box", "independent"])
def test_top_down_states_sample_the_right_deviation(noise: str) -> None:
    config = SampleConfig(steps=50, solver="dpm++", states="top-down", noise=noise, clipping="none")
    final = last(sample(Flat(0.5), ALIGNED, config, make_generators(range(300))))
    assert float(final.x0[32][:, :, 0, 0].std()) == pytest.approx(0.5, rel=0.07)


# ------------------------------------------------------------------ states


@pytest.mark.parametrize(("solver", "eta"), SOLVER_SETTINGS)
def test_aligned_top_down_states_are_one_noisy_picture(solver: str, eta: float) -> None:
    """With one operator for image and noise (2×2 means) and aligned shifts, z_lo = D z_hi / sqrt(α² + σ²/s²) at every step."""
    config = SampleConfig(steps=8, solver=solver, eta=eta, states="top-down", noise="box")
    for step in sample(Oracle(picture()), ALIGNED, config, make_generators([1])):
        for low, high in ((8, 16), (16, 32)):
            alpha, sigma = alpha_sigma(torch.tensor(step.logsnr[high]))
            assert torch.allclose(step.z[low], downsample_image(step.z[high], low) / (alpha**2 + sigma**2 / 4).sqrt(), atol=1e-4)


def test_top_down_states_follow_the_finest_prediction_alone() -> None:
    class OnlyTheFinestIsRight(Oracle):
        def __call__(self, z, logsnr, t):
            x0 = super().__call__(z, logsnr, t).x0
            return Prediction({size: value if size == 32 else -value for size, value in x0.items()}, None)

    config = SampleConfig(steps=5, states="top-down")
    wrong = last(sample(OnlyTheFinestIsRight(picture()), ALIGNED, config, make_generators([1])))
    right = last(sample(Oracle(picture()), ALIGNED, config, make_generators([1])))
    assert all(torch.equal(wrong.z[size], right.z[size]) for size in SCALES)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("states", STATE_MODES)
def test_shared_noise_stays_shared(solver: str, states: str) -> None:
    """What an oracle's states hold besides the picture is one field at every scale, fresh noise included."""
    oracle = Oracle(picture())
    config = SampleConfig(steps=6, solver=solver, states=states, spacing="time")
    for step in sample(oracle, ALIGNED, config, make_generators([1])):
        eps = {}
        for size in SCALES:
            alpha, sigma = alpha_sigma(torch.tensor(step.logsnr[size]))
            eps[size] = (step.z[size] - alpha * oracle.pyramid[size]) / sigma
        low = downsample_noise(eps[32], 16)
        assert torch.corrcoef(torch.stack([low.flatten(), eps[16].flatten()]))[0, 1] > 0.999


# ------------------------------------------------------------------ solvers


def test_ddpm_is_ddim_with_eta_one_at_the_lower_variance_bound() -> None:
    z, x0, noise = torch.randn(3, 1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for logsnr, logsnr_next in ((-15.0, -7.0), (-2.0, -1.0), (3.0, 6.0)):
        ddpm = ddpm_step(z, x0, logsnr, logsnr_next, 0.0, noise)
        assert torch.allclose(ddpm, ddim_step(z, x0, logsnr, logsnr_next, 1.0, noise), atol=1e-5)


def test_ddpm_noise_lies_between_the_two_bounds() -> None:
    zero, one = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    variance = {nu: float(ddpm_step(zero, zero, -1.0, 1.0, nu, one)) ** 2 for nu in (0.0, 0.5, 1.0)}
    c, sigma_t, sigma_s = 1 - torch.e**-2, torch.tensor(1.0).sigmoid(), torch.tensor(-1.0).sigmoid()
    assert variance[0.0] == pytest.approx(float(c * sigma_s)) and variance[1.0] == pytest.approx(float(c * sigma_t))
    assert variance[0.5] ** 2 == pytest.approx(variance[0.0] * variance[1.0])


def test_dpmpp_without_history_is_ddim() -> None:
    z, x0 = torch.randn(2, 1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(dpmpp_step(z, x0, -2.0, 1.0), ddim_step(z, x0, -2.0, 1.0), atol=1e-6)
    assert torch.allclose(dpmpp_step(z, x0, -2.0, 1.0, (x0, -4.0)), ddim_step(z, x0, -2.0, 1.0), atol=1e-6)


def test_clipping() -> None:
    x0 = torch.linspace(-2, 2, 4000).reshape(1, 1, 40, 100)
    both = torch.cat([x0, x0 / 4])
    assert torch.equal(clip_x0(both, "none"), both)
    assert torch.equal(clip_x0(both, "static"), both.clamp(-1, 1))
    dynamic = clip_x0(both, "dynamic")
    assert torch.allclose(dynamic[0], (x0[0] / 1.99).clamp(-1, 1), atol=2e-3)
    assert torch.equal(dynamic[1], both[1])


# ------------------------------------------------------------------ seeds


@pytest.mark.parametrize(("solver", "eta"), SOLVER_SETTINGS)
@pytest.mark.parametrize("noise", ["sinc", "independent"])
def test_a_seed_gives_the_same_picture_alone_and_in_a_batch(solver: str, eta: float, noise: str) -> None:
    config = SampleConfig(steps=5, solver=solver, eta=eta, noise=noise, clipping="dynamic")
    together = last(sample(Gaussian(0.5), ALIGNED, config, make_generators([7, 8, 9])))
    alone = last(sample(Gaussian(0.5), ALIGNED, config, make_generators([8])))
    for size in SCALES:
        assert torch.allclose(together.x0[size][1:2], alone.x0[size], atol=1e-6)
        assert not torch.allclose(together.x0[size][:1], alone.x0[size], atol=1e-2)


def test_noise_and_seed_decide_the_run() -> None:
    def final(**settings) -> Tensor:
        seed = settings.pop("seed", 4)
        return last(sample(Gaussian(0.5), ALIGNED, SampleConfig(steps=4, **settings), make_generators([seed]))).x0[32]

    assert torch.equal(final(), final())
    for other in ({"seed": 5}, {"noise": "independent"}, {"ddpm_noise": 0.9}, {"solver": "dpm++"}, {"spacing": "time"}):
        assert not torch.allclose(final(), final(**other), atol=1e-3)


def test_fresh_noise_is_new_at_every_step_and_the_same_for_a_shorter_ladder() -> None:
    def noises(scales: tuple[int, ...]) -> list[Tensor]:
        steps = list(sample(Gaussian(0.5), Schedule.preset("aligned", scales), SampleConfig(steps=4), make_generators([4])))
        return [step.z[scales[0]] for step in steps]

    low, high = noises(SCALES[:1]), noises(SCALES)
    for one, other in zip(low, high, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    drawn = [draw_noise(SCALES[:1], "sinc", _of_step(make_generators([seed]), step)) for seed in (4, 5) for step in (0, 1)]
    for one, other in itertools.combinations(drawn, 2):
        assert abs(float((one[SCALES[0]] * other[SCALES[0]]).mean())) < 0.3  # uncorrelated: other seeds, other steps


def test_a_shorter_ladder_starts_from_the_same_noise() -> None:
    first = next(iter(sample(Gaussian(0.5), ALIGNED, SampleConfig(), make_generators([4]))))
    short = Schedule(SCALES[:2], ALIGNED.shifts[:2])
    lower = next(iter(sample(Gaussian(0.5), short, SampleConfig(), make_generators([4]))))
    assert all(torch.equal(first.z[size], lower.z[size]) for size in SCALES[:2])


# ------------------------------------------------------------------ steps


def test_steps_join_and_end_at_zero() -> None:
    steps = list(sample(Oracle(picture()), ALIGNED, SampleConfig(steps=5), make_generators([0])))
    assert [step.index for step in steps] == list(range(5)) and {step.total for step in steps} == {5}
    assert steps[0].t == 1 and steps[-1].t_next == 0
    for one, two in zip(steps, steps[1:], strict=False):
        assert one.t_next == two.t and one.logsnr_next == two.logsnr
    assert all(step.seconds > 0 and list(step.z) == list(step.x0) == list(SCALES) for step in steps)


def test_steps_cannot_be_changed_and_hold_no_graph() -> None:
    weight = torch.ones((), requires_grad=True)

    def learned(z, logsnr, t):
        with torch.enable_grad():
            return Prediction({size: weight * value for size, value in z.items()}, None)

    for step in sample(learned, ALIGNED, SampleConfig(steps=2), make_generators([0])):
        assert torch.is_grad_enabled()
        assert not any(value.requires_grad for value in (*step.z.values(), *step.x0.values()))
        with pytest.raises(TypeError):
            step.x0[32] = step.z[32]
        with pytest.raises(FrozenInstanceError):
            step.t = 0.5


def test_the_unguided_prediction_is_passed_on_clipped() -> None:
    step = next(iter(sample(Gaussian(5.0), ALIGNED, SampleConfig(steps=1), make_generators([0]))))
    assert step.x0_plain is not None and step.x0_plain[32].abs().max() <= 1
    assert next(iter(sample(Oracle(picture()), ALIGNED, SampleConfig(), make_generators([0])))).x0_plain is None


def test_a_closed_run_stops_calling_the_model() -> None:
    oracle = Oracle(picture())
    run = sample(oracle, ALIGNED, SampleConfig(steps=10), make_generators([0]))
    assert oracle.calls == 0
    next(run), next(run)
    run.close()
    assert oracle.calls == 2 and list(run) == [] and oracle.calls == 2


def test_mistakes_get_a_sentence() -> None:
    with pytest.raises(ValueError, match="one random generator per picture"):
        sample(Oracle(picture()), ALIGNED, SampleConfig(), [])
    partial = lambda z, logsnr, t: Prediction({32: z[32]}, None)  # noqa: E731
    with pytest.raises(ValueError, match="must predict each one"):
        next(sample(partial, ALIGNED, SampleConfig(), make_generators([0])))
