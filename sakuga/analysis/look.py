"""Looking at stretches of a source: at all of a short one, at samples of a long one."""

from fractions import Fraction
from typing import Literal

import numpy as np

from sakuga.analysis.fields import FieldMeasures, measure
from sakuga.analysis.votes import DECIMATIONS, MIN_CYCLES, Votes, duplicate_cycles, votes
from sakuga.media.film import PictureSource
from sakuga.media.info import FieldOrder, Frozen, VideoStream
from sakuga.media.packets import PacketIndex

CadenceKind = Literal["progressive", "interlaced", "telecined", "duplicated"]

WINDOW = 40
"""Decoded frames looked at in one go: eight cycles of telecine."""
SHORT = 3 * WINDOW
"""A source of at most this many frames is looked at whole."""
PLACES = tuple(Fraction(eighth, 24) for eighth in (12, 6, 18, 3, 21, 9, 15, 1, 23, 5, 11, 19))
"""Where in a longer source windows lie, in the order they are looked at; the first half usually suffices."""


class Cadence(Frozen):
    """What was found in the frames.

    `measures` are shares of the moving frames that were looked at, and how many those were.
    """

    kind: CadenceKind
    field_order: FieldOrder
    measures: dict[str, float]


class Look:
    """What the windows of a source say together."""

    def __init__(self, video: VideoStream, stretches: list[tuple[Votes, FieldMeasures]], whole: bool) -> None:
        self.video = video
        self.whole = stretches[0][1] if whole and stretches else None
        self.votes = [vote for vote, _ in stretches]
        self.kinds = [vote.kind() for vote in self.votes]
        self.changes = [table.change for _, table in stretches]
        if self.whole is not None:
            self.changes = [self.whole.change]

    def count(self, *kinds: str) -> int:
        """Moving frames in stretches of these kinds."""
        return sum(vote.moving for vote, kind in zip(self.votes, self.kinds, strict=True) if kind in kinds)

    @property
    def moving(self) -> int:
        """Moving frames in stretches that are not still."""
        return self.count("progressive", "interlaced", "telecined", "shifted")

    @property
    def top_field_first(self) -> bool:
        """Which field is older, by what moves evenly; by the container's flag where nothing does."""
        first = sum(vote.torn_tff + len(vote.matched_before) for vote in self.votes)
        last = sum(vote.torn - vote.torn_tff + len(vote.matched_after) for vote in self.votes)
        return first > last if first != last else self.video.field_order != "bff"

    @property
    def kind(self) -> str:
        """What most stretches are; interlaced already where a quarter is, for that loses nothing."""
        woven, torn = self.count("telecined", "shifted"), self.count("interlaced")
        if woven and woven >= 2 * torn and 2 * woven >= self.moving:
            return "shifted" if self.count("shifted") > woven / 2 else "telecined"
        return "interlaced" if torn and 4 * (torn + woven) >= self.moving else "progressive"

    def duplicates(self, rate: Fraction | None) -> int | None:
        """Frames for each duplicate, where all stretches that move agree."""
        for (known_rate, period), _ in DECIMATIONS.items():
            if known_rate != rate:
                continue
            counts = [duplicate_cycles(change, period) for change in self.changes]
            sure = [(moving, agreeing) for moving, agreeing in counts if moving >= MIN_CYCLES]
            if sure and all(agreeing >= 0.9 * moving for moving, agreeing in sure):
                return period
        return None

    def found(self, kind: CadenceKind) -> Cadence:
        """The finding with its measures."""
        moving = max(1, sum(vote.moving for vote in self.votes))
        order: FieldOrder = "progressive"
        if kind in ("interlaced", "telecined"):
            order = "tff" if self.top_field_first else "bff"
        numbers = {
            "frames": sum(vote.frames for vote in self.votes),
            "moving": sum(vote.moving for vote in self.votes),
            "torn": round(sum(vote.torn for vote in self.votes) / moving, 3),
            "matched": round(sum(vote.matched for vote in self.votes) / moving, 3),
        }
        return Cadence(kind=kind, field_order=order, measures={k: float(v) for k, v in numbers.items()})


def look_at(reader: PictureSource, video: VideoStream, packets: PacketIndex, rate: Fraction | None) -> Look:
    """Measure and let vote; a long progressive source is left after the first stretches that move.

    Args:
        reader: gives decoded frames.
        video: the stream.
        packets: times and keyframes of the decoded frames.
        rate: the constant rate, None where times vary.
    """
    count = len(packets)
    if count <= SHORT:
        table = measure(reader.read(0, count))
        spans = [(first, min(first + WINDOW, count)) for first in range(0, count, WINDOW)]
        return Look(video, [(votes(table, *span), table) for span in spans], whole=True)
    stretches: list[tuple[Votes, FieldMeasures]] = []
    seen: set[int] = set()
    for number, place in enumerate(PLACES):
        first = _window_start(packets, int(place * (count - WINDOW)), seen)
        table = measure(reader.read(first, first + WINDOW))
        stretches.append((votes(table, 0, WINDOW), table))
        look = Look(video, stretches, whole=False)
        moving = sum(kind != "still" for kind in look.kinds)
        if number >= len(PLACES) // 2 - 1 and moving >= 2:
            break
        plainly = video.field_order in ("progressive", "unknown") and look.kind == "progressive"
        if (
            moving >= 2
            and plainly
            and set(look.kinds) <= {"still", "progressive"}
            and not look.duplicates(rate)
        ):
            break
    return look


def _window_start(packets: PacketIndex, wanted: int, seen: set[int]) -> int:
    """The keyframe before `wanted`, where reading starts quickly, or `wanted` if that was looked at."""
    keys = np.flatnonzero(packets.keyframe[: wanted + 1])
    first = int(keys[-1]) if len(keys) else wanted
    first = wanted if any(abs(first - other) < WINDOW for other in seen) else first
    seen.add(first)
    return first
