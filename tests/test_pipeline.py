"""The pipeline and its command line: prompt in, steps out, on a small random model and a small random encoder."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from PIL import Image

from layered import LayeredPipeline, SampleConfig, Trajectory
from layered.__main__ import main
from layered.checkpoint import save_checkpoint
from layered.pipeline import MAX_PROMPT, PromptError
from layered.sampler import make_generators, sample
from tests.test_unet import awake, tiny

PROMPT = "a red balloon over the sea"
QUICK = SampleConfig(steps=4, guidance=2.0, seed=5)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    model = awake(dataclasses.replace(tiny(), text_width=32))
    for parameter in model.parameters():
        parameter.mul_(0.3)
    vocabulary = ["a", "red", "balloon", "over", "the", "sea"]
    save_checkpoint(folder, model, {"text_encoder": "tiny", "preset": "aligned", "vocabulary": vocabulary, "training": {}})
    return folder


@pytest.fixture(scope="session")
def pipeline(checkpoint, tiny_encoder_folder):
    return LayeredPipeline.from_pretrained(checkpoint, text_encoder=tiny_encoder_folder)


def test_the_coarse_scales_alone_take_the_first_of_the_shifts_of_all(pipeline) -> None:
    shifts = (0.0, -1.5, -3.0)
    config = SampleConfig(shifts=shifts)
    assert pipeline.schedule(config).shifts == shifts
    assert pipeline.schedule(dataclasses.replace(config, scales=pipeline.scales[:2])).shifts == shifts[:2]
    with pytest.raises(ValueError, match="expected 3, one for each"):
        pipeline.schedule(SampleConfig(shifts=shifts[:2]))


def final(pipeline, config, prompt=PROMPT):
    return pipeline.generate(prompt, config).final


def test_a_stream_yields_every_scale_at_every_step(pipeline) -> None:
    steps = list(pipeline.stream(PROMPT, QUICK))
    assert [step.index for step in steps] == [0, 1, 2, 3] and steps[-1].t_next == 0
    for step in steps:
        for size in (16, 32, 64):
            assert step.x0[size].shape == step.z[size].shape == (1, 3, size, size)
            assert step.x0[size].abs().max() <= 1


def test_a_run_is_a_trajectory_that_can_be_saved(pipeline, tmp_path) -> None:
    seen = []
    run = pipeline.generate(PROMPT, QUICK, on_step=seen.append)
    assert len(seen) == len(run.steps) == 4 and run.prompt == PROMPT and run.config == QUICK
    run.save(tmp_path / "run.safetensors")
    again = Trajectory.load(tmp_path / "run.safetensors")
    assert again.prompt == PROMPT and torch.allclose(again.final[64], run.final[64], atol=2e-3)


def test_the_same_seed_gives_the_same_picture_alone_and_at_any_top_size(pipeline) -> None:
    first, again = final(pipeline, QUICK), final(pipeline, QUICK)
    assert torch.equal(first[64], again[64])
    small = final(pipeline, dataclasses.replace(QUICK, scales=(16, 32)))
    assert torch.allclose(small[32], first[32], atol=1e-5) and set(small) == {16, 32}


def test_the_same_seed_gives_the_same_picture_in_a_batch(pipeline) -> None:
    from layered.diffusion import GuidedDenoiser

    text = pipeline.encode(PROMPT).expand(3)
    settings = {"guidance": QUICK.guidance, "parallel": QUICK.guidance_parallel, "sleep_below": QUICK.sleep_below}
    denoise = GuidedDenoiser(pipeline.model, text, **settings)
    *_, last = sample(denoise, pipeline.schedule(QUICK), QUICK, make_generators([1, QUICK.seed, 9]))
    assert torch.allclose(last.x0[64][1:2], final(pipeline, QUICK)[64], atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 5},
        {"guidance": 1.0},
        {"guidance": (2.0, 2.0, 5.0)},
        {"guided_up_to": 32},
        {"guidance_parallel": 1.0},
        {"detail": 1.5},
        {"guidance_interval": (0.0, 0.4)},
        {"seed": 6},
        {"noise": "independent"},
        {"noise": "box"},
        {"noise": "bilinear"},
        {"preset": "paper"},
        {"preset": "unshifted"},
        {"preset": "interpolated"},
        {"shifts": (0.0, -1.0, -2.0)},
        {"solver": "ddim"},
        {"solver": "ddpm"},
        {"solver": "ddim", "eta": 1.0},
        {"solver": "ddpm", "ddpm_noise": 1.0},
        {"states": "top-down"},
        {"clipping": "none"},
        {"spacing": "time"},
        {"sleep_below": 2.0},
    ],
    ids=str,
)
def test_every_setting_changes_the_picture(pipeline, change) -> None:
    reference = QUICK
    if {"eta", "ddpm_noise"} & change.keys():  # against the same solver at its usual noise
        reference = dataclasses.replace(QUICK, solver=change["solver"])
    if change == {"preset": "paper"}:  # below 256 pixels the paper's preset has no shift
        change = {"preset": "paper", "shifts": None}
    if change == {"solver": reference.solver}:
        pytest.skip("the default")
    before, after = final(pipeline, reference), final(pipeline, dataclasses.replace(reference, **change))
    assert not torch.allclose(before[64], after[64], atol=1e-4)


@pytest.mark.parametrize("order", ["together", "coarse-first"])
def test_a_detail_prompt_changes_what_lies_above_the_base(pipeline, order) -> None:
    config = dataclasses.replace(QUICK, order=order)
    one = final(pipeline, config)
    for detail, same in ((PROMPT, (16, 32, 64)), ("fog", (16,)), ({64: "fog"}, (16, 32)), ({32: "fog", 64: PROMPT}, (16,))):
        other = final(pipeline, dataclasses.replace(config, detail_prompt=detail))
        for size in (16, 32, 64):
            assert torch.equal(one[size], other[size]) == (size in same), (detail, size)


def test_a_detail_prompt_for_no_scale_is_refused(pipeline) -> None:
    for size in (16, 48, 128):
        with pytest.raises(ValueError, match=f"from {size} pixels on: expected one of 32, 64"):
            pipeline.stream(PROMPT, SampleConfig(detail_prompt={size: "fog"}))
    twin = LayeredPipeline(awake(dataclasses.replace(tiny(), text_width=32).single_resolution()), pipeline.encoder, {})
    with pytest.raises(ValueError, match="one scale alone"):
        twin.stream(PROMPT, SampleConfig(detail_prompt="fog"))


def test_dynamic_clipping_changes_what_leaves_the_range(pipeline) -> None:
    strong = dataclasses.replace(QUICK, guidance=15.0)
    static, dynamic = (final(pipeline, dataclasses.replace(strong, clipping=c)) for c in ("static", "dynamic"))
    assert not torch.allclose(static[64], dynamic[64], atol=1e-4)


def test_a_closed_stream_stops_calling_the_model(pipeline) -> None:
    calls = []
    handle = pipeline.model.register_forward_hook(lambda *_: calls.append(1))
    stream = pipeline.stream(PROMPT, QUICK)
    next(stream)
    next(stream)
    stream.close()
    handle.remove()
    assert len(calls) == 2


@pytest.mark.parametrize("prompt", ["", "   \n", "x" * (MAX_PROMPT + 1), None])
def test_a_prompt_that_cannot_be_drawn_is_refused_before_the_first_step(pipeline, prompt) -> None:
    with pytest.raises(PromptError, match=r"empty|characters"):
        pipeline.stream(prompt, QUICK)


@pytest.mark.parametrize("prompt", ["🎈🎈🎈", "בלון אדום מעל הים", "<img src=x onerror=alert(1)>", "a\x00b", "ﷺ" * 300])
def test_any_text_can_be_drawn(pipeline, prompt) -> None:
    assert final(pipeline, QUICK, prompt)[64].isfinite().all()


def test_wrong_scales_and_shifts_are_named(pipeline) -> None:
    with pytest.raises(ValueError, match="coarsest few"):
        pipeline.stream(PROMPT, dataclasses.replace(QUICK, scales=(32, 64)))
    with pytest.raises(ValueError, match="expected 3"):
        pipeline.stream(PROMPT, dataclasses.replace(QUICK, shifts=(0.0, 1.0)))
    with pytest.raises(ValueError, match="one for each of the 3 scales"):
        pipeline.stream(PROMPT, dataclasses.replace(QUICK, guidance=(1.0, 2.0)))


def test_a_run_of_fewer_scales_takes_its_own_weights_or_those_of_all_scales(pipeline) -> None:
    coarse = dataclasses.replace(QUICK, scales=(16, 32), guided_up_to=32)
    own, whole = (final(pipeline, dataclasses.replace(coarse, guidance=(2.0, 3.0, *more))) for more in ((), (5.0,)))
    assert torch.equal(own[32], whole[32])
    alone = dataclasses.replace(QUICK, scales=(16,), guidance=(2.0, 3.0))
    for config in (alone, dataclasses.replace(coarse, guidance=(1.0, 2.0, 3.0, 4.0))):
        with pytest.raises(ValueError, match=r"one for each of the \d scales? .*: got \d"):
            pipeline.stream(PROMPT, config)


def test_an_encoder_of_another_width_is_refused(pipeline) -> None:
    with pytest.raises(ValueError, match="32 wide, but this checkpoint was trained with states of 12"):
        LayeredPipeline(awake(tiny()), pipeline.encoder, pipeline.meta)


def test_unknown_words_are_named(pipeline) -> None:
    assert pipeline.unknown_words("a crimson balloon over the ocean") == ["crimson", "ocean"]


def test_unknown_words_find_known_ones_by_the_text_encoder(pipeline) -> None:
    near = pipeline.near_words("crimson")  # the encoder of the tests has random weights: which they are means nothing
    assert len(near) == 3 and pipeline.unknown_words(" ".join(near)) == []
    assert pipeline.reworded("a crimson balloon") == f"a {near[0]} balloon"


def test_the_command_line_writes_every_scale_and_the_trajectory(checkpoint, tiny_encoder_folder, tmp_path, capsys) -> None:
    arguments = [PROMPT, "--checkpoint", str(checkpoint), "--text-encoder", str(tiny_encoder_folder)]
    status = main([*arguments, "--out", str(tmp_path / "out"), "--steps", "2", "--guidance", "1", "2", "3"])
    assert status == 0
    for size in (16, 32, 64):
        assert Image.open(tmp_path / "out" / f"{size}.png").size == (size, size)
    assert Trajectory.load(tmp_path / "out" / "trajectory.safetensors").config.guidance == (1.0, 2.0, 3.0)


def test_the_command_line_says_what_is_wrong_without_a_traceback(
    checkpoint, tiny_encoder_folder, tmp_path, monkeypatch, capsys
) -> None:
    arguments = ["--checkpoint", str(checkpoint), "--text-encoder", str(tiny_encoder_folder), "--out", str(tmp_path)]
    for wrong, words in (([" "], "empty"), ([PROMPT, "--steps", "0"], "steps"), ([PROMPT, "--guidance", "nan"], "guidance")):
        assert main([*wrong, *arguments]) == 1
        assert words in capsys.readouterr().err
    (tmp_path / "file").touch()
    monkeypatch.setattr(LayeredPipeline, "generate", None)  # nothing may be drawn
    for wrong, words in (
        (["--out", str(tmp_path / "file")], "Nothing can be written"),
        (["--device", "none"], "no device 'none'"),
    ):
        assert main([PROMPT, *arguments, *wrong]) == 1
        assert words in capsys.readouterr().err
    assert main([PROMPT, "--out", str(tmp_path), "--checkpoint", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
