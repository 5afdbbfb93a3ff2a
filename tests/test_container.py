"""The container file, as far as it can be checked without building it: what it copies, installs and runs is there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import app

ROOT = Path(app.__file__).parent


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, with continued lines joined and comments left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)
    lines = (line.strip() for line in re.sub(r"\\\n\s*", " ", text).splitlines())
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line)]


def arguments(name: str) -> list[str]:
    return [rest for found, rest in instructions() if found == name]


def copies() -> list[tuple[str, str]]:
    """Every source in the repository, with where it goes below the working directory."""
    found = []
    for rest in arguments("COPY"):
        *sources, target = shlex.split(rest)
        found += [(source, str(Path(target, source) if target.endswith("/") else Path(target))) for source in sources]
    return found


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what the container holds, and nothing else."""
    for source, target in copies():
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / target).symlink_to(ROOT / source)
    return tmp_path


def test_what_it_copies_is_there_and_is_sent_to_the_builder() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")]
    assert sorted(kept) == sorted({source.split("/")[0] for source, _ in copies()})
    for source, target in copies():
        assert (ROOT / source).exists() and source == target


def test_what_it_runs_is_in_it_and_finds_its_files(image: Path) -> None:
    (command,) = (json.loads(rest) for rest in arguments("CMD"))
    assert command[0] == "python" and (image / command[1]).is_file()
    code = """import sys; sys.argv = ["app.py"]; sys.path.insert(0, "")
import app, layered
from layered.checkpoint import find_checkpoint
from layered.studio import launch_options
launch_options()
print(find_checkpoint(app.CHECKPOINT).absolute(), app.__file__, layered.__file__, sep="\\n")"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=image, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(Path(line).is_relative_to(image) for line in done.stdout.split())


def test_it_listens_to_all_addresses_on_the_port_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dict(pair.split("=", 1) for rest in arguments("ENV") for pair in shlex.split(rest))
    for name in list(os.environ):
        if name.startswith(("LAYERED_", "GRADIO_SERVER")):
            monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    options = app.parse([])
    assert options.host == "0.0.0.0" and [str(options.port)] == arguments("EXPOSE") == ["7860"]


def test_it_does_not_run_as_root() -> None:
    names = [name for name, _ in instructions()]
    (user,) = arguments("USER")
    assert user not in ("root", "0") and names.index("USER") < names.index("CMD")
    assert any(rest.startswith("useradd") and rest.endswith(user) for rest in arguments("RUN"))


def test_its_python_is_the_one_whose_pytorch_it_installs() -> None:
    (base,) = arguments("FROM")
    assert base == "python:3.11-slim"
    (install,) = (rest for rest in arguments("RUN") if "pip install" in rest)
    pattern = re.search(r"grep -E '([^']+)'", install)[1]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    (chosen,) = (line for line in lines if re.search(pattern, line))
    requirement, _, marker = chosen.partition(";")
    assert re.fullmatch(r"torch==[\d.]+", requirement.strip()) and marker.strip() == 'python_version < "3.12"'
    assert "/whl/cpu" in install and install.rstrip().endswith("-r requirements.txt")
