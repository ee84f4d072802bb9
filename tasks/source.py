"""From what the user named to a local file with a known content."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect.logging import get_run_logger

from blocks.stores import MediaStore
from sakuga.errors import LimitError, OptionError, SakugaError, UnreadableMediaError
from sakuga.media.info import Frozen
from sakuga.media.ref import MediaRef, check_key
from sakuga.settings import load_settings
from tasks.channel import current_channel
from tasks.digest import digest_of
from tasks.job import Source, open_store
from tasks.retry import patiently, step
from tasks.source_cache import local_source, stored_source


class Named(Frozen):
    """A source as it was found: a file of this machine at `path`, else under `key` in the job's store.

    `size` in bytes and `ref` are what is known of a stored one before it is fetched.
    """

    path: Path | None = None
    key: str = ""
    ref: MediaRef | None = None
    size: int = 0

    @property
    def name(self) -> str:
        """What people call it."""
        return self.path.name if self.path else self.key.rsplit("/", 1)[-1]


def find_source(source: str | MediaRef, store: str | None) -> Named:
    """Find out what a source means: a file here, or one in the job's store.

    Args:
        source: a path of this machine; or with a store a key in it, or its `s3://bucket/key` address; or a
            reference.
        store: the job's media store block.

    Raises:
        OptionError: it is an address of another place, or no name that a store can have.
        UnreadableMediaError: neither this machine nor the store has such a file.
        LimitError: it is larger than the settings allow.
        StoreError: the store refuses, or stays away.
    """
    if isinstance(source, MediaRef):
        return _allowed(Named(key=check_key(source.uri), ref=source, size=source.size))
    path, is_address = Path(source).expanduser(), "://" in source
    # what is wrong with the path of a missing file is said when it is read
    if path.is_absolute() or _is_there(path) or (store is None and not is_address):
        return Named(path=path.absolute())
    if store is None:
        raise OptionError(f"{source!r} is an address in a store; name the store's block too, as `type/name`.")
    return _allowed(_in_store(source, store))


def find_located(name: str, store: str | None) -> Named:
    """Find out what a name means that is a whole path where it is one of this machine.

    Args:
        name: a whole path; or a key in the store, or its address, whatever the working folder holds.
        store: the job's media store block.

    Raises:
        OptionError, UnreadableMediaError, LimitError, StoreError: as `find_source` does.
    """
    if store is None or Path(name).is_absolute():
        return find_source(name, store)
    return _allowed(_in_store(name, store))


def _is_there(path: Path) -> bool:
    with suppress(OSError):
        return path.exists()
    return False


def _in_store(source: str, store: str) -> Named:
    opened = patiently(lambda: open_store(store))
    key = _key_of(opened, source, store)
    stored = patiently(lambda: opened.stat(key))
    if stored is None:
        raise UnreadableMediaError(
            f"There is no {source!r}, neither on this machine nor in the store {store!r} "
            f"({opened.location(key)}); correct the name."
        )
    return Named(key=key, size=stored.size)


def _key_of(opened: MediaStore, source: str, store: str) -> str:
    if "://" not in source:
        return check_key(source)
    key = opened.key_of(source)
    if key is None:
        raise OptionError(
            f"{source!r} is not in the store {store!r}; name the block of the store that it is in."
        )
    return check_key(key)


def _allowed(named: Named) -> Named:
    """Refuse what is too large before it is fetched."""
    limit = load_settings().limits.max_file_bytes
    if named.size > limit:
        raise LimitError(
            f"{named.name!r} has {named.size} bytes; at most {limit} are allowed (`limits.max_file_bytes`)."
        )
    return named


@step("fetch source")
def fetch_source(named: Named, store: str | None, folder: Path) -> Source:
    """The source as a local file: one of this machine, or fetched from the store and verified.

    Raises:
        UnreadableMediaError: there is no such file.
        StoreError: the store does not give it.
        DiskFullError: there is no room for it.
    """
    current_channel().emit("stage", stage="read")
    return local_copy(named, store, folder)


def local_copy(named: Named, store: str | None, folder: Path) -> Source:
    """What `fetch_source` gives, for steps that fetch one of several files."""
    if named.path:
        sha256, size = digest_of(named.path)
        source = Source(path=named.path, name=named.name, sha256=sha256, size=size)
    else:
        opened = open_store(store)
        if named.ref:
            path, ref = local_source(opened, named.ref, folder, named.name), named.ref
        else:
            path, ref = stored_source(opened, named.key, folder, named.name)
        source = Source(path=path, name=named.name, sha256=ref.sha256, size=ref.size, ref=ref)
    get_run_logger().info("Source %r: %d bytes, SHA-256 %s", source.name, source.size, source.sha256)
    return source


@contextmanager
def called_by_name(source: Source) -> Iterator[None]:
    """Have errors name a source from a store as people know it, not by where a run keeps its copy."""
    try:
        yield
    except SakugaError as error:
        if source.ref:
            place = str(source.path)
            error.args = tuple(
                said.replace(place, source.name) if isinstance(said, str) else said for said in error.args
            )
        raise
