"""A run that makes some parts of a job of another run: watched over, and told of in a report."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.futures import PrefectFutureList
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled

from blocks.stores import MediaStore
from sakuga.errors import CancelledError, FarmError, StoreAwayError
from sakuga.settings import load_settings
from tasks.answering import await_server
from tasks.cache import Made
from tasks.channel import Channel, open_channel
from tasks.gather import gather_into
from tasks.job import open_store
from tasks.retry import patiently
from tasks.shared import UnitReport
from tasks.unit import Unit, leave_report
from tasks.watchdog import Pace, Watchdog

T = TypeVar("T", bound=Made)

IN_A_HURRY = 5.0
"""Seconds that the store is waited for at the end of a run that was told to stop."""

SETTLE = 15.0
"""Seconds that parts get to stop: a worker kills a cancelled run after 30, and its report comes before."""


def run_unit(
    work: Unit[T], store: str | None, deadline: float | None, make: Callable[[], None]
) -> UnitReport | State[UnitReport]:
    """Make a unit, and leave a report of it; ends by itself when its job ends or gives no sign of life.

    Args:
        work: the unit.
        store: the media store block that its job is shared in.
        deadline: seconds after which it gives back what it has not done; None is the setting.
        make: makes its parts, and notes in `work` what they came to.

    Returns:
        What it came to; or the state `Cancelled`.

    Raises:
        SakugaError: a part could not be made, or the unit could not be begun.
    """
    with open_channel() as channel:
        media = patiently(lambda: open_store(store))
        with _watchdog(channel, media, work.job, deadline) as watchdog:
            try:
                make()
            except BaseException as error:
                # also when the run is killed gently: the job's run is to know what is done
                work.error = error
                if not isinstance(error, Exception):
                    leave_report(media, work.job, work.report(None), patience=0)
                    raise
            stop = watchdog.stop
            report = work.report(stop.end if stop else None)
            # a run that was told to stop is killed when it takes long; a store that is away was waited for
            hurry = stop or isinstance(work.error, StoreAwayError)
            patience = IN_A_HURRY if hurry else load_settings().farm.patience
            leave_report(media, work.job, report, patience)
            await_server(patience, lambda: watchdog.stop is not None)
    return _outcome(work, report, stop.reason if stop else "The run was told to stop.")


def gather_unit(kind: type[T], work: Unit[T], futures: PrefectFutureList[Any]) -> None:
    """Wait for the parts of a unit that are missing, and note what each came to.

    Args:
        kind: class of the record of a finished part.
        work: the unit; gets the parts that were made and those that failed.
        futures: of its `missing` parts.

    Raises:
        CancelledError: the run was told to stop.
        SakugaError: an error that no retry can help.
    """
    gather_into(kind, work.gathered, futures, work.missing, settle=SETTLE)


@contextmanager
def errors_renamed(work: Unit[T], rename: Callable[[BaseException], None]) -> Iterator[None]:
    """Have errors of a unit go through `rename`: what its sources are called here means nothing elsewhere."""
    try:
        yield
    except Exception as error:
        rename(error)
        raise
    finally:
        for failed in work.gathered.failed.values():
            rename(failed)


def _watchdog(channel: Channel, store: MediaStore, job: str, deadline: float | None) -> Watchdog:
    farm = load_settings().farm
    own = flow_run.get_id()
    return Watchdog(
        channel,
        store,
        job,
        own=UUID(own) if own else None,
        deadline=deadline or farm.deadline,
        lease_seconds=farm.lease_seconds,
        logger=get_run_logger(),
        # Prefect says so where the process is this run's own
        pace=Pace(own_process="PREFECT__FLOW_RUN_ID" in os.environ),
    )


def _outcome(work: Unit[T], report: UnitReport, reason: str) -> UnitReport | State[UnitReport]:
    if report.end == "done":
        return report
    left = f"{work.what.capitalize()}s that are left: {len(set(work.parts) - work.done)}."
    if report.end in ("cancelled", "orphaned"):
        return Cancelled(message=f"{reason} {left}")
    errors = [error for error in work.gathered.failed.values() if not isinstance(error, CancelledError)]
    error = errors[0] if errors else work.error
    if error is None or isinstance(error, CancelledError):
        raise FarmError(f"{reason} {left}") from error
    raise error
