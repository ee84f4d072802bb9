"""Enhancing chunks: each one looked up by its content, else computed, verified and kept."""

import os
import socket
import time
from collections.abc import Sequence

from prefect.logging import get_run_logger
from prefect.runtime import task_run

from sakuga.enhance.chunk import ChunkResult
from sakuga.enhance.chunk import enhance_chunk as compute
from sakuga.enhance.key import chunk_key
from sakuga.errors import FarmError, OptionError, WeightsError
from sakuga.media.ref import MediaRef
from sakuga.models.registry import shown_name
from sakuga.settings import load_settings
from tasks.cache import ChunkCache, ChunkRecord
from tasks.channel import current_channel
from tasks.job import Job, load_planned, open_store
from tasks.progress import Progress
from tasks.retry import step
from tasks.scratch import note_keys, noted_keys
from tasks.source import called_by_name


@step("find finished chunks")
def find_chunks(job: Job) -> dict[int, ChunkRecord]:
    """Chunks of the plan that are finished already, by their index."""
    planned, channel = load_planned(job.folder), current_channel()
    channel.emit("stage", stage="enhance")
    keys = keys_of(job)
    note_keys(job.folder, keys)
    cache = ChunkCache(open_store(job.store))
    found = {}
    for chunk, key in zip(planned.plan.chunks, keys, strict=True):
        channel.check()
        if record := cache.find(key):
            found[chunk.index] = record
            channel.emit("chunk", chunk=chunk.index, frames=chunk.frames, cached=True, key=key)
    get_run_logger().info(
        "%d of %d chunks of %s are finished already", len(found), len(keys), job.source.name
    )
    return found


@step("find finished chunks of a unit")
def find_some(job: Job, indices: Sequence[int]) -> dict[int, ChunkRecord]:
    """Those of some chunks that are finished already, of a job that another machine has planned.

    Raises:
        OptionError: the plan has no such chunk.
        FarmError: this machine would make other chunks than the job expects.
    """
    planned, channel, keys = load_planned(job.folder), current_channel(), noted_keys(job.folder)
    cache = ChunkCache(open_store(job.store))
    found = {}
    for index in indices:
        channel.check()
        if not 0 <= index < len(planned.plan.chunks):
            raise OptionError(f"The job has {len(planned.plan.chunks)} chunks, and none with number {index}.")
        if record := cache.find(keys[index]):
            found[index] = record
        elif _key(job, index) != keys[index]:
            raise FarmError(
                f"The machine {worker_name()!r} would make other chunks than the job asks for: its version "
                f"of Sakuga, or its file of the model {shown_name(job.spec.model_choice())}, is another one; "
                "bring it up to date."
            )
    return found


@step("enhance chunk", "chunk {index}")
def enhance_chunk(job: Job, index: int, progress: Progress) -> ChunkRecord:
    """Enhance one chunk and keep it.

    Raises:
        SakugaError: see `retryable` for whether another attempt may help.
    """
    channel = current_channel()
    # before anything is read: the folder of a job that has been stopped may be gone
    channel.check()
    key = noted_keys(job.folder)[index]
    cache = ChunkCache(open_store(job.store))
    with channel.part():
        # another run of the same job may have been faster
        found = cache.find(key)
        record = found or _compute(job, index, key, cache, progress)
    progress.set(index, record.frames)
    channel.emit(
        "chunk",
        chunk=index,
        frames=record.frames,
        cached=found is not None,
        key=key,
        seconds=record.seconds,
    )
    return record


def _compute(job: Job, index: int, key: str, cache: ChunkCache, progress: Progress) -> ChunkRecord:
    planned, channel, began = load_planned(job.folder), current_channel(), time.monotonic()
    chunk = planned.plan.chunks[index]
    _check_key(job, index, key)
    output = job.folder / f"chunk-{index}.{'mov' if job.spec.codec == 'prores' else 'mp4'}"
    try:
        with called_by_name(job.source):
            result = compute(
                job.source.path,
                planned.info,
                planned.packets,
                planned.plan,
                chunk,
                job.spec,
                output,
                settings=load_settings(),
                on_frame=lambda done: progress.set(index, done),
                cancelled=channel.cancelled,
            )
        # the file of weights may have been replaced between its digest and its reading
        _check_key(job, index, key)
        get_run_logger().info("chunk %d of %s: %s", index, job.source.name, _said(result))
        record = ChunkRecord(
            key=key,
            ref=MediaRef(uri=output.name, sha256="0" * 64, size=0),
            worker=worker_name(),
            elapsed=round(time.monotonic() - began, 3),
            tries=max(1, task_run.run_count or 1),
            **result.model_dump(),
        )
        return cache.keep(record, output)
    finally:
        output.unlink(missing_ok=True)


def worker_name() -> str:
    """Who makes chunks here: the worker that started this process, or this machine where none did."""
    return os.environ.get("PREFECT__WORKER_NAME") or socket.gethostname()


def _check_key(job: Job, index: int, key: str) -> None:
    """Refuse to go on with another model than the job began with: its chunks would not go together."""
    if _key(job, index) != key:
        name = shown_name(job.spec.model_choice())
        raise WeightsError(f"The file of the model {name} was replaced while the job ran; start it again.")


def _key(job: Job, index: int) -> str:
    planned = load_planned(job.folder)
    return chunk_key(job.source.sha256, planned.info, planned.plan, planned.plan.chunks[index], job.spec)


def _said(result: ChunkResult) -> str:
    work = f"{result.frames} frames: {result.computed} computed, {result.reused} reused"
    if result.use is None:
        return work
    use = f"{result.use.device} in {result.use.precision}, by {result.use.backend}"
    return f"{work}; the model ran on {use}. {result.use.fell_back}".rstrip()


def keys_of(job: Job) -> list[str]:
    """Keys of all chunks of a job, in order."""
    planned = load_planned(job.folder)
    return [_key(job, index) for index in range(len(planned.plan.chunks))]
