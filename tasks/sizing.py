"""How many chunks a worker of a pool gets at a time.

The first chunk that each worker makes measures how fast it is. After that the rest is given out in guided
steps: each unit is a share of what is left, so units are long at first and short at the end, and workers of
different speed end at about the same time. Nothing here talks to anybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SHORT = 30.0
"""Seconds of work that are worth a run of their own, which takes some seconds to start."""

SHORTEST = 10.0
"""The same at the very end, when other workers have nothing to do: about what a run takes to start."""

MOST = 5000
"""Chunks of a unit: their numbers are a parameter of a run, and Prefect takes 512 KiB of those."""

SHARES = 2
"""Units that the rest is cut into for each of several workers: more even out speeds, fewer start less."""


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

    @property
    def evenness(self) -> float:
        """Speed of the slowest worker as a part of the mean, above 0 and at most 1."""
        each = [self._frames[name] / self._seconds[name] for name in self._frames]
        return min(each) * len(each) / sum(each) if each else 1.0


def next_unit(
    missing: Sequence[int],
    frames: Mapping[int, int],
    *,
    workers: int,
    sharing: int,
    speeds: Speeds,
    unit_seconds: float,
) -> list[int]:
    """Chunks of the next unit: the first of those that nobody works on.

    Args:
        missing: numbers of chunks that nobody works on, in order.
        frames: how many frames each has.
        workers: workers of the job, at least 1.
        sharing: how many of them the rest is for, at least 1: all but those that were given a unit just now.
        speeds: how fast they are; before anything is known a unit is one chunk.
        unit_seconds: seconds of work in a unit at most, unless a single chunk is longer.

    Returns:
        At least one number where any is missing, in order.
    """
    rate = speeds.mean
    if rate is None:
        return list(missing[:1])
    left = sum(frames[chunk] for chunk in missing) / rate
    wanted = min(unit_seconds, _share(left, workers, sharing, speeds.evenness, unit_seconds)) * rate
    unit: list[int] = []
    held = 0
    for chunk in missing:
        # half a frame: a share that comes out even is not cut for a rounding error
        if unit and (held + frames[chunk] > wanted + 0.5 or len(unit) == MOST):
            break
        unit.append(chunk)
        held += frames[chunk]
    return unit


def _share(left: float, workers: int, sharing: int, evenness: float, unit_seconds: float) -> float:
    """Seconds of work for the next unit, of `left` seconds."""
    if workers == 1:
        # equal parts: nobody waits for the last one
        return left / max(1, -(-left // unit_seconds))
    return max(left * evenness / (SHARES * workers), min(SHORT, max(SHORTEST, left / sharing)))
