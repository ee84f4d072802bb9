"""Finished chunks, and other costly parts of results, kept in a store under what they were made of.

A part with the key `ab12...` is the file `chunks/ab/ab12....mp4`, and beside it a manifest that says what
must be in it. The manifest is written last: a part without one was never finished.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from blocks.stores import MediaStore, Stored
from sakuga.enhance.chunk import ChunkResult
from sakuga.errors import SakugaError, StoreError
from sakuga.media.info import Frozen
from sakuga.media.ref import MediaRef, file_digest
from tasks.retry import patiently

FOLDER = "chunks"
MANIFEST = ".json"
SAFE_AGE = timedelta(hours=1)
"""A chunk that was used within this time is never removed: a run may be about to use it."""


class Kept(Frozen):
    """A finished part of a result, under the key of what it was made of."""

    key: str
    ref: MediaRef


class Made(Kept):
    """A finished part with so many frames, and what it took.

    `worker` is who made it, `elapsed` the seconds of wall time that it took, `tries`
    which try of its task it was.
    """

    frames: int
    worker: str = ""
    elapsed: float = 0.0
    tries: int = 1


class ChunkRecord(ChunkResult, Made):
    """A finished chunk: where it is and what it took."""


R = TypeVar("R", bound=Kept)


class PartCache(Generic[R]):
    """Finished parts of one kind in one store."""

    def __init__(self, store: MediaStore, kind: type[R]) -> None:
        self._store, self._kind = store, kind

    def find(self, key: str) -> R | None:
        """The finished part with this key, marked as used now; None where it is missing or damaged."""
        manifest = f"{_base(key)}{MANIFEST}"
        content = self._store.read(manifest)
        if content is None:
            return None
        try:
            record = self._kind.model_validate_json(content)
        except ValidationError:
            return None
        if record.key != key or not self._whole(record.ref):
            return None
        self._store.touch(record.ref.uri)
        self._store.touch(manifest)
        return record

    def keep(self, record: R, file: Path) -> R:
        """Give a finished part's file to the store; `record.ref` may be anything.

        Raises:
            StoreError: the store could not be written.
            DiskFullError: no room is left.
        """
        # a part can be minutes of work: it is kept here until the store takes it, not made again
        ref = patiently(lambda: self._store.put(file, f"{_base(record.key)}{file.suffix}", move=True))
        kept = record.model_copy(update={"ref": ref})
        patiently(
            lambda: self._store.write(f"{_base(record.key)}{MANIFEST}", kept.model_dump_json().encode())
        )
        return kept

    def file(self, record: R, folder: Path) -> Path:
        """A local file with the part in it: the store's own, else a copy in `folder`.

        Raises:
            StoreError: it is not in the store any more, or not what it was.
        """
        if path := self._store.local_path(record.ref.uri):
            if not self._store.exists(record.ref):
                raise StoreError(f"The file {str(path)!r} is not in the store any more; start the job again.")
            return path
        target = folder / record.ref.uri.rsplit("/", 1)[-1]
        return target if target.exists() else self._store.fetch(record.ref, target)

    def _whole(self, ref: MediaRef) -> bool:
        if not self._store.exists(ref):
            return False
        path = self._store.local_path(ref.uri)
        if path is None:
            return True
        try:
            return file_digest(path) == (ref.sha256, ref.size)
        except SakugaError:
            return False


class ChunkCache(PartCache[ChunkRecord]):
    """Finished chunks in one store."""

    def __init__(self, store: MediaStore) -> None:
        super().__init__(store, ChunkRecord)


class Pruned(Frozen):
    """What a clean-up removed and left, in bytes."""

    removed: int
    removed_bytes: int
    left: int
    left_bytes: int


def prune(
    store: MediaStore, *, max_bytes: int, max_age: timedelta, in_use: Collection[str] = (), all_: bool = False
) -> Pruned:
    """Remove finished chunks: those too old, then the longest unused until the rest fits.

    Chunks that were used within `SAFE_AGE`, or whose key is in `in_use`, stay in any case.

    Args:
        store: the store.
        max_bytes: what all chunks may take together.
        max_age: how long a chunk may lie unused.
        in_use: keys of chunks that a living run needs.
        all_: remove whatever may be removed.

    Raises:
        StoreError: the store could not be read or written.
    """
    now = datetime.now(UTC)
    store.sweep(FOLDER, older_than=now - SAFE_AGE)
    groups: dict[str, list[Stored]] = {}
    for file in store.files(FOLDER):
        groups.setdefault(file.key.rsplit("/", 1)[-1].split(".", 1)[0], []).append(file)
    left_bytes = sum(file.size for files in groups.values() for file in files)
    removed = removed_bytes = 0
    for key, files in sorted(groups.items(), key=lambda item: max(file.used for file in item[1])):
        age = now - max(file.used for file in files)
        wanted = all_ or age > max_age or left_bytes > max_bytes
        if not wanted or age < SAFE_AGE or key in in_use:
            continue
        # the manifest goes first: what is left of a removal that stops halfway is no finished chunk
        for file in sorted(files, key=lambda file: not file.key.endswith(MANIFEST)):
            store.remove(file.key)
        size = sum(file.size for file in files)
        removed, removed_bytes, left_bytes = removed + 1, removed_bytes + size, left_bytes - size
    return Pruned(
        removed=removed, removed_bytes=removed_bytes, left=len(groups) - removed, left_bytes=left_bytes
    )


def _base(key: str) -> str:
    return f"{FOLDER}/{key[:2]}/{key}"
