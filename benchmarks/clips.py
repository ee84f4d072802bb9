"""Sources for benchmarks, drawn by the demo's cartoon."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from app.demo_art import drawing
from app.demo_clip import make_demo_clip
from tests.assets import ASSETS

SIZE = (854, 480)
CARTOON_SECONDS = 6
"""After so many seconds the cartoon begins again."""

STILL_FROM, STILL_SECONDS = 2.75, 1.75
"""The cartoon's close-up: its background stands still, eyes, mouth and scarf move."""

RATE = 24
FILMED = "gopro_karma_drone.mp4"
FILMED_CRF = 18
GRAIN = 6.0
"""Standard deviation of a stand-in's grain, in 8-bit steps."""


def cartoon(folder: Path, *, seconds: int, hold: int) -> Path:
    """A clip of 480p at 24 frames per second with sound, each drawing held for `hold` frames."""
    return make_demo_clip(
        folder / f"cartoon-{seconds}s-hold{hold}.mkv", size=SIZE, seconds=seconds, hold=hold
    )


def looped(folder: Path, *, seconds: int) -> Path:
    """A long clip of 480p without sound: the cartoon's packets copied again and again."""
    once = make_demo_clip(folder / "once.mkv", size=SIZE, seconds=CARTOON_SECONDS, sound=False)
    path = folder / f"looped-{seconds}s.mkv"
    with av.open(str(once), "r") as source, av.open(str(path), "w", format="matroska") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.pts is not None]
        length = round(CARTOON_SECONDS / (packets[0].time_base or 1))
        for _ in range(seconds // CARTOON_SECONDS):
            for packet in packets:
                packet.stream = copy
                target.mux(packet)
                packet.pts = (packet.pts or 0) + length
                packet.dts = (packet.dts or 0) + length
    return path


def still_background(path: Path, *, size: tuple[int, int], frames: int, crf: int) -> Path:
    """The cartoon's close-up, again and again, drawn on twos, without sound; with a `crf` of 0 lossless."""
    moments = [STILL_FROM + (number // 2 * 2 / RATE) % STILL_SECONDS for number in range(frames)]
    return write_clip(path, [drawing(moment, size) for moment in moments], crf=crf)


def mixed(path: Path, *, size: tuple[int, int], frames: int, crf: int) -> Path:
    """On twos, without sound: half of it a walk over a moving background, half of it the close-up."""
    begin = STILL_FROM - frames / RATE / 2
    moments = [begin + number // 2 * 2 / RATE for number in range(frames)]
    return write_clip(path, [drawing(moment, size) for moment in moments], crf=crf)


def filmed(path: Path, *, size: tuple[int, int], frames: int) -> tuple[Path, str]:
    """The first frames of a drone's flight from the tests' assets, coded again, and what it is.

    Where it is absent a stand-in is drawn: a pan over the cartoon under grain, which is as hard to reuse.
    """
    source = ASSETS / "video" / FILMED
    if source.exists():
        with av.open(str(source), "r") as container:
            pictures = [
                frame.reformat(*size, format="rgb24").to_ndarray().astype(np.uint8)
                for frame in islice(container.decode(video=0), frames)
            ]
        return write_clip(path, pictures, crf=FILMED_CRF), "filmed"
    noise = np.random.default_rng(3)
    wide = drawing(1.0, (size[0] + 4 * frames, size[1])).astype(np.float32)
    panned = [wide[:, 4 * number : 4 * number + size[0]] for number in range(frames)]
    pictures = [
        np.clip(picture + noise.normal(0, GRAIN, picture.shape), 0, 255).astype(np.uint8)
        for picture in panned
    ]
    return write_clip(path, pictures, crf=FILMED_CRF), "a pan under grain (the filmed clip is not here)"


def write_clip(path: Path, pictures: Sequence[NDArray[np.uint8]], *, crf: int) -> Path:
    """RGB pictures as H.264, tagged BT.601, 24 a second."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace = 6
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU601")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
