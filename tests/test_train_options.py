"""Options of training: losses, noise, schedules, stages, and the single-resolution network."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch

from layered.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from layered.config import SampleConfig
from layered.losses import LossConfig
from layered.pipeline import LayeredPipeline
from layered.presets import MODELS
from layered.pyramid import downsample_noise
from layered.schedule import LEAD, SETTLED, Schedule, alpha_sigma, time_of_logsnr
from layered.training import optim
from layered.training.__main__ import main, make_plan, parse, train_config
from layered.training.batches import Batches, draw_shifts, draw_times
from layered.training.loop import Trainer, new_model
from layered.training.plan import LOGIT_OF_TIME, LOGSNR_OF_TOP, UNIFORM_TIME, TrainConfig, joint_plan, stacking_plan
from layered.training.sheet import draw_sheet
from layered.world.cache import build_cache
from tests.test_optim import trunk_alone
from tests.test_prediction import eps_from_x0
from tests.test_training import CONFIG, Gradients, encode, plan, trainer
from tests.test_unet import tiny


def test_without_stacking_one_stage_trains_every_level_and_without_crops_on_full_frames() -> None:
    (stage,) = joint_plan(tiny(), crop=32)
    assert (stage.top, stage.train, stage.crop, stage.time) == (64, (16, 32, 64), 32, "uniform")
    (single,) = joint_plan(tiny().single_resolution(), crop=32)
    assert single.train == (16, 32, 64) and single.crop is None
    assert joint_plan(tiny(), crop=None)[0].crop is None and joint_plan(tiny(), crop=64)[0].crop is None
    assert not any(stage.crop for stage in stacking_plan(tiny(), crop=None))


def test_the_command_line_says_all_of_it() -> None:
    words = ["--run", "r", "--pictures", "8", "--no-stacking", "--crop", "0", "--noise", "box", "--independent", "0"]
    words += [
        "--preset",
        "paper",
        "--other-preset",
        "paper",
        "--shift-jitter",
        "0",
        "--loss",
        "sigmoid",
        "--loss-bias",
        "-1",
        "-2",
    ]
    words += ["--multiscale-from", "16", "--scale-weights", "1", "1", "1", "--device", "cpu"]
    options = parse(words)
    config = train_config(options)
    loss = LossConfig("sigmoid", (-1.0, -2.0), 16, (1.0, 1.0, 1.0))
    expected = TrainConfig(noise="box", independent=0, preset="paper", other_preset="paper", shift_jitter=0, loss=loss)
    assert dataclasses.replace(config, autocast=True) == expected
    (stage,) = make_plan(options, new_model(tiny(), 0))
    assert (stage.pictures, stage.train, stage.crop) == (8, (16, 32, 64), None)
    usual = train_config(parse(["--run", "r", "--minutes", "1"]))
    assert dataclasses.replace(usual, autocast=True) == TrainConfig()
    for wrong in (["--independent", "1.5"], ["--shift-jitter", "-1"], ["--multiscale-from", "0"], ["--loss-bias", "nan"]):
        with pytest.raises(SystemExit, match="[A-Z].*[:,] .*expected|from"):
            train_config(parse(["--run", "r", "--minutes", "1", *wrong]))
    for wrong in (
        ["--crop", "-1"],
        ["--no-stacking", "--at-once", "2"],
        ["--single-resolution", "--init", "x"],
        ["--minutes", "5", "-1"],
        ["--minutes", "nan"],
        ["--batch", "8", "0"],
        ["--lr", "0"],
    ):
        with pytest.raises(SystemExit, match="2"):
            parse(["--run", "r", "--minutes", "1", *wrong])
    with pytest.raises(SystemExit, match="2"):
        parse(["--run", "r", "--pictures", "-8"])
    for nothing in (["--no-stacking", "--minutes", "0"], ["--minutes", "0", "0", "0", "0"]):
        with pytest.raises(SystemExit, match="All budgets are 0"):
            make_plan(parse(["--run", "r", *nothing]), new_model(tiny(), 0))
    for only in ([], ["--no-stacking"]):
        options = parse(["--run", "r", "--base-time", "logit-normal", "--minutes", *["1"] * (1 if only else 4), *only])
        assert make_plan(options, new_model(tiny(), 0))[0].time == "logit-normal"
    for wrong in ({"noise": "independent"}, {"preset": "cosine"}, {"other_preset": "cosine"}):
        with pytest.raises(ValueError, match="expected one of"):
            TrainConfig(**wrong)


FIRST = {"base-16": [1.83169], "stack-32": [11.3711], "stack-64": [3.94224], "joint": [0.80651, 6.57393, 5.62805]}
TODAY = {"base-16": [1.83213], "stack-32": [11.44469], "stack-64": [4.01325], "joint": [0.81841, 6.64095, 5.67399]}


@pytest.mark.parametrize(("split", "losses"), [(trunk_alone, FIRST), (optim.split_parameters, TODAY)], ids=["first", "today"])
def test_the_usual_run_learns_as_it_always_did(tmp_path, monkeypatch, split, losses) -> None:
    """Last losses of the first version of this loop, whose Muon had no filters, and of today's: unused options change nothing."""
    monkeypatch.setattr(optim, "split_parameters", split)
    trainer(tmp_path, save_minutes=0).run()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    last = {line["stage"]: list(line["loss"].values()) for line in lines}
    assert last.keys() == losses.keys()
    for stage, values in losses.items():
        assert last[stage] == pytest.approx(values, rel=1e-3), stage


