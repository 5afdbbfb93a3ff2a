"""«Copy as Python» really runs, in a process of its own, and draws the same picture."""

from __future__ import annotations

import ast
import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from layered import LayeredPipeline, SampleConfig, Trajectory
from layered.checkpoint import save_checkpoint
from layered.studio.snippet import ROOT, checkpoint_name, snippet
from layered.trajectory import to_uint8
from tests.test_unet import awake, tiny

PROMPT = "a red \"balloon\" over 'the' sea\\n 山 🎈 {x} $y$"
HOSTILE = [
    '"""\nimport os\nos.abort()\n"""',
    "'); __import__('os').abort() #",
    "\\",
    "{config} {0} %s",
    "a\u202eb\x00c\r\n",
    "\\N{DASH}",
]
CONFIGS = [
    SampleConfig(seed=3),
    SampleConfig(steps=3, guidance=(1.0, 2.0, 3.0), seed=5, shifts=(0.0, -1.0, -2.5), solver="ddim", eta=0.25, sleep_below=None),
    SampleConfig(steps=2, noise="independent", guidance_interval=(0.1, 0.9), preset="paper", detail_prompt="fog"),
    SampleConfig(steps=2, detail_prompt={32: "a 'stormy' \n sea", 64: "fog"}),
]


def parts(text: str) -> dict[str, ast.expr]:
    """The values that a snippet assigns."""
    return {node.targets[0].id: node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)}


@pytest.mark.parametrize("config", CONFIGS)
def test_the_snippet_draws_the_same_picture(tiny_encoder_folder, tmp_path, config):
    folder = tmp_path / "checkpoints" / "tiny"
    model = awake(dataclasses.replace(tiny(), text_width=32))
    save_checkpoint(folder, model, {"text_encoder": "encoder", "preset": "aligned", "vocabulary": [], "training": {}})
    shutil.copytree(tiny_encoder_folder, tmp_path / "encoder")
    pipeline = LayeredPipeline.from_pretrained(folder, text_encoder=tiny_encoder_folder)
    run = pipeline.generate(PROMPT, config)
    program = tmp_path / "run.py"
    program.write_text(snippet(PROMPT, config, "checkpoints/tiny"), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, program], cwd=tmp_path, env=environment, check=True, timeout=300)
    for size, x0 in run.final.items():
        drawn = np.asarray(Image.open(tmp_path / f"layered-{size}.png")).astype(int)
        assert np.abs(drawn - to_uint8(x0)[0].astype(int)).max() <= 1  # another number of threads may round otherwise
    again = Trajectory.load(tmp_path / "trajectory.safetensors")
    assert again.prompt == PROMPT and again.config == config and len(again.steps) == config.steps


@pytest.mark.parametrize("prompt", HOSTILE)
def test_a_detail_prompt_stays_one_literal(prompt):
    config = SampleConfig(detail_prompt=prompt)
    call = parts(snippet("x", config, "checkpoints/tiny"))["config"]
    assert SampleConfig(**{keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}) == config


@pytest.mark.parametrize("prompt", [*HOSTILE, PROMPT])
def test_a_prompt_stays_one_literal(prompt):
    text = snippet(prompt, SampleConfig(), "checkpoints/tiny")
    call = parts(text)["run"]
    assert ast.literal_eval(call.args[0]) == prompt and call.args[1].id == "config"
    usual = snippet("x", SampleConfig(), "checkpoints/tiny")
    assert len(text.splitlines()) == len(usual.splitlines()) and "\u202e" not in text and "\x00" not in text


@pytest.mark.parametrize("config", CONFIGS)
def test_only_what_differs_is_given_and_it_gives_the_same_settings(config):
    call = parts(snippet("x", config, "c"))["config"]
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert SampleConfig(**given) == config and "seed" in given
    usual = dataclasses.asdict(SampleConfig())
    assert all(value != usual[name] for name, value in given.items() if name != "seed")


def test_a_checkpoint_is_named_for_other_people(tmp_path):
    assert checkpoint_name(str(ROOT / "layered" / "studio")) == "layered/studio"
    assert checkpoint_name("someone/vista-512") == "someone/vista-512"
    private = tmp_path / "mine"
    private.mkdir()
    assert checkpoint_name(str(private)) == "mine"


def test_a_pipeline_knows_where_it_came_from(tiny_encoder_folder, tmp_path):
    model = awake(dataclasses.replace(tiny(), text_width=32))
    save_checkpoint(tmp_path / "tiny", model, {"text_encoder": "tiny", "preset": "aligned", "vocabulary": [], "training": {}})
    pipeline = LayeredPipeline.from_pretrained(tmp_path / "tiny", text_encoder=tiny_encoder_folder)
    assert Path(pipeline.source) == tmp_path / "tiny" and pipeline.name == "tiny"
