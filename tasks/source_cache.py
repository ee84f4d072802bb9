"""Sources that a machine has fetched from stores: each content once, for all runs of the machine.

`sources/<sha256>` below the scratch folder is a verified file; a run links it into its own folder, so that
it stays whole there whatever is removed here, and a file with more than one link is in use.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from blocks.files import local_errors
from blocks.stores import MediaStore, Stored
from sakuga.errors import DiskFullError, StoreError, UnreadableMediaError
from sakuga.media.ref import MediaRef, file_digest
from sakuga.settings import Settings, load_settings
from tasks.channel import current_channel
from tasks.digest import digest_of

T = TypeVar("T")

FOLDER = "sources"
FETCHED, STORED, PLACED = ".json", ".store.json", ".place.json"
"""Ends of notes: which file was proved, a fetched one or one of a store that is a folder; and which content
was found at a place in a store."""

FETCHING = ".fetch"
POLL = 0.2
"""Seconds between two looks at whether another run has finished with a source."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def safe_suffix(name: str) -> str:
    """The suffix of a name, where it is a plain one; else nothing."""
    suffix = Path(name).suffix
    return suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", suffix) else ""


def local_source(store: MediaStore, ref: MediaRef, folder: Path, name: str) -> Path:
    """A source from a store as a verified file of this machine.

    Args:
        store: where it is.
        ref: which file.
        folder: the run's own, below the scratch folder; the file in it goes with it.
        name: what people call the source; its suffix is kept.

    Raises:
        StoreError: the store does not give it, or it is not what it was.
        DiskFullError: no room is left for it, with everything removed that is not in use.
        CancelledError: the job was asked to stop.
    """
    if not store.exists(ref):
        raise StoreError(f"{store.location(ref.uri)!r} is not there, or of another size; store it again.")
    settings = load_settings()
    root = settings.scratch_root / FOLDER
    with local_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    if path := store.local_path(ref.uri):
        with local_errors(path):
            _verify(path, ref, root)
        return path
    target = folder / f"source{safe_suffix(name)}"
    with _locked(root, ref.sha256), local_errors(target):
        cached = root / ref.sha256
        if not _known(_note_of(cached), cached, ref.sha256):
            _fetch(store, ref, cached, settings)
        # the note says when it was last used: the times of the file itself prove that it has not changed
        os.utime(_note_of(cached))
        target.unlink(missing_ok=True)
        try:
            os.link(cached, target)
        except OSError:
            # a file system without links, or a folder on another one
            shutil.copyfile(cached, target)
    return target


def stored_source(store: MediaStore, key: str, folder: Path, name: str) -> tuple[Path, MediaRef]:
    """A file of a store whose content is not known yet, as a file of this machine, and the reference to it.

    It is fetched into the machine's cache, where `local_source` finds it under the reference.

    Args:
        store: where it is.
        key: which file.
        folder: the run's own, below the scratch folder; the file in it goes with it.
        name: what people call the source; its suffix is kept.

    Raises:
        StoreError: the store does not give it.
        UnreadableMediaError: it is a file of this machine that cannot be read.
        DiskFullError: no room is left for it, with everything removed that is not in use.
        CancelledError: the job was asked to stop.
    """
    if path := store.local_path(key):
        sha256, size = digest_of(path)
        return path, MediaRef(uri=key, sha256=sha256, size=size)
    ref = store.known(key) or _fetch_unknown(store, key)
    return local_source(store, ref, folder, name), ref


def clean_sources(root: Path, max_bytes: int) -> tuple[int, int]:
    """Remove fetched sources, the longest unused first, until those that are left fit.

    What a living run uses is counted but stays, and so does what is being fetched.

    Args:
        root: the scratch folder.
        max_bytes: what all may take together.

    Returns:
        How many were removed, and their size in bytes.
    """
    folder = root / FOLDER
    found = []
    for path in folder.glob("*"):
        if _DIGEST.fullmatch(path.name):
            with suppress(OSError):
                stat = path.stat()
                found.append((_used(path), stat.st_size, stat.st_nlink, path))
    left = sum(size for _, size, _, _ in found)
    removed = removed_bytes = 0
    for _, size, links, path in sorted(found):
        if left <= max_bytes:
            break
        if links == 1 and _remove(path):
            removed, removed_bytes, left = removed + 1, removed_bytes + size, left - size
    _remove_leftovers(folder)
    return removed, removed_bytes


def _fetch(store: MediaStore, ref: MediaRef, cached: Path, settings: Settings) -> None:
    """Fetch a source under its lock; what a killed run left of it goes first."""
    cached.unlink(missing_ok=True)
    with _part(cached, ref.size, settings) as part:
        _with_room(lambda: store.fetch(ref, part), settings)
        part.replace(cached)
        _write_note(_note_of(cached), cached, ref.sha256)


