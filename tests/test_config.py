"""The configs: every bad value gets a sentence that names its setting, and JSON gives back what went in."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from layered.config import (
    MAX_PROMPT,
    LevelConfig,
    ModelConfig,
    SampleConfig,
    TrunkConfig,
    model_config_from_dict,
    sample_config_from_dict,
    to_json_dict,
)

MODEL = ModelConfig(
    levels=(
        LevelConfig(32, 2, 96),
        LevelConfig(64, 2, 96, prediction="posterior", detail_std=0.2),
        LevelConfig(128, 4, 64, blocks_down=2),
    ),
    trunk=TrunkConfig(stages=((128, 2),), width=256, depth=4),
)

DETAIL = ModelConfig((LevelConfig(32, 2, 8), LevelConfig(64, 2, 8, input="detail", detail_std=0.1)))
OPTIONS = {  # every setting that came after the first checkpoints, at another value than its default
    "level": {"patching": "wavelet", "block": "convnext"},
    "trunk": {"kind": "u-net"},
    "model": {"time": "td-ln", "fusion": "cascade", "dropout": 0.1, "dropout_at_most": 8},
}

BAD_SETTINGS = [
    ("steps", "steps", [0, 251, -1, 2.5, "25", True, None, math.nan, 10**30]),
    ("seed", "seed", [-1, 2**32, 1.0, "7", False, None]),
    ("guidance", "guidance", [-0.1, 20.5, math.nan, math.inf, "3", True, None, (), (3.0, math.nan), [1.0, "2"], 10**400]),
    ("guidance_parallel", "parallel guidance", [-0.1, 1.1, math.nan, "0", True, None]),
    ("detail", "detail", [-0.1, 2.1, math.nan, "1", True, None]),
    ("guidance_interval", "guidance interval", [(0.5,), (0.7, 0.2), (0, 1.5), (math.nan, 1), "01", 0.5, None, (True, True)]),
    ("shifts", "shifts", [(math.nan,), (16.0,), ("0",), (True,), "abc", 3.0]),
    ("eta", "eta", [-0.1, 1.1, math.nan, "0", True, None]),
    ("ddpm_noise", "DDPM noise", [-0.1, 1.1, math.nan, "0", False, None]),
    ("guided_up_to", "guided_up_to", [0, 1.5, True, "all"]),
    ("sleep_below", "sleep_below", [math.nan, -math.inf, "x", True, 99]),
    ("scales", "scales", [(), (32, 128), (64, 32), (0,), (32.0,), ("32",), (True,), 32, "32"]),
    ("noise", "noise mode", ["white", "", None, 3, ["sinc"]]),
    ("preset", "schedule preset", ["cosine", None, 1]),
    ("solver", "solver", ["euler", None, {}]),
    ("states", "state mode", ["bottom-up", None]),
    ("clipping", "clipping", ["hard", None, True]),
    ("spacing", "spacing", ["karras", None]),
    ("order", "order", ["fine-first", None, True]),
    ("detail_prompt", "detail prompt", [None, 3, ["fog"], [[64]], [[64, " "]], {64: 5}]),
]


@pytest.mark.parametrize(("name", "called", "value"), [(n, c, value) for n, c, values in BAD_SETTINGS for value in values])
def test_a_bad_setting_is_named(name: str, called: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{called}: expected ") as caught:
        SampleConfig(**{name: value})
    assert len(str(caught.value)) < 250


def test_every_setting_is_covered() -> None:
    assert {name for name, _, _ in BAD_SETTINGS} == {field.name for field in dataclasses.fields(SampleConfig)}


def test_the_ends_of_every_range_are_allowed() -> None:
    SampleConfig(steps=1, seed=0, guidance=0, guidance_interval=(0, 0), eta=0, ddpm_noise=0, shifts=(-15, 15), sleep_below=-40)
    SampleConfig(steps=250, seed=2**32 - 1, guidance=20, guidance_interval=(1, 1), eta=1, ddpm_noise=1, sleep_below=40)


def test_lists_become_tuples_and_one_weight_a_number() -> None:
    config = SampleConfig(guidance=[2.0], shifts=[0.0, -1.0], scales=[32, 64], guidance_interval=[0.1, 0.9])
    assert config == SampleConfig(guidance=2.0, shifts=(0.0, -1.0), scales=(32, 64), guidance_interval=(0.1, 0.9))
    assert hash(config) == hash(dataclasses.replace(config))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ModelConfig(levels=()), "at least one level"),
        (lambda: ModelConfig(levels=(LevelConfig(32, 2, 8), LevelConfig(128, 4, 8))), "128 does not follow 32"),
        (lambda: ModelConfig(levels=(LevelConfig(32, 2, 8), LevelConfig(64, 1, 8))), "grid of level 64 is 64"),
        (lambda: ModelConfig(levels=(LevelConfig(32, 32, 8),)), "cannot be halved"),
        (lambda: LevelConfig(32, 3, 8), "Patch 3 does not divide"),
        (lambda: LevelConfig(32, 2, 8, prediction="eps"), "prediction of level 32"),
        (lambda: LevelConfig("32", 2, 8), "size of a level"),
        (lambda: LevelConfig(32, 0, 8), "patch of level 32"),
        (lambda: LevelConfig(32, 2, 8.0), "width of level 32"),
        (lambda: LevelConfig(32, 2, 8, blocks_up=-1), "blocks_up of level 32"),
        (lambda: LevelConfig(32, 2, 8, detail_std=math.nan), "detail_std of level 32"),
        (lambda: LevelConfig(32, 2, 8, prediction="posterior"), "needs a detail_std"),
        (lambda: LevelConfig(32, 2, 8, input="detail"), "needs a detail_std"),
        (lambda: LevelConfig(32, 2, 8, input="band"), "needs a detail_std"),
        (lambda: LevelConfig(32, 2, 8, input="pixels"), "input of level 32"),
        (lambda: ModelConfig((LevelConfig(32, 2, 8, input="detail", detail_std=0.1),)), "nothing lies below it"),
        (lambda: TrunkConfig(stages=((64,),)), "trunk stages"),
        (lambda: TrunkConfig(stages=64), "trunk stages"),
        (lambda: LevelConfig(32, 2, 8, patching="fourier"), "patching of level 32"),
        (lambda: LevelConfig(32, 1, 8, patching="wavelet"), "needs a patch of 2, 4, 8"),
        (lambda: LevelConfig(48, 6, 8, patching="wavelet"), "needs a patch of 2, 4, 8"),
        (lambda: LevelConfig(32, 2, 8, block="transformer"), "block of level 32"),
        (lambda: TrunkConfig(width=100), "heads of 64"),
        (lambda: TrunkConfig(kind="mixer"), "trunk kind"),
        (lambda: dataclasses.replace(MODEL, trunk=TrunkConfig(((100, 1),), kind="u-net")), "the stage width of 100"),
        (lambda: dataclasses.replace(MODEL, time="adaln"), "time: expected one of film, td-ln"),
        (lambda: dataclasses.replace(MODEL, fusion="sum"), "fusion"),
        (lambda: dataclasses.replace(MODEL, downsampling="ordinary"), "downsampling"),
        (lambda: dataclasses.replace(MODEL, downsampling="nested", fusion="cascade"), "features go down before"),
        (lambda: dataclasses.replace(DETAIL, downsampling="nested"), 'level 64 takes "z"'),
        (lambda: dataclasses.replace(MODEL, layered=False, fusion="cascade"), "ordinary U-Net"),
        (lambda: dataclasses.replace(MODEL, layered=False, downsampling="nested"), "ordinary U-Net"),
        (lambda: dataclasses.replace(MODEL, dropout=1.0), "dropout: expected a number"),
        (lambda: dataclasses.replace(MODEL, dropout_at_most=8.0), "dropout_at_most"),
        (lambda: dataclasses.replace(MODEL, layered=1), "layered"),
        (lambda: dataclasses.replace(MODEL, text_width=True), "text_width"),
        (lambda: MODEL.upto(256), "no level of 256"),
    ],
)
def test_a_model_that_cannot_be_says_why(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_scales_of_the_layered_model_of_its_lower_part_and_of_its_twin() -> None:
    assert MODEL.scales == (32, 64, 128) and MODEL.upto(64).scales == (32, 64)
    assert MODEL.single_resolution().scales == (128,) and MODEL.single_resolution().all_sizes == (32, 64, 128)


@pytest.mark.parametrize(
    "config", [SampleConfig(), SampleConfig(guidance=(1.0, 2.0), shifts=(0.0, -1.5), scales=(32, 64), sleep_below=-3.0)]
)
def test_settings_survive_json(config: SampleConfig) -> None:
    data = to_json_dict(config)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert sample_config_from_dict(data) == config


def test_an_architecture_survives_json() -> None:
    data = to_json_dict(MODEL)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert model_config_from_dict(data) == MODEL


def test_the_options_survive_json_and_are_written_only_where_they_are_used() -> None:
    levels = tuple(dataclasses.replace(level, **OPTIONS["level"]) for level in MODEL.levels)
    trunk = dataclasses.replace(MODEL.trunk, **OPTIONS["trunk"])
    config = dataclasses.replace(MODEL, levels=levels, trunk=trunk, **OPTIONS["model"])
    data, plain = to_json_dict(config), to_json_dict(MODEL)
    assert model_config_from_dict(json.loads(json.dumps(data))) == config
    assert data.items() >= OPTIONS["model"].items() and data["trunk"]["kind"] == "u-net"
    assert all(level.items() >= OPTIONS["level"].items() for level in data["levels"])
    for part, names in ((plain, OPTIONS["model"]), (plain["trunk"], OPTIONS["trunk"]), (plain["levels"][0], OPTIONS["level"])):
        assert not set(names) & set(part)
    nested = dataclasses.replace(MODEL, downsampling="nested")
    assert to_json_dict(nested) == plain | {"downsampling": "nested"}


def test_the_bundled_checkpoint_is_written_as_it_was_read() -> None:
    """So the digests by which finished examples are known stay what they were."""
    data = json.loads((Path(__file__).parents[1] / "checkpoints" / "vista-512" / "config.json").read_text())["model"]
    assert to_json_dict(model_config_from_dict(data)) == data


def test_the_parts_that_a_twin_cannot_have_are_left_behind() -> None:
    for change in ({"fusion": "cascade"}, {"downsampling": "nested"}):
        assert dataclasses.replace(MODEL, **change).single_resolution() == MODEL.single_resolution()
    assert MODEL.isolated and not MODEL.single_resolution().isolated
    assert not dataclasses.replace(MODEL, downsampling="nested").isolated
    base, above = DETAIL.levels
    banded = ModelConfig((base, dataclasses.replace(above, input="band")))
    assert banded.banded and not DETAIL.banded and not banded.upto(32).banded and not banded.single_resolution().banded


def test_settings_left_out_take_their_default() -> None:
    assert sample_config_from_dict({"steps": 5}) == SampleConfig(steps=5)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"stpes": 5}, "Unknown name in the settings of a run: 'stpes'. Known are steps, guidance"),
        ({3: 5}, "Unknown name in the settings of a run"),
        ([1, 2], "names with values"),
        (None, "names with values"),
        ({"steps": math.nan}, "steps"),
    ],
)
def test_foreign_settings_get_a_sentence(data: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        sample_config_from_dict(data)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"leyers": 3}, "Unknown name in a model: 'leyers'"),
        ({"levels": [{"size": 32, "patch": 2}]}, "Missing in a level: width"),
        ({"levels": [{"size": 32, "patch": 2, "width": 8, "depth": 2}]}, "Unknown name in a level: 'depth'"),
        ({"levels": {"size": 32}}, "levels: expected a list"),
        ({"levels": [32]}, "a level as names with values"),
        ({"trunk": {"heads": 8}}, "Unknown name in the trunk: 'heads'"),
        ({"trunk": None}, "the trunk as names with values"),
    ],
)
def test_foreign_architectures_get_a_sentence(change: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        model_config_from_dict({**to_json_dict(MODEL), **change})


def test_an_architecture_without_levels_says_so() -> None:
    with pytest.raises(ValueError, match="Missing in a model: levels"):
        model_config_from_dict({"text_width": 384})


# ------------------------------------------------------------------ detail prompts


@pytest.mark.parametrize("given", ["", " a stormy sea ", {128: "fog", 64: "a stormy sea"}, [[64, "fog"]], ()], ids=str)
def test_detail_prompts_survive_json(given) -> None:
    config = SampleConfig(detail_prompt=given)
    assert sample_config_from_dict(json.loads(json.dumps(to_json_dict(config)))) == config


def test_detail_prompts_have_one_form() -> None:
    assert SampleConfig(detail_prompt=" fog\n").detail_prompt == "fog" and SampleConfig(detail_prompt={}) == SampleConfig()
    assert SampleConfig(detail_prompt={128: "fog ", 64: "sea"}).detail_prompt == ((64, "sea"), (128, "fog"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([["64", "fog"]], "whole number"),
        ([[64, "fog"], [64, "sea"]], "each size has one"),
        ("x" * (MAX_PROMPT + 1), "1,001 characters"),
        ({64: "x" * (MAX_PROMPT + 1)}, "1,001 characters"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_wrong_detail_prompts_are_refused(given, says) -> None:
    with pytest.raises(ValueError, match=says):
        SampleConfig(detail_prompt=given)
