"""Films show a run's own pictures in order, in formats that browsers play, and leave nothing when they break off."""

from __future__ import annotations

import av
import numpy as np
import pytest
from fake_pipeline import FakePipeline
from PIL import Image

from layered.config import SampleConfig
from layered.studio.film import FORMATS, FPS, HOLD, MOST_FRAMES, Film, film, frame_of, shown_steps
from layered.studio.sheet import GAP, GROUND, MARGIN, PANEL, side_by_side, wrap

SHOWN = (128, 256, 512)
PROMPTS = ["a red balloon " * 40, "x" * 900, "山🎈 " * 90, "", "a … b", "بالون أحمر " * 30, "a\x00b\u202ec\nd"]


@pytest.fixture(scope="module")
def steps():
    return list(FakePipeline(pause=0).stream("a red balloon", SampleConfig(steps=4, seed=3)))


def frames(path) -> list[tuple[float, np.ndarray]]:
    """When each frame is shown, in seconds, and its pixels."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as opened:
            return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in opened.decode(video=0)]
    found, at = [], 0.0
    with Image.open(path) as opened:
        for index in range(opened.n_frames):
            opened.seek(index)
            found.append((at, np.asarray(opened.convert("RGB"))))
            at += opened.info["duration"] / 1000
    return found


@pytest.mark.parametrize("kind", FORMATS)
def test_a_film_shows_every_step_and_holds_the_last(steps, tmp_path, kind):
    path = tmp_path / f"film.{kind}"
    assert list(film(steps, "a red balloon", SHOWN, path, kind)) == [(1, 4), (2, 4), (3, 4), (4, 4)]
    shown = frames(path)
    for (at, picture), step in zip(shown, steps, strict=False):
        assert at == pytest.approx(step.index / FPS, abs=1e-3)
        true = np.asarray(frame_of(step, "a red balloon", SHOWN)).astype(int)
        assert picture.shape == true.shape
        assert np.abs(picture.astype(int) - true).mean() < 4  # its own colours: another colour matrix would be far off
        assert np.abs(picture[30:40, :100].astype(int).mean((0, 1)) - true[30:40, :100].mean((0, 1))).max() < 6
    if kind == "mp4":
        assert shown[-1][0] == pytest.approx((len(steps) - 1) / FPS + HOLD, abs=1e-3)
    else:
        with Image.open(path) as opened:
            assert opened.info["loop"] == 0
            durations = [opened.seek(i) or opened.load() and opened.info["duration"] for i in range(opened.n_frames)]
            assert sum(durations) >= 1000 * ((len(steps) - 1) / FPS + HOLD)


def test_h264_is_what_browsers_play(steps, tmp_path):
    path = tmp_path / "film.mp4"
    list(film(steps, "x", SHOWN, path, "mp4"))
    with av.open(str(path)) as opened:
        codec = opened.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        assert (codec.width % 2, codec.height % 2) == (0, 0) and codec.colorspace == codec.color_primaries == 1
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # it plays before all of it is there


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("made", [0, 2])
def test_a_film_that_breaks_off_leaves_no_file(steps, tmp_path, kind, made):
    work = film(steps, "x", SHOWN, tmp_path / f"film.{kind}", kind)
    for _ in range(made):
        next(work)
    work.close()
    assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError), Film(tmp_path / f"film.{kind}", kind) as broken:
        broken.add(frame_of(steps[0], "x", SHOWN))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["gif", "", None, [], "../mp4"])
def test_another_format_is_a_sentence(tmp_path, kind):
    with pytest.raises(ValueError, match="format: expected one of mp4, webp"):
        Film(tmp_path / "film", kind)


@pytest.mark.parametrize("count", [1, 25, MOST_FRAMES, 100, 250])
def test_long_runs_are_thinned_out(count):
    shown = shown_steps(count)
    assert len(shown) == min(count, MOST_FRAMES) and shown[0] == 0 and shown[-1] == count - 1 and shown == sorted(set(shown))


# ------------------------------------------------------------------ what a frame shows


def test_scales_stand_side_by_side_in_full(steps):
    x0 = {size: steps[-1].x0[size] for size in SHOWN}
    sheet = np.asarray(side_by_side(x0, "a red balloon", "4 steps"))
    assert sheet.shape[0] % 2 == sheet.shape[1] % 2 == 0 and sheet.shape[1] == 2 * MARGIN + 3 * PANEL + 2 * GAP
    whole = np.asarray(side_by_side({512: x0[512]}, "a red balloon", "4 steps"))
    levels = ((x0[512][0].permute(1, 2, 0).numpy() + 1) * 127.5).round()
    top = next(y for y in range(100) if np.abs(whole[y : y + 512, MARGIN : MARGIN + 512] - levels).max() <= 1)
    third = MARGIN + 2 * (PANEL + GAP)
    assert np.array_equal(sheet[top : top + PANEL, third : third + PANEL], whole[top : top + PANEL, MARGIN : MARGIN + PANEL])
    small = sheet[top : top + PANEL, MARGIN : MARGIN + PANEL]
    assert np.array_equal(small[::4, ::4], small[3::4, 3::4])  # 128 enlarged: pixels stay square


def test_progress_is_a_line_at_the_bottom(steps):
    bar = [np.asarray(frame_of(step, "x", SHOWN))[-1] for step in steps]
    ground = np.array([int(GROUND[i : i + 2], 16) for i in (1, 3, 5)])
    lengths = [(row != ground).any(1).sum() / len(row) for row in bar]
    assert lengths == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.01)


def test_odd_scales_and_one_scale_are_shown_too():
    run = list(FakePipeline(scales=(64,), pause=0).stream("x", SampleConfig(steps=1)))
    assert frame_of(run[0], "x", (64,)).size == (2 * MARGIN + PANEL, 654)


@pytest.mark.parametrize("most", [1, 2, 99])
@pytest.mark.parametrize(
    "text", ["a red balloon " * 40, "x" * 900, "山🎈 " * 90, "", "a … b", "بالون أحمر " * 30, "a\x00b\u202ec\nd"]
)
def test_any_prompt_fits_its_lines(text, most):
    from layered.studio.sheet import _font

    lines = wrap(text, 22, True, 500, most)
    assert len(lines) <= most and all(_font(22, True).getlength(line) <= 500 for line in lines)
    assert all(line.isprintable() for line in lines)
    words = text.replace("\x00", " ").replace("\u202e", " ").split()
    if most == 99 and max(map(len, words), default=0) < 100:
        assert " ".join(lines).split() == words
    elif len(text) > 800:
        assert lines[-1].endswith("…")
