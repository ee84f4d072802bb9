"""The exact constant frame rate that frame times stand for, if there is one."""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

STANDARD_RATES = tuple(
    sorted(
        {
            Fraction(n)
            for n in (5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 144, 240)
        }
        | {Fraction(n * 1000, 1001) for n in (12, 15, 24, 30, 48, 60, 120, 240)}
    )
)
ROUNDING_TICKS = 1
"""Rounding, or cutting off, puts every time within one tick of the others' grid."""
FINE_TICKS = 100
"""With this many ticks in a frame, equal steps state the rate more exactly than any list of rates."""
MAX_DENOMINATOR = 100_000


def constant_rate(
    pts: NDArray[np.int64], time_base: Fraction, announced: Iterable[Fraction | None]
) -> Fraction | None:
    """The constant rate in frames per second, exactly, or None where the times vary.

    Times are constant at a rate where all of them are, within rounding to `time_base`, `start + k / rate`.
    Of several rates that fit, in this order: equal steps of many ticks; a standard rate that the container
    announces; the standard rate nearest to the mean; one that is announced; the simplest fraction.

    Args:
        pts: times of at least two frames in presentation order, shape (n,), in ticks.
        time_base: seconds per tick.
        announced: rates that the container states, any of which may be absent or wrong.
    """
    steps = np.diff(pts)
    if len(steps) and steps[0] >= FINE_TICKS and bool((steps == steps[0]).all()):
        return 1 / (int(steps[0]) * time_base)
    said = [rate for rate in announced if rate is not None and rate > 0]
    mean = mean_rate(pts, time_base)
    standard = sorted(STANDARD_RATES, key=lambda rate: abs(rate - mean))
    candidates = [rate for rate in said if rate in STANDARD_RATES] + standard + said
    for rate in candidates:
        if abs(rate / mean - 1) < 1 and fits(pts, time_base, rate):
            return rate
    simple = _simplest(pts, time_base)
    return simple if simple is not None and fits(pts, time_base, simple) else None


def fits(pts: NDArray[np.int64], time_base: Fraction, rate: Fraction) -> bool:
    """Whether all times are on the grid of this rate, within rounding to the time base."""
    step = 1 / (rate * time_base)
    # Integers scaled by the step's denominator: exact, and 63 bits hold days of frames.
    if len(pts) * step.numerator > 1 << 61 or step.denominator > 1 << 20:
        return False
    offset = (pts - pts[0]) * step.denominator - np.arange(len(pts), dtype=np.int64) * step.numerator
    return int(offset.max() - offset.min()) <= ROUNDING_TICKS * step.denominator


def mean_rate(pts: NDArray[np.int64], time_base: Fraction) -> Fraction:
    """Frames per second over the whole stream, from the first frame's time to the last one's."""
    return (len(pts) - 1) / (int(pts[-1] - pts[0]) * time_base)


def _simplest(pts: NDArray[np.int64], time_base: Fraction) -> Fraction | None:
    """The fraction with the smallest denominator among the rates that the first and last times allow."""
    ticks, count = int(pts[-1] - pts[0]), len(pts) - 1
    if ticks <= ROUNDING_TICKS:
        return None
    low = count / ((ticks + ROUNDING_TICKS) * time_base)
    high = count / ((ticks - ROUNDING_TICKS) * time_base)
    centre = (low + high) / 2
    denominator = 1
    while denominator <= MAX_DENOMINATOR:
        rate = centre.limit_denominator(denominator)
        if low <= rate <= high and fits(pts, time_base, rate):
            return rate
        denominator *= 2
    return None
