"""What a watch knows of a folder: its files as they were last seen, and what became of their contents.

The ledger is a file in the folder itself, or under the prefix in a store. It remembers; it does not decide:
the runs it knows of are started under keys of their own, so that a ledger that is lost or damaged costs
time and does nothing twice. Two watchers of one folder write only what they have found out, over what is
there by then.
"""

import errno
import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal
from uuid import uuid4

from pydantic import Field, ValidationError

from blocks.files import local_errors
from blocks.stores import MediaStore
from sakuga.media.info import Frozen

NAME = ".sakuga-watch.json"
LOCK = ".sakuga-watch.lock"
DAMAGED = ".sakuga-watch.damaged.json"
MARK_DIGITS = 32

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)
"""What file systems without locks say: there the last of two writers wins, and the next scan corrects it."""

Outcome = Literal["started", "failed", "done"]
_RANK: dict[Outcome, int] = {"started": 0, "failed": 1, "done": 2}

_logger = logging.getLogger("sakuga.watch")


class SeenFile(Frozen):
    """A file as it was last looked at: size in bytes, time of change in nanoseconds, and its content.

    `sha256` is None where the file could not be read.
    """

    size: int
    changed: int
    sha256: str | None


class Asked(Frozen):
    """One request for one content, and what became of it.

    `attempt` counts how often it was asked for; `run` and `run_name` are empty where a file was refused
    without a run. `name` is the file beside which a sidecar lies when it failed.
    """

    name: str
    attempt: int = Field(ge=1)
    outcome: Outcome
    run: str = ""
    run_name: str = ""

    def newer(self, other: "Asked") -> bool:
        """Whether this tells more than the other."""
        return (self.attempt, _RANK[self.outcome]) > (other.attempt, _RANK[other.outcome])


class Entries(Frozen):
    """The file itself; `asked` is under `<sha256>:<digest of the request>`."""

    version: Literal[1] = 1
    files: dict[str, SeenFile]
    asked: dict[str, Asked]


class Ledger:
    """What a watch knows, and what it has found out since it was read.

    Every operation raises `StoreError` when the place cannot be read or written, and `DiskFullError` when it
    is full.
    """

    def __init__(self, store: MediaStore, prefix: str = "") -> None:
        self._store = store
        self._prefix = f"{prefix}/" if prefix else ""
        self._new_files: dict[str, SeenFile | None] = {}
        self._new_asked: dict[str, Asked] = {}
        self.place = store.location(f"{self._prefix}{NAME}")
        """What tells this place from others; that of a folder stays when the folder is moved."""
        with self._locked():
            self._entries = self._read()

    @property
    def files(self) -> dict[str, SeenFile]:
        """Files by name."""
        return self._entries.files

    @property
    def asked(self) -> dict[str, Asked]:
        """Requests by content and request."""
        return self._entries.asked

    def see(self, name: str, file: SeenFile) -> None:
        """Note a file as it is now."""
        if self.files.get(name) != file:
            self._entries.files[name] = self._new_files[name] = file

    def forget(self, name: str) -> None:
        """Note that a file is gone; what became of its content stays known."""
        if self._entries.files.pop(name, None):
            self._new_files[name] = None

    def note(self, key: str, asked: Asked) -> None:
        """Note what became of a request."""
        if self.asked.get(key) != asked:
            self._entries.asked[key] = self._new_asked[key] = asked

    def save(self) -> bool:
        """Write what is new over what is there by now; whether there was anything to write."""
        if not self._new_files and not self._new_asked:
            return False
        with self._locked():
            there = self._read()
            for name, file in self._new_files.items():
                if file:
                    there.files[name] = file
                else:
                    there.files.pop(name, None)
            for key, asked in self._new_asked.items():
                other = there.asked.get(key)
                if other is None or not other.newer(asked):
                    there.asked[key] = asked
            self._store.write(f"{self._prefix}{NAME}", there.model_dump_json().encode())
        self._entries = there
        self._new_files, self._new_asked = {}, {}
        return True

    def _read(self) -> Entries:
        content = self._store.read(f"{self._prefix}{NAME}")
        if content is None:
            return Entries(files={}, asked={})
        try:
            return Entries.model_validate_json(content)
        except ValidationError:
            self._store.write(f"{self._prefix}{DAMAGED}", content)
            self._store.remove(f"{self._prefix}{NAME}")
            _logger.warning(
                "The ledger %s was damaged; it is made again, and what it was is kept as %s.",
                self._store.location(f"{self._prefix}{NAME}"),
                DAMAGED,
            )
            return Entries(files={}, asked={})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among the watchers of a folder; in a store there is no such thing."""
        path = self._store.local_path(f"{self._prefix}{LOCK}")
        if path is None:
            yield
            return
        with local_errors(path):
            lock = path.open("a+b")
        with lock:
            _lock(lock.fileno(), path)
            with local_errors(path):
                self.place = _mark(lock)
            yield


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            with local_errors(path):
                raise


def _mark(lock: IO[bytes]) -> str:
    """The mark of a folder, from its lock file; made the first time."""
    lock.seek(0)
    mark = lock.read(MARK_DIGITS)
    if len(mark) != MARK_DIGITS:
        lock.truncate(0)
        mark = uuid4().hex.encode()
        lock.write(mark)
        lock.flush()
    return mark.decode("ascii", errors="replace")
