"""The digest of a file, computed once in a process; this module does not need Prefect."""

from functools import lru_cache
from pathlib import Path

from sakuga.errors import UnreadableMediaError
from sakuga.media.ref import file_digest
from tasks.channel import current_channel


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 and size in bytes of a file; computed again only when the file has changed.

    Raises:
        UnreadableMediaError: the file cannot be read.
        CancelledError: the job was asked to stop.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise UnreadableMediaError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=8)
def _digest(path: Path, size: int, changed: int) -> tuple[str, int]:
    del size, changed
    return file_digest(path, current_channel().check)
