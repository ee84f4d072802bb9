"""Counts and times of a chunk that is being made."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from sakuga.media.info import Frozen

STAGES = ("decode", "upscale", "interpolate", "encode")


class Counts(Frozen):
    """What reuse did. `computed`, `partial` and `reused` film frames add up to all of them.

    `computed` frames went through the model whole, `partial` ones in parts, `reused` ones not at all: theirs
    is the result of another. `pixels` of the source did, with margins and audits, of `all_pixels` that there
    are. `audits` of the computed frames were computed whole to check parts: with `near` the lowest luma PSNR
    was `worst_audit`, in dB, and `refused` of them were below the bound. `regions_off` says why parts of
    pictures were given up.
    """

    computed: int = 0
    reused: int = 0
    partial: int = 0
    pixels: int = 0
    all_pixels: int = 0
    audits: int = 0
    refused: int = 0
    worst_audit: float | None = None
    regions_off: str = ""


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
