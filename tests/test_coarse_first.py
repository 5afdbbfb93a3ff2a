"""The order coarse-first: the same run as together, to rounding, with everything up to 128 pixels finished long before."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from layered.config import NOISE_MODES, SampleConfig
from layered.diffusion import GuidedDenoiser
from layered.layers import Prompts, TextStates
from layered.pipeline import LayeredPipeline
from layered.sampler import Step, make_generators, sample
from layered.schedule import SETTLED, Schedule
from layered.trajectory import Trajectory, evened, step_measures
from tests.test_unet import awake, inputs, tiny

SCALES = (16, 32, 64)
SOLVERS = [{"solver": "ddim"}, {"solver": "ddim", "eta": 1.0}, {"solver": "ddpm"}, {"solver": "dpm++"}]
DENOISERS = {
    "guided at the base": {"guidance": 3.0, "guided_up_to": 16},
    "guided at every scale": {"guidance": 3.0},
    "guided at the finest alone": {"guidance": (1.0, 1.0, 4.0)},
    "not guided": {},
    "guided for a while": {"guidance": 3.0, "interval": (0.3, 0.7)},
    "asleep at first": {"guidance": 3.0, "guided_up_to": 32, "sleep_below": -3.0},
    "asleep from the base on": {"guidance": 3.0, "sleep_below": 30.0},
    "awake because the finest is": {"guidance": 2.0, "sleep_below": -2.0},
}
QUICK = SampleConfig(steps=5)
CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "vista-512"


def first(config: SampleConfig) -> SampleConfig:
    return dataclasses.replace(config, order="coarse-first")


def tiny_run(
    config: SampleConfig, up_to: int = 16, shifts: tuple[float, ...] | None = None, prompts: Prompts | None = None, **settings
) -> list[Step]:
    """A run of two pictures on the tiny network."""
    model = awake(tiny())
    for parameter in model.parameters():
        parameter.mul_(0.3)
    _, _, text, _ = inputs(model.config)
    denoise = GuidedDenoiser(model, prompts or text, shared_noise=config.noise != "independent", **settings)
    schedule = Schedule(SCALES, shifts) if shifts else Schedule.preset("aligned", SCALES)
    return list(sample(denoise, schedule, config, make_generators([1, 2]), coarse_up_to=up_to))


def assert_same(whole: list[Step], twice: list[Step], tolerance: float) -> None:
    """The second half of ``twice`` is ``whole``; its first half is the coarse part of it."""
    count = len(whole)
    assert [step.index for step in twice] == [*range(count), *range(count)]
    assert [step.ends for step in twice] == [False] * (2 * count - 1) + [True]
    for one, part, again in zip(whole, twice[:count], twice[count:], strict=True):
        assert set(part.pending) == set(one.x0) - set(part.x0) and not again.pending
        assert part.logsnr == again.logsnr == one.logsnr and again.asleep == one.asleep
        assert set(part.asleep) <= set(one.asleep) and not set(part.asleep) & set(part.pending)
        assert (again.x0_plain is None) == (one.x0_plain is None) == (part.x0_plain is None)
        for other in (part, again):
            for name in ("z", "x0", "x0_plain"):
                for size, value in (getattr(other, name) or {}).items():
                    assert torch.allclose(value, getattr(one, name)[size], atol=tolerance), (one.index, name, size)
        assert list(again.x0) == list(one.x0) == list(again.z)


@pytest.mark.parametrize("noise", NOISE_MODES)
@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: "-".join(map(str, s.values())))
def test_every_solver_and_noise_gives_the_same_pictures(solver: dict, noise: str) -> None:
    config = dataclasses.replace(QUICK, noise=noise, **solver)
    settings = {"guidance": 2.0, "guided_up_to": 32, "sleep_below": -4.0}
    for up_to in (16, 32):
        assert_same(tiny_run(config, **settings), tiny_run(first(config), up_to, **settings), 1e-5)


@pytest.mark.parametrize("settings", DENOISERS.values(), ids=DENOISERS)
def test_guidance_and_sleep_stay_what_they_are(settings: dict) -> None:
    for up_to in (16, 32):
        assert_same(tiny_run(QUICK, **settings), tiny_run(first(QUICK), up_to, **settings), 1e-5)


@pytest.mark.parametrize("settings", [{}, {"guidance": 3.0}, {"guidance": 3.0, "guided_up_to": 16}], ids=str)
def test_a_detail_prompt_leaves_the_base_as_it_is_in_both_orders(settings: dict) -> None:
    _, _, text, _ = inputs(tiny())
    other = TextStates(-text.tokens[:, :3], text.mask[:, :3], -text.pooled)
    one, same = tiny_run(QUICK, **settings), tiny_run(QUICK, prompts={16: text, 32: text, 64: text}, **settings)
    assert all(torch.equal(a.x0[size], b.x0[size]) for a, b in zip(one, same, strict=True) for size in SCALES)
    prompts = {16: text, 32: other, 64: other}
    mixed = tiny_run(QUICK, prompts=prompts, **settings)
    assert all(torch.equal(a.x0[16], b.x0[16]) for a, b in zip(one, mixed, strict=True))
    assert not any(torch.equal(one[-1].x0[size], mixed[-1].x0[size]) for size in (32, 64))
    assert_same(mixed, tiny_run(first(QUICK), 16, prompts=prompts, **settings), 1e-5)


def test_a_coarse_scale_wakes_for_a_finer_one() -> None:
    """With odd shifts the finest scale is awake before the others: they must then be computed in the first part too."""
    shifts, settings = (0.0, -12.0, 2.0), {"guidance": 2.0, "sleep_below": -2.0}
    whole = tiny_run(QUICK, shifts=shifts, **settings)
    assert any(step.logsnr[32] < -2 and 32 not in step.asleep for step in whole)
    assert_same(whole, tiny_run(first(QUICK), 32, shifts, **settings), 1e-5)


def test_a_run_without_finer_scales_is_an_ordinary_one() -> None:
    whole, same = tiny_run(QUICK), tiny_run(first(QUICK), 64)
    assert len(same) == len(whole) and not any(step.pending for step in same)
    assert all(torch.equal(a.x0[64], b.x0[64]) for a, b in zip(whole, same, strict=True))
    assert len(tiny_run(first(QUICK), 1)) == 2 * len(whole)  # the coarsest at least comes first


def test_top_down_states_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be drawn first with states top-down"):
        SampleConfig(order="coarse-first", states="top-down")


# ------------------------------------------------------------------ cost


class Counting(GuidedDenoiser):
    """Counts the levels that are run, and what is handed over."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.levels: list[int] = []
        self.handovers: list = []

    def _run(self, sizes, *args):
        self.levels += sizes
        return super()._run(sizes, *args)

    def __call__(self, *args):
        prediction = super().__call__(*args)
        self.handovers.append(prediction.handover)
        return prediction


