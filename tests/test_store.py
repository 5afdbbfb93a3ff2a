"""The runs that visitors can still download: bounded, in half precision, behind names that cannot be guessed."""

from __future__ import annotations

import torch
from fake_pipeline import FakePipeline

from layered.config import SampleConfig
from layered.studio.store import RunStore


def a_run(store: RunStore, pipeline: FakePipeline, steps: int = 1, session: str = "tab"):
    run = store.open(session, "x", SampleConfig(steps=steps), {})
    for step in pipeline.stream("x", run.config):
        store.add(run, step)
    return run


def test_store_forgets_the_oldest_by_count_bytes_and_age():
    now = [0.0]
    small = FakePipeline(scales=(32, 64), pause=0.0)
    store = RunStore(count=3, max_bytes=10**9, seconds=60, clock=lambda: now[0])
    runs = [a_run(store, small) for _ in range(3)]
    assert store.get(runs[0].id) is runs[0]  # touched: now the second is the oldest
    a_run(store, small)
    assert store.get(runs[1].id) is None and store.get(runs[0].id) is runs[0]
    now[0] = 61.0
    assert store.get(runs[0].id) is None and len(store) == 0

    size = a_run(store, small).bytes
    store.max_bytes = 2 * size
    for _ in range(20):
        a_run(store, small)
        assert store.bytes <= 2 * size and len(store) <= 2
    large = a_run(store, small, steps=5)  # more than the limit alone: kept until the next one
    assert store.get(large.id) is large and len(store) == 1


def test_store_keeps_half_precision_and_no_more_than_it_says():
    pipeline = FakePipeline(scales=(32, 64), pause=0.0)
    store = RunStore(count=3, max_bytes=10**9, seconds=60)
    run = a_run(store, pipeline, steps=4)
    assert run.bytes == 4 * 2 * 2 * 3 * (32**2 + 64**2) == store.bytes
    assert all(x.dtype == torch.float16 for step in run.steps for scales in (step.z, step.x0) for x in scales.values())


def test_a_step_that_comes_again_takes_the_place_of_the_first():
    pipeline = FakePipeline(scales=(64, 128, 256), pause=0.0)
    store = RunStore(count=3, max_bytes=10**9, seconds=60)
    config = SampleConfig(steps=3, order="coarse-first")
    run = store.open("tab", "x", config, {})
    steps = list(pipeline.stream("x", config))
    coarse, all_of_it = (2 * 2 * 3 * sum(size**2 for size in sizes) for sizes in ((64, 128), (64, 128, 256)))
    for count, step in enumerate(steps, 1):
        run.files["png"] = "the run as it was"
        store.add(run, step)
        assert len(run.drawn) == min(count, 3) and ("png" in run.files) == (count <= 3)
        assert run.bytes == store.bytes == max(0, count - 3) * all_of_it + min(count, 3, 6 - count) * coarse
        assert {tuple(step.x0) for step in run.steps} == {(64, 128, 256) if count == 6 else (64, 128)}
    assert [step.index for step in run.steps] == [0, 1, 2]


def test_store_names_cannot_be_guessed_and_a_closed_tab_is_forgotten(tmp_path):
    pipeline = FakePipeline(scales=(32, 64), pause=0.0)
    store = RunStore(count=9, max_bytes=10**9, seconds=60)
    runs = [a_run(store, pipeline, session=session) for session in ("a", "b", "a")]
    assert len({run.id for run in runs}) == 3 and all(len(run.id) >= 20 for run in runs)
    export = tmp_path / "file"
    export.write_text("x")
    runs[0].files["png1"] = str(export)
    store.drop_session("a")
    assert not export.exists()
    assert [store.get(run.id) for run in runs] == [None, runs[1], None]
    step = next(pipeline.stream("x", SampleConfig(steps=1)))
    store.add(runs[0], step)  # still drawing when its tab was closed
    assert len(runs[0].steps) == 1 and len(store) == 1
    assert store.get(["a"]) is None and store.get(None) is None
