"""Parts that a job's own run makes while nobody takes what it hands out.

The run waits on the pool that its units go to, and may hold the last free place there; a job whose workers
are all busy, or gone, would otherwise wait for itself.
"""

import time
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from tasks.cache import Made
from tasks.gather import settle_all
from tasks.shared import Failure
from tasks.spread import PoolWork

T = TypeVar("T", bound=Made)

ALONE = 30.0
"""Seconds without a unit at work after which the job's own run makes a part: workers look for runs, and
start them, within fewer."""


class OwnHands(Generic[T]):
    """Makes one part at a time; `part` is its number, None where none is under way."""

    def __init__(self, work: PoolWork[T]) -> None:
        self._work = work
        self._since = time.monotonic()
        self._future: PrefectFuture[Any] | None = None
        self._told = False
        self.part: int | None = None

    def not_alone(self) -> None:
        """Somebody works on a unit of the job."""
        self._since = time.monotonic()
        self._told = False

    def begin(self, parts: Sequence[int]) -> None:
        """Begin with the first of some parts, where it is time to."""
        if not parts or self._future is not None or self._work.make_here is None:
            return
        if time.monotonic() - self._since < ALONE:
            return
        if not self._told:
            self._told = True
            get_run_logger().warning(
                "No worker takes %s of this job; it makes them itself meanwhile", self._work.parameter
            )
        self.part, self._future = parts[0], self._work.make_here(parts[0])

    def ended(self) -> tuple[int, T | Failure] | None:
        """The part that has ended since this was asked last, with its record or why it was not made."""
        if self._future is None or self.part is None:
            return None
        try:
            value = self._future.result(timeout=0, raise_on_failure=False)
        except TimeoutError:
            return None
        part, self.part, self._future = self.part, None, None
        if isinstance(value, self._work.kind):
            return part, value
        # what no other try can help has ended the job already
        return part, Failure(error=type(value).__name__, message=str(value), retryable=True)

    def finish(self) -> None:
        """Wait for the part that is under way: it writes into the run's folder."""
        if self._future is not None:
            self._future.wait()

    def stop(self) -> None:
        """Stop the part that is under way, and with it the job."""
        if self._future is not None:
            settle_all([self._future])