def _fetch_unknown(store: MediaStore, key: str) -> MediaRef:
    """Fetch a file into the cache under the digest that it turns out to have."""
    settings = load_settings()
    root = settings.scratch_root / FOLDER
    with local_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    stored = store.stat(key)
    if stored is None:
        raise StoreError(f"{store.location(key)!r} is not there any more; store it again and retry.")
    # until its digest is known, the lock and the folder are those of the place it comes from
    place = root / hashlib.sha256(store.location(key).encode()).hexdigest()
    with _locked(root, place.name), local_errors(place):
        if before := _found_before(place, stored):
            return before
        with _part(place, stored.size, settings) as part:
            ref = _with_room(lambda: store.download(key, part), settings)
            cached = root / ref.sha256
            with _locked(root, ref.sha256):
                if not _known(_note_of(cached), cached, ref.sha256):
                    part.replace(cached)
                    _write_note(_note_of(cached), cached, ref.sha256)
        facts = {"sha256": ref.sha256, "size": stored.size, "used": str(stored.used)}
        _write(place.with_name(f"{place.name}{PLACED}"), facts)
    return ref


def _found_before(place: Path, stored: Stored) -> MediaRef | None:
    """What was fetched from a place that has not changed since, where it is still here."""
    try:
        note = json.loads(place.with_name(f"{place.name}{PLACED}").read_bytes())
        same = (note["size"], note["used"]) == (stored.size, str(stored.used))
        ref = MediaRef(uri=stored.key, sha256=note["sha256"], size=stored.size)
        return ref if same and (place.parent / ref.sha256).exists() else None
    except (OSError, ValueError, KeyError):
        return None


@contextmanager
def _part(file: Path, size: int, settings: Settings) -> Iterator[Path]:
    """Where a file of so many bytes is written before it is whole; nothing of it stays."""
    clean_sources(settings.scratch_root, max(0, settings.farm.source_bytes - size))
    part = file.with_name(f"{file.name}{FETCHING}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        yield part / "source"
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _with_room(fetch: Callable[[], T], settings: Settings) -> T:
    """Fetch; where the disk is full, once more without the sources that nobody uses."""
    try:
        return fetch()
    except DiskFullError:
        if not clean_sources(settings.scratch_root, 0)[0]:
            raise
        return fetch()


def _verify(path: Path, ref: MediaRef, root: Path) -> None:
    """Prove the digest of a store's own file, once on this machine as long as it does not change."""
    note = root / f"{ref.sha256}{STORED}"
    if _known(note, path, ref.sha256):
        return
    with _locked(root, ref.sha256):
        if _known(note, path, ref.sha256):
            return
        before = _facts(path)
        try:
            digest = file_digest(path, current_channel().check)
        except UnreadableMediaError as error:
            raise StoreError(str(error)) from error
        if digest != (ref.sha256, ref.size) or _facts(path) != before:
            raise StoreError(f"{str(path)!r} is not the file it should be; store it again and retry.")
        _write_note(note, path, ref.sha256)


def _remove(path: Path) -> bool:
    with _lock_now(path.parent, path.name) as locked:
        if not locked:
            return False
        with suppress(OSError):
            # a run may have begun to use it since it was listed
            if path.stat().st_nlink > 1:
                return False
            path.unlink()
            _note_of(path).unlink(missing_ok=True)
            return True
    return False


def _remove_leftovers(folder: Path) -> None:
    """What killed runs left, locks that nobody holds, and proofs of files that are gone."""
    for part in folder.glob(f"*{FETCHING}"):
        with _lock_now(folder, part.name.removesuffix(FETCHING)) as locked:
            if locked:
                shutil.rmtree(part, ignore_errors=True)
    for note in folder.glob(f"*{STORED}"):
        with suppress(OSError, ValueError, KeyError):
            if not Path(json.loads(note.read_bytes())["path"]).exists():
                note.unlink()
    for note in folder.glob(f"*{PLACED}"):
        with suppress(OSError, ValueError, KeyError):
            if not (folder / json.loads(note.read_bytes())["sha256"]).exists():
                note.unlink()
    for lock in folder.glob("*.lock"):
        # taking a lock and leaving it removes it
        with _lock_now(folder, lock.name.removesuffix(".lock")):
            pass


@contextmanager
def _locked(root: Path, digest: str) -> Iterator[None]:
    """Hold the lock of one content; the system frees it however the process ends."""
    while True:
        with _lock_now(root, digest) as locked:
            if locked:
                yield
                return
        current_channel().check()
        time.sleep(POLL)


@contextmanager
def _lock_now(root: Path, digest: str) -> Iterator[bool]:
    """Hold the lock of one content where nobody else does; the value says whether."""
    path = root / f"{digest}.lock"
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # its last holder may have removed it since it was opened
            held = os.path.samestat(os.fstat(lock.fileno()), path.stat())
        except OSError:
            held = False
        try:
            yield held
        finally:
            if held:
                path.unlink(missing_ok=True)


def _used(path: Path) -> float:
    try:
        return _note_of(path).stat().st_mtime
    except OSError:
        return 0.0


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}{FETCHED}")


def _facts(path: Path) -> dict[str, Any]:
    stat = path.stat()
    return {"path": str(path), "size": stat.st_size, "changed": stat.st_mtime_ns, "inode": stat.st_ino}


def _known(note: Path, path: Path, sha256: str) -> bool:
    try:
        return bool(json.loads(note.read_bytes()) == {"sha256": sha256, **_facts(path)})
    except (OSError, ValueError):
        return False


def _write_note(note: Path, path: Path, sha256: str) -> None:
    _write(note, {"sha256": sha256, **_facts(path)})


def _write(note: Path, facts: dict[str, Any]) -> None:
    part = note.with_name(f"{note.name}.part")
    part.write_text(json.dumps(facts))
    part.replace(note)
