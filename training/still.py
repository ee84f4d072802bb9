"""Pictures to learn from: planes of luma and chroma as fractions of their range."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sakuga.media.info import Colour
from sakuga.media.kernels import Floats
from sakuga.media.picture import Picture
from sakuga.media.resize import Levels

Rgb = NDArray[np.uint8]
Filter = Literal["area", "bilinear", "cubic", "lanczos", "aliased"]

_PILLOW = {
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "cubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
BT709 = np.array(
    [[0.2126, 0.7152, 0.0722], [-0.114572, -0.385428, 0.5], [0.5, -0.454153, -0.045847]], np.float32
)
"""Y, Cb and Cr of R, G and B (ITU-R BT.709-6, 3.2 and 3.3)."""


@dataclass(frozen=True, eq=False)
class Still:
    """One picture.

    Attributes:
        luma: 0 is black and 1 white, shape (height, width), both even.
        chroma: Cb and Cr from -1/2 to 1/2, shape (2, height / 2, width / 2).
    """

    luma: Floats
    chroma: Floats

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of luma in samples."""
        return self.luma.shape[1], self.luma.shape[0]

    def cut(self, left: int, top: int, width: int, height: int) -> "Still":
        """A part whose left, top, width and height are even."""
        return Still(
            self.luma[top : top + height, left : left + width],
            self.chroma[:, top // 2 : (top + height) // 2, left // 2 : (left + width) // 2],
        )

    def resized(self, width: int, height: int, kernel: Filter) -> "Still":
        """The whole picture at another size, both even, by a kernel that widens as the picture shrinks."""
        chroma = [resized(plane, width // 2, height // 2, kernel) for plane in self.chroma]
        return Still(resized(self.luma, width, height, kernel), np.stack(chroma))


def resized(plane: Floats, width: int, height: int, kernel: Filter) -> Floats:
    """A plane at another size; `aliased` is a cubic kernel that does not widen, as careless programs have."""
    if kernel == "aliased":
        small = cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC)
        return small.astype(np.float32, copy=False)
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((width, height), _PILLOW[kernel]), np.float32)


def from_rgb(rgb: Rgb) -> Still:
    """A picture of R, G, B in 8 bits, shape (height, width, 3); an odd last row or column is left out."""
    height, width = rgb.shape[0] // 2 * 2, rgb.shape[1] // 2 * 2
    planes: Floats = cv2.transform(rgb[:height, :width].astype(np.float32) / 255, BT709).astype(
        np.float32, copy=False
    )
    chroma = [resized(planes[..., number], width // 2, height // 2, "area") for number in (1, 2)]
    return Still(np.ascontiguousarray(planes[..., 0]), np.stack(chroma))


def from_picture(picture: Picture, colour: Colour) -> Still:
    """A decoded picture; its matrix stays as it is."""
    height, width = picture.height // 2 * 2, picture.width // 2 * 2
    planes: list[Floats] = []
    for number, plane in enumerate(picture.planes):
        levels = Levels.of(picture.layout.depth, colour.full_range, chroma=number > 0)
        planes.append((plane - np.float32(levels.zero)) / np.float32(levels.span))
    if len(planes) == 1:
        planes += [np.zeros((height // 2, width // 2), np.float32)] * 2
    chroma = [resized(plane, width // 2, height // 2, "area") for plane in planes[1:]]
    return Still(planes[0][:height, :width], np.stack(chroma))


LUMA, CHROMA = Levels.of(8, full_range=False, chroma=False), Levels.of(8, full_range=False, chroma=True)
"""Of what networks are trained with: 8 bits in limited range, as nearly all video has."""


def luma_codes(luma: Floats) -> NDArray[np.uint8]:
    """Luma as codes of 8 bits in limited range."""
    return np.clip(np.rint(luma * LUMA.span + LUMA.zero), 1, 254).astype(np.uint8)


def chroma_codes(chroma: Floats) -> NDArray[np.uint8]:
    """Chroma as codes of 8 bits in limited range."""
    return np.clip(np.rint(chroma * CHROMA.span + CHROMA.zero), 1, 254).astype(np.uint8)


def from_luma_codes(codes: NDArray[np.uint8]) -> Floats:
    """Codes of 8 bits in limited range as luma."""
    return (codes.astype(np.float32) - LUMA.zero) / np.float32(LUMA.span)


def from_chroma_codes(codes: NDArray[np.uint8]) -> Floats:
    """Codes of 8 bits in limited range as chroma."""
    return (codes.astype(np.float32) - CHROMA.zero) / np.float32(CHROMA.span)
