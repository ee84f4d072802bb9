"""An upscaler that can make parts of results: a plain convolution, in numpy."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture, Plane
from sakuga.models.base import EngineUse, Rect

KERNEL = np.array([[1, 2, 1], [2, 5, 2], [1, 2, 1]], np.int64)
SUM = int(KERNEL.sum())


@dataclass
class Convolver:
    """Twice the size: every source pixel, smoothed `radius` times by 3x3 pixels, is repeated.

    Chroma samples are smoothed as often among themselves. `wrong` is added to luma in parts only, from the
    part with the number `wrong_from` on.
    """

    radius: int = 2
    wrong: int = 0
    wrong_from: int = 0
    name: str = "convolver"
    digest: str = "convolver"
    parallel: int = 1
    use: EngineUse = field(
        default_factory=lambda: EngineUse(backend="numpy", device="cpu", precision="exact")
    )
    wholes: int = 0
    parts: int = 0

    def upscale(
        self,
        picture: Picture,
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
    ) -> Picture:
        del colour, target
        assert size == (2 * picture.width, 2 * picture.height)
        assert layout == picture.layout
        self.wholes += 1
        planes = [larger(plane, self.radius) for plane in picture.planes]
        width, height = layout.chroma_size(*size)
        # the doubled chroma of an odd side is one sample too many
        return Picture((planes[0], *(plane[:height, :width].copy() for plane in planes[1:])), layout)

    def spread(self, picture: Picture, size: tuple[int, int]) -> int | None:
        del size
        return self.radius * (1 if picture.layout.chroma in ("gray", "444") else 2)

    def upscale_regions(
        self,
        picture: Picture,
        before: Picture,
        regions: Sequence[Rect],
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        target: Colour | None = None,
        *,
        halo: int | None = None,
    ) -> Picture:
        del size, layout, colour, target
        planes: list[Plane] = []
        for number, (plane, old) in enumerate(zip(picture.planes, before.planes, strict=True)):
            down, across = 1 + (plane.shape[0] < picture.height), 1 + (plane.shape[1] < picture.width)
            new: Plane = old.copy()
            see = self.radius if halo is None else min(halo, self.radius)
            for rect in regions:
                top, bottom = rect.top // down, -(-rect.bottom // down)
                left, right = rect.left // across, -(-rect.right // across)
                high, low = max(top - see, 0), max(left - see, 0)
                part = larger(plane[high : bottom + see, low : right + see], self.radius)
                rows = slice(2 * (top - high), 2 * (bottom - high))
                columns = slice(2 * (left - low), 2 * (right - low))
                if number == 0 and self.parts >= self.wrong_from:
                    part = part ^ part.dtype.type(self.wrong)
                target_rows, target_columns = slice(2 * top, 2 * bottom), slice(2 * left, 2 * right)
                fits = new[target_rows, target_columns].shape
                new[target_rows, target_columns] = part[rows, columns][: fits[0], : fits[1]]
            planes.append(new)
        self.parts += 1
        return Picture(tuple(planes), picture.layout)


def larger(plane: Plane, radius: int) -> Plane:
    """Smoothed in whole numbers, so that no result depends on its surroundings' shape, and doubled."""
    values = plane.astype(np.int64)
    height, width = values.shape
    for _ in range(radius):
        framed = np.pad(values, 1, mode="edge")
        total = sum(KERNEL[y, x] * framed[y : y + height, x : x + width] for y in range(3) for x in range(3))
        values = np.asarray(total) // SUM
    small: Plane = values.astype(np.uint8) if plane.dtype == np.uint8 else values.astype(np.uint16)
    return small.repeat(2, 0).repeat(2, 1)
