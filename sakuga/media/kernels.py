"""Resampling of one plane at exact sample positions, as banded matrix products."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Kernel = Literal["lanczos", "cubic"]

RADIUS: dict[Kernel, int] = {"lanczos": 3, "cubic": 2}
BLOCK = 16
"""Output samples of one matrix product along the axis: small enough that a band's zeros cost little."""

LINES = 512
"""Lines across the axis of one matrix product: so few that BLAS starts no threads, which would only spin."""


@dataclass(frozen=True)
class Axis:
    """One direction of a resampling: output sample j is taken at the input position `first + j * step`.

    Positions count input samples and 0 is the middle of the first one.
    """

    size_in: int
    size_out: int
    first: Fraction
    step: Fraction
    kernel: Kernel

    @property
    def identity(self) -> bool:
        """Whether every output sample is the input sample of the same number."""
        return self.size_in == self.size_out and self.first == 0 and self.step == 1


def resample(plane: Floats, rows: Axis, columns: Axis) -> Floats:
    """Resample a plane of shape (height, width); beyond the edges the edge samples repeat.

    Where there are fewer output samples than input samples the kernel widens, so nothing aliases.
    """
    return _along_columns(_along_rows(plane, rows), columns)


def _along_rows(plane: Floats, axis: Axis) -> Floats:
    if axis.identity:
        return plane
    out = np.empty((axis.size_out, plane.shape[1]), np.float32)
    for left in range(0, plane.shape[1], LINES):
        part, result = plane[:, left : left + LINES], out[:, left : left + LINES]
        for start, low, weights in _bands(axis):
            np.matmul(weights, part[low : low + weights.shape[1]], out=result[start : start + len(weights)])
    return out


def _along_columns(plane: Floats, axis: Axis) -> Floats:
    if axis.identity:
        return plane
    out = np.empty((plane.shape[0], axis.size_out), np.float32)
    for top in range(0, plane.shape[0], LINES):
        part, result = plane[top : top + LINES], out[top : top + LINES]
        for start, low, weights in _bands(axis):
            band = part[:, low : low + weights.shape[1]]
            np.matmul(band, weights.T, out=result[:, start : start + len(weights)])
    return out


@lru_cache(maxsize=64)
def _bands(axis: Axis) -> tuple[tuple[int, int, Floats], ...]:
    """Blocks of the resampling matrix: first output sample, first input sample, weights (out, in)."""
    taps, weights = _taps(axis)
    bands = []
    for start in range(0, axis.size_out, BLOCK):
        rows = slice(start, min(start + BLOCK, axis.size_out))
        low, high = int(taps[rows].min()), int(taps[rows].max()) + 1
        band = np.zeros((rows.stop - start, high - low))
        line = np.repeat(np.arange(len(band)), taps.shape[1])
        np.add.at(band, (line, taps[rows].ravel() - low), weights[rows].ravel())
        bands.append((start, low, band.astype(np.float32)))
    return tuple(bands)


def _taps(axis: Axis) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Input samples and their weights, which sum to 1, for each output sample; both (out, taps)."""
    widen = max(1.0, float(axis.step))
    support = RADIUS[axis.kernel] * widen
    position = np.array([float(axis.first + j * axis.step) for j in range(axis.size_out)])
    begin = np.ceil(position - support).astype(np.int64)
    taps = begin[:, None] + np.arange(int(np.floor(2 * support)) + 1)
    distance = (taps - position[:, None]) / widen
    weights = kernel_weights(axis.kernel, distance)
    return np.clip(taps, 0, axis.size_in - 1), weights / weights.sum(axis=1, keepdims=True)


def kernel_weights(kernel: Kernel, distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """A kernel's values at distances in samples, not normalized."""
    return _lanczos(distance) if kernel == "lanczos" else _cubic(distance)


def _lanczos(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lanczos' window of three lobes over the ideal filter."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution with a = -1/2 (R. Keys, IEEE Trans. ASSP 29, 1981), also named Catmull-Rom."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))