def test_no_level_is_run_twice_and_features_are_kept_only_where_needed() -> None:
    model = awake(tiny())
    _, _, text, _ = inputs(model.config)
    make = lambda: Counting(model, text, guidance=2.0, guided_up_to=16, sleep_below=-2.0)  # noqa: E731
    orders = {}
    for order in ("together", "coarse-first"):
        orders[order] = denoise = make()
        config = dataclasses.replace(QUICK, order=order)
        steps = list(sample(denoise, Schedule.preset("aligned", SCALES), config, make_generators([1, 2]), coarse_up_to=16))
    together, coarse_first = orders.values()
    assert sorted(together.levels) == sorted(coarse_first.levels)
    assert coarse_first.levels[: QUICK.steps] == [16] * QUICK.steps
    given, none = coarse_first.handovers[: QUICK.steps], coarse_first.handovers[QUICK.steps :]
    assert [bool(handover.output) for handover in given] == [32 not in step.asleep for step in steps[QUICK.steps :]]
    assert 0 < sum(bool(handover.output) for handover in given) < QUICK.steps
    assert not any(handover.empty for handover in given) and not any(none)
    features = next(handover.output.features for handover in given if handover.output)
    assert features.untyped_storage().nbytes() == features.numel() * features.element_size()  # not a part of a larger batch


