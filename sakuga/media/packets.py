"""The frames of a video stream as its packets announce them, without decoding."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """Every frame that the stream will show, in presentation order.

    `pts[k]` is the time of decoded frame k in ticks of `time_base` on the container's clock, strictly
    increasing; `keyframe[k]` tells whether decoding can start there. `end` is when the last frame stops being
    shown, in the same ticks.
    """

    time_base: Fraction
    pts: NDArray[np.int64]
    keyframe: NDArray[np.bool_]
    end: int

    def __len__(self) -> int:
        return len(self.pts)
