"""How far a job is: frames done, speed and time left, told at a bearable pace."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.channel import current_channel

PERIOD = 0.2
"""Seconds between two events of progress."""

WINDOW = 10.0
"""Seconds that the speed is measured over."""


class Progress:
    """Frames of one stage, counted by several threads, and told to the job's watcher."""

    def __init__(self, stage: str, total: int, done: int = 0) -> None:
        self._stage, self.total = stage, total
        self._channel = current_channel()
        self._lock = threading.Lock()
        self._parts: dict[object, int] = {None: done}
        self._marks = [(time.monotonic(), done)]
        self._told = 0.0

    @property
    def done(self) -> int:
        """Frames that are done."""
        with self._lock:
            return sum(self._parts.values())

    def set(self, part: object, frames: int) -> None:
        """Say how many frames of a part are done; a part that starts again goes back to few."""
        with self._lock:
            self._parts[part] = frames
            now, done = time.monotonic(), sum(self._parts.values())
            if now - self._told < PERIOD and done < self.total:
                return
            self._told = now
            self._marks = [mark for mark in self._marks if now - mark[0] < WINDOW][-200:] or self._marks[-1:]
            began, before = self._marks[0]
            self._marks.append((now, done))
        fps = max(0.0, (done - before) / max(now - began, 1e-3))
        self._channel.emit(
            "progress",
            stage=self._stage,
            done=done,
            total=self.total,
            fps=round(fps, 2),
            eta=round((self.total - done) / fps, 1) if fps > 0 else None,
        )


@contextmanager
def stage_progress(stage: str, total: int) -> Iterator[Callable[[int], None]]:
    """A callback for one thread that is called once for each frame; leaves when the job is to stop."""
    progress, channel = Progress(stage, total), current_channel()
    seen = 0

    def on_frame(frame: int) -> None:
        nonlocal seen
        del frame
        channel.check()
        seen += 1
        progress.set("all", seen)

    yield on_frame
