"""A run as a few lines of Python that draw it again on a checkout."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from layered.config import SampleConfig

ROOT = Path(__file__).parents[2]
SHORT = 100  # characters of a line of settings
TEMPLATE = """\
# Draws this picture again: run it in a checkout of Layered Diffusion.
from PIL import Image

from layered import LayeredPipeline, SampleConfig
from layered.trajectory import to_uint8

pipeline = LayeredPipeline.from_pretrained({checkpoint!r})
config = {config}
run = pipeline.generate({prompt!r}, config)

for size, x0 in run.final.items():
    Image.fromarray(to_uint8(x0)[0]).save(f"layered-{{size}}.png")
run.save("trajectory.safetensors")
"""


def snippet(prompt: str, config: SampleConfig, checkpoint: str) -> str:
    """Python that draws a run again and saves its pictures and its trajectory where it runs.

    ``checkpoint`` is a folder or a hub name as ``checkpoint_name`` gives it. The seed always stands there, every other setting
    where it is not the default. Prompt and settings enter as ``repr``: whatever they hold, they stay one literal.
    """
    return TEMPLATE.format(checkpoint=checkpoint, config=_call(config), prompt=prompt)


def checkpoint_name(source: str) -> str:
    """A checkpoint's name for other people: a hub name as it is, a folder relative to the checkout, and no more of any other."""
    path = Path(source).expanduser()
    if not path.is_dir():
        return source
    path = path.resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def _call(config: SampleConfig) -> str:
    usual = SampleConfig()
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    given = [f"{name}={value!r}" for name, value in values.items() if name == "seed" or value != getattr(usual, name)]
    line = f"SampleConfig({', '.join(given)})"
    return line if len(line) <= SHORT else "SampleConfig(\n" + "".join(f"    {one},\n" for one in given) + ")"
