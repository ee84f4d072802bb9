"""How a stored picture has to be turned to stand upright, from its display matrix."""

import math
import struct
from collections.abc import Iterable
from typing import Any, Literal

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame


def orientation(frame: VideoFrame | None) -> tuple[Literal[0, 90, 180, 270], bool]:
    """Clockwise turn in degrees to the nearest quarter, and whether it is mirrored left to right before.

    The matrix is that of ISO/IEC 14496-12, 6.2.2: with rows (a, b), (c, d) a stored point (p, q), y down, is
    shown at (a p + c q, b p + d q).
    """
    sides: Iterable[Any] = frame.side_data if frame is not None else ()
    side = next((side for side in sides if side.type is Type.DISPLAYMATRIX), None)
    if side is None:
        return 0, False
    matrix = struct.unpack("=9i", bytes(side)[:36])
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    flipped = a * d - b * c < 0
    if flipped:
        a, b = -a, -b
    quarter = round(math.degrees(math.atan2(b, a)) / 90) % 4
    turns: tuple[Literal[0], Literal[90], Literal[180], Literal[270]] = (0, 90, 180, 270)
    return turns[quarter], flipped
