"""Make some chunks of a job that another run planned, on a machine of a work pool."""

import os
import time
from typing import Annotated
from uuid import UUID

from prefect import flow, unmapped
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled
from pydantic import Field

from blocks.stores import MediaStore
from flows.forms import titled
from flows.threads import chunk_threads
from sakuga.errors import CancelledError, FarmError, StoreAwayError
from sakuga.settings import load_settings
from tasks.answering import await_server
from tasks.cache import ChunkRecord
from tasks.channel import Channel, open_channel
from tasks.chunk import enhance_chunk, find_some
from tasks.gather import gather_into
from tasks.handover import fetch_shared
from tasks.job import load_planned, open_store
from tasks.model import fetch_model
from tasks.progress import Progress
from tasks.retry import patiently
from tasks.scratch import run_folder
from tasks.shared import UnitReport
from tasks.unit import Unit, leave_report, name_source
from tasks.watchdog import Pace, Watchdog

IN_A_HURRY = 5.0
"""Seconds that the store is waited for at the end of a run that was told to stop."""

SETTLE = 15.0
"""Seconds that chunks get to stop: a worker kills a cancelled run after 30, and its report comes before."""


@flow(name="enhance-chunks", task_runner=chunk_threads(), persist_result=False)
def enhance_chunks(
    job: Annotated[str, titled("Job")],
    chunks: Annotated[list[int], Field(min_length=1), titled("Chunks")],
    unit: Annotated[str, titled("Unit")],
    store: Annotated[str | None, titled("Store")] = None,
    deadline: Annotated[float | None, Field(gt=0), titled("Deadline")] = None,
) -> UnitReport | State[UnitReport]:
    """Make some chunks of a job. **Not to be started by hand**: runs of `enhance` start it as they need it.

    The job, its plan and its source come from the store; finished chunks go into it. The run ends by itself
    when its job has ended or gives no sign of life.

    Args:
        job: Id of the run of `enhance` that gives out this work.
        chunks: Numbers of the chunks, in the order to make them.
        unit: Name of this piece of work in its job.
        store: The media store block that the job is shared in, as `type/name`.
        deadline: Seconds from its start after which the run gives back what it has not done.

    Returns:
        What the unit came to, the same as its report in the store; or the state `Cancelled`.

    Raises:
        SakugaError: a chunk could not be made, or the unit could not be begun.
    """
    work = Unit(job=job, name=unit, chunks=tuple(dict.fromkeys(chunks)))
    with open_channel() as channel:
        media = patiently(lambda: open_store(store))
        with _watchdog(channel, media, job, deadline) as watchdog:
            try:
                _make_chunks(work, store)
            except BaseException as error:
                # also when the run is killed gently: the job's run is to know what is done
                work.error = error
                if not isinstance(error, Exception):
                    leave_report(media, job, work.report(None), patience=0)
                    raise
            stop = watchdog.stop
            report = work.report(stop.end if stop else None)
            # a run that was told to stop is killed when it takes long; a store that is away was waited for
            hurry = stop or isinstance(work.error, StoreAwayError)
            patience = IN_A_HURRY if hurry else load_settings().farm.patience
            leave_report(media, job, report, patience)
            await_server(patience, lambda: watchdog.stop is not None)
    return _outcome(work, report, stop.reason if stop else "The run was told to stop.")


def _make_chunks(work: Unit, store: str | None) -> None:
    settings = load_settings()
    with run_folder(settings.scratch_root) as folder:
        job, shared = fetch_shared(work.job, store, folder)
        get_run_logger().info("%d chunks of %s", len(work.chunks), shared.name)
        fetch_model(job.spec)
        work.found = find_some(job, work.chunks)
        missing = [index for index in work.chunks if index not in work.found]
        plan = load_planned(job.folder).plan
        progress = Progress("enhance", sum(plan.chunks[index].frames for index in missing))
        work.working = time.monotonic()
        futures = enhance_chunk.map(unmapped(job), missing, unmapped(progress))
        try:
            gather_into(ChunkRecord, work.gathered, futures, missing, settle=SETTLE)
        except Exception as error:
            name_source(error, job.source.path, shared.name)
            raise
        finally:
            for failed in work.gathered.failed.values():
                name_source(failed, job.source.path, shared.name)


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


def _outcome(work: Unit, report: UnitReport, reason: str) -> UnitReport | State[UnitReport]:
    if report.end == "done":
        return report
    left = len(set(work.chunks) - work.done)
    if report.end in ("cancelled", "orphaned"):
        return Cancelled(message=f"{reason} Chunks that are left: {left}.")
    errors = [error for error in work.gathered.failed.values() if not isinstance(error, CancelledError)]
    error = errors[0] if errors else work.error
    if error is None or isinstance(error, CancelledError):
        raise FarmError(f"{reason} Chunks that are left: {left}.") from error
    raise error
