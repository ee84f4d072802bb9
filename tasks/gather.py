"""Waiting for all chunks of a job, or other parts of it, and watching over it meanwhile."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from prefect.futures import PrefectConcurrentFuture, PrefectFuture, PrefectFutureList

from sakuga.errors import CancelledError, SakugaError
from sakuga.media.info import Frozen
from tasks.channel import current_channel

POLL = 0.2
"""Seconds between two looks at whether the job is to stop."""

SETTLE = 30.0
"""Seconds that parts under way are given to stop; they look at every frame."""


T = TypeVar("T", bound=Frozen)
"""What a part that was made is told by: a record of it."""


@dataclass
class Gathered(Generic[T]):
    """What has become of parts so far, by their numbers."""

    done: dict[int, T] = field(default_factory=dict)
    failed: dict[int, Exception] = field(default_factory=dict)


def gather(
    kind: type[T],
    futures: PrefectFutureList[Any],
    indices: list[int],
    watch: Callable[[], None] = lambda: None,
    what: str = "chunk",
) -> dict[int, T]:
    """Results of all parts.

    A part that failed does not stop the others, so that what can be finished is kept; but an error that no
    retry can help, and a request to stop, end the wait at once.

    Args:
        kind: class of the results.
        futures: one for each part.
        indices: numbers of the parts.
        watch: called a few times a second.
        what: a part is, in one word.

    Raises:
        CancelledError: the job was asked to stop.
        SakugaError: a part failed; of several parts, a note says how many did.
    """
    gathered: Gathered[T] = Gathered()
    gather_into(kind, gathered, futures, indices, watch)
    if gathered.failed:
        raise _one_error(gathered.failed, len(indices), what)
    return gathered.done


def gather_into(
    kind: type[T],
    gathered: Gathered[T],
    futures: PrefectFutureList[Any],
    indices: list[int],
    watch: Callable[[], None] = lambda: None,
    settle: float = SETTLE,
) -> None:
    """Wait for parts like `gather`, and note what each came to, also when the wait ends early.

    Args:
        kind: class of the results.
        gathered: gets the results.
        futures: one for each part.
        indices: numbers of the parts.
        watch: called a few times a second.
        settle: seconds that parts under way are given to stop when the wait ends early.

    Raises:
        CancelledError: the job was asked to stop.
        SakugaError: an error that no retry can help.
    """
    try:
        _gather(kind, gathered, futures, indices, watch)
    except BaseException:
        settle_all(futures, settle)
        for index, future in zip(indices, futures, strict=True):
            if isinstance(future, PrefectConcurrentFuture) and _has_ended(future.wrapped_future):
                _note(kind, gathered, index, future, timeout=0)
        raise


def _gather(
    kind: type[T],
    gathered: Gathered[T],
    futures: PrefectFutureList[Any],
    indices: list[int],
    watch: Callable[[], None],
) -> None:
    channel = current_channel()
    for index, future in zip(indices, futures, strict=True):
        ended = False
        while not ended:
            channel.check()
            if channel.error:
                raise channel.error
            watch()
            ended = _note(kind, gathered, index, future, timeout=POLL)
    channel.check()


def _note(
    kind: type[T], gathered: Gathered[T], index: int, future: PrefectFuture[Any], timeout: float
) -> bool:
    """Note what a part came to; False where it is under way still."""
    try:
        value = future.result(timeout=timeout, raise_on_failure=False)
    except TimeoutError:
        return False
    if isinstance(value, kind):
        gathered.done[index] = value
    else:
        gathered.failed[index] = value if isinstance(value, Exception) else RuntimeError(str(value))
    return True


def _has_ended(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled()


def settle_all(futures: Iterable[PrefectFuture[Any]], timeout: float = SETTLE) -> None:
    """Drop parts that have not begun, and wait for the others: they still write into the run's folder."""
    current_channel().cancel()
    waiting = [future.wrapped_future for future in futures if isinstance(future, PrefectConcurrentFuture)]
    wait([future for future in waiting if not future.cancel()], timeout=timeout)


def _one_error(failed: dict[int, Exception], count: int, what: str) -> Exception:
    """The first error; `count` is how many parts were to be made."""
    index, first = next(iter(failed.items()))
    if isinstance(first, SakugaError) and not isinstance(first, CancelledError) and count > 1:
        kept = "none is finished" if len(failed) == count else "the others are finished and kept"
        first.add_note(f"It happened in {what} {index}; of {count} {what}s {len(failed)} failed, {kept}.")
    return first
