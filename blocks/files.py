"""Files of folders: placed whole or not at all, with errors that say what can be done about them."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sakuga.errors import DiskFullError, OptionError, StoreAwayError, StoreError
from sakuga.media.ref import TEMPORARY, file_digest

AWAY = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENODEV,
        errno.ENXIO,
    }
)
"""What a mounted folder answers while its server, its network or its disk is gone."""

Writer = Callable[[Path], object]


@contextmanager
def local_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system around `path` into `DiskFullError` and `StoreError`."""
    try:
        yield
    except OSError as error:
        raise store_error(error, path) from error


def store_error(error: OSError, path: Path) -> DiskFullError | StoreError:
    """The error of the file system as one of ours; it is about `path`."""
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"No room is left to write {str(path)!r}; free some space and retry.")
    if error.errno in AWAY:
        return away(path, reason)
    return StoreError(f"{str(path)!r} cannot be read or written: {reason}.")


def away(path: Path, reason: str) -> StoreAwayError:
    """The error for a folder that does not answer, or is not mounted."""
    return StoreAwayError(f"{str(path)!r} cannot be reached: {reason}; is it mounted?")


def make_below(root: Path, folder: Path) -> None:
    """Make a folder and its parents up to `root`, but never `root` itself.

    Raises:
        FileNotFoundError: the root is not there.
    """
    missing = []
    while folder != root and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)


def write_whole(
    target: Path, write: Writer, size: int, *, overwrite: bool = True, given: Path | None = None
) -> None:
    """Let `write` fill a new file and give it its name; where that fails, no part of it is left.

    `given` is a file that `write` may rename: where it did and the rest fails, the file is given back.

    Raises:
        OptionError: the name is taken by other content, and `overwrite` is false.
        StoreError: fewer than `size` bytes, or more, were written.
    """
    part = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    try:
        write(part)
        if part.stat().st_size != size:
            raise StoreError(f"{str(target)!r} was not written whole; try again.")
        _name(part, target, overwrite=overwrite)
    except BaseException:
        if given and part.exists() and not given.exists():
            part.rename(given)
        raise
    finally:
        part.unlink(missing_ok=True)


def link_or_copy(file: Path, part: Path) -> None:
    """A second name for a file where the file system allows it, else a copy."""
    try:
        os.link(file.resolve(), part)
    except OSError as error:
        if error.errno in AWAY:
            raise
        shutil.copyfile(file, part)


def move_or_copy(file: Path, part: Path) -> None:
    """Rename a file where it stays on its file system, else copy it."""
    try:
        file.rename(part)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copyfile(file, part)


def _name(part: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
        return
    try:
        os.link(part, target)
        return
    except FileExistsError:
        pass
    except OSError:
        # file systems without hard links have no rename that refuses to replace
        if not target.exists():
            part.replace(target)
            return
    # the same content under the name is what an earlier try has left
    if target.is_dir() or file_digest(part) != file_digest(target):
        raise OptionError(f"{str(target)!r} already exists; choose another name or turn on overwrite.")
