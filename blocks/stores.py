"""Media stores: where sources, finished chunks and results are kept, behind one interface."""

import os
import shutil
import tempfile
import uuid
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from blocks.files import (
    Writer,
    away,
    link_or_copy,
    local_errors,
    make_below,
    move_or_copy,
    store_error,
    write_whole,
)
from sakuga.errors import StoreError
from sakuga.media.info import Frozen
from sakuga.media.ref import TEMPORARY, MediaRef, check_key, file_digest

DOCUMENTATION = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")

MARKER = ".sakuga-store"
"""Empty folder in the root of a prepared store: a mount point without its disk does not have it."""

_MARKED: set[Path] = set()
"""Roots that were seen with their marker: without it they are away."""


class Stored(Frozen):
    """What a store knows about one file: its size in bytes and when it was last used."""

    key: str
    size: int
    used: datetime


class MediaStore(Block):
    """Files under keys. A key is a relative path with forward slashes.

    Every operation raises `OptionError` for a key that is not acceptable, `StoreAwayError` when the store
    does not answer, `StoreError` when it refuses, and `DiskFullError` when no room is left. Every operation
    may be called again after a `StoreAwayError`.
    """

    _block_type_name: ClassVar[str | None] = "Sakuga Media Store"
    _block_type_slug: ClassVar[str | None] = "sakuga-media-store"

    @abstractmethod
    def put(self, file: Path, key: str, *, overwrite: bool = True, move: bool = False) -> MediaRef:
        """Store a local file under a key, whole or not at all, and return the reference to it.

        With `move` the local file is given away: where it can be, it is renamed in place of copied. Without
        `overwrite` a key that is taken by other content is left as it is and `OptionError` is raised.
        """

    @abstractmethod
    def _copy_to(self, key: str, target: Path) -> None:
        """Write the content of a key to a local file."""

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """Content of a small file, None when there is none."""

    def write(self, key: str, content: bytes) -> None:
        """Store small content under a key, whole or not at all, in place of what is there."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "content"
            file.write_bytes(content)
            self.put(file, key)

    @abstractmethod
    def stat(self, key: str) -> Stored | None:
        """What is stored under a key, None when nothing is."""

    @abstractmethod
    def files(self, prefix: str = "") -> Iterator[Stored]:
        """Every file whose key is `prefix` followed by `/` and more, in no order; all files without one."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove a key; nothing happens when it is not there."""

    @abstractmethod
    def touch(self, key: str) -> None:
        """Mark a key as used now; nothing happens when it is not there."""

    @abstractmethod
    def location(self, key: str) -> str:
        """Where a key is, for people: a path or an address."""

    def key_of(self, address: str) -> str | None:
        """The key that an address such as `s3://bucket/key` means here, None when it is of another place."""
        del address
        return None

    def known(self, key: str) -> MediaRef | None:
        """The reference to a stored file where its digest is on record, None where only reading it can tell.

        What is on record is not proved; `fetch` does that.
        """
        del key
        return None

    def prepare(self) -> None:
        """Make what the store needs to exist, once, before the first file: for a folder, the folder itself.

        Later calls take its absence as a store that is away, so that nothing is written below a mount point
        that has lost its disk. A bucket is never made, but a wrong name or key of one is found here.
        """

    def share(self, file: Path, ref: MediaRef) -> MediaRef:
        """Store a local file that will not change, whose digest is known, under the key of `ref`."""
        return self.put(file, ref.uri)

    def link(self, key: str, expires: timedelta) -> str:
        """An address under which a browser or another program finds the file, for that long."""
        del expires
        return self.location(key)

    def local_path(self, key: str) -> Path | None:
        """The file itself where the store is a folder of this machine, else None."""
        del key
        return None

    def sweep(self, prefix: str, older_than: datetime) -> int:
        """Remove what interrupted writers left below a prefix, and return how many files that were."""
        del prefix, older_than
        return 0

    def exists(self, ref: MediaRef) -> bool:
        """Whether a file of the reference's size is stored under its key."""
        stored = self.stat(ref.uri)
        return stored is not None and stored.size == ref.size

    def fetch(self, ref: MediaRef, target: Path) -> Path:
        """Copy a stored file to a local path, whole and verified, or not at all.

        Raises:
            StoreError: what arrived is not what the reference says.
        """
        self._copy(ref.uri, target, ref)
        return target

    def download(self, key: str, target: Path) -> MediaRef:
        """Copy a stored file to a local path, whole or not at all, and return the reference to what arrived.

        Raises:
            StoreError: there is no such file.
        """
        return self._copy(key, target, None)

    def _copy(self, key: str, target: Path, expected: MediaRef | None) -> MediaRef:
        check_key(key)
        part = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        try:
            with local_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            self._copy_to(key, part)
            sha256, size = file_digest(part)
            if expected and (sha256, size) != (expected.sha256, expected.size):
                raise StoreError(
                    f"{self.location(key)} is not the file it should be; store it again and retry."
                )
            with local_errors(target):
                part.replace(target)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return MediaRef(uri=key, sha256=sha256, size=size)


