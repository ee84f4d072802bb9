"""What each output frame is made of when a frame rate is asked for."""

from fractions import Fraction

from sakuga.enhance.plan import WEIGHTS
from sakuga.enhance.spec import Interpolation
from sakuga.media.film import FilmTrack
from sakuga.media.timing import common_unit, ticks

MAX_MIX = Fraction(1, 4)
"""Longest time between two film frames, in seconds, that is filled with mixes of them. A variable-rate source
that leaves a longer gap held its picture; a mix would start the next picture that much before its sound."""

SNAP = 16
"""Share of a gap below which a time that is one tick off a film frame counts as that frame's."""


def output_count(track: FilmTrack, rate: Fraction) -> int:
    """Frames at a constant rate that fill a track: the number that ends nearest to its end, 1 at least.

    So the result ends at most half an output frame before or after its source (unless the source is shorter
    than that), and an end that a container rounded up by a tick does not add a frame.
    """
    duration = (track.end - track.times[0]) * track.time_base
    return max(1, ticks(duration * rate, Fraction(1)))


def sources(
    track: FilmTrack, rate: Fraction, count: int, method: Interpolation
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The film frames that output frames are made of; output frame j is shown j / rate after film frame 0.

    Between film frames l and r = l + 1 with times t(l) < t < t(r):

    * `nearest`: the one nearer to t, the earlier of two; r only if it is due within half an output frame.
      Without that bound film held longer than an output frame would change before its sound.
    * `blend` and `flow`: the mix with the weight (t - t(l)) / (t(r) - t(l)), rounded to 1 / WEIGHTS. Gaps
      longer than `MAX_MIX` are treated as `nearest` does. Times of a variable rate are only known to a tick:
      a t within a tick, and within 1 / `SNAP` of the gap, of l or r is that frame.

    The last film frame is held to the end.

    Args:
        track: film frames with their times.
        rate: output frames per second.
        count: number of output frames.
        method: how times between film frames are treated.

    Returns:
        Film frame and weight of each output frame, as in `Plan`; neither the frames nor their mixes ever go
        back in time.
    """
    # Plain integers: with odd rates the common unit can be finer than 64 bits reach over hours.
    unit = common_unit(track.time_base, 1 / rate)
    scale, step = ticks(track.time_base, unit), ticks(1 / rate, unit)
    origin = track.times[0]
    film = [(time - origin) * scale for time in track.times]
    longest = 0 if method == "nearest" else MAX_MIX // unit
    slack = 0 if track.rate else scale
    left, weight = [0] * count, [0] * count
    k, last = 0, len(film) - 1
    for j in range(count):
        t = j * step
        while k < last and film[k + 1] <= t:
            k += 1
        left[j] = k
        if k == last or film[k] == t:
            continue
        before, after = t - film[k], film[k + 1] - t
        gap = before + after
        if gap > longest:
            left[j] = k + (after < before and 2 * after < step)
            continue
        near = min(slack, gap // SNAP)
        mix = 0 if before <= near else WEIGHTS if after <= near else (2 * WEIGHTS * before + gap) // (2 * gap)
        left[j], weight[j] = (k + 1, 0) if mix == WEIGHTS else (k, mix)
    return tuple(left), tuple(weight)
