"""Places that are watched: a folder of this machine, or a prefix in a store, listed in one pass."""

import fnmatch
import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from blocks.files import local_errors
from blocks.stores import LocalFolderStore, MediaStore
from sakuga.errors import DiskFullError, OptionError, StoreError
from sakuga.media.ref import MediaRef, check_key
from tasks.cache import FOLDER as CHUNKS
from tasks.destination import MARK
from tasks.job import open_store
from tasks.shared import JOBS
from tasks.source_cache import stored_source

SIDECAR = ".sakuga-error.txt"
MAX_SIDECAR = 255 - len(SIDECAR)
"""Bytes of a file name that a sidecar's ending still fits behind."""

OWN_FOLDERS = (CHUNKS, JOBS, "results")
"""What Sakuga itself keeps in the root of a store."""

_logger = logging.getLogger("sakuga.watch")


@dataclass
class Listing:
    """What lies in a place: size and time of change of its videos, and the sidecars.

    `whole` is false where a part could not be listed: what is missing then may be there.
    """

    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    sidecars: set[str] = field(default_factory=set)
    whole: bool = True


class Place:
    """A folder of this machine, or a prefix in a store; names in it are relative to it.

    Every operation raises `StoreError` when the place cannot be read or written.
    """

    def __init__(self, folder: str, block: str | None) -> None:
        """Open a place.

        Raises:
            OptionError: that is no folder, no prefix, or there is no such store.
        """
        self.root: Path | None = None
        self.prefix = ""
        self.block = block
        self.store: MediaStore
        if block is None:
            self.root = Path(folder).expanduser().absolute()
            if not self.root.is_dir():
                raise OptionError(f"{folder!r} is no folder of this machine; correct it, or name a store.")
            self.store = LocalFolderStore(root=self.root)
        else:
            self.prefix = folder.strip("/")
            if self.prefix:
                check_key(self.prefix)
            self.store = open_store(block)

    def key(self, name: str) -> str:
        """Key in the store of a name in this place."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def location(self, name: str) -> str:
        """Where a file is, for people."""
        return self.store.location(self.key(name))

    def source(self, name: str, digest: str, size: int) -> str | MediaRef:
        """A file as the source of a run."""
        if self.root:
            return str(self.root / name)
        return MediaRef(uri=self.key(name), sha256=digest, size=size)

    def listing(self, patterns: Iterable[str], *, recursive: bool) -> Listing:
        """Everything here, in one pass: hidden files and what Sakuga has made are left out."""
        wanted = re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in patterns))
        found = Listing()
        for name, size, changed in self._entries(found, recursive):
            last = name.rsplit("/", 1)[-1]
            if last.endswith(SIDECAR):
                found.sidecars.add(name)
            elif wanted.match(last.lower()) and not is_ours(name):
                try:
                    check_key(self.key(name))
                except OptionError:
                    _logger.warning("%r has a name that cannot be worked with; rename it.", name)
                else:
                    found.files[name] = (size, changed)
        return found

    def facts(self, name: str) -> tuple[int, int] | None:
        """Size and time of change of one file now, None where it is gone."""
        if self.root:
            try:
                stat = (self.root / name).stat()
            except OSError:
                return None
            return stat.st_size, stat.st_mtime_ns
        stored = self.store.stat(self.key(name))
        return (stored.size, round(stored.used.timestamp() * 1e6) * 1000) if stored else None

    @contextmanager
    def opened(self, name: str, scratch: Path) -> Iterator[tuple[Path, str, int]]:
        """A file as one of this machine, with its digest and its size; a copy is removed at the end.

        Raises:
            UnreadableMediaError: it cannot be read.
            StoreError: the store does not give it.
            DiskFullError: there is no room for a copy.
        """
        path, ref = stored_source(self.store, self.key(name), scratch, name)
        try:
            yield path, ref.sha256, ref.size
        finally:
            if path.is_relative_to(scratch):
                # the machine's cache of sources keeps what was fetched, for the run that follows
                path.unlink(missing_ok=True)

    def _entries(self, found: Listing, recursive: bool) -> Iterator[tuple[str, int, int]]:
        if self.root:
            yield from _walk(self.root, found, recursive)
            return
        start = len(self.prefix) + 1 if self.prefix else 0
        for stored in self.store.files(self.prefix):
            name = stored.key[start:]
            parts = name.split("/")
            own = not self.prefix and parts[0] in OWN_FOLDERS
            if not own and (recursive or len(parts) == 1) and not any(p.startswith(".") for p in parts):
                yield name, stored.size, round(stored.used.timestamp() * 1e6) * 1000


def is_ours(name: str) -> bool:
    """Whether a file, or a folder that it is in, is named like something that a job has left."""
    return f"{MARK}." in name or name.endswith(SIDECAR)


def sidecar_of(name: str) -> str:
    """Name of the sidecar of a file."""
    folder, _, last = name.rpartition("/")
    if len(last.encode()) > MAX_SIDECAR:
        short = last.encode()[: MAX_SIDECAR - 9].decode(errors="ignore")
        last = f"{short}-{sha256(last.encode()).hexdigest()[:8]}"
    return f"{folder}/{last}{SIDECAR}" if folder else f"{last}{SIDECAR}"


def _walk(root: Path, found: Listing, recursive: bool) -> Iterator[tuple[str, int, int]]:
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            with local_errors(root / below), os.scandir(root / below) as entries:
                for entry in entries:
                    name = f"{below}{entry.name}"
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if recursive and not is_ours(name):
                            folders.append(f"{name}/")
                    elif entry.is_file():
                        stat = entry.stat()
                        yield name, stat.st_size, stat.st_mtime_ns
        except (StoreError, DiskFullError):
            if not below:
                raise
            found.whole = False
            _logger.warning("The folder %r cannot be listed; it is left out this time.", below)
