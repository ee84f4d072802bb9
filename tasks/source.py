"""From what the user named to a local file with a known content."""

from pathlib import Path

from prefect.logging import get_run_logger

from sakuga.media.ref import MediaRef
from tasks.channel import current_channel
from tasks.digest import digest_of
from tasks.job import Source, open_store
from tasks.retry import step
from tasks.sources import local_source


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
        path = local_source(open_store(store), source, folder, name)
        return Source(path=path, name=name, sha256=source.sha256, size=source.size, ref=source)
    path = Path(source).expanduser().absolute()
    sha256, size = digest_of(path)
    get_run_logger().info("Source %r: %d bytes, SHA-256 %s", path.name, size, sha256)
    return Source(path=path, name=path.name, sha256=sha256, size=size)
