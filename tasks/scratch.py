"""Temporary files: one folder for each run, removed at its end, or by the next run when it was killed."""

import errno
import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sakuga.errors import DiskFullError, StoreError

KEYS = "chunk-keys.json"


@contextmanager
def run_folder(root: Path) -> Iterator[Path]:
    """A new folder below `root` for one run.

    A lock file beside it is held while the run lives, so that another run can tell a folder in use from one
    whose run was killed; the system frees the lock however the process ends. Folders of dead runs go.

    Raises:
        StoreError: the folder cannot be made.
        DiskFullError: there is no room for it.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        remove_dead(root)
        name = f"run-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        lock = _hold(root / f"{name}.lock")
        folder = root / name
        folder.mkdir()
        (folder / "owner.json").write_text(json.dumps({"pid": os.getpid(), "run": name}))
    except OSError as error:
        kind = DiskFullError if error.errno == errno.ENOSPC else StoreError
        raise kind(
            f"Scratch space cannot be made in {str(root)!r}: {error.strerror or error}; set SAKUGA_SCRATCH "
            "to a folder that can be written."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        Path(lock.name).unlink(missing_ok=True)
        lock.close()


def remove_dead(root: Path) -> int:
    """Remove the folders of runs that were killed, and return how many there were."""
    removed = 0
    for folder in sorted(root.glob("run-*")):
        lock = root / f"{folder.name}.lock"
        if folder.is_dir() and not folder.is_symlink() and not _held(lock):
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)
            removed += 1
    return removed


def note_keys(folder: Path, keys: Iterable[str]) -> None:
    """Say which finished chunks this run needs, so that nobody removes them."""
    part = folder / f"{KEYS}.part"
    part.write_text(json.dumps(list(keys)))
    part.replace(folder / KEYS)


def noted_keys(folder: Path) -> list[str]:
    """The chunks that this run needs, in order."""
    keys: list[str] = json.loads((folder / KEYS).read_text())
    return keys


def keys_in_use(root: Path) -> frozenset[str]:
    """Chunks that runs need which are alive now."""
    keys: set[str] = set()
    for file in root.glob(f"run-*/{KEYS}"):
        if _held(root / f"{file.parent.name}.lock"):
            with suppress(OSError, ValueError):
                keys.update(json.loads(file.read_text()))
    return frozenset(keys)


def _hold(path: Path) -> IO[bytes]:
    lock = path.open("xb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _held(path: Path) -> bool:
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
