"""What a running job says, and how it is told to stop: a channel between a flow and who watches it.

A context variable carries the channel into the flow and into the threads of its tasks, so several jobs in one
process do not hear each other. Without a watcher a job talks to nobody, and works the same.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from sakuga.errors import CancelledError, SakugaError

Kind = Literal["started", "planned", "stage", "download", "chunk", "progress", "note", "finished", "failed"]
Listener = Callable[[Kind, dict[str, Any]], None]


class Channel:
    """One job's line to its watcher; every method may be called from any thread."""

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._stop = threading.Event()
        self._below: list[Channel] = []
        # whoever hears an event may stop the job
        self._lock = threading.RLock()
        self.error: SakugaError | None = None
        """The first error that no retry can help."""

    def emit(self, kind: Kind, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Tell the watcher; events of one job arrive one at a time."""
        if self._listener:
            with self._lock:
                self._listener(kind, facts)

    def cancel(self) -> None:
        """Ask the job to stop; it does so within a second or two."""
        self._stop.set()
        with self._lock:
            below = list(self._below)
        for channel in below:
            channel.cancel()

    def below(self) -> "Channel":
        """A channel for a job that this one waits for: it is heard here, and stops with this one."""
        channel = Channel(lambda kind, facts: self.emit(kind, **facts))
        with self._lock:
            self._below.append(channel)
        if self.cancelled():
            channel.cancel()
        return channel

    def cancelled(self) -> bool:
        """Whether the job has been asked to stop."""
        return self._stop.is_set()

    def check(self) -> None:
        """Leave when the job has been asked to stop.

        Raises:
            CancelledError: it has been.
        """
        if self._stop.is_set():
            raise CancelledError("Stopped; what is finished is kept, and the next run goes on from there.")

    def wait(self, seconds: float) -> None:
        """Wait, and leave at once when the job is asked to stop.

        Raises:
            CancelledError: it was.
        """
        self._stop.wait(seconds)
        self.check()

    def fail(self, error: SakugaError) -> None:
        """Note an error that ends the job."""
        with self._lock:
            self.error = self.error or error

    @contextmanager
    def part(self) -> Iterator[None]:
        """Make one part of the job: an error that no retry can help is noted."""
        try:
            yield
        except CancelledError:
            raise
        except SakugaError as error:
            if not error.retryable:
                self.fail(error)
            raise


_CURRENT: ContextVar[Channel | None] = ContextVar("sakuga_channel", default=None)


def current_channel() -> Channel:
    """The channel of the job that this thread works for; one that nobody hears where there is none."""
    return _CURRENT.get() or Channel()


@contextmanager
def open_channel(channel: Channel | None = None) -> Iterator[Channel]:
    """Work under a channel: the given one, else the one there is, else a new one.

    When the block ends, however it does, the job is told to stop: threads that are left notice it.
    """
    used = channel or _CURRENT.get() or Channel()
    token = _CURRENT.set(used)
    try:
        yield used
    finally:
        used.cancel()
        _CURRENT.reset(token)
