"""How many more runs of a job its pool has room for, and how far those are that work for it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prefect.client.schemas.objects import StateType

from flows.pool_api import Pool
from flows.pool_trust import Trust
from flows.pool_units import InFlight
from tasks.sizing import Speeds

AHEAD = 12.0
"""Seconds before the expected end of a unit that the next one is handed out: a run takes time to start."""

EACH = 2
"""Runs of a job at a time for each worker, where workers take as many as they are offered."""


@dataclass
class Room:
    """The room for one job's units; `frames` are those of its parts by number.

    With `one_by_one` workers have no limit of their own: whoever asks first would take all that is handed out
    at once, so one unit is until somebody has taken it, and workers that have none are waited for.
    """

    frames: Mapping[int, int]
    speeds: Speeds
    trust: Trust
    one_by_one: bool

    def idle(self, pool: Pool, units: Sequence[InFlight]) -> frozenset[str]:
        """Workers that are online and have none of this job's units, or soon will have none."""
        return pool.workers - {unit.worker for unit in self._working(units)}

    def free(self, pool: Pool, units: Sequence[InFlight]) -> int:
        """Runs that may be started now; less than one is none."""
        working, waiting = len(self._working(units)), sum(unit.waits for unit in units)
        resting = self.trust.resting(pool.workers)
        if not self.one_by_one:
            return pool.slots - max(working, waiting) - resting
        if waiting or len(self.idle(pool, units)) <= resting:
            return 0
        return min(1, EACH * pool.slots - working)

    def frames_left(self, unit: InFlight) -> int:
        """Frames that a run has still to make, as far as is known."""
        given = sum(self.frames[part] for part in unit.left)
        if unit.state != StateType.RUNNING or not unit.left:
            return given
        made = (time.monotonic() - unit.mark) * (self.speeds.of(unit.worker) or 0.0)
        return given - min(round(made), self.frames[unit.left[0]])

    def _working(self, units: Sequence[InFlight]) -> list[InFlight]:
        return [unit for unit in units if not unit.ended and not self._ends_soon(unit)]

    def _ends_soon(self, unit: InFlight) -> bool:
        rate = self.speeds.of(unit.worker)
        if not rate or unit.state != StateType.RUNNING:
            return False
        return self.frames_left(unit) / rate < AHEAD
