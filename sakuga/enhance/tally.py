"""Counts and times of a chunk that is being made."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

STAGES = ("decode", "upscale", "interpolate", "encode")


@dataclass
class Tally:
    """Counts of a chunk under way; each count is written by one thread.

    Attributes:
        seconds: how long each stage was busy, over all its threads.
        film_frames: that were read.
        concealed: decoded frames that were damaged and replaced.
        regions_off: why parts of pictures are not made, if so.
    """

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    film_frames: int = 0
    concealed: int = 0
    regions_off: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def busy(self, stage: str) -> Iterator[None]:
        """Counts the time that it is entered for."""
        start = perf_counter()
        try:
            yield
        finally:
            with self.lock:
                self.seconds[stage] += perf_counter() - start
