"""Pictures and streams in memory, for tests of what is done with decoded frames."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from sakuga.media.info import ChromaFormat, Colour, PixelLayout, VideoStream
from sakuga.media.picture import Picture

LIMITED = Colour(matrix="bt709", primaries="bt709", transfer="bt709", full_range=False)


class MemoryReader:
    """Decoded frames that lie in memory; `decoded` counts how often each was asked for."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.pictures = pictures
        self.decoded = [0] * len(pictures)

    def read(self, first: int, end: int) -> Iterator[Picture]:
        for number in range(first, end):
            self.decoded[number] += 1
            yield self.pictures[number]


def noise(seed: int, size: tuple[int, int], chroma: ChromaFormat = "420", depth: int = 8) -> Picture:
    """A picture of random samples."""
    layout = PixelLayout(chroma=chroma, depth=10 if depth == 10 else 8)
    random = np.random.default_rng(seed)
    dtype: Any = np.uint8 if depth == 8 else np.uint16
    shapes = [(size[1], size[0])]
    if chroma != "gray":
        shapes += [layout.chroma_size(*size)[::-1]] * 2
    return Picture(tuple(random.integers(0, 1 << depth, shape).astype(dtype) for shape in shapes), layout)


def stream(picture: Picture, frames: int, rate: Fraction = Fraction(25), **fields: Any) -> VideoStream:  # noqa: ANN401 - fields of any type
    """A video stream that holds pictures like this one."""
    values: dict[str, Any] = {
        "index": 0,
        "codec": "ffv1",
        "width": picture.width,
        "height": picture.height,
        "pix_fmt": picture.layout.pix_fmt,
        "layout": picture.layout,
        "time_base": 1 / rate,
        "start": Fraction(0),
        "duration": frames / rate,
        "frame_rate": rate,
        "constant_rate": True,
        "frames": frames,
        "colour": LIMITED,
    }
    return VideoStream(**(values | fields))
