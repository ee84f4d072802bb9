"""A table of a job's chunks, or other parts, in the Prefect UI: who made what, how fast, and at which try."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sakuga.quality.words import plain
from tasks.cache import Made
from tasks.post import Post, artifact_key

State = Literal["waiting", "running", "done", "kept from before", "failed"]

FIRST = 2.0
"""Seconds until the table is first shown; a job that is done before shows it once."""

PERIOD = 10.0
"""Seconds between two updates: each is a request with the whole table."""

PATIENCE = 5.0
"""Seconds that the end of a job waits for the table to arrive."""


@dataclass
class Row:
    """What is known of one part; `seconds` of wall time, `frames` of the result."""

    frames: int
    state: State = "waiting"
    worker: str = ""
    seconds: float = 0.0
    tries: int = 0


class PartTable:
    """The parts of a job, shown at a bearable pace; every method may be called from any thread."""

    def __init__(self, name: str, frames: Mapping[int, int], what: str = "chunk") -> None:
        """A table of the job for the video `name`.

        Args:
            name: what people call the video.
            frames: how many each part is to have, by number.
            what: a part is, in one word.
        """
        self._what = what
        self._rows = {index: Row(count) for index, count in sorted(frames.items())}
        self._post = Post("table", artifact_key(f"{what}s", name))
        self._lock = threading.Lock()
        self._changed = True
        self._next = time.monotonic() + FIRST

    def set(
        self,
        index: int,
        *,
        state: State | None = None,
        worker: str | None = None,
        frames: int | None = None,
        seconds: float | None = None,
        tries: int | None = None,
    ) -> None:
        """Say what is new about a part; what is not given stays as it was."""
        new = {"state": state, "worker": worker, "frames": frames, "seconds": seconds, "tries": tries}
        with self._lock:
            row = self._rows.setdefault(index, Row(0))
            for name, value in new.items():
                if value is not None and value != getattr(row, name):
                    setattr(row, name, value)
                    self._changed = True

    def record(self, index: int, record: Made, *, kept: bool = False) -> None:
        """Say that a part is finished; `kept` where it was there before this job."""
        self.set(
            index,
            state="kept from before" if kept else "done",
            worker=record.worker,
            frames=record.frames,
            seconds=record.elapsed,
            tries=record.tries,
        )

    def update(self) -> None:
        """Show what has changed, when it is time to."""
        if time.monotonic() >= self._next:
            self._show()

    def finish(self) -> None:
        """Show the last state of all parts, however the job has ended."""
        self._show()
        self._post.flush(PATIENCE)

    def rows(self) -> list[dict[str, Any]]:
        """What is shown: all parts in one line, a line for each worker, and a line for each part."""
        with self._lock:
            rows = dict(sorted(self._rows.items()))
            lines = [_total(rows), *_workers(rows, self._what)]
            lines += [_line(index, row) for index, row in rows.items()]
        # the first row's keys are the table's columns
        return [{self._what: line.pop("part"), **line} for line in lines]

    def _show(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, False
            self._next = time.monotonic() + PERIOD
        if changed:
            parts = f"{self._what.capitalize()}s of the video"
            self._post.show(json.dumps(self.rows()), f"{parts}: their state, who made them, and how fast.")


def _line(index: int, row: Row) -> dict[str, Any]:
    return _cells(str(index), row.state, plain(row.worker), row.frames, row.seconds, row.tries)


def _cells(part: str, state: str, worker: str, frames: int, seconds: float, tries: int) -> dict[str, Any]:
    speed = round(frames / seconds, 1) if seconds > 0 else None
    return {
        "part": part,
        "state": state,
        "worker": worker,
        "frames": frames,
        "frames/s": speed if speed is not None else "",
        "tries": tries or "",
    }


def _total(rows: Mapping[int, Row]) -> dict[str, Any]:
    states = [row.state for row in rows.values()]
    counts = [
        f"{states.count(state)} {state}"
        for state in ("done", "kept from before", "running", "failed", "waiting")
        if state in states
    ]
    frames = sum(row.frames for row in rows.values())
    return _cells(f"all {len(rows)}", ", ".join(counts), "", frames, 0.0, 0)


def _workers(rows: Mapping[int, Row], what: str) -> list[dict[str, Any]]:
    """What each worker has come to in this job, the busiest first."""
    made: dict[str, list[Row]] = {}
    for row in rows.values():
        if row.state == "done" and row.worker:
            made.setdefault(row.worker, []).append(row)
    lines = [
        _cells(
            f"{len(done)} {what}{'s' if len(done) > 1 else ''}",
            "done",
            plain(worker),
            sum(row.frames for row in done),
            sum(row.seconds for row in done),
            sum(row.tries for row in done),
        )
        for worker, done in made.items()
    ]
    return sorted(lines, key=lambda line: (-line["frames"], line["worker"]))
