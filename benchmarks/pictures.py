"""Pictures for benchmarks, as the reference and as Sakuga take them, and how far results are apart."""

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from app.demo_art import drawing
from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture

SD = Colour(
    matrix="smpte170m",
    primaries="smpte170m",
    transfer="smpte170m",
    full_range=False,
    siting="left",
    tagged=True,
)
LAYOUT = PixelLayout(chroma="420", depth=8)


def drawn_rgb(size: tuple[int, int], time: float = 1.0) -> NDArray[np.uint8]:
    """A drawing of the demo's cartoon, R, G, B of shape (height, width, 3)."""
    return np.ascontiguousarray(drawing(time, size))


def drawn_picture(size: tuple[int, int], time: float = 1.0) -> Picture:
    """The same as a decoder gives it: planes Y, U, V of 8 bits, chroma halved both ways."""
    frame = av.VideoFrame.from_ndarray(drawn_rgb(size, time), format="rgb24").reformat(format="yuv420p")
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        planes.append(np.ascontiguousarray(rows[:, : plane.width]))
    return Picture(tuple(planes), LAYOUT)


def luma(path: Path, frames: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """Luma planes of a file's first frames, of shape (height, width)."""
    for planes in decoded(path, frames):
        yield planes[0]


def decoded(path: Path, frames: int | None = None) -> Iterator[tuple[NDArray[np.uint8], ...]]:
    """Planes Y, U, V of a file's first frames, all without a number."""
    with av.open(str(path), "r") as container:
        for frame in islice(container.decode(video=0), frames):
            yield tuple(
                np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
                    :, : plane.width
                ]
                for plane in frame.planes
            )


def psnr(error: float, peak: float = 255.0) -> float:
    """PSNR in dB of a mean squared error; infinite where it is 0."""
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def luma_psnr(one: Path, other: Path, frames: int | None = None) -> float:
    """PSNR in dB between the luma of two files, over their first frames.

    Raises:
        ValueError: they have not as many frames.
    """
    errors = [
        float(np.square(a.astype(np.float32) - b).mean(dtype=np.float64))
        for a, b in zip(luma(one, frames), luma(other, frames), strict=True)
    ]
    return psnr(sum(errors) / len(errors))


def differing_samples(one: Path, other: Path) -> int:
    """How many samples of all planes of two files differ.

    Raises:
        ValueError: they have not as many frames.
    """
    pairs = zip(decoded(one), decoded(other), strict=True)
    return sum(
        int(np.count_nonzero(a != b)) for left, right in pairs for a, b in zip(left, right, strict=True)
    )


def db(value: float) -> str:
    """A PSNR for a table."""
    return "equal" if math.isinf(value) and value > 0 else f"{value:.1f} dB"
