"""One decoded picture, as planes of samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sakuga.media.info import PixelLayout

Plane = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class Picture:
    """Planes of one picture: Y alone for grey, else Y, U, V.

    A plane has the shape (height, width) and is C-contiguous; samples are uint8, or uint16 that hold 10
    bits. Planes are never written to after the picture is made, so they may be shared.
    """

    planes: tuple[Plane, ...]
    layout: PixelLayout

    @property
    def width(self) -> int:
        """Width of the luma plane in samples."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Height of the luma plane in samples."""
        return int(self.planes[0].shape[0])

    def same_as(self, other: "Picture") -> bool:
        """Whether every sample is equal."""
        return self.layout == other.layout and all(
            np.array_equal(a, b) for a, b in zip(self.planes, other.planes, strict=True)
        )
