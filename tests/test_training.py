"""Training: stacking, crops, frozen levels, averaging, and a run that resumes to the bit."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
import torch

from layered.checkpoint import save_checkpoint
from layered.layers import TextStates
from layered.losses import LossConfig
from layered.pyramid import downsample_noise
from layered.schedule import Schedule
from layered.training.__main__ import parse, starting_point
from layered.training.batches import Batches, draw_shifts, draw_times
from layered.training.crops import nested_windows
from layered.training.loop import Trainer, batch_losses, new_model, stacked
from layered.training.plan import LOGSNR_OF_TOP, StageConfig, TrainConfig, stacking_plan
from layered.training.state import load_progress
from layered.training.team import Team
from tests.test_unet import VARIANTS, tiny

CONFIG = TrainConfig(autocast=False)
WITHOUT_32 = LossConfig(scale_weights=(1.0, 0.0, 1.0))


class Gradients:
    """A source of smooth pictures whose caption says their colour."""

    size = 64

    def draw(self, count, generator, part=slice(None)):
        level = (torch.rand(count, 3, 1, 1, generator=generator) * 2 - 1)[part]
        ramp = torch.linspace(-0.3, 0.3, self.size)
        return (level + ramp).clamp(-1, 1).expand(len(level), 3, self.size, self.size), [f"{v.mean():.1f}" for v in level]


def encode(captions: list[str]) -> TextStates:
    values = torch.tensor([float(c) for c in captions])
    tokens = values[:, None, None].expand(-1, 2, 12).clone()
    return TextStates(tokens, torch.ones(len(captions), 2, dtype=torch.bool), tokens.mean(dim=1))


def plan(**changes) -> tuple[StageConfig, ...]:
    stages = stacking_plan(tiny(), crop=32)
    return tuple(dataclasses.replace(s, pictures=32, batch=8, warmup=1, **changes) for s in stages)


def trainer(folder, stages=None, model_config=None, **changes) -> Trainer:
    model = new_model(model_config or tiny(), seed=3)
    return Trainer(model, stages or plan(), CONFIG, [Gradients()], encode, folder, **changes)


def test_the_plan_stacks_one_level_after_the_other_and_ends_with_all() -> None:
    stages = stacking_plan(tiny(), crop=32)
    assert [(s.top, s.train) for s in stages] == [(16, (16,)), (32, (32,)), (64, (64,)), (64, (16, 32, 64))]
    assert [s.crop for s in stages][:3] == [None, None, 32]
    stages = stacking_plan(tiny(), crop=32, at_once=2)
    assert [(s.name, s.train) for s in stages[:2]] == [("base-16", (16,)), ("stack-32-64", (32, 64))]
    assert len(stages) == 3


def test_a_stage_changes_only_the_levels_that_it_trains(tmp_path) -> None:
    run = trainer(tmp_path, stages=plan()[1:2])
    before = {name: p.clone() for name, p in run.model.state_dict().items()}
    run.run()
    changed = {name for name, p in run.model.state_dict().items() if not torch.equal(p, before[name])}
    assert changed and all(name.startswith("levels.32.") for name in changed)


def test_every_parameter_learns_over_the_whole_plan(tmp_path) -> None:
    """No layer is left untrained."""
    run = trainer(tmp_path)
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    run.run()
    same = [name for name, p in run.model.named_parameters() if torch.equal(p, before[name])]
    assert not same


@pytest.mark.parametrize("kind", ["wavelet", "dimr", "u-net", "twin"])
def test_every_parameter_of_other_networks_learns_too(kind: str, tmp_path) -> None:
    config = tiny().single_resolution() if kind == "twin" else VARIANTS[kind]
    stages = [dataclasses.replace(stage, pictures=48, batch=6, warmup=1) for stage in stacking_plan(config, crop=32)[-1:]]
    run = trainer(tmp_path, stages, config)
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    run.run()
    assert not [name for name, p in run.model.named_parameters() if torch.equal(p, before[name])]


def test_the_log_has_the_losses_of_every_step_though_each_is_read_a_step_later(tmp_path, monkeypatch) -> None:
    given, read = [], []

    class Watched(Trainer):
        def _step(self, *step):
            given.append(super()._step(*step))
            return given[-1]

    float_of = torch.Tensor.__float__
    monkeypatch.setattr(torch.Tensor, "__float__", lambda tensor: read.append((id(tensor), len(given))) or float_of(tensor))
    stages = [dataclasses.replace(stage, pictures=5 * stage.batch) for stage in plan()[:1]]
    Watched(new_model(tiny(16), seed=3), stages, CONFIG, [Gradients()], encode, tmp_path).run()
    monkeypatch.undo()
    losses = [float(step[16]) for step in given]
    mean = losses[0]
    for loss in losses:
        mean = 0.98 * mean + 0.02 * loss
    (entry,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert entry["loss"] == {"16": pytest.approx(mean, abs=1e-5)} and len(losses) == 5
    when = [next(steps for tensor, steps in read if tensor == id(step[16])) for step in given]
    assert when == [2, 3, 4, 5, 5]  # when that many steps had been begun


def test_only_the_levels_that_learn_drop_features(tmp_path) -> None:
    """Frozen levels, the averaged copy and sheets give what they give when pictures are drawn."""
    training = {}

    class Watched(Trainer):
        def _step(self, *given):
            training.update({size: level.training for size, level in self.model.levels.items()}, trunk=self.model.trunk.training)
            return super()._step(*given)

    averages = []
    model = new_model(VARIANTS["dropout"], seed=3)
    saved = lambda average, *_: averages.append(average.training)  # noqa: E731
    Watched(model, plan()[1:2], CONFIG, [Gradients()], encode, tmp_path, save_minutes=0, on_checkpoint=saved).run()
    assert training == {"16": False, "32": True, "64": False, "trunk": False} and averages and not any(averages)


def test_a_run_with_dropout_resumes_to_the_bit(tmp_path) -> None:
    config, stages = dataclasses.replace(tiny(16), dropout=0.5), plan()[:1]

    class Interrupted(Exception):
        pass

    def stop(average, stage, progress):
        if progress.step == 2:
            raise Interrupted

    torch.manual_seed(1)
    through = trainer(tmp_path / "a", stages, config)
    through.run()
    torch.manual_seed(2)
    with pytest.raises(Interrupted):
        trainer(tmp_path / "b", stages, config, save_minutes=0, on_checkpoint=stop).run()
    resumed = trainer(tmp_path / "b", stages, config)
    resumed.run()
    for (name, a), b in zip(through.model.state_dict().items(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    dry = trainer(tmp_path / "c", stages, tiny(16))
    dry.run()
    assert any(not torch.equal(a, b) for a, b in zip(dry.model.parameters(), through.model.parameters(), strict=True))


def test_what_does_not_fit_a_later_stage_is_said_before_the_first(tmp_path) -> None:
    class Small(Gradients):
        size = 32

    model, three = new_model(tiny(), seed=3), Team("cpu")
    three.count = 3

    class Odd(Gradients):
        size = 96

    for sources in ([Small()], [Odd()]):
        with pytest.raises(ValueError, match="needs pictures of at least .* pixels, such as can be halved"):
            Trainer(model, plan(), CONFIG, sources, encode, tmp_path)
    with pytest.raises(ValueError, match="crop of 5 pixels does not fit the cells"):
        Trainer(model, plan(crop=5), CONFIG, [Gradients()], encode, tmp_path)
    with pytest.raises(ValueError, match="Stage stack-32: its scales 32 all have the weight 0"):
        Trainer(model, plan(), dataclasses.replace(CONFIG, loss=WITHOUT_32), [Gradients()], encode, tmp_path)
    with pytest.raises(ValueError, match="expected 3, one for each"):
        Trainer(model, plan(), dataclasses.replace(CONFIG, shifts=(0.0, 1.0)), [Gradients()], encode, tmp_path)
    with pytest.raises(ValueError, match="batch of 8 cannot be shared evenly by 3"):
        Trainer(model, plan(), CONFIG, [Gradients()], encode, tmp_path, team=three)
    assert not list(tmp_path.iterdir())


def test_training_lowers_the_loss(tmp_path) -> None:
    stage = dataclasses.replace(plan()[0], pictures=1600, lr=3e-3)
    run = trainer(tmp_path, stages=[stage])
    batch = Batches(run.model.config, stage, CONFIG, Gradients(), encode, 9, "cpu").make(0)
    before = batch_losses(run.model, batch, (16,), CONFIG)[16]
    run.run()
    assert batch_losses(run.model, batch, (16,), CONFIG)[16] < 0.5 * before


def test_a_run_that_was_stopped_resumes_to_the_bit(tmp_path) -> None:
    through = trainer(tmp_path / "a", save_minutes=0)
    through.run()

    class Interrupted(Exception):
        pass

    calls = itertools.count()

    def stop(*_):
        if next(calls) == 6:  # in the middle of the second stage
            raise Interrupted

    with pytest.raises(Interrupted):
        trainer(tmp_path / "b", save_minutes=0, on_checkpoint=stop).run()
    stopped = load_progress(tmp_path / "b")
    assert (stopped.stage, stopped.finished) == ("stack-32", ("base-16",)) and stopped.step > 0
    resumed = trainer(tmp_path / "b", save_minutes=0)
    resumed.run()
    for (name, a), b in zip(through.model.state_dict().items(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_batches_depend_on_the_step_alone() -> None:
    make = Batches(tiny(), plan()[2], CONFIG, Gradients(), encode, 1, "cpu").make
    first, again, other = make(5), make(5), make(6)
    assert torch.equal(first.z[64], again.z[64]) and not torch.equal(first.z[64], other.z[64])
    assert first.z[64].shape[-1] == 32 and first.z[32].shape[-1] == 32 and first.windows[64] == again.windows[64]


def test_the_parts_of_a_batch_make_up_the_whole() -> None:
    def make(part: slice):
        return Batches(tiny(), plan()[2], CONFIG, Gradients(), encode, 1, "cpu", part).make(3)

    whole, parts = make(slice(None)), [make(slice(0, 4)), make(slice(4, 8))]
    for size in whole.z:
        for name in ("x0", "z", "logsnr"):
            assert torch.equal(torch.cat([getattr(part, name)[size] for part in parts]), getattr(whole, name)[size])
    assert torch.equal(torch.cat([part.shared_noise for part in parts]), whole.shared_noise)
    assert torch.equal(torch.cat([part.text.mask for part in parts]), whole.text.mask)
    assert [part.windows[64] for part in parts] == [whole.windows[64].of(slice(0, 4)), whole.windows[64].of(slice(4, 8))]


def test_shared_and_independent_noise_are_mixed_and_flagged() -> None:
    config = dataclasses.replace(CONFIG, independent=0.5)
    batches = Batches(tiny(), plan()[3], config, Gradients(), encode, 1, "cpu")
    noise = batches._noise(8, 4, seed=0, windows={})
    shared = batches.make(0).shared_noise
    assert shared.tolist() == [0.0] * 4 + [1.0] * 4
    agreement = (downsample_noise(noise[64], 16) * noise[16]).mean(dim=(1, 2, 3))
    assert agreement[:4].abs().max() < 0.2 and (agreement[4:] - 1).abs().max() < 0.2


def test_noise_in_windows_is_that_of_whole_pictures() -> None:
    batches = Batches(tiny(), plan()[3], dataclasses.replace(CONFIG, independent=0.5), Gradients(), encode, 1, "cpu")
    windows = nested_windows(tiny(), 64, 16, 8, torch.Generator().manual_seed(3))
    whole, cut = (batches._noise(8, 4, seed=0, windows=some) for some in ({}, windows))
    assert {size: noise.shape[-1] for size, noise in cut.items()} == {16: 16, 32: 16, 64: 16}
    for size, noise in cut.items():
        assert torch.equal(noise, windows[size].crop(whole[size]) if size in windows else whole[size])


def test_crops_nest_and_lie_on_cells() -> None:
    config = tiny()
    generator = torch.Generator().manual_seed(0)
    windows = nested_windows(config, 64, 16, 50, generator)
    assert set(windows) == {32, 64} and all(w.side == 16 for w in windows.values())
    for i in range(50):
        for axis in ("top", "left"):
            outer, inner = getattr(windows[32], axis)[i], getattr(windows[64], axis)[i]
            assert outer % 4 == 0 and inner % 4 == 0 and 0 <= outer <= 16
            assert 2 * outer <= inner <= 2 * outer + 16
    assert len(set(windows[64].top)) > 3
    assert nested_windows(config, 32, 32, 2, generator) == {} == nested_windows(config, 64, None, 2, generator)


def test_shifts_are_half_exactly_the_preset() -> None:
    shifts, end = draw_shifts(CONFIG, (32, 64, 128), 4000, torch.Generator().manual_seed(0))
    assert end is None
    preset = torch.tensor(Schedule.preset("aligned", (32, 64, 128)).shifts)
    exact = torch.isclose(shifts, preset).all(dim=1)
    assert 0.45 < exact.float().mean() < 0.55
    assert (shifts[~exact][:, 0].abs() <= CONFIG.shift_jitter + 1e-5).all() and shifts[~exact][:, 0].std() > 0.5


def test_times_are_uniform_in_t_or_in_the_log_snr_of_the_top_level() -> None:
    stage = plan()[2]
    shift = torch.full((2000,), -3.0)
    t = draw_times(dataclasses.replace(stage, time="uniform"), (shift, None), torch.Generator().manual_seed(0))
    assert 0.48 < t.mean() < 0.52 and t.min() >= 0 and t.max() <= 1
    t = draw_times(stage, (shift, None), torch.Generator().manual_seed(0))
    top = -2 * torch.log(torch.tan(torch.pi * t / 2)) - 3.0
    low, high = LOGSNR_OF_TOP
    for part in range(5):  # every fifth of the range gets its share, besides what uniform times put there
        low_edge, high_edge = (low + (high - low) * (part + i) / 5 for i in range(2))
        assert ((top >= low_edge) & (top < high_edge)).float().mean() > 0.12
    assert (top < low).float().mean() > 0.03


def test_training_starts_from_a_checkpoint_or_says_what_is_wrong_with_it(tmp_path) -> None:
    model = new_model(tiny(), seed=9)
    stages = [{"stage": "base-16", "pictures": 8, "seconds": 1}]
    meta = {"text_encoder": "bundled", "preset": "aligned", "vocabulary": [], "training": {"stages": stages}}
    save_checkpoint(tmp_path / "start", model, meta)
    words = ["--run", str(tmp_path / "run"), "--minutes", "1", "--init"]
    started, kept = starting_point(parse([*words, str(tmp_path / "start")]))
    assert kept["training"]["stages"] == stages and started.config == model.config
    for ours, theirs in zip(started.parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-6)  # half precision on disk
    with pytest.raises(SystemExit, match="--init: .*no model.safetensors"):
        (tmp_path / "start" / "model.safetensors").unlink()
        starting_point(parse([*words, str(tmp_path / "start")]))
    for wrong in (["--top", "64"], ["--at-once", "0"], ["--export", str(tmp_path / "start")]):
        with pytest.raises(SystemExit):
            parse([*words, str(tmp_path / "start"), *wrong])


def test_a_new_network_is_stacked_on_the_levels_of_a_checkpoint_that_are_the_same() -> None:
    start = new_model(tiny(), seed=9)
    finest = dataclasses.replace(tiny().levels[2], width=16)
    model = stacked(new_model(dataclasses.replace(tiny(), levels=(*tiny().levels[:2], finest)), seed=1), start)
    given = start.state_dict()
    for name, value in model.state_dict().items():
        assert name.startswith("levels.64.") or torch.equal(value, given[name]), name
    fresh = new_model(tiny(), seed=1).state_dict()
    assert any(not torch.equal(value, fresh[name]) for name, value in model.state_dict().items() if "levels.32." in name)
    for other in (
        dataclasses.replace(tiny(), time_width=32),
        dataclasses.replace(tiny(), levels=(dataclasses.replace(tiny().levels[0], width=8),)),
    ):
        with pytest.raises(ValueError, match="nothing to stack on"):
            stacked(new_model(other, seed=1), start)