@pytest.mark.parametrize(
    "loss", [LossConfig("eps"), LossConfig("sigmoid", (0.0, -1.0, -2.0)), LossConfig(multiscale_from=16)], ids=str
)
def test_every_loss_trains_all_levels_on_crops(tmp_path, loss) -> None:
    config = dataclasses.replace(CONFIG, loss=loss)
    stages = [dataclasses.replace(joint_plan(tiny(), crop=32)[0], pictures=8, batch=4, warmup=1)]
    run = Trainer(new_model(tiny(), seed=3), stages, config, [Gradients()], encode, tmp_path)
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    run.run()
    assert all(p.isfinite().all() for p in run.model.parameters())
    assert {name.split(".")[1] for name, p in run.model.named_parameters() if not torch.equal(p, before[name])} >= {"16", "64"}


def test_a_single_resolution_network_trains_and_draws(tmp_path, tiny_encoder) -> None:
    config = dataclasses.replace(tiny(), text_width=32).single_resolution()
    stages = [dataclasses.replace(joint_plan(config)[0], pictures=8, batch=4, warmup=1)]
    loss = LossConfig("v", multiscale_from=16)
    model = new_model(config, seed=3)
    before = {name: p.clone() for name, p in model.named_parameters()}
    train = dataclasses.replace(CONFIG, loss=loss)
    run = Trainer(model, stages, train, [Gradients()], tiny_encoder.encode, tmp_path / "run")
    run.run()
    assert not torch.equal(model.state_dict()["levels.64.output.weight"], before["levels.64.output.weight"])
    meta = {"text_encoder": tiny_encoder.name, "preset": "aligned", "vocabulary": [], "training": {}}
    save_checkpoint(tmp_path / "single", model, meta)
    loaded, meta = load_checkpoint(tmp_path / "single")
    pipeline = LayeredPipeline(loaded, tiny_encoder, meta)
    assert pipeline.scales == (64,)
    for order in ("together", "coarse-first"):
        steps = list(pipeline.stream("a red balloon", SampleConfig(steps=2, order=order, preset="interpolated")))
        assert len(steps) == 2 and steps[-1].ends and steps[-1].x0[64].isfinite().all()


@pytest.mark.parametrize("noise", ["sinc", "box", "bilinear"])
def test_an_ablation_can_train_with_one_noise_mode(noise) -> None:
    config = dataclasses.replace(CONFIG, noise=noise, independent=0.0)
    batch = Batches(tiny(), plan()[3], config, Gradients(), encode, 1, "cpu").make(0)
    assert batch.shared_noise.tolist() == [1.0] * 8 and batch.windows == {}
    eps = {size: eps_from_x0(batch.x0[size], batch.z[size], batch.logsnr[size]) for size in batch.z}
    clear = batch.logsnr[64] < 4  # where ε can be had back from z
    for size in (16, 32):
        assert torch.allclose(downsample_noise(eps[64], size, noise)[clear], eps[size][clear], atol=0.02)
    apart = Batches(tiny(), plan()[3], dataclasses.replace(config, independent=1.0), Gradients(), encode, 1, "cpu")
    assert apart.make(0).shared_noise.tolist() == [0.0] * 8


