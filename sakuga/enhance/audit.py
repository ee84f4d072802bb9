"""Audits: some frames that are made of parts are computed whole as well, and compared."""

from dataclasses import dataclass

import cv2
import numpy as np

from sakuga.enhance.near import NEAR_PSNR, luma_psnr
from sakuga.media.picture import Picture

OFF_BY_ONE = 1e-4
"""Share of samples that may be one step off where parts are to equal the whole: a back end's kernels may add
in another order at another shape."""


@dataclass(frozen=True)
class Verdict:
    """What an audit found: whether parts are as good as promised, and with `near` their luma PSNR in dB."""

    good: bool
    psnr: float | None = None


def judge(parts: Picture, whole: Picture, *, near: bool) -> Verdict:
    """Compare a result made of parts with the same one computed whole."""
    if near:
        psnr = luma_psnr(parts, whole)
        return Verdict(psnr >= NEAR_PSNR, psnr)
    return Verdict(_equal_but_rounding(parts, whole))


def _equal_but_rounding(parts: Picture, whole: Picture) -> bool:
    different = samples = 0
    for a, b in zip(parts.planes, whole.planes, strict=True):
        change = cv2.absdiff(a, b)
        if change.max() > 1:
            return False
        different += int(np.count_nonzero(change))
        samples += change.size
    return different <= OFF_BY_ONE * samples
