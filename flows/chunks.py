"""Make some chunks of a job that another run planned, on a machine of a work pool."""

import time
from typing import Annotated

from prefect import flow, unmapped
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from pydantic import Field

from flows.forms import titled
from flows.threads import chunk_threads
from flows.unit_run import errors_renamed, gather_unit, run_unit
from sakuga.settings import load_settings
from tasks.cache import ChunkRecord
from tasks.chunk import enhance_chunk, find_some
from tasks.handover import fetch_shared
from tasks.job import load_planned
from tasks.model import fetch_model
from tasks.progress import Progress
from tasks.scratch import run_folder
from tasks.shared import UnitReport
from tasks.unit import Unit, name_source


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
    work: Unit[ChunkRecord] = Unit(job=job, name=unit, parts=tuple(dict.fromkeys(chunks)))
    return run_unit(work, store, deadline, lambda: _make_chunks(work, store))


def _make_chunks(work: Unit[ChunkRecord], store: str | None) -> None:
    settings = load_settings()
    with run_folder(settings.scratch_root) as folder:
        job, shared = fetch_shared(work.job, store, folder)
        get_run_logger().info("%d chunks of %s", len(work.parts), shared.name)
        fetch_model(job.spec)
        work.found = find_some(job, work.parts)
        plan = load_planned(job.folder).plan
        progress = Progress("enhance", sum(plan.chunks[index].frames for index in work.missing))
        work.working = time.monotonic()
        with errors_renamed(work, lambda error: name_source(error, job.source.path, shared.name)):
            gather_unit(ChunkRecord, work, enhance_chunk.map(unmapped(job), work.missing, unmapped(progress)))