def test_one_schedule_for_all_samples_where_nothing_is_jittered() -> None:
    config = dataclasses.replace(CONFIG, preset="paper", other_preset="paper", shift_jitter=0.0)
    shifts, end = draw_shifts(config, (128, 256, 512), 50, torch.Generator().manual_seed(0))
    assert torch.allclose(shifts, torch.tensor(Schedule.preset("paper", (128, 256, 512)).shifts).expand(50, 3)) and end is None


def test_shifts_of_ones_own_are_those_of_every_sample() -> None:
    config = dataclasses.replace(CONFIG, shifts=(0, -2, -3.5))
    shifts, end = draw_shifts(config, (16, 32), 50, torch.Generator().manual_seed(0))  # a stage without the finest scale
    assert torch.equal(shifts, torch.tensor((0, -2.0)).expand(50, 2)) and end is None
    with pytest.raises(ValueError, match="expected 3"):
        Batches(tiny(), plan()[3], dataclasses.replace(CONFIG, shifts=(0, -2)), Gradients(), encode, 1, "cpu")
    for wrong in ((0, math.nan), (0, 16), ()):
        with pytest.raises(ValueError, match="a number per scale"):
            dataclasses.replace(CONFIG, shifts=wrong)


def test_a_checkpoint_says_under_which_noise_and_shifts_it_is_drawn(tmp_path, tiny_encoder) -> None:
    shifts = (0.0, -2.0, -3.5)
    given = {
        TrainConfig(): {},
        TrainConfig(independent=1.0): {"noise": "independent"},
        TrainConfig(noise="box", independent=0.0): {"noise": "box"},
        TrainConfig(shifts=shifts): {"shifts": list(shifts)},
    }
    meta = {"text_encoder": tiny_encoder.name, "preset": "paper", "vocabulary": [], "training": {}}
    for number, (config, learnt) in enumerate(given.items()):
        assert config.learnt == learnt
        model = new_model(dataclasses.replace(tiny(), text_width=32), 0)
        save_checkpoint(tmp_path / f"{number}", model, meta | ({"usual": learnt} if learnt else {}))
        loaded, said = load_checkpoint(tmp_path / f"{number}")
        assert LayeredPipeline(loaded, tiny_encoder, said).usual == SampleConfig(preset="paper", **learnt)
    with pytest.raises(CheckpointError, match="usual: noise mode"):
        save_checkpoint(tmp_path / "no", model, meta | {"usual": {"noise": "loud"}})


