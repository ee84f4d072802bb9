"""How many chunks a worker of a pool gets at a time.

The first unit of each worker is a small part of its share, and measures how fast it is. From then on a worker
gets what it can make until all would be done if nobody waited; as long as that is far away, less, since
speeds change. Workers of different speed end at about the same time, after few runs. Nothing here talks to
anybody.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

WORTH = 45.0
"""Seconds of work that are worth a run of their own, which takes five to ten seconds to start."""

RESERVE = 0.25
"""Part of a worker's share that is kept for later: speeds are rarely further from what was measured."""

FIRST = 8
"""The part of an equal share that measures: even a worker that is so many times slower delays nobody.

The first of several workers gets so much, the last one half of it: they ask for more one after another.
"""

MOST = 5000
"""Chunks of a unit: their numbers are a parameter of a run, and Prefect takes 512 KiB of those."""


@dataclass
class Speeds:
    """How fast the workers of a job are, by what they have made so far."""

    _frames: dict[str, int] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)

    def note(self, worker: str, frames: int, seconds: float) -> None:
        """A worker has made so many frames in so many seconds."""
        if frames > 0 and seconds > 0:
            self._frames[worker] = self._frames.get(worker, 0) + frames
            self._seconds[worker] = self._seconds.get(worker, 0.0) + seconds

    def of(self, worker: str | None) -> float | None:
        """Frames per second of one worker; the mean of all where it is not known."""
        if worker in self._frames:
            return self._frames[worker] / self._seconds[worker]
        return self.mean

    @property
    def mean(self) -> float | None:
        """Frames per second of a worker, on average; None before anything was measured."""
        each = [self._frames[name] / self._seconds[name] for name in self._frames]
        return sum(each) / len(each) if each else None

    def together(self, workers: Collection[str], slots: int) -> float | None:
        """Frames per second of `slots` of these workers; None before anything was measured."""
        each = [rate for worker in workers if (rate := self.of(worker))]
        rate = sum(each) / len(each) if each else self.mean
        return rate * max(1, slots) if rate else None

    def slowest(self, workers: Collection[str]) -> float | None:
        """Frames per second of the slowest of these; the mean of all where there are none."""
        return min((rate for worker in workers if (rate := self.of(worker))), default=self.mean)


def next_unit(
    missing: Sequence[int],
    frames: Mapping[int, int],
    *,
    busy: int,
    workers: int,
    together: float | None,
    alone: float | None,
    unit_seconds: float,
    given: int = 0,
) -> list[int]:
    """Chunks of the next unit: the first of those that nobody works on.

    Args:
        missing: numbers of chunks that nobody works on, in order.
        frames: how many frames each has.
        busy: frames that were given to workers and are not finished, at least 0.
        workers: how many there are, at least 1.
        together: frames per second of all workers; None before anything was measured.
        alone: frames per second of the worker that the unit is for, at most `together`.
        unit_seconds: seconds of work in a unit at most, unless a single chunk is longer.
        given: how many units were handed out before.

    Returns:
        At least one number where any is missing, in order.
    """
    if not together or not alone:
        later = 1 - given % workers / (2 * workers)
        measuring = int(len(missing) * later) // (FIRST * workers) if workers > 1 else 1
        return list(missing[: min(MOST, max(1, measuring))])
    seconds = (sum(frames[chunk] for chunk in missing) + busy) / together
    if alone >= together:
        # nobody is waited for: equal parts
        share, last = seconds / max(1, math.ceil(seconds / unit_seconds)), False
    elif seconds * RESERVE < WORTH:
        share, last = seconds, True
    else:
        share, last = seconds * (1 - RESERVE), False
    return _cut(missing, frames, share * alone, unit_seconds * alone, past=last)


def _cut(
    missing: Sequence[int], frames: Mapping[int, int], wanted: float, most: float, *, past: bool
) -> list[int]:
    """The first chunks with `wanted` frames, `past` it where nothing may be left for a run of its own."""
    unit: list[int] = []
    held = 0
    for chunk in missing:
        # half a frame: a share that comes out even is not cut for a rounding error
        after = held + (0 if past else frames[chunk])
        over = after + 0.5 > wanted if past else after > wanted + 0.5
        if unit and (over or held + frames[chunk] > most + 0.5 or len(unit) == MOST):
            break
        unit.append(chunk)
        held += frames[chunk]
    return unit
