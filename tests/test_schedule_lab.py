"""The schedule lab's value: crossings, the shifts at both ends, ρ at the time that is looked at; and what the tab refuses."""

from __future__ import annotations

import gradio as gr
import pytest
from fake_pipeline import SCALES, FakePipeline

from layered.config import PRESETS
from layered.schedule import Schedule
from layered.studio.handlers import Handlers
from layered.studio.page import build_studio
from layered.studio.schedule_lab import ScheduleTab, lab_value
from layered.studio.settings import StudioSettings
from layered.studio.worker import Worker


@pytest.fixture(scope="module")
def tab() -> ScheduleTab:
    handlers = Handlers(FakePipeline(), StudioSettings(), Worker())
    with gr.Blocks(), gr.Tabs(), gr.Tab("Schedule"):
        return ScheduleTab(handlers, StudioSettings())


def controls(tab: ScheduleTab, shifts=(0, 0, 0, 0, 0), moving=False, ends=(0, 0, 0), t=0.5) -> list:
    return [*shifts, moving, *ends, t]


def test_crossings_are_where_the_curves_are_at_0() -> None:
    schedule = Schedule((128, 256), (0.0, -2.0), (0.0, 3.0))
    value = lab_value(schedule, 0.25)
    assert value["crossings"]["128"] == 0.5
    assert abs(float(schedule.logsnr(value["crossings"]["256"])[256])) < 0.01
    assert (value["now"], value["moving"]) == (0.25, True)
    assert value["shifts"] == {"128": 0.0, "256": -2.0} and value["ends"] == {"128": 0.0, "256": 3.0}
    assert value["t"] == sorted(value["t"]) and value["t"][0] < 0.001 < 0.999 < value["t"][-1]
    assert len(value["t"]) == len(value["curves"]["256"])


def test_rho_is_that_of_the_time_looked_at_when_shifts_move() -> None:
    schedule = Schedule.preset("aligned", (128, 256))
    moving = Schedule((128, 256), schedule.shifts, (schedule.shifts[0], schedule.shifts[1] + 2))
    assert not lab_value(moving, 0.0)["rho"][0]["leaks"] and lab_value(moving, 1.0)["rho"][0]["leaks"]
    assert lab_value(moving, 1.0)["rho"][0]["rho"] == pytest.approx(2.718, abs=0.001)
    assert [lab_value(schedule, t)["rho"][0]["rho"] for t in (0.0, 1.0)] == [1.0, 1.0]


def test_the_controls_make_the_schedule(tab) -> None:
    value = tab._curves(*controls(tab, (1, 0, 0, -2, -4), t=0.1))
    assert value["shifts"] == {"32": 1.0, "64": 0.0, "128": 0.0, "256": -2.0, "512": -4.0} and not value["moving"]
    value = tab._curves(*controls(tab, (1, 0, 0, -2, -4), True, (1, 0, -1)))
    assert value["moving"] and value["ends"] == {"32": 2.0, "64": 1.0, "128": 1.0, "256": 0.0, "512": -1.0}
    shown = tab._noised(None, *controls(tab, (1, 0, 0, -2, -4)), "Night")
    assert [one["logsnr"] for one in shown["rows"][0]["scales"]] == [0.0, -2.0, -4.0] and shown["picture"] == "Night"


def test_a_preset_fills_shifts_and_ends_alike(tab) -> None:
    """The controls that a preset fills make the preset's curves again, those of the scales without an end slider too."""
    for name in PRESETS:
        starts = [round(shift, 2) for shift in Schedule.preset(name, SCALES).shifts]
        value, exact = tab._curves(*starts, *tab._preset_ends(name), 0.5), lab_value(Schedule.preset(name, SCALES), 0.5)
        assert value["moving"] == exact["moving"] == (name == "interpolated")
        for when in ("shifts", "ends"):
            assert value[when] == pytest.approx(exact[when], abs=0.011)


@pytest.mark.parametrize(
    ("change", "say"),
    [
        ({"shifts": (0, 0, 0, 0, None)}, "δ 512 is a number"),
        ({"shifts": (0, 0, "0", 0, 0)}, "δ 128 is a number"),
        ({"shifts": (99, 0, 0, 0, 0)}, "δ 32 is a number from -24 to 6"),
        ({"moving": True, "shifts": (0, 0, -12, 0, 0), "ends": (6, 0, 0)}, "rises from -12 to 6"),
        ({"t": 2}, "t is a number"),
    ],
)
def test_what_makes_no_schedule_is_said_where_the_curves_are(tab, change, say) -> None:
    assert say in tab._curves(*controls(tab, **change))["refused"]


def test_a_picture_of_another_name_is_refused(tab) -> None:
    with pytest.raises(gr.Error, match="choose one of"):
        tab._noised(None, *controls(tab), "Mona Lisa")


def test_explore_and_the_lab_stand_in_one_page_with_ids_of_their_own() -> None:
    page = build_studio(FakePipeline())
    ids = [block.elem_id for block in page.blocks.values() if block.elem_id]
    assert len(ids) == len(set(ids))
    assert {f"shift-{size}" for size in SCALES} | {f"lab-shift-{size}" for size in SCALES} <= set(ids)
