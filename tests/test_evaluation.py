"""The evaluation's commands: counts that can be checked by hand, times that are ratios, sheets that show what was drawn."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from PIL import Image

from layered.command_line import check_device
from layered.config import SampleConfig
from layered.diffusion import Prediction
from layered.evaluation.__main__ import main
from layered.evaluation.loss import WORLD_SEED, detail_errors, unseen_losses, unseen_vistas
from layered.evaluation.probe import save_probe
from layered.evaluation.sheet import draw_sheet
from layered.evaluation.speed import speed_table
from layered.evaluation.upscale import RealBase, upscale
from layered.pipeline import LayeredPipeline
from layered.prediction import noisy
from layered.pyramid import enlarge_image
from layered.sampler import make_generators, sample
from layered.schedule import Schedule
from layered.unet import LayeredUNet
from layered.world import Vistas, render
from tests.test_nested import NESTED, random_pipeline
from tests.test_pipeline import checkpoint, pipeline  # noqa: F401 - fixtures
from tests.test_probe import probe  # noqa: F401 - fixture


def test_flops_are_printed_one_row_per_size(capsys) -> None:
    main(["flops", "--sizes", "128", "256"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["top"] for row in rows] == [128, 256] and rows[0]["layered_gflop"] < rows[1]["layered_gflop"]


def test_passes_of_both_networks_are_timed_in_turns(capsys) -> None:
    main(["flops", "--model", "miniature", "--sizes", "32", "64", "--rounds", "2"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for row in rows:
        assert 0.3 < row["seconds_ratio"] / (row["layered_seconds"] / row["single_seconds"]) < 3
    assert [row["top"] for row in rows] == [32, 64]


def test_the_papers_flops_are_printed_beside_ours(capsys) -> None:
    main(["flops", "--paper"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["top"], row["network"]) for row in rows][-1] == (512, "layered") and len(rows) == 5
    assert all(row["tflop"] == pytest.approx(row["paper_tflop"] * (1 + row["difference"]), abs=0.003) for row in rows)


def test_speed_is_a_ratio_to_the_first_setting(pipeline) -> None:  # noqa: F811
    settings = {"default": SampleConfig(steps=2), "more": SampleConfig(steps=2, guidance=1.0)}
    rows = speed_table(pipeline, "a red balloon", settings, repeats=1)
    assert rows[0]["ratio"] == 1 and rows[1]["ratio"] == pytest.approx(rows[1]["seconds"] / rows[0]["seconds"])
    assert all(0 < row["first"] < row["seconds"] for row in rows)


def test_a_sheet_has_a_row_per_prompt_and_a_column_per_size(pipeline, tmp_path) -> None:  # noqa: F811
    file = tmp_path / "sheets" / "sheet.png"
    draw_sheet(pipeline, ["a red balloon", "the sea at night"], SampleConfig(steps=2), (16, 64), file, cell=32)
    sheet = Image.open(file)
    assert sheet.size == (64, 64) and len(sheet.getcolors(10_000)) > 16


def test_a_sheet_of_coarse_scales_draws_no_finer_ones_and_the_same_pictures(pipeline, tmp_path) -> None:  # noqa: F811
    finest: set[int] = set()
    forward = pipeline.model.forward

    def watch(z, *rest, **more):
        finest.add(max(z))
        return forward(z, *rest, **more)

    config, down = SampleConfig(steps=2), SampleConfig(steps=2, states="top-down")  # which depends on the finest
    pipeline.model.forward = watch
    try:
        for number, (settings, sizes, drawn) in enumerate([(config, (16, 32), 32), (config, (32, 64), 64), (down, (16,), 64)]):
            finest.clear()
            draw_sheet(pipeline, ["a red balloon"], settings, sizes, tmp_path / f"{number}.png", cell=32)
            assert max(finest) == drawn
    finally:
        del pipeline.model.forward
    with Image.open(tmp_path / "0.png") as coarse, Image.open(tmp_path / "1.png") as every:
        pairs = zip(coarse.crop((32, 0, 64, 32)).tobytes(), every.crop((0, 0, 32, 32)).tobytes(), strict=True)
        assert max(abs(a - b) for a, b in pairs) <= 1


def test_a_sheet_shows_the_three_finest_scales_and_refuses_what_it_cannot_show(pipeline, tmp_path, monkeypatch) -> None:  # noqa: F811
    file = tmp_path / "sheet.png"
    draw_sheet(pipeline, ["a red balloon"], SampleConfig(steps=1), None, file, cell=8)
    assert Image.open(file).size == (24, 8)
    draw_sheet(pipeline, ["a red balloon"], SampleConfig(steps=1, scales=(16, 32)), None, file, cell=8)
    assert Image.open(file).size == (16, 8)
    monkeypatch.setattr(pipeline, "generate", None)  # nothing may be drawn
    for sizes, out, cell, words in (
        ((64, 128), file, 8, "No picture of 128 pixels .* 16, 32, 64"),
        (None, file, 0, "at least one"),
        (None, tmp_path / "sheet", 8, "sheet.jpg or sheet.png"),
        (None, file / "sheet.png", 8, "Nothing can be written"),
    ):
        with pytest.raises(ValueError, match=words):
            draw_sheet(pipeline, ["a red balloon"], SampleConfig(steps=1), sizes, out, cell)


def test_ordinary_mistakes_are_said_in_a_sentence_before_the_work(pipeline, probe, tmp_path, monkeypatch, capsys) -> None:  # noqa: F811
    file = tmp_path / "file"
    file.touch()
    save_probe(tmp_path / "probe", probe, "")
    monkeypatch.setattr(LayeredPipeline, "from_pretrained", lambda *_, **__: pipeline)
    monkeypatch.setattr(pipeline, "stream_batch", None)  # nothing may be drawn
    for arguments, words in (
        (["loss", "--device", "nonsense"], "no device 'nonsense'"),
        (["quality", "--out", str(file), "--probe", str(tmp_path / "probe")], "Nothing can be written"),
        (["compare", "--checkpoint", "any", "--out", str(file / "measures.json")], "Nothing can be written"),
        (["ablations", "--data", "any", "--out", str(file)], "Nothing can be written"),
        (["probe", "--train", "--out", str(file)], "Nothing can be written"),
        (["probe", "--train", "--out", str(tmp_path / "new"), "--cache", str(tmp_path / "nowhere")], "holds no pictures.npy"),
    ):
        assert main(arguments) == 1
        assert words in capsys.readouterr().err


def test_a_pytorch_without_cuda_is_said_to_have_no_such_device(monkeypatch) -> None:
    def built_without(*_, **__) -> None:
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr(torch, "zeros", built_without)
    with pytest.raises(ValueError, match="no device 'cuda' here"):
        check_device("cuda")


def test_prompts_may_stand_side_by_side(pipeline, tmp_path, monkeypatch, capsys) -> None:  # noqa: F811
    monkeypatch.setattr(LayeredPipeline, "from_pretrained", lambda *_, **__: pipeline)
    file, one = tmp_path / "sheet.png", tmp_path / "one.png"
    options = ["--sizes", "64", "--cell", "64", "--steps", "1"]
    main(["sheet", "--out", str(file), "--set", "short", "--count", "3", "--columns", "2", *options])
    sheet = Image.open(file)
    assert sheet.size == (128, 128) and sheet.crop((64, 64, 128, 128)).getextrema() == ((0, 0),) * 3
    lines = capsys.readouterr().out.splitlines()
    assert [line[:2] for line in lines[:3]] == ["1.", "2.", "3."]
    draw_sheet(pipeline, [lines[0][3:], lines[1][3:]], SampleConfig(steps=1), (64,), one, cell=64, columns=2)
    assert sheet.crop((0, 0, 128, 64)).tobytes() == Image.open(one).tobytes()


def test_the_leak_is_printed_per_schedule_time_and_pair(pipeline, monkeypatch, capsys) -> None:  # noqa: F811
    monkeypatch.setattr(LayeredPipeline, "from_pretrained", lambda *_, **__: pipeline)
    main(["leak", "--pictures", "2", "--preset", "aligned", "unshifted", "--t", "0.9"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["preset"], row["scales"], row["rho"]) for row in rows] == [
        ("aligned", [16, 32], 1),
        ("aligned", [32, 64], 1),
        ("unshifted", [16, 32], 2),
        ("unshifted", [32, 64], 2),
    ]
    assert all(row["error"] > 0 for row in rows)


def test_losses_of_the_coarsest_scales_alone_by_fifths_of_t(pipeline) -> None:  # noqa: F811
    losses = unseen_losses(pipeline, 10, up_to=32)
    assert tuple(losses) == (16, 32) and all(len(loss.by_time) == 5 for loss in losses.values())
    assert all(loss.mean == pytest.approx(sum(loss.by_time) / 5) for loss in losses.values())
    with pytest.raises(ValueError, match="none of 8 or less"):
        unseen_losses(pipeline, 10, up_to=8)


def test_losses_are_repeatable_and_a_level_without_effect_is_plain_enlargement(pipeline) -> None:  # noqa: F811
    losses = unseen_losses(pipeline, 5)
    assert losses == unseen_losses(pipeline, 5) and tuple(losses) == pipeline.scales
    assert losses != unseen_losses(pipeline, 5, seed=401)
    assert losses[16].enlarged is None and losses[64].mean != losses[64].enlarged
    levels = [dataclasses.replace(level, prediction="x") for level in pipeline.model.config.levels]
    fresh = LayeredUNet(dataclasses.replace(pipeline.model.config, levels=tuple(levels)))  # its output convolutions are zero
    for size, loss in unseen_losses(LayeredPipeline(fresh, pipeline.encoder, pipeline.meta), 5).items():
        assert size == 16 or loss.mean == pytest.approx(loss.enlarged)
    with pytest.raises(ValueError, match="at least 5"):
        unseen_losses(pipeline, 4)


def test_detail_is_measured_where_each_scale_has_the_noise_asked_for(pipeline) -> None:  # noqa: F811
    seen: dict[int, set[float]] = {}
    forward = pipeline.model.forward

    def watch(z, logsnr, *rest, **more):
        seen.setdefault(max(z), set()).add(round(float(logsnr[max(z)]), 3))
        return forward(z, logsnr, *rest, **more)

    pipeline.model.forward = watch
    try:
        errors = detail_errors(pipeline, 2, (0.0, 5.0))
    finally:
        del pipeline.model.forward
    assert seen == {size: {0.0, 5.0} for size in pipeline.scales} and tuple(errors) == pipeline.scales
    assert errors[16][0.0].enlarged is None
    for size in (32, 64):
        assert errors[size][5.0].error > 0 and errors[size][5.0].enlarged > 0
        assert errors[size][5.0].error != errors[size][5.0].enlarged
    with pytest.raises(ValueError, match="at least 1"):
        detail_errors(pipeline, 0)


def test_detail_is_measured_under_a_shift_that_moves(pipeline) -> None:  # noqa: F811
    moving = LayeredPipeline(pipeline.model, pipeline.encoder, pipeline.meta | {"preset": "interpolated"})
    seen: set[tuple[int, float]] = set()
    forward = pipeline.model.forward

    def watch(z, logsnr, *rest, **more):
        seen.add((max(z), round(float(logsnr[max(z)]), 3)))
        return forward(z, logsnr, *rest, **more)

    pipeline.model.forward = watch
    try:
        detail_errors(moving, 1, (0.0, 5.0))
    finally:
        del pipeline.model.forward
    assert seen == {(size, logsnr) for size in pipeline.scales for logsnr in (0.0, 5.0)}


def test_a_noise_level_that_a_scale_never_has_is_left_out_and_one_that_none_has_is_refused(pipeline) -> None:  # noqa: F811
    errors = detail_errors(pipeline, 1, (14.5, 0.0))  # aligned: the coarsest goes up to 16.4, the next to 15, the finest to 13.6
    assert {size: list(row) for size, row in errors.items()} == {16: [14.5, 0.0], 32: [14.5, 0.0], 64: [0.0]}
    with pytest.raises(ValueError, match="No scale ever has a log-SNR of 40"):
        detail_errors(pipeline, 1, (0.0, 40.0))


def test_a_nested_network_is_measured_at_every_scale_in_whole_passes() -> None:
    nested = random_pipeline(NESTED)
    nested.meta["preset"] = "aligned"
    errors = detail_errors(nested, 1, (0.0, 2.0))
    assert {size: [row.enlarged is None for row in errors[size].values()] for size in errors} == {
        16: [True] * 2,
        32: [False] * 2,
        64: [False] * 2,
    }
    coarse, every = unseen_losses(nested, 5, up_to=32), unseen_losses(nested, 5)
    assert coarse == {size: every[size] for size in (16, 32)}


def test_the_detail_command_prints_a_ratio_for_every_level_above_the_base(pipeline, monkeypatch, capsys) -> None:  # noqa: F811
    monkeypatch.setattr(LayeredPipeline, "from_pretrained", lambda *_, **__: pipeline)
    main(["detail", "--pictures", "1", "--logsnr", "2"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["scale"], "ratio" in row) for row in rows] == [(16, False), (32, True), (64, True)]
    assert rows[1]["ratio"] == pytest.approx(rows[1]["error"] / rows[1]["enlarged"], rel=0.02)


def test_levels_are_drawn_on_the_real_picture_of_the_coarsest_scale(pipeline) -> None:  # noqa: F811
    states, real = [], render(Vistas(5).specs(0, 1), 16)

    def watch(z, logsnr, t, below):
        states.append((z, logsnr))
        return Prediction({size: value.clamp(-1, 1) for size, value in z.items()}, None)

    denoise = RealBase(watch, real)
    schedule = Schedule.preset("aligned", pipeline.scales)
    first = list(sample(lambda *a: denoise(*a, None), schedule, SampleConfig(steps=3), make_generators([0])))[0].z
    assert len(states) == 3 and all(torch.equal(states[0][0][size], first[size]) for size in (32, 64))
    for z, logsnr in states:
        assert torch.allclose(z[16], noisy(real, first[16], logsnr[16]))


def test_what_levels_draw_is_compared_with_real_pictures(pipeline, monkeypatch, capsys) -> None:  # noqa: F811
    monkeypatch.setattr(LayeredPipeline, "from_pretrained", lambda *_, **__: pipeline)
    main(["upscale", "--pictures", "1"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["scale"] for row in rows] == [32, 64]
    (vista,) = unseen_vistas(pipeline, 1, WORLD_SEED)
    for size, row in zip((32, 64), rows, strict=True):
        enlarged = float((enlarge_image(vista.x0[16], size) - vista.x0[size]).square().mean())
        assert row["enlarged"] == pytest.approx(enlarged, abs=1e-6) and row["error"] > 0
        assert row["ratio"] == pytest.approx(row["error"] / row["enlarged"], rel=0.02)
    main(["upscale", "--pictures", "1", "--preset", "staggered", "--steps", "7"])
    other = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    asked = upscale(pipeline, 1, dataclasses.replace(pipeline.usual, preset="staggered", steps=7))
    assert [row["error"] for row in other] == [pytest.approx(found.error, abs=1e-6) for found in asked.values()]
    assert all(a["error"] != b["error"] and a["enlarged"] == b["enlarged"] for a, b in zip(rows, other, strict=True))
    with pytest.raises(ValueError, match="at least 1"):
        upscale(pipeline, 0)


def test_the_loss_command_prints_one_line_per_scale(pipeline, monkeypatch, capsys) -> None:  # noqa: F811
    monkeypatch.setattr(LayeredPipeline, "from_pretrained", lambda *_, **__: pipeline)
    main(["loss", "--pictures", "5"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["scale"] for row in rows] == [16, 32, 64] and all(row["mean"] > 0 for row in rows)