class LocalFolderStore(MediaStore):
    """A folder of this machine, or one that is mounted on it.

    Attributes:
        root: Folder that holds the files.

    Example:
        Load a configured store and keep a file in it:
        ```python
        from pathlib import Path

        from blocks.stores import LocalFolderStore

        store = LocalFolderStore.load("BLOCK_NAME")
        ref = store.put(Path("clip.mp4"), "sources/clip.mp4")
        ```
    """

    _block_type_name: ClassVar[str | None] = "Sakuga Local Folder Store"
    _block_type_slug: ClassVar[str | None] = "sakuga-local-folder-store"
    _logo_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9"
        "/assets/block-logos/filesystem.png"
    )
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION
    _description = "Keeps media in a folder of this machine, or in one that is mounted on it."

    root: Path = Field(title="Folder", description="Folder that holds the files; made when it is missing.")

    def prepare(self) -> None:
        """Make the folder and mark it; see `MediaStore.prepare`."""
        with local_errors(self._top):
            (self._top / MARKER).mkdir(parents=True, exist_ok=True)
        _MARKED.add(self._top)

    def put(self, file: Path, key: str, *, overwrite: bool = True, move: bool = False) -> MediaRef:
        """Store a local file under a key; see `MediaStore.put`."""
        sha256, size = file_digest(file)
        self._place(key, partial(move_or_copy if move else shutil.copyfile, file), size, overwrite, file)
        if move:
            with local_errors(file):
                file.unlink(missing_ok=True)
        return MediaRef(uri=key, sha256=sha256, size=size)

    def write(self, key: str, content: bytes) -> None:
        """Store small content; see `MediaStore.write`."""
        self._place(key, lambda part: part.write_bytes(content), len(content))

    def share(self, file: Path, ref: MediaRef) -> MediaRef:
        """Store a file under a second name where the file system can, else as a copy."""
        self._place(ref.uri, partial(link_or_copy, file), ref.size)
        return ref

    def _copy_to(self, key: str, target: Path) -> None:
        path = self._path(key)
        with self._errors(path):
            shutil.copyfile(path, target)

    def read(self, key: str) -> bytes | None:
        """Content of a small file; see `MediaStore.read`."""
        path = self._path(key)
        with self._errors(path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                self._check_top()
                return None

    def stat(self, key: str) -> Stored | None:
        """What is stored under a key; see `MediaStore.stat`."""
        path = self._path(key)
        with self._errors(path):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                self._check_top()
                return None
        if not S_ISREG(found.st_mode):
            return None
        return Stored(key=key, size=found.st_size, used=datetime.fromtimestamp(found.st_mtime, UTC))

    def files(self, prefix: str = "") -> Iterator[Stored]:
        """Every file below a prefix; see `MediaStore.files`."""
        below = self._path(prefix) if prefix else self._top
        with self._errors(below):
            self._check_top()
            for folder, _, names in os.walk(below, onerror=_unless_gone):
                for name in names:
                    key = (Path(folder) / name).relative_to(self._top).as_posix()
                    if name.startswith(TEMPORARY) or not key.isprintable():
                        continue
                    if stored := self.stat(key):
                        yield stored

    def remove(self, key: str) -> None:
        """Remove a key; see `MediaStore.remove`."""
        path = self._path(key)
        with self._errors(path):
            self._check_top()
            with suppress(FileNotFoundError):
                path.unlink()

    def touch(self, key: str) -> None:
        """Mark a key as used now; see `MediaStore.touch`."""
        path = self._path(key)
        with self._errors(path):
            self._check_top()
            with suppress(FileNotFoundError):
                os.utime(path)

    def sweep(self, prefix: str, older_than: datetime) -> int:
        """Remove parts of files that killed writers left; see `MediaStore.sweep`."""
        removed = 0
        below = self._path(prefix)
        with self._errors(below):
            self._check_top()
            for part in below.rglob(f"{TEMPORARY}*"):
                with suppress(FileNotFoundError):
                    if part.stat().st_mtime < older_than.timestamp():
                        part.unlink()
                        removed += 1
        return removed

    def location(self, key: str) -> str:
        """Where a key is, as a path."""
        return str(self._path(key))

    def local_path(self, key: str) -> Path | None:
        """The file itself."""
        return self._path(key)

    @property
    def _top(self) -> Path:
        return self.root.expanduser().absolute()

    def _path(self, key: str) -> Path:
        return self._top / PurePosixPath(check_key(key))

    def _place(
        self, key: str, write: Writer, size: int, overwrite: bool = True, given: Path | None = None
    ) -> None:
        target = self._path(key)
        with self._errors(target):
            self._check_top()
            make_below(self._top, target.parent)
            write_whole(target, write, size, overwrite=overwrite, given=given)

    def _check_top(self) -> None:
        """Refuse to take the folder for empty where it is not there at all.

        Raises:
            StoreAwayError: it is missing, or the marker is that it had before.
            OSError: it cannot be looked at.
        """
        if (self._top / MARKER).is_dir():
            _MARKED.add(self._top)
            return
        try:
            self._top.stat()
        except FileNotFoundError as error:
            raise away(self._top, "it is not there") from error
        if self._top in _MARKED:
            raise away(self._top, "it is empty")

    @contextmanager
    def _errors(self, path: Path) -> Iterator[None]:
        """Like `local_errors`; what is missing because the whole folder is counts as away."""
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                with local_errors(self._top):
                    self._check_top()
            raise store_error(error, path) from error


def _unless_gone(error: OSError) -> None:
    """What somebody removes while it is listed is not there; what cannot be read is an error."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
