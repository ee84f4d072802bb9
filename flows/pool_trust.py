"""Who failed at what in one job: which parts and workers rest for a while, and when a part is given up.

A worker with a broken installation or a dying device fails at once and is free again at once, so that it
would take part after part while the good workers are busy. What fails again and again waits longer each
time, and a part is given up only when every worker that is there has had a try at it.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

REST = 15.0
"""Seconds that something rests after its second failure in a row; after each further one twice as long."""

LONGEST_REST = 300.0

CONFIRMED = 2
"""Workers that meet an error which no other try can help before it is believed: a bad disk looks the same."""

BELIEVED = 4
"""Such errors that are believed of one worker alone: it may be the one that takes the part each time."""

PATIENCE = 4
"""Times as many failures of a part are enough, even when some worker has never had a try at it."""


@dataclass
class _Rest:
    """Something that came to no good end so many times in a row."""

    count: int = 0
    until: float = 0.0


@dataclass
class Trust:
    """What the failures of one job say of its parts and its workers; `tries` are those of a part."""

    tries: int
    clock: Callable[[], float] = time.monotonic
    _parts: dict[int, _Rest] = field(default_factory=dict)
    _workers: dict[str, _Rest] = field(default_factory=dict)
    _failed: dict[int, list[str]] = field(default_factory=dict)
    _final: dict[int, list[str]] = field(default_factory=dict)

    def made(self, worker: str) -> None:
        """A worker has made a part."""
        self._workers.pop(worker, None)

    def nothing_made(self, worker: str) -> float:
        """A run of a worker has failed and made nothing; returns for how many seconds the worker rests."""
        return self._rest(self._workers.setdefault(worker, _Rest()))

    def came_back(self, part: int) -> None:
        """A run that was to make this part next has ended without it, for whatever reason."""
        self._rest(self._parts.setdefault(part, _Rest()))

    def failed(self, part: int, worker: str, *, final: bool) -> list[str]:
        """A worker has failed at a part, `final` where no other attempt can help; all that did so far."""
        workers = self._failed.setdefault(part, [])
        workers.append(worker)
        if final:
            self._final.setdefault(part, []).append(worker)
        return workers

    def gives_up(self, part: int, online: Collection[str]) -> bool:
        """Whether nothing speaks for another try of a part by one of the workers that are online."""
        return _enough(self._final.get(part, []), CONFIRMED, BELIEVED, online) or _enough(
            self._failed.get(part, []), self.tries, PATIENCE * self.tries, online
        )

    def ready(self, part: int) -> bool:
        """Whether a part may be given out now."""
        rest = self._parts.get(part)
        return rest is None or self.clock() >= rest.until

    def resting(self, online: Collection[str]) -> int:
        """How many of the workers that are online are given nothing now, as far as that can be helped."""
        now = self.clock()
        return sum(name in online and now < rest.until for name, rest in self._workers.items())

    def _rest(self, rest: _Rest) -> float:
        rest.count += 1
        seconds = min(LONGEST_REST, REST * 2 ** min(rest.count - 2, 30)) if rest.count > 1 else 0.0
        rest.until = self.clock() + seconds
        return seconds


def _enough(workers: Sequence[str], wanted: int, most: int, online: Collection[str]) -> bool:
    """Whether these are as many as wanted, by different workers as far as there are others, or `most`."""
    tried = set(workers)
    if len(workers) < wanted:
        return False
    return len(tried) >= wanted or tried >= set(online) or len(workers) >= most
