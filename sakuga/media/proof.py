"""Proof that a file holds the frames, times and packets that were put into it."""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from av.stream import Stream

from sakuga.errors import ContractError, InputError
from sakuga.media.chunks import OWN_LIMITS, VideoTrack
from sakuga.media.containers import Container
from sakuga.media.open import open_media
from sakuga.media.remux import Carried, payload

MKV_TICK = Fraction(1, 1000)
"""Matroska counts in milliseconds; a time may be off by as much as one."""


def prove(path: Path, container: Container, track: VideoTrack, carried: Sequence[Carried]) -> None:
    """Read every packet of a result back and compare.

    Video frames must have the planned times: exactly in MP4 and MOV; in MKV to a millisecond, after a shift
    that all streams share (it cannot hold times before zero). Every packet of the other streams must have the
    bytes that were put in, and each of them must start where it should to one tick.

    Raises:
        ContractError: something differs; the message says what.
    """
    sounds = [each for each in carried if each.note.kind == "audio"]
    times: list[Fraction] = []
    try:
        with open_media(path, OWN_LIMITS) as result:
            video = result.streams.video[0]
            tracks = list(result.streams.audio)
            if len(tracks) != len(sounds):
                raise ContractError(
                    f"The result has {len(tracks)} audio tracks where {len(sounds)} were due."
                )
            readers = {
                stream.index: _Reader(stream, each) for stream, each in zip(tracks, sounds, strict=True)
            }
            for packet in result.demux([video, *tracks]):
                if not packet.size:
                    continue
                if packet.stream_index in readers:
                    readers[packet.stream_index].take(packet)
                elif packet.pts is not None:
                    times.append(packet.pts * packet.time_base)
    except (av.FFmpegError, InputError) as error:
        raise ContractError(f"The result cannot be read back: {error}") from error
    shift = _prove_times(sorted(times), track, container)
    for reader in readers.values():
        reader.prove(shift, container)


def _prove_times(times: list[Fraction], track: VideoTrack, container: Container) -> Fraction:
    if len(times) != len(track.times):
        raise ContractError(f"The result has {len(times)} frames where {len(track.times)} were planned.")
    shift = Fraction(0)
    if container == "mkv":
        shift = times[0] - track.times[0] * track.time_base
        shift = shift if abs(shift) > MKV_TICK else Fraction(0)
    tolerance = MKV_TICK if container == "mkv" else Fraction(0)
    for number, (time, ticks) in enumerate(zip(times, track.times, strict=True)):
        planned = ticks * track.time_base
        if abs(time - shift - planned) > tolerance:
            raise ContractError(
                f"Frame {number} of the result is at {float(time - shift):.6f} s, planned was "
                f"{float(planned):.6f} s."
            )
    return shift


class _Reader:
    """What is read back of one audio track."""

    def __init__(self, stream: av.AudioStream, carried: Carried) -> None:
        self._carried = carried
        self._first: Fraction | None = None
        self._tick = stream.time_base or Fraction(0)
        self._adts = stream.codec_context.name == "aac" and not stream.codec_context.extradata
        self._digest = hashlib.sha256()

    def take(self, packet: "Packet[Stream]") -> None:
        if self._first is None and packet.pts is not None:
            self._first = packet.pts * packet.time_base
        self._digest.update(payload(bytes(packet), self._adts))

    def prove(self, shift: Fraction, container: Container) -> None:
        index = self._carried.note.index
        if self._digest.digest() != self._carried.payload.digest():
            raise ContractError(f"The audio of stream {index} is not bit for bit what was put in.")
        if self._first is None or self._carried.first is None:
            return
        # Two roundings to the container's tick: of the track and, in MKV, of the shared shift.
        tolerance = 2 * MKV_TICK if container == "mkv" else self._tick
        late = self._first - shift - self._carried.first
        if abs(late) > tolerance:
            raise ContractError(f"The audio of stream {index} starts {float(late):+.6f} s off in the result.")
