"""What is seen in a segment, held against what was planned: its ends, black, and standstill."""

from collections.abc import Iterator
from math import ceil
from typing import Protocol

import cv2
import numpy as np

from sakuga.episode.form import Form
from sakuga.episode.timeline import Segment
from sakuga.media.info import Frozen
from sakuga.media.picture import Picture
from sakuga.quality.measure import Levels, channels, moved, psnr, thumbnail
from sakuga.quality.pictures import (
    BLACK,
    BLACK_SOURCE,
    COARSE_QUALITY,
    FROZEN_FRAMES,
    LEVELS_PER_STEP,
    MOVED,
    PLAIN_QUALITY,
    PSNR_ENOUGH,
    PSNR_PER_STEP,
    STILL,
)
from sakuga.quality.sample import BLUR

FROZEN_SECONDS = 0.5
"""What stands still for less is drawn so: on twos, on threes, or held for an accent."""

NEARER = 3.0
"""dB by which a neighbour must agree better before a frame counts as that neighbour: twice the likeness."""

NOISE = 48.0
"""Coded noise agrees to this many dB less the quality number: x264, x265 and SVT-AV1 at numbers from 14 to 35
and two presets leave 1.2 dB more at least, and pictures with anything to see much more."""

BLACK_SHARE = 98.0
"""Percentile of a thumbnail that must be black."""

READ_ON = 100
"""Frames between two black runs of a segment below which what is planned is read in one go."""

Runs = tuple[tuple[int, int], ...]
"""Ranges [first, last) of frames, in order and apart."""


class Reel(Protocol):
    """Pictures as they were planned, such as `sakuga.episode.planned.Planned`."""

    low: int
    high: int

    def picture(self, number: int) -> Picture:
        """One picture, counted from the segment's first."""

    def read(self, first: int, last: int) -> Iterator[Picture]:
        """Pictures [first, last) in one go."""


class Seam(Frozen):
    """A frame beside a cut: how well it agrees with the planned one, in dB, and how well it has to.

    `nearer` is how many frames away the planned frame is that it agrees better with, 0 where there is none.
    """

    frame: int
    psnr: float
    bound: float
    nearer: int = 0

    @property
    def right(self) -> bool:
        """Whether it is the planned one."""
        return self.psnr >= self.bound and not self.nearer


class SegmentLook(Frozen):
    """What was seen of a segment's frames, counted from its first; the same for the same encoded file."""

    frames: int
    black: tuple[int, ...] = ()
    """Frames that are black where a picture was planned."""

    frozen: Runs = ()
    """Ranges [first, last) that stand still where movement was planned."""

    seams: tuple[Seam, ...] = ()


def look(segment: Segment, shown: Iterator[Picture], planned: Reel, form: Form) -> SegmentLook:
    """Look at all frames of a segment once, in constant memory.

    Planned pictures are made at both ends, and where what is shown is black or stands still.

    Args:
        segment: the segment.
        shown: its frames as they decode; fewer than planned where the file ends early.
        planned: what they should be.
        form: the episode's form.

    Raises:
        DamagedMediaError: a clip does not decode any more.
    """
    full = form.colour.full_range
    dark, still = _Dark(), _Still(max(FROZEN_FRAMES, ceil(FROZEN_SECONDS * form.rate)))
    seams: list[Seam] = []
    frame = -1
    for frame, picture in enumerate(shown):
        small = thumbnail(picture, full)
        dark.take(frame, small)
        still.take(frame, small)
        if frame in (0, segment.frames - 1):
            seams.append(_seam(frame, picture, planned, form))
    return SegmentLook(
        frames=frame + 1,
        black=_unplanned_black(tuple(dark.runs), planned, full),
        frozen=_unplanned_standstill(still.finish(frame + 1), planned, form),
        seams=tuple(seams),
    )


def _seam(frame: int, picture: Picture, planned: Reel, form: Form) -> Seam:
    """Compare a frame with the planned one and the neighbours of that."""
    full = form.colour.full_range
    first, last = max(planned.low, frame - 1), min(planned.high, frame + 2)
    got = channels(picture, full)[0]
    likeness: dict[int, float] = {}
    bound = 0.0
    own: Levels | None = None
    for number in range(first, last):
        luma = channels(planned.picture(number), full)[0]
        likeness[number] = psnr(got, luma)
        if number == frame:
            own, bound = luma, _bound(luma, form)
    nearest = max(likeness, key=lambda number: (likeness[number], number == frame))
    wrong = likeness[nearest] > likeness[frame] + NEARER and own is not None
    return Seam(frame=frame, psnr=likeness[frame], bound=bound, nearer=nearest - frame if wrong else 0)


def _bound(luma: Levels, form: Form) -> float:
    """Lowest PSNR in dB that coding leaves: as `enhance` asks for, at least what is left of pure noise."""
    quality = form.settings.quality
    if form.settings.codec == "prores":
        return PSNR_ENOUGH
    soft = np.asarray(cv2.GaussianBlur(luma, (0, 0), BLUR), np.float32)
    plain = min(PSNR_ENOUGH, psnr(soft, luma)) - max(0, quality - PLAIN_QUALITY) * PSNR_PER_STEP
    return max(plain, min(PSNR_ENOUGH, NOISE - quality))


class _Dark:
    """Finds runs of black frames."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, int]] = []

    def take(self, frame: int, small: Levels) -> None:
        if float(np.percentile(small, BLACK_SHARE)) >= BLACK:
            return
        if self.runs and self.runs[-1][1] == frame:
            self.runs[-1] = self.runs[-1][0], frame + 1
        else:
            self.runs.append((frame, frame + 1))


class _Still:
    """Finds runs of frames that all look like their first, so that a slow fade counts as movement."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._first = 0
        self._begin: Levels | None = None
        self._runs: list[tuple[int, int]] = []

    def take(self, frame: int, small: Levels) -> None:
        if self._begin is not None and moved(self._begin, small) < STILL:
            return
        self._close(frame)
        self._first, self._begin = frame, small

    def finish(self, end: int) -> Runs:
        """All runs of a segment of so many frames."""
        self._close(end)
        return tuple(self._runs)

    def _close(self, end: int) -> None:
        if end - self._first >= self._least:
            self._runs.append((self._first, end))


def _unplanned_black(runs: Runs, planned: Reel, full: bool) -> tuple[int, ...]:
    """Frames of black runs where a picture was planned."""
    bad = []
    for first, last in _near(runs):
        for frame, picture in enumerate(planned.read(first, last), first):
            black = any(begin <= frame < end for begin, end in runs)
            seen = float(np.percentile(thumbnail(picture, full), BLACK_SHARE))
            if black and seen >= BLACK + BLACK_SOURCE:
                bad.append(frame)
    return tuple(bad)


def _unplanned_standstill(runs: Runs, planned: Reel, form: Form) -> Runs:
    """Runs that stand still where movement was planned."""
    coarse = form.settings.quality - COARSE_QUALITY if form.settings.codec != "prores" else 0
    bound = MOVED + LEVELS_PER_STEP * max(0, coarse)
    bad = []
    for first, last in runs:
        begin: Levels | None = None
        for picture in planned.read(first, last):
            small = thumbnail(picture, form.colour.full_range)
            begin = small if begin is None else begin
            if moved(begin, small) > bound:
                bad.append((first, last))
                break
    return tuple(bad)


def _near(runs: Runs) -> Runs:
    """Runs that are near each other as one: opening a clip again costs more than reading on."""
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and first - joined[-1][1] < READ_ON:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return tuple(joined)
