"""How near a picture is to the truth: PSNR, SSIM, how sharp its lines are, and their halos."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from sakuga.media.kernels import Floats

BORDER = 8
"""Samples along the edges that are not measured: what is beyond them is not known."""

LINES = 0.05
"""Share of the samples, those where the truth changes most, that count as lines."""

AROUND = 7
"""Side of the square in which a sample of the truth has to be matched for a value to be no halo."""


@dataclass(frozen=True)
class Measures:
    """Of one picture, or the mean of several.

    Attributes:
        psnr: dB, of luma from 0 to 1.
        ssim: structural similarity of luma, 1 for equal pictures.
        sharpness: mean steepness of luma where the truth has lines, as a share of the truth's.
        halo: by how much luma beside lines lies outside of all that the truth has around, in codes of 255.
    """

    psnr: float
    ssim: float
    sharpness: float
    halo: float


def measures(result: Floats, truth: Floats) -> Measures:
    """All measures of luma planes of one shape, black 0 and white 1."""
    inner = slice(BORDER, -BORDER), slice(BORDER, -BORDER)
    error = float(np.square(result[inner] - truth[inner], dtype=np.float64).mean())
    psnr = 10 * math.log10(1 / error) if error else math.inf
    steep, steepness = _steepness(truth)[inner], _steepness(result)[inner]
    lines = steep >= np.quantile(steep, 1 - LINES)
    square = np.ones((AROUND, AROUND), np.uint8)
    above = np.maximum(result - cv2.dilate(truth, square), 0)
    below = np.maximum(cv2.erode(truth, square) - result, 0)
    beside = cv2.dilate(lines.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    return Measures(
        psnr,
        ssim(result, truth),
        float(steepness[lines].mean() / max(float(steep[lines].mean()), 1e-6)),
        255 * float((above + below)[inner][beside].mean()),
    )


def mean_of(found: list[Measures]) -> Measures:
    """The mean of each measure."""
    count = len(found)
    return Measures(
        sum(one.psnr for one in found) / count,
        sum(one.ssim for one in found) / count,
        sum(one.sharpness for one in found) / count,
        sum(one.halo for one in found) / count,
    )


def ssim(result: Floats, truth: Floats) -> float:
    """Mean structural similarity of two luma planes, black 0 and white 1.

    Wang, Bovik, Sheikh and Simoncelli, Image quality assessment, IEEE Trans. Image Processing 13, 2004, with
    their Gaussian window of 11 samples and a standard deviation of 1.5.
    """
    c1, c2 = 0.01**2, 0.03**2
    a, b = result.astype(np.float64), truth.astype(np.float64)
    mean_a, mean_b = _window(a), _window(b)
    var_a, var_b = _window(a * a) - mean_a**2, _window(b * b) - mean_b**2
    both = _window(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    bottom = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return float((top / bottom)[BORDER:-BORDER, BORDER:-BORDER].mean())


def _window(
    plane: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(cv2.GaussianBlur(plane, (11, 11), 1.5), np.float64)


def _steepness(luma: Floats) -> Floats:
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    return np.asarray(np.hypot(across, down), np.float32)
