"""Packets of the chunks as one video stream with planned times."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from sakuga.errors import ContractError, InputError
from sakuga.media.avc import parameter_sets, profile_and_level, with_parameter_sets
from sakuga.media.info import Colour, Frozen, Rational
from sakuga.media.open import open_media
from sakuga.settings import Limits

OWN_LIMITS = Limits(max_file_bytes=1 << 62, max_pixels=Limits().max_output_pixels)
"""For files that were made here, which may be larger than any source."""

INBAND_TAG = "avc3"
"""What MP4 calls H.264 whose parameter sets may change from keyframe to keyframe."""


class VideoTrack(Frozen):
    """The video of a result: chunk files, and when each of their frames is shown.

    Frame i, counted over all chunks, is shown at `times[i]` ticks of `time_base` after the source's start;
    the last one until `end`. Chunks that are `mixed` may come from different encoders: parameter sets of
    H.264 that differ go in front of the keyframes.
    """

    chunks: tuple[Path, ...]
    chunk_frames: tuple[int, ...]
    times: tuple[int, ...]
    time_base: Rational
    end: int
    frame_rate: Rational | None
    size: tuple[int, int]
    colour: Colour
    mixed: bool = False

    @property
    def mean_rate(self) -> Fraction:
        """Frames per second: the constant rate, else the mean."""
        if self.frame_rate is not None:
            return self.frame_rate
        return len(self.times) / ((self.end - self.times[0]) * self.time_base)

    @property
    def tick(self) -> Fraction:
        """The longest time base of the form 1/n that holds the times exactly."""
        return Fraction(1, self.time_base.denominator)


@dataclass(frozen=True, eq=False)
class Schedule:
    """Times of packets in decoding order, in ticks of `VideoTrack.tick`.

    `inband` says that the keyframes need their chunk's parameter sets in front of them. The header is that of
    chunk `header`: the one that asks most of a decoder.
    """

    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    duration: NDArray[np.int64]
    inband: bool = False
    header: int = 0


def schedule(track: VideoTrack) -> Schedule:
    """When each packet of the chunks is decoded and shown.

    Decoding times are the sorted presentation times, later by as many frames as the encoder reorders, so
    that they strictly increase and none is after its presentation.

    Raises:
        ContractError: the chunks have other headers or another number of frames than planned.
    """
    if len(track.chunks) != len(track.chunk_frames) or sum(track.chunk_frames) != len(track.times):
        raise ContractError("The chunks do not have as many frames as the plan has times.")
    times = np.array([*track.times, track.end], np.int64) * track.time_base.numerator
    if (np.diff(times) <= 0).any():
        raise ContractError("The planned times do not increase.")
    ranks, inband, demands = _ranks(track)
    count = len(ranks)
    delay = int((np.arange(count) - ranks).max())
    duration = np.diff(times)[ranks]
    dts = np.empty(count, np.int64)
    dts[delay:] = times[: count - delay]
    # MP4 adds durations up in decoding order: decoding begins so early that the sum is the track's length.
    early = int(times[-1] - times[count - 1 - delay] - duration[-1])
    dts[:delay] = times[0] - early + np.arange(delay) * early // max(1, delay)
    header = demands.index(max(demands)) if inband else 0
    return Schedule(times[ranks], dts, duration, inband, header)


def _ranks(track: VideoTrack) -> tuple[NDArray[np.int64], bool, list[tuple[int, ...]]]:
    """Places of the packets' frames, whether the chunks' headers differ, and what each asks of a decoder."""
    parts: list[NDArray[np.int64]] = []
    header: bytes | None = None
    inband = False
    demands: list[tuple[int, ...]] = []
    base = 0
    for number, (path, expected) in enumerate(zip(track.chunks, track.chunk_frames, strict=True)):
        try:
            with open_media(path, OWN_LIMITS) as container:
                stream = container.streams.video[0]
                extradata, tag = stream.codec_context.extradata or b"", stream.codec_context.codec_tag
                pts = [packet.pts for packet in container.demux(stream) if packet.size]
        except (av.FFmpegError, InputError) as error:
            raise ContractError(f"Chunk {number} cannot be read: {error}") from error
        demands.append(profile_and_level(extradata))
        if header is None:
            header = extradata
        if extradata != header or tag == INBAND_TAG:
            if not (track.mixed and parameter_sets(header) and parameter_sets(extradata)):
                raise ContractError(f"Chunk {number} was encoded with other settings than chunk 0.")
            inband = True
        if len(pts) != expected:
            raise ContractError(f"Chunk {number} has {len(pts)} frames where {expected} were planned.")
        if None in pts or len(set(pts)) != len(pts):
            raise ContractError(f"Chunk {number} has frames without times of their own.")
        order = np.argsort(np.array(pts, np.int64))
        rank = np.empty(expected, np.int64)
        rank[order] = np.arange(expected)
        parts.append(rank + base)
        base += expected
    if base == 0:
        raise ContractError("There are no frames to assemble.")
    return np.concatenate(parts), inband, demands


def video_packets(track: VideoTrack, timing: Schedule) -> "Iterator[Packet[Stream]]":
    """Packets of all chunks in decoding order, with their times set."""
    position = 0
    for path in track.chunks:
        with open_media(path, OWN_LIMITS) as container:
            stream = container.streams.video[0]
            sets = parameter_sets(stream.codec_context.extradata or b"") if timing.inband else ()
            for read in container.demux(stream):
                if not read.size:
                    continue
                packet = _with_sets(read, sets) if sets and read.is_keyframe else read
                packet.time_base = track.tick
                packet.pts = int(timing.pts[position])
                packet.dts = int(timing.dts[position])
                packet.duration = int(timing.duration[position])
                position += 1
                yield cast("Packet[Stream]", packet)


def _with_sets(packet: "Packet[av.VideoStream]", sets: tuple[bytes, ...]) -> "Packet[av.VideoStream]":
    longer: Packet[av.VideoStream] = Packet(with_parameter_sets(bytes(packet), sets))  # type: ignore[assignment]
    longer.is_keyframe = True
    return longer
