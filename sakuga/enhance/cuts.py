"""Where a job is cut into chunks."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction

from sakuga.enhance.plan import Chunk

REACH = Fraction(2, 5)
"""How far a cut may move from its target to meet a keyframe, as a part of the chunk's length."""

SHORTEST = Fraction(1, 3)
"""Shortest last chunk, as a part of the length asked for; less is added to the chunk before it."""


def cut_points(
    times: Sequence[int],
    end: int,
    length: Fraction,
    good: Sequence[int],
    allowed: Sequence[int] | None = None,
) -> list[int]:
    """The output frames that chunks start at; the first is 0.

    From each cut the next target is the first frame at least `length` later. A frame of `good` within
    `REACH` of that is taken instead, the nearest one, the earlier of two.

    Args:
        times: time of each output frame, strictly increasing; the last ends at `end`.
        end: same unit as `times`.
        length: wanted length of a chunk, same unit.
        good: output frames that are cheap to start at, increasing.
        allowed: output frames, increasing, at which a chunk may start at all: each cut is one of `good` that
            is allowed as well, or else the one nearest to its target; None allows every frame.
    """
    if allowed is not None:
        good = sorted(set(good) & set(allowed))
    cuts = [0]
    while end - times[cuts[-1]] >= length * (1 + SHORTEST):
        begin = times[cuts[-1]]
        target = begin + length
        latest = min(target + length * REACH, end - length * SHORTEST)
        low = max(bisect_left(times, target - length * REACH), cuts[-1] + 1)
        near = good[bisect_left(good, low) : bisect_right(good, bisect_right(times, latest) - 1)]
        cut = max(bisect_left(times, target), cuts[-1] + 1)
        if allowed is not None:
            later = allowed[bisect_right(allowed, cuts[-1]) :]
            cut = min(later, key=lambda frame: abs(times[frame] - target), default=len(times))
        if near:
            cut = min(near, key=lambda frame: abs(times[frame] - target))
        if cut >= len(times) or end - times[cut] < length * SHORTEST:
            break
        cuts.append(cut)
    return cuts


def chunks_at(cuts: Sequence[int], left: Sequence[int], weight: Sequence[int]) -> tuple[Chunk, ...]:
    """Chunks that start at `cuts`, each with the film frames that its output frames are made of.

    Args:
        cuts: output frames, increasing, the first is 0.
        left: film frame of each output frame, never decreasing.
        weight: share of the film frame after it, never decreasing where `left` stays the same.
    """
    ends = [*cuts[1:], len(left)]
    return tuple(
        Chunk(
            index=index,
            first=first,
            end=end,
            film_first=left[first],
            film_end=left[end - 1] + 1 + (weight[end - 1] > 0),
        )
        for index, (first, end) in enumerate(zip(cuts, ends, strict=True))
    )
