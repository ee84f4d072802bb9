"""From what the user named to a local file with a known content."""

from functools import lru_cache
from pathlib import Path

from prefect.logging import get_run_logger

from sakuga.errors import UnreadableMediaError
from sakuga.media.ref import MediaRef, file_digest
from tasks.channel import current_channel
from tasks.job import Source, open_store
from tasks.retry import step


@step("fetch source")
def fetch_source(source: str | MediaRef, store: str | None, folder: Path) -> Source:
    """The source as a local file: one of this machine, or fetched from the store and verified.

    Raises:
        UnreadableMediaError: there is no such file.
        StoreError: the store does not give it.
    """
    current_channel().emit("stage", stage="read")
    if isinstance(source, MediaRef):
        name = source.uri.rsplit("/", 1)[-1]
        path = open_store(store).fetch(source, folder / f"source{Path(name).suffix}")
        return Source(path=path, name=name, sha256=source.sha256, size=source.size)
    path = Path(source).expanduser().absolute()
    sha256, size = digest_of(path)
    get_run_logger().info("Source %r: %d bytes, SHA-256 %s", path.name, size, sha256)
    return Source(path=path, name=path.name, sha256=sha256, size=size)


def digest_of(path: Path) -> tuple[str, int]:
    """Digest and size of a file, computed once in a process as long as the file does not change.

    Raises:
        UnreadableMediaError: the file cannot be read.
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
