"""Distillation: the target of a halved step against its definition, what the stages learn, what the checkpoint says of it."""

from __future__ import annotations

import copy
import dataclasses
import itertools

import pytest
import torch

from layered.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from layered.config import SampleConfig
from layered.diffusion import GuidedDenoiser, Prediction, awake_scales
from layered.pipeline import LayeredPipeline
from layered.sampler import clip_x0, make_generators, sample
from layered.schedule import Schedule, timesteps
from layered.solvers import ddim_step
from layered.training.batches import Batches
from layered.training.distill import Distiller, ddim_steps, distillation_plan, main, parse, step_target
from layered.training.errors import TrainingError
from layered.training.loop import new_model
from layered.training.optim import trunk_matrices
from layered.training.plan import TrainConfig
from layered.training.state import load_progress
from tests.test_training import Gradients, encode
from tests.test_unet import awake, every_level, tiny

TEACHER = SampleConfig(guidance=3.0, guidance_parallel=0.5, guided_up_to=16, sleep_below=None, solver="ddim")
CONFIG = TrainConfig(autocast=False, text_dropout=0, independent=0, shift_jitter=0, other_preset="aligned")
SCALES = (16, 32, 64)


def oracle(z, logsnr, t, below=None) -> Prediction:
    """Any function of the state will do: nothing in the target depends on what the teacher believes."""
    return Prediction({size: 2 * torch.sin(3 * value + t) for size, value in z.items()}, None)


