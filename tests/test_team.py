"""Two processes that train together take the steps of one, and one alone needs no 🤗 Accelerate."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from layered.training.team import Team
from tests.test_training import trainer

ROOT = Path(__file__).parent.parent
SCRIPT = "import sys; from pathlib import Path; from tests.test_team import train; train(Path(sys.argv[1]))"


def train(folder: Path) -> None:
    """The miniature run of this test, whichever the number of processes."""
    torch.set_num_threads(1)
    trainer(folder, save_minutes=0).run()


def losses(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_two_processes_give_the_loss_curve_of_one(tmp_path) -> None:
    train(tmp_path / "one")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "two")],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=ROOT,
        )
        for rank in range(2)
    ]
    try:
        assert [worker.wait(timeout=240) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) > 10
    for alone, together in zip(one, two, strict=True):
        assert together == pytest.approx(alone, rel=2e-3)


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    team = Team()
    assert team.leads and team.share(7) == slice(0, 7) and team.mean([1.0, 2.0]) == [1.0, 2.0]
    team.count = 2
    with pytest.raises(ValueError, match="batch of 7"):
        team.share(7)


def test_several_processes_without_accelerate_say_what_to_install(monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match="pip install accelerate"):
        Team()
