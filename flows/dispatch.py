"""Where the parts of a job are made: in its own run, or over a work pool."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Literal, TypeVar

from prefect import unmapped
from prefect.exceptions import Abort
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from flows.pool import make_on_pool
from flows.pool_api import PoolApi
from sakuga.errors import FarmError, SakugaError
from sakuga.settings import load_settings
from tasks.artifacts import ProgressArtifact
from tasks.cache import ChunkRecord, Made
from tasks.channel import current_channel
from tasks.chunk import enhance_chunk, find_chunks
from tasks.gather import gather
from tasks.handover import remove_job, share_job
from tasks.job import Job, load_planned, open_store
from tasks.progress import Progress
from tasks.scratch import noted_keys
from tasks.spread import PoolWork
from tasks.table import PartTable

Dispatch = Literal["local", "pool"]

T = TypeVar("T", bound=Made)

END_SECONDS = 12.0
"""Seconds that the end of a job waits for its runs, to remove what it shared with them."""


def make_chunks(job: Job, dispatch: Dispatch, ending: ExitStack) -> tuple[list[ChunkRecord], int]:
    """All chunks in order, and how many of them were there already.

    Args:
        job: the job.
        dispatch: `local` makes them in this process, `pool` by runs on the work pool of the settings.
        ending: gets what is to be done when the job has ended.

    Raises:
        CancelledError: the job was asked to stop.
        SakugaError: a chunk could not be made.
    """
    plan = load_planned(job.folder).plan
    finished = find_chunks(job)
    missing = [chunk.index for chunk in plan.chunks if chunk.index not in finished]
    progress = Progress("enhance", len(plan.times), sum(record.frames for record in finished.values()))
    table = PartTable(job.source.name, {chunk.index: chunk.frames for chunk in plan.chunks})
    for index, record in finished.items():
        table.record(index, record, kept=True)
    artifact = ProgressArtifact(progress, job.source.name)

    def watch() -> None:
        artifact.update()
        table.update()

    try:
        if dispatch == "pool":
            made = spread(chunk_work(job), missing, progress, table, watch, ending)
        else:
            made = _make_here(job, missing, progress, table, watch)
        artifact.finish()
    finally:
        table.finish()
    records = finished | made
    return [records[chunk.index] for chunk in plan.chunks], len(finished)


def _make_here(
    job: Job, missing: list[int], progress: Progress, table: PartTable, watch: Callable[[], None]
) -> dict[int, ChunkRecord]:
    if not missing:
        return {}
    futures = enhance_chunk.map(unmapped(job), missing, unmapped(progress))
    made = gather(ChunkRecord, futures, missing, watch)
    for index, record in made.items():
        table.record(index, record)
    return made


def chunk_work(job: Job) -> PoolWork[ChunkRecord]:
    """The chunks of a job, for a work pool; its folder holds its plan and the keys of its chunks."""
    channel = current_channel()

    def told(chunk: int, record: ChunkRecord) -> None:
        channel.emit(
            "chunk",
            chunk=chunk,
            frames=record.frames,
            cached=False,
            key=record.key,
            seconds=record.seconds,
            worker=record.worker,
        )

    return PoolWork(
        kind=ChunkRecord,
        what="chunk",
        stage="enhance",
        name=job.source.name,
        store=job.store,
        deployment=load_settings().farm.deployment,
        keys=noted_keys(job.folder),
        frames={chunk.index: chunk.frames for chunk in load_planned(job.folder).plan.chunks},
        share=lambda run: share_job(job, run),
        told=told,
    )


def spread(
    work: PoolWork[T],
    missing: Sequence[int],
    progress: Progress,
    table: PartTable,
    watch: Callable[[], None],
    ending: ExitStack,
) -> dict[int, T]:
    """Have parts of the current run's job made over a work pool; see `make_on_pool`.

    `ending` gets what is to be done when the job has ended.
    """
    run, run_count, farm = flow_run.get_id(), flow_run.get_run_count(), load_settings().farm
    if run is None:
        raise FarmError("Only a flow run can spread a job over a work pool; choose the dispatch `local`.")
    made = {}
    try:
        if missing:
            made = make_on_pool(work, run, run_count, missing, farm, progress, table, watch)
    except Abort:
        # what is shared belongs to the later try
        raise
    except BaseException:
        ending.callback(clear_shared, work, run, made=False)
        raise
    if missing or run_count > 1:
        # also what an earlier try has left
        ending.callback(clear_shared, work, run, made=True)
    return made


def clear_shared(work: PoolWork[T], run: str, *, made: bool) -> None:
    """Remove what a job shared with its workers once none of them is alive; raises nothing.

    Where some live on it is left for the next try of the job, or for the clean-up; but not when all its parts
    are `made`: whoever seems to be alive then, as its machine is gone, needs nothing any more.
    """
    api = PoolApi(work.deployment, run, load_settings().farm.patience)
    if not api.wait_for_end(END_SECONDS) and not made:
        return
    try:
        remove_job(open_store(work.store), run)
    except SakugaError as error:
        get_run_logger().warning("What the job shared with its workers is left: %s", error)
