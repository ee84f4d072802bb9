"""Frames in: decoded pictures by their number, and which frames of a damaged file decode at all."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sakuga.errors import ContractError, DamagedMediaError
from sakuga.media.colour import Unpacker
from sakuga.media.info import VideoStream
from sakuga.media.open import open_media
from sakuga.media.packets import PacketIndex, packets_of
from sakuga.media.picture import Picture
from sakuga.settings import Limits

MAX_STEPS_BACK = 4
"""Keyframes to go back when a seek lands too late, before starting over from the beginning."""
MAX_EARLY = 8
"""Frames that may come before their turn until one is taken for missing."""
SEARCHED = ("mpeg", "mpegts")
SEARCH_MARGIN = Fraction(7, 10)
"""These are searched for a decoding time, not a keyframe; from so many seconds before, none is passed by."""


def prepare_decoder(container: InputContainer, index: int, limits: Limits, *, threads: int = 0) -> None:
    """Set up a stream's decoder: frame threads, the pixel limit, and errors that are told.

    Args:
        container: freshly opened.
        index: the video stream.
        limits: its pixel limit holds in the decoder too.
        threads: how many; 0 for as many as there are cores.
    """
    context = (
        container.streams.video[0].codec_context if index < 0 else container.streams[index].codec_context
    )
    context.thread_type = "AUTO" if threads != 1 else "SLICE"
    context.thread_count = threads
    context.options = {"max_pixels": str(limits.max_pixels)}
    if context.codec.canonical_name != "h264":
        # Without it HEVC hides errors without a word. H.264 marks most of its own, and would take the
        # references that are naturally missing after a seek to an open GOP for errors.
        context.options |= {"err_detect": "explode"}


def decoded_frames(container: InputContainer, index: int) -> Iterator[VideoFrame]:
    """Every frame that the decoder gives, in its order, going on after errors."""
    stream = container.streams[index]
    assert isinstance(stream, av.VideoStream)
    for packet in packets_of(container, stream=index):
        yield from _decode(stream, packet)
    yield from _decode(stream, None)


def _decode(stream: av.VideoStream, packet: av.Packet | None) -> list[VideoFrame]:  # type: ignore[type-arg]
    try:
        return stream.decode(packet)
    except av.error.EOFError:
        return []
    except av.error.FFmpegError:
        # The frame that is missing now is found missing by its number.
        return []


def good_labels(container: InputContainer, index: int, *, ordered: bool) -> NDArray[np.int64]:
    """The times that the decoder puts on frames without an error, in the order in which they are shown.

    Decodes the whole stream. Frames of another size than the first, and with a time that was there before,
    are left out; with `ordered`, which says that the times are known to be true, also frames that come before
    their turn.
    """
    size: tuple[int, int] | None = None
    times: list[int] = []
    for frame in decoded_frames(container, index):
        size = size or (frame.width, frame.height)
        time = frame_time(frame)
        if time is not None and not frame.is_corrupt and (frame.width, frame.height) == size:
            times.append(time)
    labels = np.array(list(dict.fromkeys(times)), np.int64)
    if ordered and len(labels):
        later = np.minimum.accumulate(labels[::-1])[::-1]
        labels = labels[labels == later]
    return labels


def frame_time(frame: VideoFrame) -> int | None:
    """A frame's time in ticks of its stream; where the container has none, that of its packet."""
    return frame.pts if frame.pts is not None else frame.dts


