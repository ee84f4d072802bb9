"""Pictures turned to stand upright.

Chroma samples lie somewhere between luma samples (their siting), and turning a picture moves them: what lay
on the left lies on top after a quarter turn clockwise. Where they would lie on the right, which no file can
say, they are called centred: half a luma sample away from where they are. With an odd number of columns or
lines the last chroma sample covers one luma sample; turned, it lies up to one luma sample off.
"""

from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sakuga.media.info import Colour, PixelLayout, VideoStream
from sakuga.media.picture import Picture, Plane

Siting = Literal["left", "center", "topleft", "top", "bottomleft", "bottom"]

_PLACES: dict[Siting, tuple[int, int]] = {
    "left": (-1, 0),
    "center": (0, 0),
    "topleft": (-1, -1),
    "top": (0, -1),
    "bottomleft": (-1, 1),
    "bottom": (0, 1),
}
"""Across and down, from the middle of the luma samples that a chroma sample covers."""


def is_upright(video: VideoStream) -> bool:
    """Whether the stored pictures are shown as they are."""
    return not video.rotation and not video.flipped


def upright_layout(video: VideoStream) -> PixelLayout:
    """Layout of the upright pictures: as stored, but 4:2:2 on its side becomes 4:4:4.

    4:2:2 halves chroma across only; turned by 90 degrees it would be halved down only, which has no name.
    """
    if video.layout.chroma == "422" and video.rotation in (90, 270):
        return PixelLayout(chroma="444", depth=video.layout.depth)
    return video.layout


def upright_size(video: VideoStream) -> tuple[int, int]:
    """Width and height of the upright pictures, in samples."""
    on_side = video.rotation in (90, 270)
    return (video.height, video.width) if on_side else (video.width, video.height)


def upright_sar(video: VideoStream) -> Fraction:
    """Width over height of a sample of the upright pictures."""
    return 1 / video.sar if video.rotation in (90, 270) else video.sar


def upright_colour(video: VideoStream) -> Colour:
    """The colour tags of the upright pictures: as stored, but for the siting of chroma."""
    across, down = _PLACES[video.colour.siting]
    if video.flipped:
        across = -across
    for _ in range(video.rotation // 90):
        across, down = -down, across
    if video.layout.chroma != "420":
        down = 0
    siting = next((name for name, place in _PLACES.items() if place == (min(across, 0), down)), "center")
    return video.colour.model_copy(update={"siting": siting})


def upright(picture: Picture, video: VideoStream) -> Picture:
    """The stored picture as it is seen: mirrored if the stream says so, then turned clockwise."""
    if is_upright(video):
        return picture
    planes = list(picture.planes)
    layout = upright_layout(video)
    if layout != picture.layout:
        planes[1:] = [_widen(plane, picture.width, video.colour.siting) for plane in planes[1:]]
    return Picture(tuple(_turn(plane, video.rotation, video.flipped) for plane in planes), layout)


def _turn(plane: Plane, clockwise: int, mirrored: bool) -> Plane:
    lines: NDArray[Any] = plane[:, ::-1] if mirrored else plane
    return np.ascontiguousarray(np.rot90(lines, -clockwise // 90))


def _widen(plane: Plane, width: int, siting: Siting) -> Plane:
    """Chroma at twice its width, by linear interpolation between where the samples lie."""
    lines = plane.astype(np.int32)
    after = np.concatenate([lines[:, 1:], lines[:, -1:]], axis=1)
    wide = np.empty((lines.shape[0], 2 * lines.shape[1]), np.int32)
    if _PLACES[siting][0] < 0:
        wide[:, 0::2] = lines
        wide[:, 1::2] = (lines + after + 1) >> 1
    else:
        before = np.concatenate([lines[:, :1], lines[:, :-1]], axis=1)
        wide[:, 0::2] = (before + 3 * lines + 2) >> 2
        wide[:, 1::2] = (3 * lines + after + 2) >> 2
    dtype: Any = plane.dtype
    widened: Plane = np.ascontiguousarray(wide[:, :width].astype(dtype))
    return widened
