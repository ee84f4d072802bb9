"""Measures of pictures, on planes of samples.

Sample values are on the scale of 8 bits in limited range (black 16, white 235, grey chroma 128, with
fractions) whatever the stored depth and range, so that pictures compare and one bound holds for all.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from sakuga.media.picture import Picture, Plane

Levels = NDArray[np.float32]

PEAK = 255.0
NEUTRAL = 128.0
"""Chroma of grey."""

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_C1 = (0.01 * PEAK) ** 2
SSIM_C2 = (0.03 * PEAK) ** 2
"""Window and constants of Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error
Visibility to Structural Similarity", IEEE Transactions on Image Processing 13(4), 2004."""

THUMBNAIL = (64, 36)
"""Width and height of the small lumas that whole stretches are compared by: small enough that grain and
coding noise average out, large enough to see a limb move."""

MOVED_SHARE = 99.0
"""Percentile of a thumbnail's differences that says how far a picture moved: 1 % of 64x36 is about 23
samples, the size of a moving head, where a mean would drown it."""


def levels(plane: Plane, depth: int, full_range: bool, *, chroma: bool = False) -> Levels:
    """Samples on the scale of 8 bits in limited range (ITU-R BT.2100-2, table 9).

    Args:
        plane: shape (height, width), uint8, or uint16 that hold 10 bits.
        depth: 8 or 10.
        full_range: whether the largest sample is white.
        chroma: whether the samples are colour differences.
    """
    samples = plane.astype(np.float32)
    if not full_range:
        return samples * np.float32(0.25) if depth == 10 else samples
    top = (1 << depth) - 1
    zero, low, span = ((1 << (depth - 1)), NEUTRAL, 224) if chroma else (0, 16, 219)
    return (samples - np.float32(zero)) * np.float32(span / top) + np.float32(low)


def scaled(plane: Levels, size: tuple[int, int]) -> Levels:
    """The plane at another (width, height): averaged over areas where it shrinks, so nothing aliases."""
    height, width = plane.shape
    if (width, height) == size:
        return plane
    shrinks = size[0] <= width and size[1] <= height
    return np.asarray(
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC), np.float32
    )


def channels(picture: Picture, full_range: bool, size: tuple[int, int] | None = None) -> tuple[Levels, ...]:
    """Y, U and V of a picture as levels; U and V of a grey picture are neutral.

    With `size` (width, height) luma is scaled to it, and chroma to its size in a 4:2:0 picture.
    """
    planes = [
        levels(plane, picture.layout.depth, full_range, chroma=index > 0)
        for index, plane in enumerate(picture.planes)
    ]
    if size is None:
        size = (picture.width, picture.height)
    chroma_size = (-(-size[0] // 2), -(-size[1] // 2))
    if len(planes) == 1:
        grey = np.full(chroma_size[::-1], NEUTRAL, np.float32)
        planes += [grey, grey]
    return scaled(planes[0], size), scaled(planes[1], chroma_size), scaled(planes[2], chroma_size)


def psnr(a: Levels, b: Levels) -> float:
    """Peak signal-to-noise ratio in dB, at most 100 (which also stands for equal planes)."""
    error = float(np.mean(np.square(a - b, dtype=np.float32), dtype=np.float64))
    return min(100.0, float(10 * np.log10(PEAK**2 / error))) if error > 0 else 100.0


def ssim(a: Levels, b: Levels) -> float:
    """Mean structural similarity of two planes, 1 where they are equal (Wang et al. 2004).

    The mean is over the windows that lie inside the picture whole, as in the paper; a picture smaller than
    a window is compared with mirrored borders.
    """

    def blur(plane: Levels) -> Levels:
        return np.asarray(cv2.GaussianBlur(plane, (SSIM_WINDOW, SSIM_WINDOW), SSIM_SIGMA), np.float32)

    mean_a, mean_b = blur(a), blur(b)
    # rounding can push a variance of flat areas just below zero
    var_a = np.maximum(blur(a * a) - mean_a**2, 0)
    var_b = np.maximum(blur(b * b) - mean_b**2, 0)
    covariance = blur(a * b) - mean_a * mean_b
    score = ((2 * mean_a * mean_b + SSIM_C1) * (2 * covariance + SSIM_C2)) / (
        (mean_a**2 + mean_b**2 + SSIM_C1) * (var_a + var_b + SSIM_C2)
    )
    border = SSIM_WINDOW // 2
    if min(score.shape) > 2 * border:
        score = score[border:-border, border:-border]
    return float(np.mean(score, dtype=np.float64))


def colour_errors(a: tuple[Levels, ...], b: tuple[Levels, ...]) -> tuple[float, ...]:
    """For each channel, how far the mean of `a` lies above that of `b`, in levels."""
    return tuple(
        float(np.mean(x, dtype=np.float64) - np.mean(y, dtype=np.float64)) for x, y in zip(a, b, strict=True)
    )


def thumbnail(picture: Picture, full_range: bool, through: tuple[int, int] = THUMBNAIL) -> Levels:
    """The luma at the size of `THUMBNAIL`, as levels; shape (36, 64).

    Pictures that are compared go `through` their common (width, height) where that is smaller: what a
    thumbnail adds to a tiny picture is then the same for both.
    """
    luma = picture.planes[0]
    if through[0] < THUMBNAIL[0] or through[1] < THUMBNAIL[1]:
        luma = cv2.resize(luma, through, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    # scaling before the conversion touches every sample once, as what it is
    small: Plane = cv2.resize(luma, THUMBNAIL, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return levels(small, picture.layout.depth, full_range)


def moved(a: Levels, b: Levels) -> float:
    """How far a picture changed between two thumbnails, in levels: the largest changes, not their mean."""
    return float(np.percentile(np.abs(a - b), MOVED_SHARE))


def apart(a: Levels, b: Levels) -> float:
    """Mean absolute difference of two thumbnails in levels."""
    return float(np.mean(np.abs(a - b)))


def row_errors(a: Levels, b: Levels) -> Levels:
    """Mean absolute difference of each row of two thumbnails; shape (36,)."""
    return np.asarray(np.mean(np.abs(a - b), axis=1), np.float32)


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of true values."""
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest
