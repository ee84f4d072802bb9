"""One unit of a job: what it has come to, and the report of it that the job's run reads."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from prefect.logging import get_run_logger

from blocks.stores import MediaStore
from sakuga.errors import CancelledError, DamagedMediaError, SakugaError
from tasks.cache import Made
from tasks.chunk import worker_name
from tasks.gather import Gathered
from tasks.handover import write_report
from tasks.shared import End, Failure, UnitReport

T = TypeVar("T", bound=Made)

OF_THE_VIDEO = (DamagedMediaError,)
"""Errors that no other machine can help: the job's run has read the source and checked the options before,
so whatever else goes wrong here may be the fault of this machine."""

REPORT_DELAY = 1.0
"""Seconds between two attempts to leave a report."""


@dataclass
class Unit(Generic[T]):
    """Parts of a job that were given to this run, by number, and what has become of them."""

    job: str
    name: str
    parts: tuple[int, ...]
    what: str = "chunk"
    """A part is, in one word."""

    began: float = field(default_factory=time.monotonic)
    found: dict[int, T] = field(default_factory=dict)
    gathered: Gathered[T] = field(default_factory=Gathered)
    error: BaseException | None = None
    """What ended the work before it was done."""

    working: float | None = None
    """When the first part that was not there began."""

    @property
    def missing(self) -> list[int]:
        """Parts that are to be made, in order."""
        return [part for part in self.parts if part not in self.found]

    @property
    def done(self) -> set[int]:
        """Parts that are in the cache."""
        return self.found.keys() | self.gathered.done.keys()

    def report(self, stopped: End | None) -> UnitReport:
        """What the unit came to; `stopped` says how it was told to stop, if it was."""
        made = [record for index, record in self.gathered.done.items() if index not in self.found]
        failed = {
            index: _failure(error)
            for index, error in self.gathered.failed.items()
            if not isinstance(error, CancelledError)
        }
        own = self.error if isinstance(self.error, Exception) and not failed else None
        return UnitReport(
            unit=self.name,
            worker=worker_name(),
            end=self._end(stopped),
            done=tuple(sorted(self.done)),
            failed=failed,
            failure=None if own is None or isinstance(own, CancelledError) else _failure(own),
            frames=sum(record.frames for record in made),
            seconds=round(time.monotonic() - self.working, 3) if self.working else 0.0,
        )

    def _end(self, stopped: End | None) -> End:
        if self.done >= set(self.parts):
            return "done"
        if stopped:
            return stopped
        cancelled = self.error is not None and (
            isinstance(self.error, CancelledError) or not isinstance(self.error, Exception)
        )
        return "cancelled" if cancelled else "failed"


def leave_report(store: MediaStore, job: str, report: UnitReport, patience: float) -> None:
    """Write a unit's report for the job's run; a store that stays away costs the report, not the parts.

    Args:
        store: the store of the job.
        job: id of the job.
        report: what to write.
        patience: seconds that a store is waited for.
    """
    until = time.monotonic() + patience
    while True:
        try:
            if not write_report(store, job, report):
                get_run_logger().info("The job is not in the store any more; nobody needs a report")
        except SakugaError as error:
            if time.monotonic() < until:
                time.sleep(REPORT_DELAY)
                continue
            get_run_logger().warning("The report of the unit could not be written: %s", error)
        return


def name_source(error: BaseException, path: Path, name: str) -> None:
    """Have an error speak of a source by the name that people know, not by where it lies on this machine."""
    if error.args and isinstance(error.args[0], str):
        error.args = (error.args[0].replace(str(path), name), *error.args[1:])


def _failure(error: BaseException) -> Failure:
    return Failure(
        error=type(error).__name__, message=str(error), retryable=not isinstance(error, OF_THE_VIDEO)
    )
