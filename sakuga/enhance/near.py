"""Reuse that takes compression noise for no change: what counts as one, and how far it may go.

The thresholds were chosen with realesr-animevideov3 on a drawn clip on twos and on a scanned cartoon, coded
by x264 at CRF 20 to 24. Frames made of parts were within 59 dB of the whole ones, and within 41 dB in the
worst 64x64 pixels of any; signed or squared means did no better at the same share of pixels computed. A
network that sees 12, 8, 6 or 4 pixels around parts of 48x32 gave at worst 71, 55, 50 or 45 dB within them.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from sakuga.enhance.regions import Mask, at_luma_places
from sakuga.media.picture import Picture, Plane
from sakuga.models.base import Rect

NEAR_GROUP = 48
"""Film frames that may share results: two seconds of film. Chunks begin where such a group does."""

NEAR_PSNR = 45.0
"""Bound of the luma of audited frames against the whole result, in dB."""

EQUAL_PSNR = 100.0
"""What equal pictures count as, in dB: a number, so that it can be kept in a report."""

NEAR_REACH = 8
"""Source pixels around a changed one that are computed again."""

NEAR_HALO = 8
"""Source pixels around a region that its network sees."""

WINDOW = 8
"""Sides of the square, in samples, whose mean change counts: a block of the transform that made the noise."""

MEAN_CHANGE = 1.0
"""Mean absolute change of a square, in steps of 8 bits, that is noise still. A fade stays within it, too."""

MOST_CHANGE = 8.0
"""Change of one sample, in steps of 8 bits, that is noise still: a line that moves changes by much more."""


def near_changes(picture: Picture, reference: Picture) -> Mask:
    """255 where a picture differs from another by more than compression noise, at luma places; else 0."""
    unit = float(1 << (picture.layout.depth - 8))
    luma = picture.planes[0]
    masks = [
        _plane_changes(plane, other, WINDOW if plane.shape == luma.shape else WINDOW // 2, unit)
        for plane, other in zip(picture.planes, reference.planes, strict=True)
    ]
    return at_luma_places(masks)


def _plane_changes(plane: Plane, other: Plane, window: int, unit: float) -> Mask:
    change = cv2.absdiff(plane, other)
    total = cv2.boxFilter(change, cv2.CV_32F, (window, window), normalize=False)
    # whole numbers, so that the sum does not depend on its order
    found = (np.asarray(total) > MEAN_CHANGE * unit * window**2) | (np.asarray(change) > MOST_CHANGE * unit)
    return found.astype(np.uint8) * np.uint8(255)


def composite(picture: Picture, reference: Picture, regions: Sequence[Rect]) -> Picture:
    """`reference` with `regions` of `picture`: the samples that a result made of parts was computed from.

    Regions are aligned to even pixels but at the picture's edges.
    """
    width, height = picture.width, picture.height
    planes = []
    for plane, other in zip(picture.planes, reference.planes, strict=True):
        down, across = 1 + (plane.shape[0] < height), 1 + (plane.shape[1] < width)
        mixed: Plane = other.copy()
        for rect in regions:
            rows = slice(rect.top // down, -(-rect.bottom // down))
            columns = slice(rect.left // across, -(-rect.right // across))
            mixed[rows, columns] = plane[rows, columns]
        planes.append(mixed)
    return Picture(tuple(planes), picture.layout)


def luma_psnr(result: Picture, whole: Picture) -> float:
    """Peak signal-to-noise ratio of the luma in dB, `EQUAL_PSNR` at most."""
    difference = cv2.absdiff(result.planes[0], whole.planes[0]).astype(np.float64)
    error = float(np.mean(difference**2))
    peak = (1 << whole.layout.depth) - 1
    return min(EQUAL_PSNR, float(10 * np.log10(peak**2 / error))) if error else EQUAL_PSNR


def group_starts(left: Sequence[int], weight: Sequence[int]) -> list[int]:
    """Output frames, but the first, at which a chunk may begin: no frame before needs film of their group.

    Args:
        left: film frame of each output frame, never decreasing.
        weight: share of the film frame after it.
    """
    needed = [number + (share > 0) for number, share in zip(left, weight, strict=True)]
    return [
        output
        for output, (first, before) in enumerate(zip(left[1:], needed[:-1], strict=True), 1)
        if first // NEAR_GROUP > before // NEAR_GROUP or first % NEAR_GROUP == 0
    ]
