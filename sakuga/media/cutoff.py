"""Whether a file ends before it says it does or has a hole, and how much of its picture that takes."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from sakuga.media.packets import PacketScan
from sakuga.media.rates import mean_rate
from sakuga.media.structure import matroska_hole, missing_bytes

LATE_SECONDS, LATE_SHARE = Fraction(1), Fraction(2, 100)
"""How much earlier than its header says a Matroska file may end: headers are rounded and count silence."""
HEADER_DURATION = ("matroska", "flv", "asf", "avi", "nut")
"""Containers whose duration is written in the header, not measured from the file as it is."""


@dataclass(frozen=True)
class Cutoff:
    """Where a file ends early: after `reached` seconds of video, about `frames` frames before its own end.

    `frames` is 0 where the file does not say how long it was to be.
    """

    reached: float
    why: str
    frames: int

    @property
    def place(self) -> str:
        """Words that follow "is"."""
        return f"cut off after {self.reached:.3f} s of video ({self.why})"

    @property
    def loss(self) -> str:
        """The place and how much is missing, as a sentence without its end."""
        if not self.frames:
            return f"it is {self.place}"
        return f"it is {self.place}; about {_missing_words(self.frames, f' after {self.reached:.3f} s')}"


@dataclass(frozen=True)
class Hole:
    """A place in bytes where the structure of a file is broken, and about how many frames that costs."""

    at: int
    size: int
    frames: int

    @property
    def place(self) -> str:
        """Words that follow "is"."""
        return f"damaged at byte {self.at} of {self.size}"

    @property
    def loss(self) -> str:
        """The place and how much is missing, as a sentence without its end."""
        return f"it is {self.place}" + (f"; about {_missing_words(self.frames)}" if self.frames else "")


def _missing_words(frames: int, where: str = "") -> str:
    return f"1 frame{where} is missing" if frames == 1 else f"{frames} frames{where} are missing"


def find_hole(scan: PacketScan, path: Path, lost: int) -> Hole | None:
    """A hole in a Matroska file, or None; frames are counted by the usual step of time.

    `lost` is the number of frames that are not in the scan any more because they do not decode.
    """
    at = matroska_hole(path)
    if at is None:
        return None
    steps = np.diff(scan.pts)
    step = max(1, int(np.median(steps))) if len(steps) else 1
    frames = int(np.maximum(np.rint(steps / step) - 1, 0).sum())
    return Hole(at, path.stat().st_size, max(0, frames - lost))


def find_cutoff(
    container: InputContainer, stream: av.VideoStream, scan: PacketScan, path: Path, lost: int
) -> Cutoff | None:
    """Where the file ends early, or None.

    Args:
        container: the open file.
        stream: its video stream.
        scan: its packets, one of them a frame at least.
        path: the file.
        lost: frames that are not in the scan any more because they do not decode.
    """
    start = Fraction(container.start_time or 0, av.time_base)
    declared = _declared(container)
    last = max(end for number in scan.streams if (end := _end(container, scan, number)) is not None)
    lacking = max(missing_bytes(path), _beyond_end(stream, path))
    late = declared is not None and declared - (last - min(start, Fraction(0))) > max(
        LATE_SECONDS, LATE_SHARE * declared
    )
    if not (lacking or late or scan.broken):
        return None
    base = stream.time_base
    assert base is not None
    if lacking:
        why = f"{lacking} bytes are missing at its end"
    elif late and declared is not None:
        why = f"its header says {float(declared):.3f} s"
    else:
        why = f"reading it fails ({scan.broken})"
    reached = float((int(scan.pts[-1]) - int(scan.pts[0])) * base)
    return Cutoff(reached, why, _missing(container, stream, scan, lost))


def _declared(container: InputContainer) -> Fraction | None:
    """Duration that the header says, in seconds."""
    names = container.format.name.split(",")
    if container.duration is None or not any(name in HEADER_DURATION for name in names):
        return None
    return Fraction(container.duration, av.time_base)


def _missing(container: InputContainer, stream: av.VideoStream, scan: PacketScan, lost: int) -> int:
    """Frames after the last packet: by the header's count of frames, else by its duration and the rate."""
    if stream.frames:
        return max(0, stream.frames - len(scan.pts) - lost)
    declared, end = _declared(container), _end(container, scan, stream.index)
    base = stream.time_base
    if declared is None or end is None or base is None or len(scan.pts) < 2:
        return 0
    start = Fraction(container.start_time or 0, av.time_base)
    return max(0, round((declared + min(start, Fraction(0)) - end) * mean_rate(scan.pts, base)))


def _end(container: InputContainer, scan: PacketScan, number: int) -> Fraction | None:
    end, base = scan.streams[number].end, container.streams[number].time_base
    return None if end is None or base is None else end * base


def _beyond_end(stream: av.VideoStream, path: Path) -> int:
    """Bytes by which a packet lies beyond the end of the file, by the demuxer's index; 0 if none does."""
    reach = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    return max(0, reach - path.stat().st_size)
