"""Pictures as red, green and blue, for people to look at."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.media.colour import luma_shares
from sakuga.media.info import Colour, PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.resize import resize_picture

Rgb = NDArray[np.uint8] | NDArray[np.uint16]


def to_rgb(picture: Picture, colour: Colour, size: tuple[int, int] | None = None, *, bits: int = 8) -> Rgb:
    """A picture as R, G, B of shape (height, width, 3).

    Args:
        picture: the picture; chroma is brought to luma's places by its siting.
        colour: how its samples stand for colours; an unknown matrix is read as BT.709.
        size: width and height of the result, those of the picture where None.
        bits: 8 gives uint8; 16 gives uint16 that use the whole range.
    """
    layout = PixelLayout(chroma="gray" if picture.layout.chroma == "gray" else "444", depth=10)
    whole = resize_picture(picture, size or (picture.width, picture.height), layout, colour)
    low, span, chroma_span = (0, 1023, 1023) if colour.full_range else (64, 876, 896)
    luma = (whole.planes[0].astype(np.float32) - low) / span
    if len(whole.planes) == 1:
        coded = np.repeat(luma[..., None], 3, axis=2)
    else:
        chroma = [(plane.astype(np.float32) - 512) / chroma_span for plane in whole.planes[1:]]
        coded = np.asarray(cv2.transform(np.dstack([luma, *chroma]), _matrix(colour.matrix)), np.float32)
    top = (1 << bits) - 1
    levels = np.clip(coded * top + 0.5, 0, top)
    return levels.astype(np.uint8) if bits == 8 else levels.astype(np.uint16)


def _matrix(name: str) -> NDArray[np.float32]:
    red, green, blue = luma_shares(name)
    return np.array(
        [
            [1, 0, 2 - 2 * red],
            [1, -(2 - 2 * blue) * blue / green, -(2 - 2 * red) * red / green],
            [1, 2 - 2 * blue, 0],
        ],
        np.float32,
    )
