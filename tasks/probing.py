"""Probing a file once in a process; this module does not need Prefect."""

from functools import lru_cache
from pathlib import Path

from sakuga.errors import UnreadableMediaError
from sakuga.media.probe import Probed, probe
from sakuga.settings import Limits

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("3gp", "avi", "flv", "gif", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4"),
        *("mpeg", "mpg", "mts", "ogv", "ts", "vob", "webm", "wmv", "y4m"),
    )
)
"""Endings of file names that are taken for videos where a folder is named."""


def probe_once(path: Path, limits: Limits, *, salvage: bool) -> Probed:
    """What `probe` says of a file; asked again only when the file or the limits have changed.

    Raises:
        InputError: the file is not acceptable.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise UnreadableMediaError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    return _probe(path, stat.st_size, stat.st_mtime_ns, limits.model_dump_json(), salvage)


@lru_cache(maxsize=2)
def _probe(path: Path, size: int, changed: int, limits: str, salvage: bool) -> Probed:
    del size, changed
    return probe(path, Limits.model_validate_json(limits), salvage=salvage)
