"""Waiting for all chunks of a job, watching over it meanwhile."""

from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

from prefect.futures import PrefectConcurrentFuture, PrefectFutureList

from sakuga.errors import CancelledError, SakugaError
from tasks.cache import ChunkRecord
from tasks.channel import current_channel

POLL = 0.2
"""Seconds between two looks at whether the job is to stop."""

SETTLE = 30.0
"""Seconds that chunks under way are given to stop; they look at every frame."""


def gather_chunks(
    futures: PrefectFutureList[Any], indices: list[int], watch: Callable[[], None]
) -> dict[int, ChunkRecord]:
    """Results of all chunks.

    A chunk that failed does not stop the others, so that what can be finished is kept; but an error that no
    retry can help, and a request to stop, end the wait at once.

    Args:
        futures: one for each chunk.
        indices: numbers of the chunks.
        watch: called a few times a second.

    Raises:
        CancelledError: the job was asked to stop.
        SakugaError: a chunk failed; of several chunks, a note says how many did.
    """
    try:
        return _gather(futures, indices, watch)
    except BaseException:
        _settle(futures)
        raise


def _gather(
    futures: PrefectFutureList[Any], indices: list[int], watch: Callable[[], None]
) -> dict[int, ChunkRecord]:
    channel = current_channel()
    done: dict[int, ChunkRecord] = {}
    failed: dict[int, Exception] = {}
    for index, future in zip(indices, futures, strict=True):
        while index not in done and index not in failed:
            channel.check()
            if channel.error:
                raise channel.error
            watch()
            try:
                value = future.result(timeout=POLL, raise_on_failure=False)
            except TimeoutError:
                continue
            if isinstance(value, ChunkRecord):
                done[index] = value
            else:
                failed[index] = value if isinstance(value, Exception) else RuntimeError(str(value))
    channel.check()
    if failed:
        raise _one_error(failed, len(indices))
    return done


def _settle(futures: PrefectFutureList[Any]) -> None:
    """Drop chunks that have not begun, and wait for the others: they still write into the run's folder."""
    current_channel().cancel()
    waiting = [future.wrapped_future for future in futures if isinstance(future, PrefectConcurrentFuture)]
    wait([future for future in waiting if not future.cancel()], timeout=SETTLE)


def _one_error(failed: dict[int, Exception], count: int) -> Exception:
    """The first error; `count` is how many chunks were to be made."""
    index, first = next(iter(failed.items()))
    if isinstance(first, SakugaError) and not isinstance(first, CancelledError) and count > 1:
        kept = "none is finished" if len(failed) == count else "the others are finished and kept"
        first.add_note(f"It happened in chunk {index}; of {count} chunks {len(failed)} failed, {kept}.")
    return first
