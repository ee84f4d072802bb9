"""A limiter of true peaks: what would be too high between or at the samples is turned down around it."""

import numpy as np
from numpy.typing import NDArray

from sakuga.episode.wav import RATE, Samples

REACH = RATE * 15 // 1000
"""Samples before and after a peak over which the gain goes down and up again: 15 ms, slow enough that no
tone is bent by it, and too short to be heard as a hole."""

CONTEXT = 2 * REACH + 32
"""Samples on both sides of a block that its gain depends on."""

_PHASES = 4
_TAPS = 24
_SPAN = 1024
_HIGHEST_OVERSHOOT = 2.0
"""What lies between samples is taken to be at most so much higher than they are (6 dB)."""


def _interpolators() -> NDArray[np.float64]:
    """Filters for the three places between two samples: a sinc under a Kaiser window."""
    taps = np.arange(_TAPS) - (_TAPS / 2 - 1)
    filters = []
    for phase in range(1, _PHASES):
        offset = taps - phase / _PHASES
        window = np.i0(7 * np.sqrt(np.maximum(0, 1 - (2 * offset / _TAPS) ** 2))) / np.i0(7)
        filters.append(np.sinc(offset) * window)
    return np.array(filters)


_FILTERS = _interpolators()


def true_peaks(block: Samples) -> NDArray[np.float32]:
    """The highest level of any channel at each sample and up to its neighbours, at four times the rate.

    ITU-R BS.1770-5, annex 2, with a longer filter.
    """
    height = _highest(block)
    for channel in block.T:
        for taps in _FILTERS:
            # Element i is what lies between the samples i and i + 1.
            between = np.abs(np.convolve(channel, taps[::-1])[_TAPS // 2 : _TAPS // 2 + len(channel)])
            np.maximum(height, between, out=height)
            np.maximum(height[1:], between[:-1], out=height[1:])
    return height


def limited(block: Samples, ceiling: float) -> Samples:
    """The block without the `CONTEXT` samples that it has on both sides, with true peaks at most `ceiling`.

    What comes out does not depend on how the sound is cut into blocks. The gain is the least that is needed
    within `REACH`, then averaged over that length twice, so that it is smooth and nowhere higher than needed.
    """
    inside = block[CONTEXT:-CONTEXT]
    highest = float(np.abs(block).max(initial=0))
    if highest * _HIGHEST_OVERSHOOT <= ceiling:
        return inside
    height = _heights(block, ceiling)
    if float(height.max()) <= ceiling:
        return inside
    needed = np.minimum(1, ceiling / np.maximum(height, ceiling))
    needed = needed[CONTEXT - 2 * REACH : len(needed) - (CONTEXT - 2 * REACH)]
    gain = _mean(_mean(_least(needed, 2 * REACH + 1), REACH + 1), REACH + 1)
    return (inside * gain[:, None]).astype(np.float32)


def _highest(block: Samples) -> NDArray[np.float32]:
    """The highest sample of any channel."""
    height: NDArray[np.float32] = np.abs(block[:, 0])
    for channel in block.T[1:]:
        np.maximum(height, np.abs(channel), out=height)
    return height


def _heights(block: Samples, ceiling: float) -> NDArray[np.float32]:
    """True peaks where they can be above the ceiling, elsewhere the samples' own."""
    height = _highest(block)
    starts = np.arange(0, len(block), _SPAN)
    loud = np.maximum.reduceat(height, starts) * _HIGHEST_OVERSHOOT > ceiling
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    for first, last in (edges * _SPAN).reshape(-1, 2).tolist():
        begin, end = max(0, first - _TAPS), min(len(block), last + _TAPS)
        found = true_peaks(block[begin:end])
        inner = slice(first - begin, min(last, len(block)) - begin)
        height[first:last] = found[inner]
    return height


def _least(values: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """The least of each `width` values that follow each other."""
    size = 1
    while 2 * size <= width:
        values = np.minimum(values[:-size], values[size:])
        size *= 2
    rest = width - size
    return np.minimum(values[:-rest], values[rest:]) if rest else values


def _mean(values: NDArray[np.float32] | NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The mean of each `width` values that follow each other."""
    total = np.concatenate([[0], np.cumsum(values, dtype=np.float64)])
    return np.asarray((total[width:] - total[:-width]) / width)
