"""The package as a whole: what ``import layered`` gives, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import layered


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after a statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_every_public_name_can_be_had() -> None:
    assert {"LayeredPipeline", "SampleConfig", "Schedule", "Trajectory"} < set(layered.__all__)
    for name in layered.__all__:
        assert getattr(layered, name) is not None
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = layered.Nonsense


def test_importing_the_package_is_cheap() -> None:
    assert not loaded_by("import layered; layered.__version__") & {"torch", "transformers", "gradio", "matplotlib"}


@pytest.mark.parametrize(
    "statement", ["import layered.training", "import layered.training.__main__", "from layered import LayeredPipeline"]
)
def test_drawing_and_training_need_neither_gradio_nor_matplotlib(statement: str) -> None:
    assert not loaded_by(statement) & {"gradio", "matplotlib"}
