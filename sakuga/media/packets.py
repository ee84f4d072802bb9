"""The frames of a video stream as its packets announce them, without decoding."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import av.error
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from sakuga.errors import LimitError

VPX = ("vp8", "libvpx", "vp9", "libvpx-vp9")
MPEG4 = ("mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4", "msmpeg4v3", "wmv1", "wmv2")
TINY_PACKET = 20
"""An MPEG-4 packet this small may stand for no frame of its own (a VOP that is not coded)."""
MAX_READ_ERRORS = 8


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """Every frame that the stream will show, in presentation order.

    `pts[k]` is the time of decoded frame k in ticks of `time_base` on the container's clock, strictly
    increasing; `keyframe[k]` tells whether decoding can start there. `end` is when the last frame stops being
    shown, in the same ticks.

    `labels[k]` is the time that the decoder puts on frame k where that is not `pts[k]`: some containers have
    no presentation times. `sizes[k]` is the size of its packet in bytes, by which a packet is known again
    after a seek, because some containers give it another time then. Both may be absent.
    """

    time_base: Fraction
    pts: NDArray[np.int64]
    keyframe: NDArray[np.bool_]
    end: int
    labels: NDArray[np.int64] | None = None
    sizes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.pts)


@dataclass
class StreamScan:
    """First start and last end of the packets of one stream, in its ticks.

    Packets of `sound` that do not say how long they last, such as ALAC's in Matroska, last as long as the one
    before: they follow each other without gaps.
    """

    start: int | None = None
    end: int | None = None
    sound: bool = False
    _last: int | None = None

    def take(self, time: int, length: int) -> None:
        """Count a packet that starts at `time`; a `length` of 0 is not known."""
        if self.sound and not length and self._last is not None:
            length = max(0, time - self._last)
        self._last = time
        self.start = time if self.start is None else min(self.start, time)
        self.end = time + length if self.end is None else max(self.end, time + length)


@dataclass
class PacketScan:
    """What one pass over all packets of a file found.

    `pts`, `keyframe` and `sizes` (in bytes) are those of the video packets that show a frame, in presentation
    order; `labels` as in `PacketIndex`. `last` is the duration of the last of them in ticks, 0 where it is
    not known. `exact` is False where the packets do not tell the frames: times are missing, or a packet may
    hold none or two. `lead` is the time of the first keyframe: frames before it may not decode. `broken`
    tells where reading failed.
    """

    pts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    keyframe: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    last: int = 0
    exact: bool = True
    lead: int = 0
    broken: str | None = None
    labels: NDArray[np.int64] | None = None
    streams: dict[int, StreamScan] = field(default_factory=dict)


def scan_packets(container: InputContainer, index: int, *, max_frames: int) -> PacketScan:
    """Read every packet once.

    Args:
        container: a container that nothing was read from.
        index: the video stream whose frames are wanted.
        max_frames: frames that it may have at most.

    Raises:
        LimitError: there are more frames.
    """
    scan = PacketScan(
        streams={stream.index: StreamScan(sound=stream.type == "audio") for stream in container.streams}
    )
    codec = container.streams[index].codec_context.name
    vpx, mpeg4 = codec in VPX, codec in MPEG4
    rows: list[tuple[int, int, bool, int]] = []
    for packet in packets_of(container, scan):
        pts, dts, number = packet.pts, packet.dts, packet.stream_index
        length = packet.duration or 0
        time = dts if pts is None else pts
        if time is not None and not packet.is_discard:
            scan.streams[number].take(time, length)
        if number != index or packet.is_discard or (vpx and _hidden(codec, packet)):
            continue
        if pts is None or (mpeg4 and packet.size <= TINY_PACKET):
            scan.exact = False
        if time is None:
            continue
        rows.append((time, length, packet.is_keyframe, packet.size))
        if len(rows) > max_frames:
            raise LimitError(
                f"{container.name} has more than {max_frames} frames, which is the limit "
                "(SAKUGA_LIMITS__MAX_FRAMES)."
            )
    _sort(scan, rows)
    return scan


def packets_of(
    container: InputContainer, scan: PacketScan | None = None, stream: int | None = None
) -> Iterator[av.Packet]:  # type: ignore[type-arg]
    """Packets that hold something, going on after read errors as far as the demuxer can."""
    errors = 0
    wanted = container.streams[stream] if stream is not None else None
    while True:
        try:
            source = container.demux(wanted) if wanted is not None else container.demux()
            for packet in source:
                if packet.size:
                    yield packet
        except av.error.FFmpegError as error:
            errors += 1
            if scan is not None and scan.broken is None:
                scan.broken = error.strerror or type(error).__name__
            if errors < MAX_READ_ERRORS:
                continue
        return


def _hidden(codec: str, packet: av.Packet) -> bool:  # type: ignore[type-arg]
    """Whether a VP8 or VP9 packet holds only a frame that is not shown (RFC 6386 9.1; VP9 spec 6.2)."""
    data = memoryview(packet)
    if codec in VPX[:2]:
        return not data[0] >> 4 & 1
    superframe = data[-1] & 0xE0 == 0xC0
    deep = data[0] & 0x30 == 0x30
    bits = data[0] >> (0 if deep else 1)  # profile 3 has one bit more before these
    shows_existing, shown = bits >> 2 & 1, bits & 1
    return not superframe and not shows_existing and not shown


def _sort(scan: PacketScan, rows: list[tuple[int, int, bool, int]]) -> None:
    if not rows:
        return
    table = np.array(rows, np.int64)
    keys = table[table[:, 2] != 0]
    scan.lead = int(keys[0, 0]) if len(keys) else int(table[:, 0].min())
    # Of several packets with one time only one can be seen, so one is counted.
    pts, where = np.unique(table[:, 0], return_index=True)
    scan.pts, scan.keyframe, scan.sizes = pts, table[where, 2] != 0, table[where, 3]
    scan.last = int(table[where[-1], 1])
