"""Iterators that run ahead in a thread of their own."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

WAIT = 0.05
"""Seconds between two looks at whether to stop, while waiting."""


class RunAhead(Generic[T]):
    """The items of a generator, made in another thread up to `ahead` items before they are asked for.

    An error in the generator is raised where its items are asked for, after those before it. Leaving the
    context stops the thread, waits for it, and closes the generator in it. Iterators chain: the generator
    of one may take its items from another that is closed first.
    """

    def __init__(
        self, items: Generator[T, None, None], ahead: int, poll: Callable[[], None] | None = None
    ) -> None:
        """Start at once.

        Args:
            items: what to run.
            ahead: how many items may wait.
            poll: called again and again while an item is waited for; what it raises ends the wait.
        """
        self._items = items
        self._poll = poll
        self._queue: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(ahead)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        last: BaseException | None = None
        try:
            for item in self._items:
                if not self._put((item,)):
                    break
        except BaseException as error:
            last = error
        finally:
            self._items.close()
        self._put(last)

    def _put(self, item: tuple[T] | BaseException | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=WAIT)
            except queue.Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        while not self._stop.is_set():
            if self._poll:
                self._poll()
            try:
                item = self._queue.get(timeout=WAIT)
            except queue.Empty:
                continue
            if isinstance(item, tuple):
                return item[0]
            self._stop.set()
            if item is not None:
                raise item
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
