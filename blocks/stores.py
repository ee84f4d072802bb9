"""Media stores: where sources, finished chunks and results are kept, behind one interface."""

import errno
import os
import shutil
import tempfile
import uuid
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from sakuga.errors import DiskFullError, OptionError, StoreError
from sakuga.media.info import Frozen
from sakuga.media.ref import TEMPORARY, MediaRef, check_key, file_digest

DOCUMENTATION = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")


class Stored(Frozen):
    """What a store knows about one file: its size in bytes and when it was last used."""

    key: str
    size: int
    used: datetime


class MediaStore(Block):
    """Files under keys. A key is a relative path with forward slashes.

    Every operation raises `OptionError` for a key that is not acceptable, `StoreError` when the store cannot
    be reached or refuses, and `DiskFullError` when no room is left.
    """

    _block_type_name: ClassVar[str | None] = "Sakuga Media Store"
    _block_type_slug: ClassVar[str | None] = "sakuga-media-store"

    @abstractmethod
    def put(self, file: Path, key: str, *, overwrite: bool = True, move: bool = False) -> MediaRef:
        """Store a local file under a key, whole or not at all, and return the reference to it.

        With `move` the local file is given away: where it can be, it is renamed in place of copied. Without
        `overwrite` a key that is taken is left as it is and `OptionError` is raised.
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

    def prepare(self) -> None:
        """Make what the store needs to exist, once, before the first file: for a folder, the folder itself.

        Later calls take its absence as a store that is away, so that nothing is written below a mount point
        that has lost its disk.
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
        check_key(ref.uri)
        part = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        try:
            with local_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            self._copy_to(ref.uri, part)
            if file_digest(part) != (ref.sha256, ref.size):
                raise StoreError(
                    f"{self.location(ref.uri)} is not the file it should be; store it again and retry."
                )
            with local_errors(target):
                part.replace(target)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return target


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

    def put(self, file: Path, key: str, *, overwrite: bool = True, move: bool = False) -> MediaRef:
        """Store a local file under a key; see `MediaStore.put`."""
        target = self._path(key)
        sha256, size = file_digest(file)
        part = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        with local_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                _place(file, part, move=move)
                if part.stat().st_size != size:
                    raise StoreError(f"{str(target)!r} was not written whole; try again.")
                _publish(part, target, overwrite=overwrite)
            except BaseException:
                if move and part.exists() and not file.exists():
                    part.rename(file)
                raise
            finally:
                part.unlink(missing_ok=True)
            if move:
                file.unlink(missing_ok=True)
        return MediaRef(uri=key, sha256=sha256, size=size)

    def _copy_to(self, key: str, target: Path) -> None:
        with local_errors(self._path(key)):
            shutil.copyfile(self._path(key), target)

    def read(self, key: str) -> bytes | None:
        """Content of a small file; see `MediaStore.read`."""
        with local_errors(self._path(key)):
            try:
                return self._path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def stat(self, key: str) -> Stored | None:
        """What is stored under a key; see `MediaStore.stat`."""
        path = self._path(key)
        with local_errors(path):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        if not path.is_file():
            return None
        return Stored(key=key, size=found.st_size, used=datetime.fromtimestamp(found.st_mtime, UTC))

    def files(self, prefix: str = "") -> Iterator[Stored]:
        """Every file below a prefix; see `MediaStore.files`."""
        top = self._path(prefix) if prefix else self.root
        with local_errors(top):
            for folder, _, names in os.walk(top):
                for name in names:
                    key = (Path(folder) / name).relative_to(self.root).as_posix()
                    if name.startswith(TEMPORARY) or not key.isprintable():
                        continue
                    if stored := self.stat(key):
                        yield stored

    def remove(self, key: str) -> None:
        """Remove a key; see `MediaStore.remove`."""
        with local_errors(self._path(key)), suppress(FileNotFoundError):
            self._path(key).unlink()

    def touch(self, key: str) -> None:
        """Mark a key as used now; see `MediaStore.touch`."""
        with local_errors(self._path(key)), suppress(FileNotFoundError):
            os.utime(self._path(key))

    def sweep(self, prefix: str, older_than: datetime) -> int:
        """Remove parts of files that killed writers left; see `MediaStore.sweep`."""
        removed = 0
        with local_errors(self._path(prefix)):
            for part in self._path(prefix).rglob(f"{TEMPORARY}*"):
                if part.stat().st_mtime < older_than.timestamp():
                    part.unlink(missing_ok=True)
                    removed += 1
        return removed

    def location(self, key: str) -> str:
        """Where a key is, as a path."""
        return str(self._path(key))

    def local_path(self, key: str) -> Path | None:
        """The file itself."""
        return self._path(key)

    def _path(self, key: str) -> Path:
        return self.root.expanduser().absolute() / PurePosixPath(check_key(key))


def _place(file: Path, part: Path, *, move: bool) -> None:
    if move:
        try:
            file.rename(part)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            return
    shutil.copyfile(file, part)


def _publish(part: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
        return
    taken = OptionError(f"{str(target)!r} already exists; choose another name or pass --overwrite.")
    try:
        os.link(part, target)
    except FileExistsError:
        raise taken from None
    except OSError:
        # file systems without hard links have no rename that refuses to replace
        if target.exists():
            raise taken from None
        part.replace(target)


@contextmanager
def local_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system around `path` into `DiskFullError` and `StoreError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"No room is left to write {str(path)!r}; free some space and retry."
            ) from error
        raise StoreError(
            f"{str(path)!r} cannot be read or written: {error.strerror or type(error).__name__}."
        ) from error
