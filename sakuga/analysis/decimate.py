"""Film frames of telecined or repeated ones: match the fields, then drop one frame of every cycle."""

import numpy as np
from numpy.typing import NDArray

from sakuga.analysis.fields import REACH, FieldMeasures
from sakuga.analysis.votes import MOVING_CHANGE, SAME_CHANGE

Floats = NDArray[np.float64]

CLEARLY = 0.6
"""A neighbour's field is taken only if it combs this much less than the frame's own: ties stay at home."""
UNLIKELY = 0.3
"""The same for the neighbour on the side where the field order lets no field of this picture be."""
COMBED = 0.3
"""Combing, in code values, that is left after matching and can be seen."""
COMBED_SHARE = 0.1
"""Share of the worst weave's combing that must be left: motion of less than that leaves texture only."""
STAY = (1.3, 0.5)
"""Factor and code values by which the duplicate of the last cycle's place may be worse than the best one."""


def match_fields(measures: FieldMeasures, top_field_first: bool) -> NDArray[np.int64]:
    """For every frame k, the frame whose bottom field completes its top field: k-1, k or k+1.

    Film telecined top field first repeats fields so that the missing one lies before, else after.
    """
    here, before, after = (np.nan_to_num(m.astype(np.float64), nan=np.inf) for m in _weaves(measures))
    likely, other = (before, after) if top_field_first else (after, before)
    step = -1 if top_field_first else 1
    place = np.where(likely < CLEARLY * here - 0.01, step, 0)
    best = np.minimum(here, likely)
    place = np.where((other < UNLIKELY * best) & (best > COMBED), -step, place)
    return np.arange(len(measures)) + place


def still_combed(measures: FieldMeasures, bottom: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each frame is combed after its top field was woven with the bottom field of frame `bottom`."""
    here, before, after = _weaves(measures)
    place = bottom - np.arange(len(measures))
    left = np.where(place < 0, before, np.where(place > 0, after, here))
    worst = np.fmax(here, np.fmax(before, after))
    return np.asarray((left > COMBED) & (left > COMBED_SHARE * worst))


def woven_change(measures: FieldMeasures, bottom: NDArray[np.int64]) -> Floats:
    """Change of each woven frame since the one before, infinite for the first."""
    change = measures.top_change.astype(np.float64)
    for number in range(1, len(measures)):
        early, late = sorted((int(bottom[number - 1]), int(bottom[number])))
        if 0 < late - early <= REACH:
            change[number] = max(change[number], float(measures.bottom_change[late - early - 1][late]))
    return np.nan_to_num(change, nan=np.inf)


def keep_frames(change: Floats, period: int) -> tuple[list[int], list[int]]:
    """Numbers of the frames to keep and to drop: in every `period` frames the best duplicate is dropped.

    Where several are equally good, the place of the last cycle is kept. In a last cycle that is not full a
    frame is dropped only if it is plainly a duplicate. What the very first frame repeats is not seen: where
    the first cycle has no plain duplicate it takes the place of the second one's.
    """
    dropped: list[int] = []
    place: int | None = None
    if len(change) >= 2 * period and not _is_plain(change[:period]):
        change = change.copy()
        change[int(np.argmin(change[period : 2 * period]))] = 0
    for first in range(0, len(change), period):
        cycle = change[first : first + period]
        best = int(np.argmin(cycle))
        if place is None or place >= len(cycle) or cycle[place] > STAY[0] * cycle[best] + STAY[1]:
            place = best
        if len(cycle) < period and not _is_plain(cycle):
            continue
        dropped.append(first + place)
    gone = set(dropped)
    return [number for number in range(len(change)) if number not in gone], dropped


def _is_plain(cycle: Floats) -> bool:
    least, *others = np.sort(cycle)
    return bool(others and least <= CLEARLY * others[0])


def plain_share(change: Floats, dropped: list[int], period: int) -> float:
    """Share of the cycles that move throughout whose dropped frame is a plain duplicate; 0 if none moves."""
    moving = plain = 0
    for number in dropped:
        first = number // period * period
        others = np.delete(change[first : first + period], number - first).min(initial=np.inf)
        if MOVING_CHANGE < others < np.inf:
            moving += 1
            plain += bool(change[number] < SAME_CHANGE * others)
    return plain / max(1, moving)


def _weaves(measures: FieldMeasures) -> tuple[NDArray[np.float32], ...]:
    return measures.here, measures.before, measures.after