@pytest.mark.parametrize("order", ["together", "coarse-first"])
@pytest.mark.parametrize("settings", [{}, {"guidance": 3.0}, {"guidance": 2.0, "interval": (0.0, 1e-3)}], ids=str)
def test_a_settled_scale_is_not_computed_again_and_the_pictures_are_the_same(order: str, settings: dict) -> None:
    model = awake(tiny())
    for parameter in model.parameters():
        parameter.mul_(0.3)
    _, _, text, _ = inputs(model.config)
    schedule = Schedule(SCALES, (0.0, -7.0, -14.0))
    config = SampleConfig(steps=30, order=order)

    class Forgetful(Counting):
        def __call__(self, *args):
            self._settled = {}
            return super().__call__(*args)

    runs = []
    for kind in (Counting, Forgetful):
        denoise = kind(model, text, **settings)
        runs.append((denoise, list(sample(denoise, schedule, config, make_generators([1, 2]), coarse_up_to=16))))
    (once, steps), (again, same) = runs
    for one, other in zip(steps, same, strict=True):
        assert all(torch.equal(one.z[size], other.z[size]) and torch.equal(one.x0[size], other.x0[size]) for size in one.x0)
    known = [one for one in steps if not one.pending]
    waited = {size: sum(step.logsnr[size] > SETTLED - 0.01 for step in known) for size in SCALES}
    assert waited[16] > waited[32] > 3 and waited[64] == 0
    for size in SCALES[:2]:
        saved = again.levels.count(size) - once.levels.count(size)
        assert saved >= waited[size] - 2, (size, saved)  # the first of them is computed; once more where guidance begins or ends
    assert once.levels.count(64) == again.levels.count(64)


def test_a_closed_run_stops_in_either_part() -> None:
    model = awake(tiny())
    _, _, text, _ = inputs(model.config)
    for taken, levels in ((2, [16, 16]), (7, [16] * 5 + [32, 64] * 2)):
        denoise = Counting(model, text)
        run = sample(denoise, Schedule.preset("aligned", SCALES), first(QUICK), make_generators([1, 2]), coarse_up_to=16)
        assert len(list(itertools.islice(run, taken))) == taken
        run.close()
        assert denoise.levels == levels and list(run) == []


# ------------------------------------------------------------------ what consumes the steps


def test_measures_of_the_parts_are_those_of_the_whole() -> None:
    whole, twice = tiny_run(QUICK), tiny_run(first(QUICK), 32)
    part, again = twice[:5], twice[5:]
    for index in range(5):
        before = index - 1 if index else None
        one, coarse, fine = (step_measures(s[index], None if before is None else s[before]) for s in (whole, part, again))
        assert fine == {name: pytest.approx(values, rel=1e-3) for name, values in one.items()}
        assert coarse["logsnr"] == one["logsnr"] and set(coarse["detail"]) == {16, 32} and set(coarse["agreement"]) == {32}


def one_picture(step: Step) -> Step:
    parts = {name: {size: x[:1] for size, x in getattr(step, name).items()} for name in ("z", "x0")}
    return dataclasses.replace(step, x0_plain=None, **parts)


def test_a_run_that_was_stopped_is_a_trajectory_of_its_coarse_scales(tmp_path: Path) -> None:
    twice = [one_picture(step) for step in tiny_run(first(QUICK), 32)]
    mixed = [*twice[5:7], *twice[2:5]]
    with pytest.raises(ValueError, match="one picture at each of the scales"):
        Trajectory("x", QUICK, "tiny", SCALES, (0.0, 0.0, 0.0), mixed)
    for steps, scales in ((mixed, (16, 32)), (twice[:5], (16, 32)), (twice[5:], SCALES)):
        kept = evened(steps)
        assert [(step.index, tuple(step.x0), tuple(step.logsnr), step.pending) for step in kept] == [
            (index, scales, scales, ()) for index in range(5)
        ]
        run = Trajectory("x", first(QUICK), "tiny", scales, (0.0,) * len(scales), kept)
        run.save(tmp_path / "run.safetensors")
        assert Trajectory.load(tmp_path / "run.safetensors").scales == scales
    assert evened([]) == ()


# ------------------------------------------------------------------ the real checkpoint


@pytest.fixture(scope="module")
def real() -> Callable[[SampleConfig], list[Step]]:
    pipeline = LayeredPipeline.from_pretrained(CHECKPOINT)
    return lambda config: list(pipeline.stream("a red balloon over snowy mountains", config))


@pytest.mark.parametrize(
    "changed",
    [{}, {"guided_up_to": 512, "solver": "dpm++"}, {"noise": "independent", "sleep_below": None, "solver": "ddim", "eta": 0.5}],
    ids=["default", "guided everywhere", "independent, none asleep"],
)
def test_the_bundled_checkpoint_draws_the_same(real, changed: dict) -> None:
    config = SampleConfig(steps=3, seed=4, **changed)
    whole, twice = real(config), real(first(config))
    assert twice[0].pending == (256, 512)
    assert_same(whole, twice, 1e-4)
