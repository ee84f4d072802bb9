"""One scan of a watched place."""

import time
from hashlib import sha256
from pathlib import Path

from prefect.logging import get_run_logger

from sakuga.errors import (
    DiskFullError,
    SakugaError,
    StoreAwayError,
    StoreError,
    UnreadableMediaError,
)
from sakuga.media.info import Frozen
from sakuga.settings import load_settings
from tasks.ledger import Asked, Ledger, SeenFile
from tasks.places import Listing, Place, sidecar_of
from tasks.probing import probe_once
from tasks.scratch import run_folder
from tasks.watching import Request, follow_runs, remove_sidecar, start_run, write_sidecar

SAVE_PERIOD = 5.0
"""Seconds between two writes of the ledger while files are looked at: what a kill costs at most."""


class Scan(Frozen):
    """What one scan found and did; all are counts of files or runs."""

    files: int = 0
    known: int = 0
    growing: int = 0
    started: int = 0
    refused: int = 0
    later: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0


class Watch:
    """One scan of a place: first what became of earlier runs, then what is new."""

    def __init__(self, place: Place, request: Request, ledger: Ledger, listing: Listing) -> None:
        self._place, self._request, self._ledger, self._listing = place, request, ledger, listing
        self._digest = request.digest()
        self._settings = load_settings()
        self._counts = dict.fromkeys(Scan.model_fields, 0)
        self._saved = time.monotonic()
        self._recheck: set[str] = set()
        """Files that were refused without a run and have to be looked at again."""

    def run(self, settle_seconds: float, max_new: int) -> Scan:
        """Do it once; the ledger is saved now and then, and has to be saved at the end.

        Args:
            settle_seconds: how long a new file must not change before it counts.
            max_new: new files to look at.

        Raises:
            OptionError: there is no such deployment, or it refuses the parameters.
            StoreError: the place cannot be read or written.
            FarmError: Prefect's server does not answer.
        """
        followed = follow_runs(self._place, self._ledger, self._listing)
        if self._listing.whole:
            for name in set(self._ledger.files) - set(self._listing.files):
                self._ledger.forget(name)
        again, new = self._sort(set(followed.running))
        for name, attempt in again:
            file = self._ledger.files[name]
            assert file.sha256 is not None
            self._start(name, file.sha256, file.size, attempt)
        chosen = new[:max_new]
        settled = self._settled(chosen, settle_seconds)
        with run_folder(self._settings.scratch_root) as scratch:
            for name in settled:
                self._look(name, scratch)
        self._counts.update(
            files=len(self._listing.files),
            growing=self._counts["growing"] + len(chosen) - len(settled),
            later=len(new) - len(chosen),
            running=len(followed.running) + self._counts["started"],
            done=len(followed.done),
            failed=len(followed.failed),
        )
        return Scan(**self._counts)

    def _sort(self, running: set[str]) -> tuple[list[tuple[str, int]], list[str]]:
        """What is asked for again with its attempt, and what has to be looked at; the rest is known."""
        again: dict[str, tuple[str, int]] = {}
        new = []
        for name, (size, changed) in sorted(self._listing.files.items()):
            file = self._ledger.files.get(name)
            if file is None or (file.size, file.changed) != (size, changed):
                new.append(name)
            elif file.sha256 is None:
                if sidecar_of(name) in self._listing.sidecars:
                    self._counts["known"] += 1
                else:
                    new.append(name)
            else:
                key = self._key(file.sha256)
                asked = self._ledger.asked.get(key)
                attempt = self._due(key, asked, running)
                if attempt and asked and not asked.run:
                    self._recheck.add(name)
                    new.append(name)
                elif attempt and key not in again:
                    again[key] = (name, attempt)
                else:
                    self._counts["known"] += 1
        return list(again.values()), new

    def _due(self, key: str, asked: Asked | None, running: set[str]) -> int | None:
        """Number of the attempt that is due for a known content, None where none is."""
        if asked is None:
            return 1
        tried = asked.outcome == "failed" and key not in running
        return asked.attempt + 1 if tried and sidecar_of(asked.name) not in self._listing.sidecars else None

    def _settled(self, names: list[str], seconds: float) -> list[str]:
        """Those that have not changed in that time."""
        if names and seconds:
            time.sleep(seconds)
        return [name for name in names if self._place.facts(name) == self._listing.files[name]]

    def _look(self, name: str, scratch: Path) -> None:
        """Take in a new or changed file, and start a run where its content is new too."""
        size, changed = self._listing.files[name]
        try:
            with self._place.opened(name, scratch) as (path, digest, _):
                if self._place.facts(name) != (size, changed):
                    self._counts["growing"] += 1
                    return
                known = self._ledger.asked.get(self._key(digest))
                wanted = known is None or name in self._recheck
                refusal = self._refusal(path) if wanted else None
        except UnreadableMediaError as error:
            if self._place.facts(name) is not None:
                write_sidecar(self._place, self._listing, name, str(error))
                self._ledger.see(name, SeenFile(size=size, changed=changed, sha256=None))
                self._counts["refused"] += 1
            return
        except (StoreAwayError, DiskFullError):
            raise
        except StoreError as error:
            get_run_logger().warning("%s is left for the next scan: %s", name, error)
            return
        before = self._ledger.files.get(name)
        if before and before.sha256 != digest:
            remove_sidecar(self._place, self._listing, name)
        attempt = known.attempt + 1 if known else 1
        if refusal:
            write_sidecar(self._place, self._listing, name, refusal)
            self._ledger.note(self._key(digest), Asked(name=name, attempt=attempt, outcome="failed"))
            self._counts["refused"] += 1
        elif wanted:
            # the result that is there is that of the file's earlier content, so it is ours
            ours = before is not None and before.sha256 not in (None, digest)
            self._start(name, digest, size, attempt, overwrite=ours)
        else:
            self._counts["known"] += 1
        self._ledger.see(name, SeenFile(size=size, changed=changed, sha256=digest))
        self._save_in_time()

    def _refusal(self, path: Path) -> str | None:
        """Why a file cannot be a source, None where it can."""
        try:
            probe_once(path, self._settings.limits, salvage=self._request.spec.salvage)
        except SakugaError as error:
            return str(error).replace(str(path), path.name)
        except Exception as error:
            # one strange file must not keep all others from being seen
            get_run_logger().exception("%s cannot be probed", path.name)
            return f"It cannot be probed ({type(error).__name__}: {error})."
        return None

    def _start(self, name: str, digest: str, size: int, attempt: int, *, overwrite: bool = False) -> None:
        request = self._request
        if overwrite:
            request = request.model_copy(update={"overwrite": True})
        # two watchers of one place come to the same key, those of two places to two
        asked = sha256(f"{self._ledger.place}:{self._digest}".encode()).hexdigest()[:16]
        run = start_run(self._place, name, digest, size, request, f"watch:{digest}:{asked}:{attempt}")
        note = Asked(name=name, attempt=attempt, outcome="started", run=str(run.id), run_name=run.name)
        self._ledger.note(self._key(digest), note)
        self._counts["started"] += 1
        get_run_logger().info("Started %r for %s", run.name, name)
        self._save_in_time()

    def _key(self, digest: str) -> str:
        return f"{digest}:{self._digest}"

    def _save_in_time(self) -> None:
        if time.monotonic() - self._saved > SAVE_PERIOD:
            self._ledger.save()
            self._saved = time.monotonic()
