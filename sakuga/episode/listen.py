"""Sound in: what a file holds, from an exact time on, as samples in the wanted channels."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from numpy.typing import NDArray

from sakuga.episode.channels import CHANNELS, downmix
from sakuga.episode.spec import Layout
from sakuga.episode.wav import BLOCK, RATE, Cancelled, Samples, sample_at, silence
from sakuga.errors import CancelledError, InputError, UnreadableMediaError
from sakuga.media.info import MediaInfo
from sakuga.media.open import open_media
from sakuga.media.packets import packets_of
from sakuga.settings import Limits

MAX_JITTER = Fraction(1, 50)
"""Seconds that a frame's time may be off where frames just follow each other: containers round times to
milliseconds. Beyond it there is a gap, which becomes silence, or the sound goes back, and is cut."""

FULL_SCALE = 8.0
"""Where samples of floating point end, 18 dB above full scale: more is damage."""

_SEEK_AFTER = 60
_LEAD = 1
"""Seconds before the wanted time that a decoder starts, to be itself again when it is needed."""


def sound_index(info: MediaInfo) -> int | None:
    """The sound of a clip that is heard: the default one, else the first; None where it has none."""
    usable = [stream for stream in info.audio if stream.start is not None]
    chosen = next((stream for stream in usable if stream.default), usable[0] if usable else None)
    return None if chosen is None else chosen.index


def sound_problem(path: Path, limits: Limits) -> str | None:
    """Why a file is no sound that can be used, as a sentence; None where it is one."""
    try:
        with open_media(path, limits) as container:
            streams = container.streams.audio
            if any(stream.codec_context is not None for stream in streams):
                return None
            if streams:
                return f"No decoder here knows the sound in {path}; convert it first."
    except UnreadableMediaError as error:
        if not _is_file(path):
            return str(error)
    except InputError as error:
        return str(error)
    return f"{path} has no sound that can be read; give a WAV, FLAC, MP3, Ogg or M4A file."


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def listen(
    path: Path,
    layout: Layout,
    *,
    count: int,
    limits: Limits,
    index: int | None = None,
    origin: Fraction | None = None,
    cancelled: Cancelled = None,
) -> Iterator[Samples]:
    """Samples at 48 kHz, in blocks, the first one heard at `origin`.

    Sample n is what the file sounds like at origin + n / 48000 seconds of its own clock. Silence is where it
    has none, up to its last sound.

    Args:
        path: the file.
        layout: the channels that are wanted.
        count: samples at most.
        limits: bounds of sources.
        index: the stream; the first one where it is not given.
        origin: in seconds on the container's clock; where it is not given, the first sound that is not an
            encoder's priming.
        cancelled: asked for each frame; True stops.

    Raises:
        UnreadableMediaError: the file cannot be read, or no decoder knows its sound.
        InputError: as `open_media` does.
        CancelledError: `cancelled` returned True.
    """
    with open_media(path, limits) as container:
        stream = _stream(container, index, path)
        end = _end(container, stream)
        if end is not None:
            count = min(count, max(0, sample_at(end - (_start(stream) if origin is None else origin))))
        if origin is not None:
            _near(container, stream, origin)
        try:
            yield from _in_line(_runs(container, stream, layout, origin, cancelled), count, layout)
        except av.error.FFmpegError as error:
            raise UnreadableMediaError(
                f"The sound in {path} is of a kind that cannot be used here ({error.strerror}); "
                "convert it first."
            ) from error


def padded(blocks: Iterator[Samples], count: int, layout: Layout) -> Iterator[Samples]:
    """The first `count` samples, with silence after them where there are fewer."""
    for block in blocks:
        yield block[:count]
        count -= min(count, len(block))
    while count:
        yield silence(min(count, BLOCK), len(CHANNELS[layout]))
        count -= min(count, BLOCK)


def _stream(container: InputContainer, index: int | None, path: Path) -> av.AudioStream:
    streams = [one for one in container.streams.audio if index is None or one.index == index]
    if not streams:
        raise UnreadableMediaError(f"{path} has no sound; give a file that has.")
    usable = next((one for one in streams if one.codec_context is not None), None)
    if usable is None:
        raise UnreadableMediaError(f"No decoder here knows the sound in {path}; convert it first.")
    return usable


def _start(stream: av.AudioStream) -> Fraction:
    return (stream.start_time or 0) * (stream.time_base or Fraction(0))


def _end(container: InputContainer, stream: av.AudioStream) -> Fraction | None:
    """When the sound ends where the file knows it: in MP4 and MOV, whose last packet is longer than that."""
    if "mp4" not in container.format.name or not stream.duration or not stream.time_base:
        return None
    return _start(stream) + stream.duration * stream.time_base


def _near(container: InputContainer, stream: av.AudioStream, origin: Fraction) -> None:
    """Skip most of what comes before, where times after a jump are true to the sample: in MP4 and MOV."""
    if "mp4" in container.format.name and stream.time_base and origin - _start(stream) > _SEEK_AFTER:
        container.seek(int((origin - _LEAD) / stream.time_base), stream=stream)


@dataclass
class _Run:
    """Frames of one kind that follow each other without a gap."""

    kind: tuple[int, str, str]
    time: Fraction
    origin: Fraction
    weights: NDArray[np.float32]
    taken: int = 0
    place: int | None = None
    held: list[NDArray[np.float32]] = field(default_factory=list)
    resampler: AudioResampler = field(default_factory=lambda: AudioResampler(format="flt", rate=RATE))

    @property
    def end(self) -> Fraction:
        """When the next frame is due."""
        return self.time + Fraction(self.taken, self.kind[0])

    def goes_on(self, frame: AudioFrame, time: Fraction | None) -> bool:
        return _kind(frame) == self.kind and (time is None or abs(time - self.end) <= MAX_JITTER)

    def take(self, frame: AudioFrame) -> Iterator[tuple[int, Samples]]:
        """Put a frame in; blocks come out, each with the number of its first sample."""
        begin = self.end
        self.taken += frame.samples
        if self.place is None:
            # The frame before the first one that is needed fills the resampler's filter.
            if self.end + Fraction(frame.samples, self.kind[0]) < self.origin:
                return
            self.place = sample_at(begin - self.origin)
        frame.pts = None
        self.held += map(_rows, self.resampler.resample(frame))
        if sum(len(part) for part in self.held) >= BLOCK:
            yield self._block()

    def finish(self) -> Iterator[tuple[int, Samples]]:
        """What is still inside."""
        if self.place is not None:
            self.held += map(_rows, filter(None, self.resampler.resample(None)))
        if self.held:
            yield self._block()

    def _block(self) -> tuple[int, Samples]:
        assert self.place is not None
        rows = np.concatenate(self.held)
        np.nan_to_num(rows, copy=False, nan=0, posinf=FULL_SCALE, neginf=-FULL_SCALE)
        block = np.clip(rows, -FULL_SCALE, FULL_SCALE) @ self.weights
        place, self.place, self.held = self.place, self.place + len(block), []
        return place, block


def _rows(frame: AudioFrame) -> NDArray[np.float32]:
    # Packed, since PyAV reads past the end of a frame that has more than 8 planes.
    return frame.to_ndarray().astype(np.float32, copy=False).reshape(-1, frame.layout.nb_channels)


def _kind(frame: AudioFrame) -> tuple[int, str, str]:
    return frame.sample_rate, frame.layout.name, frame.format.name


def _runs(
    container: InputContainer,
    stream: av.AudioStream,
    layout: Layout,
    origin: Fraction | None,
    cancelled: Cancelled,
) -> Iterator[tuple[int, Samples]]:
    run: _Run | None = None
    for frame in _frames(container, stream):
        if cancelled and cancelled():
            raise CancelledError("Stopped as asked.")
        base = frame.time_base or stream.time_base
        time = None if frame.pts is None or base is None else frame.pts * base
        if run is None or not run.goes_on(frame, time):
            if run is not None:
                yield from run.finish()
            if time is None:
                time = run.end if run is not None else Fraction(0)
            origin = time if origin is None else origin
            weights = downmix([channel.name for channel in frame.layout.channels], layout)
            run = _Run(_kind(frame), time, origin, weights)
        yield from run.take(frame)
    if run is not None:
        yield from run.finish()


def _frames(container: InputContainer, stream: av.AudioStream) -> Iterator[AudioFrame]:
    """Frames that decode; what is damaged is left out, and found missing by its time."""
    for packet in chain(packets_of(container, stream=stream.index), (None,)):
        try:
            frames = stream.decode(packet)
        except (av.error.FFmpegError, EOFError):
            continue
        yield from (frame for frame in frames if frame.samples and frame.sample_rate)


def _in_line(runs: Iterator[tuple[int, Samples]], count: int, layout: Layout) -> Iterator[Samples]:
    """Blocks one after the other from sample 0 to `count`, with silence in gaps."""
    done = 0
    for place, block in runs:
        while done < min(place, count):
            gap = min(place, count, done + BLOCK) - done
            yield silence(gap, len(CHANNELS[layout]))
            done += gap
        fresh = block[max(0, done - place) : max(0, count - place)]
        if len(fresh):
            yield fresh
            done += len(fresh)
        if done >= count:
            return