def test_the_command_exports_them_and_given_again_exports_the_same(tmp_path, tiny_encoder_folder, monkeypatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", tiny)
    build_cache(tmp_path / "vistas", count=2, size=32, progress=False)
    words = ["--run", str(tmp_path / "run"), "--data", str(tmp_path / "vistas"), "--text-encoder", str(tiny_encoder_folder)]
    words += ["--model", "tiny", "--top", "32", "--pictures", "2", "0", "0", "--batch", "2", "2", "2"]
    words += ["--shifts", "0.5", "-1.5", "--independent", "1", "--device", "cpu", "--threads", "1"]
    made = []
    for name in ("first", "again"):
        main([*words, "--export", str(tmp_path / name)])
        made.append(load_checkpoint(tmp_path / name))
    (first, meta), (again, said) = made
    assert meta == said and meta["usual"] == {"noise": "independent", "shifts": [0.5, -1.5]}
    assert [stage["stage"] for stage in meta["training"]["stages"]] == ["base-16"]
    assert len(list((tmp_path / "run" / "sheets").iterdir())) == 1
    fresh = new_model(first.config, 0).state_dict()
    changed = [name for name, value in first.state_dict().items() if not torch.allclose(value, fresh[name].half().float())]
    assert changed and all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    with pytest.raises(SystemExit, match="trains another network"):
        main([*words, "--top", "16", "--pictures", "2", "0", "--batch", "2", "2", "--shifts", "0.5"])


def test_a_sheet_of_a_lower_stage_takes_its_scales_shifts(tmp_path) -> None:
    model, config = new_model(tiny(), 0), SampleConfig(steps=1, guidance=1.0, shifts=(0.5, -1.5, -3.0))
    draw_sheet(model, encode(["0.5", "0.1"]), 32, tmp_path / "sheet.png", "cpu", config)
    assert (tmp_path / "sheet.png").is_file()


def test_logit_normal_times_dwell_where_content_is_decided() -> None:
    stage = dataclasses.replace(plan()[0], time="logit-normal")
    t = draw_times(stage, (torch.zeros(20_000), None), torch.Generator().manual_seed(0))
    mean, deviation = LOGIT_OF_TIME
    expected = torch.distributions.Normal(mean, deviation)
    for value in (0.2, 0.5, 0.8):
        share = (1 - UNIFORM_TIME) * float(expected.cdf(torch.tensor(value).logit())) + UNIFORM_TIME * value
        assert float((t < value).double().mean()) == pytest.approx(share, abs=0.015)


def test_staggered_levels_learn_on_settled_pictures_with_nothing_known_of_their_own() -> None:
    config = dataclasses.replace(CONFIG, preset="staggered", other_preset="aligned")
    stage = plan()[2]
    assert (stage.train, stage.time) == ((64,), "logsnr")
    batches = Batches(tiny(), dataclasses.replace(stage, batch=400), config, Gradients(), encode, 1, "cpu")
    batch = batches.make(0)
    assert batches.schedule.ceiling == SETTLED < batches.schedule.last - 5
    assert all(float(logsnr.max()) <= SETTLED + 1e-5 for logsnr in batch.logsnr.values())
    below, own = batch.logsnr[32], batch.logsnr[64]
    waiting = (own < 0) & (own > -3)
    lead = (below - own)[waiting] - 2 * math.log(2)
    assert waiting.sum() > 50 and ((lead - LEAD).abs() < 1e-3).double().mean() == pytest.approx(0.5, abs=0.15)
    for size in (16, 32, 64):  # the noise is that of the log-SNR that the network is told
        alpha, sigma = alpha_sigma(batch.logsnr[size])
        noise = (batch.z[size] - alpha[:, None, None, None] * batch.x0[size]) / sigma[:, None, None, None]
        assert float(noise.std()) == pytest.approx(1, abs=0.02)


def test_an_interpolated_schedule_is_trained_with_both_its_ends() -> None:
    config = dataclasses.replace(CONFIG, preset="interpolated", other_preset="interpolated", shift_jitter=0.0)
    shifts = draw_shifts(config, (16, 32, 64), 400, torch.Generator().manual_seed(0))
    schedule = Schedule.preset("interpolated", (16, 32, 64))
    for drawn, exact in zip(shifts, (schedule.shifts, schedule.end_shifts), strict=True):
        assert torch.allclose(drawn, torch.tensor(exact).expand(400, 3))
    t = draw_times(plan()[2], shifts.scale(-1), torch.Generator().manual_seed(0)).double()
    top = schedule.logsnr(t)[64]
    low, high = LOGSNR_OF_TOP
    assert ((top >= low) & (top < (low + high) / 2)).double().mean() == pytest.approx(0.47, abs=0.08)
    batch = Batches(tiny(), plan()[3], config, Gradients(), encode, 1, "cpu").make(0)
    t = time_of_logsnr(batch.logsnr[64], schedule.shifts[2], schedule.end_shifts[2])
    for size in (16, 32):
        assert torch.allclose(schedule.logsnr(t)[size], batch.logsnr[size], atol=0.02)
    jittered = draw_shifts(
        dataclasses.replace(CONFIG, preset="interpolated"), (16, 32, 64), 400, torch.Generator().manual_seed(0)
    )
    assert jittered.start.shape == jittered.end.shape == (400, 3) and (jittered.start - jittered.end).std() > 0.1
