"""A partial file that is its own lock: one thread or process fills it, the others wait."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sakuga.errors import CancelledError

WAIT_PERIOD = 0.1

Cancelled = Callable[[], bool]


@contextmanager
def held(path: Path, waiting: Callable[[int], None], cancelled: Cancelled | None) -> Iterator[IO[bytes]]:
    """The partial file of a download, held by this thread alone; an empty one goes at the end.

    The system frees it however this process ends.

    Args:
        path: the partial file; it is made where it is not there.
        waiting: called again and again while another one holds it, with its size in bytes.
        cancelled: asked while another one holds it; True stops.

    Yields:
        It, unbuffered, open for reading and writing.

    Raises:
        CancelledError: `cancelled` said so.
        OSError: the file cannot be made.
    """
    part = _take(path, waiting, cancelled)
    with part:
        try:
            yield part
        finally:
            if not os.fstat(part.fileno()).st_size and _is_at(part, path):
                path.unlink()
            # explicit, for a child that was forked meanwhile has this file open too
            fcntl.flock(part, fcntl.LOCK_UN)


def _take(path: Path, waiting: Callable[[int], None], cancelled: Cancelled | None) -> IO[bytes]:
    while True:
        part = open(path, "r+b", buffering=0, opener=_open)  # noqa: SIM115 - the caller closes it
        try:
            while not (ours := locked(part)) and _is_at(part, path):
                if cancelled and cancelled():
                    raise CancelledError("Waiting for another download was cancelled.")
                waiting(os.fstat(part.fileno()).st_size)
                time.sleep(WAIT_PERIOD)
            # the one who held it has given it its final name, or removed it
            if ours and _is_at(part, path):
                return part
        except BaseException:
            part.close()
            raise
        part.close()


def _open(path: str, flags: int) -> int:
    """What is begun is kept, and a link that somebody put there leads nowhere."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o644)


def locked(part: IO[bytes]) -> bool:
    """Take the lock on an open file, where nobody holds it; whether it is ours."""
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(part: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(part.fileno()), path.lstat())
    except FileNotFoundError:
        return False
