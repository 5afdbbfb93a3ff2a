"""A run as a film: H.264 in MP4, which every browser plays, or an animated WebP, which stands in any page as a picture."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from PIL import Image

from layered.plots import spread
from layered.studio.sheet import side_by_side

if TYPE_CHECKING:
    from layered.sampler import Step

FPS = 10
HOLD = 2  # seconds that the last frame stays
MOST_FRAMES = 60  # a longer run shows evenly spread steps, so that no film takes more time or room than this allows
BT709 = 1  # the colour space, primaries and transfer that players assume of H.264, by its number in the standard
VIDEO_RANGE = 1  # 16 to 235
FORMATS = ("mp4", "webp")
ENCODERS: dict[str, dict[str, Any]] = {  # one thread each: the cores belong to the model
    "mp4": {
        "codec": "libx264",
        "options": {"crf": "18", "preset": "veryfast", "threads": "1"},
        "container": {"movflags": "faststart"},
        "colours": True,
    },
    "webp": {
        "codec": "libwebp_anim",
        "options": {"quality": "85", "compression_level": "1"},
        "container": {"loop": "0"},  # for ever
        "colours": False,  # WebP has one colour space
    },
}


class Film:
    """A film file that grows frame by frame: ``with Film(path, "mp4") as film: film.add(picture)``.

    Pictures are RGB with even sides, all of one size. A film that breaks off, by an error or because a generator around it
    is closed, leaves no file. ValueError for another ``kind`` than those in ``FORMATS``.
    """

    def __init__(self, path: str | Path, kind: str) -> None:
        self.path, self.kind = Path(path), check_format(kind)
        self.encoder = ENCODERS[kind]
        self.frames = 0
        self._last: Image.Image | None = None
        self._container: Any = None
        self._stream: Any = None

    def add(self, picture: Image.Image) -> None:
        """The next frame, shown for 1 / ``FPS`` seconds."""
        if self._stream is None:
            self._start(*picture.size)
        self._encode(picture, self.frames)
        self.frames, self._last = self.frames + 1, picture

    def __enter__(self) -> Film:
        import av  # here, at the first film: it loads FFmpeg's libraries

        self._container = av.open(str(self.path), "w", format=self.kind, options=self.encoder["container"])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None and self._last is not None:
                self._encode(self._last, self.frames - 1 + HOLD * FPS)  # once more at the end: what is between is held
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()
            if kind is not None:
                self.path.unlink(missing_ok=True)

    def _start(self, width: int, height: int) -> None:
        stream = self._container.add_stream(self.encoder["codec"], rate=FPS, options=self.encoder["options"])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if self.encoder["colours"]:
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = VIDEO_RANGE
        self._stream = stream

    def _encode(self, picture: Image.Image, index: int) -> None:
        from av import VideoFrame

        frame = VideoFrame.from_image(picture)
        space = BT709 if self.encoder["colours"] else None
        frame = frame.reformat(format="yuv420p", dst_colorspace=space)
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        self._container.mux(self._stream.encode(frame))


def check_format(kind: Any) -> str:
    """A film's format. ValueError with a sentence for any other."""
    if kind not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {str(kind)[:40]!r}.")
    return kind


def shown_steps(count: int) -> list[int]:
    """The steps of a run that its film shows, from the first to the last."""
    return spread(count, MOST_FRAMES)


def frame_of(step: Step, prompt: str, scales: Sequence[int]) -> Image.Image:
    """One step's predictions of these scales, with its number, its t, and how far the run is."""
    number = step.index + 1
    line = f"step {number} / {step.total} · t {step.t:.2g}"
    return side_by_side({size: step.x0[size] for size in scales}, prompt, line, most_lines=1, progress=number / step.total)


def film(
    steps: Sequence[Step], prompt: str, scales: Sequence[int], path: str | Path, kind: str
) -> Generator[tuple[int, int], None, None]:
    """Write a film, frame by frame; yields frames made and frames to make. Closing it leaves no file."""
    wanted = shown_steps(len(steps))
    with Film(path, kind) as made:
        for index in wanted:
            made.add(frame_of(steps[index], prompt, scales))
            yield made.frames, len(wanted)
