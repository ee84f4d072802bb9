"""Facts of sources that need no file: streams, packet times and tracks of any rate."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from sakuga.media.film import Film, FilmTrack
from sakuga.media.info import Colour, MediaInfo, PixelLayout, VideoStream
from sakuga.media.packets import PacketIndex

BT709 = Colour(matrix="bt709", primaries="bt709", transfer="bt709", full_range=False)


def video(**changes: Any) -> VideoStream:  # noqa: ANN401 - any field of a stream
    """A 24 fps stream of 640x480; `changes` are fields of it."""
    fields: dict[str, Any] = {
        "index": 0,
        "codec": "h264",
        "width": 640,
        "height": 480,
        "pix_fmt": "yuv420p",
        "layout": PixelLayout(chroma="420", depth=8),
        "time_base": Fraction(1, 24),
        "start": Fraction(0),
        "duration": Fraction(2),
        "frame_rate": Fraction(24),
        "constant_rate": True,
        "frames": 48,
        "colour": BT709,
    }
    return VideoStream(**(fields | changes))


def info(stream: VideoStream, start: Fraction = Fraction(0)) -> MediaInfo:
    """A container with this stream, whose earliest stream starts at `start`."""
    return MediaInfo(
        container="matroska",
        size=1,
        start=start,
        duration=stream.start + stream.duration - start,
        video=stream,
    )


def packets(
    pts: Sequence[int], end: int, time_base: Fraction, keyframes: Sequence[int] = (0,)
) -> PacketIndex:
    """Packets at these ticks, with keyframes at these frames."""
    key = np.zeros(len(pts), np.bool_)
    key[list(keyframes)] = True
    return PacketIndex(time_base=time_base, pts=np.array(pts, np.int64), keyframe=key, end=end)


def regular_packets(
    count: int, rate: Fraction, start: Fraction = Fraction(0), gop: int = 250, tick: Fraction | None = None
) -> PacketIndex:
    """Packets at a constant rate with a keyframe every `gop`; rounded to `tick` as a container does."""
    base = tick or 1 / rate
    pts = [round((start + k / rate) / base) for k in range(count + 1)]
    return packets(pts[:-1], pts[-1], base, range(0, count, gop))


def varying_track(times: Sequence[int], end: int, time_base: Fraction = Fraction(1, 1000)) -> FilmTrack:
    """A track without a constant rate."""
    film = Film(kind="frames", count=len(times))
    return FilmTrack(film=film, time_base=time_base, times=tuple(times), end=end, rate=None)
