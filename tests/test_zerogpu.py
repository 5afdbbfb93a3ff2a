"""A GPU that is lent by the run: steps cross to another process and back, and nothing is asked for in vain."""

from __future__ import annotations

import multiprocessing
import sys
import types

import pytest
import torch
from fake_pipeline import FakePipeline

import app
from layered.config import SampleConfig
from layered.studio.handlers import Handlers
from layered.studio.settings import StudioSettings
from layered.studio.worker import Worker
from layered.studio.zerogpu import LentGPU, seconds_of

SCALES = (32, 64)


def forked(asked: list):
    """``spaces.GPU`` as it is on such a Space: each call runs in a forked process and yields through a pipe."""

    def gpu(duration):
        def decorate(function):
            def call(*args):
                asked.append(duration(*args))
                here, there = multiprocessing.Pipe(duplex=False)

                def work() -> None:
                    for item in function(*args):
                        there.send(item)
                    there.send(None)

                process = multiprocessing.get_context("fork").Process(target=work)
                process.start()
                while (item := here.recv()) is not None:
                    yield item
                process.join()

            return call

        return decorate

    return gpu


def test_steps_come_back_from_the_other_process_as_they_were() -> None:
    asked: list = []
    pipeline = FakePipeline(scales=SCALES, pause=0)
    lent = LentGPU(pipeline, forked(asked))
    config = SampleConfig(steps=4, seed=3)
    for there, here in zip(lent.stream("a red balloon", config), pipeline.stream("a red balloon", config), strict=True):
        assert (there.index, there.t, dict(there.logsnr), there.asleep) == (here.index, here.t, dict(here.logsnr), here.asleep)
        assert there.x0_plain is None
        for size in SCALES:
            assert torch.equal(there.x0[size], here.x0[size]) and torch.equal(there.z[size], here.z[size])
        with pytest.raises(TypeError):
            there.x0[32] = None  # as immutable as any step
    assert asked == [seconds_of("", config)]
    assert (lent.scales, lent.name) == (SCALES, pipeline.name)


def test_the_page_keeps_a_lent_run_and_refuses_before_it_borrows() -> None:
    asked: list = []
    lent = LentGPU(FakePipeline(scales=SCALES, pause=0), forked(asked))
    handlers = Handlers(lent, StudioSettings(), Worker())
    steps = list(handlers.steps("a red balloon", SampleConfig(steps=3), lambda step, measures, _: (step, measures)))
    assert [step.index for step, _ in steps] == [0, 1, 2] and steps[-1][1]["change"].keys() == set(SCALES)
    with pytest.raises(ValueError, match="Shifts"):
        lent.stream("a red balloon", SampleConfig(shifts=(0.0,)))
    assert len(asked) == 1


def test_a_gpu_is_borrowed_only_where_one_is_lent(monkeypatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert app._lender() is None
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU="the decorator"))
    assert app._lender() == "the decorator"


def test_the_settings_of_a_host_come_from_its_environment() -> None:
    settings = StudioSettings.from_env(
        {"LAYERED_TITLE": "Ours", "LAYERED_KEEP_RUNS": "3", "LAYERED_KEEP_SECONDS": "60.5", "X": "1"}
    )
    assert settings == StudioSettings(title="Ours", keep_runs=3, keep_seconds=60.5)
    for name, value in (("QUEUE_SIZE", "many"), ("PAGE_STEPS", "0"), ("KEEP_SECONDS", "inf"), ("KEEP_RUNS", "2.5")):
        with pytest.raises(ValueError, match=f"LAYERED_{name}: expected a number above 0, got {value!r}"):
            StudioSettings.from_env({f"LAYERED_{name}": value})