class FrameReader:
    """Decoded frames by their number, exactly; a context manager.

    Frames are found by the times in the packet index, never by counting, so that a seek gives the same
    pictures as reading from the start.

    Attributes:
        concealed: with `salvage`, how many frames were replaced by the one before.
    """

    def __init__(
        self,
        path: Path,
        video: VideoStream,
        packets: PacketIndex,
        *,
        limits: Limits,
        salvage: bool = False,
        threads: int = 0,
    ) -> None:
        self._path, self._video, self._packets = path, video, packets
        self._limits, self._salvage, self._threads = limits, salvage, threads
        self._unpacker = Unpacker(video.layout, full_range=video.colour.full_range)
        self._keys = np.flatnonzero(packets.keyframe)
        labels = packets.pts if packets.labels is None else packets.labels
        self._order = np.argsort(labels, kind="stable")
        self._labels, self._sorted = labels, labels[self._order]
        self._next = 0
        self._ahead: dict[int, VideoFrame] = {}
        self._last: Picture | None = None
        self._container: InputContainer | None = None
        self._frames: Iterator[tuple[int, VideoFrame]] = iter(())
        self.concealed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; reading again opens it anew."""
        self._frames, self._ahead, self._next, self._last = iter(()), {}, 0, None
        if self._container is not None:
            self._container.close()
            self._container = None

    def read(self, first: int, end: int) -> Iterator[Picture]:
        """Pictures of the decoded frames [first, end), in `video.layout`, as stored.

        A read that goes on where the last one ended does not seek.

        Raises:
            DamagedMediaError: a frame does not decode, or comes in another size; the message says which.
            ContractError: the range is not within the stream.
        """
        if not 0 <= first <= end <= len(self._packets):
            raise ContractError(
                f"Frames {first} to {end} were asked for, but {self._path} has {len(self._packets)}."
            )
        for number in range(first, end):
            if self._container is None or number != self._next:
                self._go_to(number)
            self._next = number + 1
            yield self._picture(number)

    def _picture(self, number: int) -> Picture:
        frame = self._take(number)
        if frame is not None and (frame.width, frame.height) != (self._video.width, self._video.height):
            if not self._salvage:
                raise DamagedMediaError(
                    f"The picture of {self._path} changes from {self._video.width}x{self._video.height} to "
                    f"{frame.width}x{frame.height} at {self._where(number)}; such a file has to be split "
                    "there first."
                )
            frame = None
        if frame is not None and (self._salvage or not frame.is_corrupt):
            self._last = self._unpacker.picture(frame)
            return self._last
        if not self._salvage:
            raise DamagedMediaError(
                f"{self._path} is damaged: {self._where(number)} does not decode; use --salvage to enhance "
                "what does."
            )
        self.concealed += 1
        if self._last is None:
            self._last = self._earlier(number)
        return self._last

    def _take(self, number: int) -> VideoFrame | None:
        """The decoded frame of this number, or None where it does not come."""
        if (early := self._ahead.pop(number, None)) is not None:
            return early
        for found, frame in self._frames:
            if found == number:
                return frame
            if found > number:
                # A decoder that lost a keyframe puts out a few frames of the next group too early.
                self._ahead[found] = frame
                if len(self._ahead) > MAX_EARLY:
                    break
        self._ahead = {found: frame for found, frame in self._ahead.items() if found > number}
        return None

    def _earlier(self, number: int) -> Picture:
        """The nearest picture before (or, at the start, after) this number that decodes."""
        others = [*range(number - 1, -1, -1), *range(number + 1, len(self._packets))]
        for other in others:
            with FrameReader(
                self._path, self._video, self._packets, limits=self._limits, threads=self._threads
            ) as reader:
                try:
                    return next(reader.read(other, other + 1))
                except DamagedMediaError:
                    continue
        raise DamagedMediaError(f"No frame of {self._path} decodes; it cannot be enhanced.")

    def _where(self, number: int) -> str:
        seconds = float(int(self._packets.pts[number]) * self._packets.time_base - self._video.start)
        return f"frame {number} at {seconds:.3f} s"

    def _go_to(self, number: int) -> None:
        """Stand where the next frame that comes is this one or an earlier one."""
        self._last = None
        before = self._keys[: int(np.searchsorted(self._keys, number, side="right"))]
        for key in before[: -MAX_STEPS_BACK - 1 : -1]:
            # From a keyframe near the start, opening anew is as fast and needs no index.
            if key == 0:
                break
            if self._land(int(key), number):
                return
        self._restart()
        self._frames = self._numbered(None)

    def _restart(self) -> None:
        self.close()
        self._container = open_media(self._path, self._limits)
        prepare_decoder(self._container, self._video.index, self._limits, threads=self._threads)

    def _land(self, key: int, number: int) -> bool:
        """Seek to a keyframe; whether the wanted frame comes from there."""
        if self._container is None:
            self._restart()
        assert self._container is not None
        target = int(self._labels[key])
        if self._container.format.name in SEARCHED:
            target = max(int(self._labels[0]), target - int(SEARCH_MARGIN / self._packets.time_base))
        try:
            stream = self._container.streams[self._video.index]
            self._container.seek(target, backward=True, stream=stream)
        except av.error.FFmpegError:
            return False
        self._ahead = {}
        self._frames = self._numbered(number)
        frame = self._take(number)
        if frame is None:
            return False
        self._ahead[number] = frame
        return True

    def _numbered(self, latest: int | None) -> Iterator[tuple[int, VideoFrame]]:
        """Decoded frames with their numbers; after a seek only from a keyframe at or before `latest`."""
        assert self._container is not None
        stream = self._container.streams[self._video.index]
        assert isinstance(stream, av.VideoStream)
        for packet in packets_of(self._container, stream=stream.index):
            if latest is not None:
                key = self._number(packet.pts if packet.pts is not None else packet.dts)
                if key is not None and key > latest:
                    return
                if key is None or not self._is_key(key, packet):
                    continue
                latest = None
            yield from self._known(_decode(stream, packet))
        yield from self._known(_decode(stream, None))

    def _is_key(self, number: int, packet: av.Packet) -> bool:  # type: ignore[type-arg]
        """Whether this is the packet of that keyframe, not one that got its time by mistake."""
        sizes = self._packets.sizes
        same = sizes is None or int(sizes[number]) == packet.size
        return packet.is_keyframe and bool(self._packets.keyframe[number]) and same

    def _known(self, frames: list[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
        for frame in frames:
            number = self._number(frame_time(frame))
            if number is not None:
                yield number, frame

    def _number(self, label: int | None) -> int | None:
        if label is None:
            return None
        place = int(np.searchsorted(self._sorted, label))
        found = place < len(self._sorted) and self._sorted[place] == label
        return int(self._order[place]) if found else None