def start(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return {size: torch.randn(2, 3, size, size, generator=generator) for size in SCALES}


def trainer(folder, stages, model=None, teacher=TEACHER, **changes) -> Distiller:
    return Distiller(model or gentle(), stages, CONFIG, [Gradients()], encode, folder, teacher=teacher, **changes)


def gentle():
    model = awake(tiny())
    for parameter in model.parameters():
        parameter.mul_(0.5)
    return model


def stages(*steps: int, **changes):
    plan = distillation_plan(tiny(), TEACHER, steps)
    return tuple(dataclasses.replace(stage, **{"pictures": 24, "batch": 4, "warmup": 1} | changes) for stage in plan)


@pytest.mark.parametrize("preset", ["aligned", "interpolated"])
@pytest.mark.parametrize("spacing", ["time", "logsnr"])
def test_one_step_with_the_target_is_two_of_the_teacher(preset, spacing) -> None:
    schedule = Schedule.preset(preset, SCALES)
    stage = dataclasses.replace(stages(4)[-1], spacing=spacing)
    for number in range(4):
        times = stage.step_times(number)
        z = start(number)
        after = ddim_steps(oracle, z, schedule, times, "static")
        for size in SCALES:
            here, there = (float(schedule.logsnr(t)[size]) for t in (times[0], times[-1]))
            there = there if times[-1] else float("inf")
            x0 = step_target(z[size], after[size], here, there)
            assert torch.allclose(ddim_step(z[size], x0, here, there), after[size], atol=1e-4)
            assert x0.abs().max() <= 1 + 1e-4  # the mean of two clipped predictions


def test_in_the_last_step_the_target_is_the_teachers_last_prediction() -> None:
    schedule = Schedule.preset("aligned", SCALES)
    _, middle, end = times = stages(4)[-1].step_times(3)
    assert end == 0
    z = start()
    half = ddim_steps(oracle, z, schedule, times[:2], "static")
    after = ddim_steps(oracle, z, schedule, times, "static")
    for size in SCALES:
        last = clip_x0(oracle(half, {}, middle).x0[size], "static")
        assert torch.allclose(
            step_target(z[size], after[size], float(schedule.logsnr(times[0])[size]), float("inf")), last, atol=1e-5
        )


def test_a_teacher_that_knows_the_picture_is_the_target() -> None:
    schedule, picture = Schedule.preset("aligned", SCALES), {size: value.clamp(-1, 1) for size, value in start(5).items()}
    times, z = stages(2)[-1].step_times(0), start()
    after = ddim_steps(lambda *_: Prediction(picture, None), z, schedule, times, "static")
    for size in SCALES:
        here, there = (float(schedule.logsnr(t)[size]) for t in (times[0], times[-1]))
        assert torch.allclose(step_target(z[size], after[size], here, there), picture[size], atol=1e-4)


@pytest.mark.parametrize("spacing", ["time", "logsnr"])
def test_the_steps_of_a_student_are_every_second_one_of_its_teacher(spacing) -> None:
    stage = dataclasses.replace(stages(8)[-1], spacing=spacing)
    times = [stage.step_times(number) for number in range(8)]
    assert [t for t, *_ in times] == pytest.approx(timesteps(8, spacing)[:-1].tolist())
    assert [t for step in times for t in step[:2]] == pytest.approx(timesteps(16, spacing)[:-1].tolist())
    assert times[7][2] == 0 and stage.step_times(8) == times[0]
    batch = Batches(tiny(), stage, CONFIG, Gradients(), encode, 0, "cpu").make(11)
    exact = Schedule.preset("aligned", SCALES).logsnr(times[3][0])
    for size in SCALES:
        assert torch.allclose(batch.logsnr[size], exact[size].float().expand(4), atol=1e-4)


def test_a_settled_scale_learns_what_its_teacher_says(tmp_path) -> None:
    model = gentle()
    config = dataclasses.replace(CONFIG, preset="staggered", other_preset="staggered")
    (stage,) = stages(8)[1:]
    run = Distiller(model, [stage], config, [Gradients()], encode, tmp_path, teacher=TEACHER)
    run.teacher = model
    schedule = Schedule.preset("staggered", SCALES)
    found = set()
    for step in range(8):
        batch, times = run.batches[0].make(step), stage.step_times(step, schedule.last)
        here, there = (schedule.logsnr(t) for t in (times[0], times[-1]))
        targets = run._halved(batch, times)
        said = run._denoiser(batch, sleep_below=run.sleep_below)(batch.z, batch.logsnr, times[0]).x0
        assert tuple(targets) == awake_scales(SCALES, batch.logsnr, run.sleep_below)
        for size, target in targets.items():
            assert torch.isfinite(target).all()
            settled = here[size] == there[size] and times[-1] > 0
            found |= {size} if settled else set()
            if settled:
                assert torch.allclose(target, clip_x0(said[size], "static"), atol=1e-5)
    assert 16 in found and 64 not in found


def test_the_halving_is_the_samplers(tmp_path) -> None:
    """Two steps of the teacher are what the sampler does, sleeping levels included."""
    model, schedule = gentle(), Schedule.preset("aligned", SCALES)
    config = dataclasses.replace(TEACHER, steps=4, sleep_below=-2.0)
    text = encode(["0.5"])
    denoise = GuidedDenoiser(model, text, sleep_below=-2.0)
    steps = list(sample(denoise, schedule, config, make_generators([3])))
    assert steps[0].asleep and not steps[-1].asleep
    times = [step.t for step in steps[:3]]
    after = ddim_steps(denoise, steps[0].z, schedule, times, "static")
    for size in SCALES:
        assert torch.allclose(after[size], steps[2].z[size], atol=1e-4)
    stage = dataclasses.replace(stages(2)[-1], spacing="logsnr")
    run = trainer(tmp_path, [stage], model, dataclasses.replace(TEACHER, sleep_below=-2.0))
    run.teacher = model
    batch = Batches(tiny(), stage, CONFIG, Gradients(), encode, 0, "cpu").make(0)
    assert tuple(run._losses(batch, stage, 0)) == awake_scales(SCALES, batch.logsnr, -2.0) == (16,)


def test_the_first_stage_learns_the_guided_prediction(tmp_path) -> None:
    run = trainer(tmp_path, stages(2)[:1])
    run.teacher = gentle()
    batch = Batches(tiny(), stages(2)[0], CONFIG, Gradients(), encode, 0, "cpu").make(0)
    guided = GuidedDenoiser(run.teacher, batch.text, guidance=3.0, parallel=0.5, guided_up_to=16)(batch.z, batch.logsnr, 0.5)
    targets = run._guided(batch)
    for size in SCALES:
        assert torch.allclose(targets[size], guided.x0[size].clamp(-1, 1), atol=1e-5)
        assert not torch.allclose(targets[size], guided.x0_plain[size].clamp(-1, 1), atol=1e-2)


@pytest.mark.parametrize("number", [0, 1], ids=["guidance", "halving"])
def test_the_student_comes_nearer_to_its_teacher(tmp_path, number) -> None:
    stage = dataclasses.replace(stages(2)[number], batch=4, top=16, train=(16,))
    run = trainer(tmp_path, [stage])
    run.teacher = gentle()
    run.model.requires_grad_(True)
    batch = Batches(tiny(), stage, CONFIG, Gradients(), encode, 7, "cpu").make(0)
    optimizer = torch.optim.Adam(run.model.parameters(), lr=3e-4)
    losses = []
    for _ in range(20):
        total = sum(run._losses(batch, stage, 0).values())
        losses.append(float(total.detach()))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert losses[-1] < 0.6 * losses[0]
    for taught, before in zip(run.teacher.parameters(), gentle().parameters(), strict=True):
        assert torch.equal(taught, before)


def test_a_small_student_leaves_the_matrices_of_the_trunk_alone(tmp_path) -> None:
    plan = distillation_plan(tiny(), TEACHER, [4, 2], matrices=False)
    plan = [dataclasses.replace(stage, pictures=8, batch=4, warmup=1) for stage in plan]
    model = gentle()
    before = copy.deepcopy(model.state_dict())
    trainer(tmp_path, plan, model).run()
    same = {name for name, tensor in model.state_dict().items() if torch.equal(tensor, before[name])}
    matrices = {id(parameter) for parameter in trunk_matrices(model, (16, 32, 64))}
    assert same == {name for name, parameter in model.named_parameters() if id(parameter) in matrices} and same


def test_a_stopped_distillation_resumes_to_the_bit_with_the_same_teachers(tmp_path) -> None:
    plan = stages(2, 1, pictures=12)
    through = trainer(tmp_path / "a", plan, save_minutes=0)
    through.run()

    class Interrupted(Exception):
        pass

    def stopped(after: int):
        calls = itertools.count()

        def stop(*_):
            if next(calls) == after:
                raise Interrupted

        return stop

    with pytest.raises(Interrupted):
        trainer(tmp_path / "b", plan, save_minutes=0, on_checkpoint=stopped(3)).run()  # as the first stage ends
    assert (load_progress(tmp_path / "b").finished, load_progress(tmp_path / "b").step) == (("guidance",), 0)
    (tmp_path / "b" / "teacher-steps-2.safetensors").write_bytes(b"half a file")  # nobody has learnt from it yet
    with pytest.raises(Interrupted):
        trainer(tmp_path / "b", plan, save_minutes=0, on_checkpoint=stopped(1)).run()  # in the middle of the second
    assert (load_progress(tmp_path / "b").stage, load_progress(tmp_path / "b").step) == ("steps-2", 2)
    assert not list((tmp_path / "b").glob("*.new*"))
    resumed = trainer(tmp_path / "b", plan, save_minutes=0)
    resumed.run()
    for (name, a), b in zip(through.model.state_dict().items(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_without_its_teacher_a_stage_does_not_go_on(tmp_path) -> None:
    class Interrupted(Exception):
        pass

    def stop(*_):
        raise Interrupted

    with pytest.raises(Interrupted):
        trainer(tmp_path, stages(2)[1:], save_minutes=0, on_checkpoint=stop).run()
    (tmp_path / "teacher-steps-2.safetensors").unlink()
    with pytest.raises(TrainingError, match="teacher-steps-2.safetensors, the network that this stage learns from, is not there"):
        trainer(tmp_path, stages(2)[1:]).run()


def test_a_nested_network_is_distilled_whole_and_no_scale_of_it_sleeps(tmp_path) -> None:
    config = dataclasses.replace(every_level(tiny(), input="z"), downsampling="nested")
    asleep = dataclasses.replace(TEACHER, sleep_below=-2.0)  # as in the commands by default
    with pytest.raises(ValueError, match="distil it whole"):
        distillation_plan(config, asleep, [2], top=32)
    plan = [dataclasses.replace(s, pictures=4, batch=2, warmup=1) for s in distillation_plan(config, asleep, [1])]
    run = trainer(tmp_path, plan, new_model(config, 3), asleep)
    batch = run.batches[-1].make(0)
    run.teacher = new_model(config, 3).eval()
    assert awake_scales(SCALES, batch.logsnr, -2.0) != SCALES
    assert tuple(run._losses(batch, plan[-1], 0)) == SCALES
    assert run.run().finished == ("guidance", "steps-1")


def test_shifts_and_noise_of_the_teacher_are_those_of_the_student(tmp_path) -> None:
    """The steps of another schedule, or of noise that it does not know, are not what it should learn."""
    shifts = (0.5, -1.0, -2.0)
    config = dataclasses.replace(CONFIG, shifts=shifts, independent=1)
    (stage,) = stages(2)[1:]
    run = Distiller(gentle(), [stage], config, [Gradients()], encode, tmp_path, teacher=TEACHER)
    run.teacher = gentle()
    batch, times = run.batches[0].make(0), stage.step_times(0)
    assert not batch.shared_noise.any()
    schedule = Schedule(SCALES, shifts)
    for size in SCALES:
        assert torch.allclose(batch.logsnr[size], schedule.logsnr(times[0])[size].float().expand(4), atol=1e-4)
    denoise = GuidedDenoiser(run.teacher, batch.text, shared_noise=False)
    after = ddim_steps(denoise, batch.z, schedule, times, "static")
    for size, x0 in run._halved(batch, times).items():
        here, there = (float(schedule.logsnr(t)[size]) for t in (times[0], times[-1]))
        assert torch.allclose(x0, step_target(batch.z[size], after[size], here, there), atol=1e-4)


def test_a_distilled_checkpoint_runs_as_it_learnt(tmp_path, tiny_encoder) -> None:
    model = awake(dataclasses.replace(tiny(), text_width=32))
    learnt = {"steps": 4, "guidance": 3.0, "guided_up_to": 32, "spacing": "time", "sleep_below": None}
    meta = {"text_encoder": tiny_encoder.name, "preset": "paper", "vocabulary": [], "training": {}, "distilled": learnt}
    save_checkpoint(tmp_path / "fast", model, meta)
    loaded, meta = load_checkpoint(tmp_path / "fast")
    assert meta["distilled"] == learnt
    pipeline = LayeredPipeline(loaded, tiny_encoder, meta)
    config = SampleConfig(steps=4, guidance=1.0, guided_up_to=32, spacing="time", sleep_below=None, solver="ddim", preset="paper")
    assert pipeline.usual == config and pipeline.generate("a red balloon").config == config
    del meta["distilled"]
    assert LayeredPipeline(loaded, tiny_encoder, meta).usual == SampleConfig(preset="paper")
    with pytest.raises(CheckpointError, match="distilled: steps"):
        save_checkpoint(tmp_path / "no", model, meta | {"distilled": {"steps": 0}})


def test_the_plan_folds_guidance_in_and_then_halves() -> None:
    plan = distillation_plan(tiny(), TEACHER, [8, 4, 2], top=32)
    assert [stage.name for stage in plan] == ["guidance", "steps-8", "steps-4", "steps-2"]
    assert {stage.train for stage in plan} == {(16, 32)} and {stage.top for stage in plan} == {32}
    assert [stage.steps for stage in plan] == [None, 8, 4, 2]
    unguided = dataclasses.replace(TEACHER, guidance=1.0)
    assert [stage.name for stage in distillation_plan(tiny(), unguided, [2])] == ["steps-2"]


def test_mistakes_get_a_sentence(tmp_path) -> None:
    for steps in ([8, 5], [4, 8], [], [0]):
        with pytest.raises(ValueError, match="halved"):
            distillation_plan(tiny(), TEACHER, steps)
    with pytest.raises(ValueError, match="level 32 has a log-SNR of .* would sleep"):
        distillation_plan(tiny(), dataclasses.replace(TEACHER, sleep_below=-1.0), [1])
    with pytest.raises(ValueError, match="distil it whole"):
        distillation_plan(tiny().single_resolution(), TEACHER, [4], top=32)
    with pytest.raises(ValueError, match="no jitter"):
        Distiller(gentle(), stages(2), TrainConfig(autocast=False), [Gradients()], encode, tmp_path, teacher=TEACHER)
    save_checkpoint(tmp_path / "whole", gentle(), {"text_encoder": "x", "preset": "aligned", "vocabulary": [], "training": {}})
    command = ["--checkpoint", str(tmp_path / "whole"), "--run", "r", "--pictures", "1", "--small", "--export"]
    with pytest.raises(SystemExit, match="another folder beside it"):
        main([*command, str(tmp_path / "deeper" / "few")])
    with pytest.raises(SystemExit, match="2"):
        parse(["--checkpoint", str(tmp_path), "--run", "r", "--pictures", "1", "--export", str(tmp_path)])
