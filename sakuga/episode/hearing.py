"""What is heard in a file, in one pass over its sound, and how far sounds are apart in time.

Sound is read here by other code than that which made the mix, so that a mistake there cannot hide itself.
"""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from numpy.typing import NDArray

from sakuga.episode.filters import Chain
from sakuga.episode.loudness import SILENT, decibels
from sakuga.episode.spec import Layout
from sakuga.episode.wav import RATE, Cancelled, Samples, sample_at, silence
from sakuga.errors import CancelledError, ContractError
from sakuga.media.open import open_media
from sakuga.settings import Limits

SPAN = 960
"""Samples of 20 ms, in which level and peak are kept: about a packet of AAC, the least that can be lost."""

STEP = RATE // 10
"""ebur128 tells the loudness every 100 ms."""

GATE, GATE_STEPS, SHORT_STEPS = -70.0, 4, 30
"""Absolute gate in LUFS; windows of 400 ms for the whole, and of 3 s for its course (EBU Tech 3341)."""

SLACK = 96
"""Samples by which a packet may be early or late: 2 ms, for containers that count in milliseconds."""

STRAY = 60 * RATE
"""Samples after the end of the episode from which on nothing is kept: times that mean nothing."""

BEFORE = Fraction(1)
"""Seconds before an excerpt that are decoded too: decoders need a few packets until they are right."""

AS_GOOD = 0.001
"""Likeness by which a place must be better to count as another: below what coding changes."""

Levels = NDArray[np.float32]

Moment = tuple[int, int]
"""Samples [first, last), counted from the episode's first frame."""


@dataclass(frozen=True)
class Track:
    """A sound track: a file, its stream, and the time on its clock, in seconds, that is sample 0."""

    path: Path
    index: int
    origin: Fraction
    limits: Limits


@dataclass(frozen=True, eq=False)
class Heard:
    """What is heard in a file; `first` and `last` are where its sound begins and ends, in samples."""

    first: int
    last: int
    gaps: tuple[Moment, ...]
    """Where nothing is, or (with its ends the other way round) where two packets are at once."""

    level: Levels
    """Root mean square of all channels for each `SPAN` from sample 0 on, full scale at 1."""

    peak: Levels
    """Highest sample of each `SPAN`."""

    integrated: float | None
    """Loudness of the whole in LUFS; None where it is silent, or too short to be measured."""

    true_peak: float
    """In dBTP."""

    short_term: Levels
    """Loudness in LUFS of the 3 seconds that end with each step of 100 ms; shorter at the beginning."""


def hear(track: Track, length: int, *, loudness: bool = True, cancelled: Cancelled = None) -> Heard:
    """Hear a whole track; nothing of it is kept but levels and loudness.

    Args:
        track: what to hear.
        length: samples that the episode has.
        loudness: also measure loudness and true peak.
        cancelled: asked for every block; True stops.

    Raises:
        CancelledError: `cancelled` returned True.
        ContractError: the sound does not decode, or has no times.
    """
    with _opened(track) as container:
        stream = container.streams[track.index]
        assert isinstance(stream, av.AudioStream)
        ear = _Ear(stream.layout.name, stream.channels, length, loudness=loudness)
        with closing(sound_blocks(container, track.index, track.origin)) as blocks:
            for place, samples in blocks:
                if cancelled and cancelled():
                    raise CancelledError("Stopped as asked.")
                ear.take(place, samples)
        return ear.finish()


@contextmanager
def _opened(track: Track) -> Iterator[InputContainer]:
    try:
        with open_media(track.path, track.limits) as container:
            yield container
    except av.FFmpegError as error:
        raise ContractError(f"The sound of {track.path.name} does not decode: {error.strerror}.") from error


def sound_blocks(
    container: InputContainer, index: int, origin: Fraction, start: Fraction | None = None
) -> Generator[tuple[int, Samples], None, None]:
    """Sound at 48 kHz, with the place of each block's first sample.

    Args:
        container: freshly opened.
        index: of the audio stream.
        origin: time on the container's clock, in seconds, that is sample 0.
        start: time on the container's clock to begin at, or a little before.

    Raises:
        ContractError: the sound has no times.
    """
    stream = container.streams[index]
    assert isinstance(stream, av.AudioStream)
    if start is not None and start > 0 and stream.time_base:
        container.seek(int(start / stream.time_base), stream=stream)
    resampler = av.AudioResampler(format="flt", layout=stream.layout, rate=RATE)
    for frame in container.decode(stream):
        if frame.sample_rate == RATE and frame.format.name == "fltp":
            yield _placed(frame, origin)
        else:
            yield from (_placed(block, origin) for block in resampler.resample(frame))
    yield from (_placed(block, origin) for block in resampler.resample(None) if block is not None)


def _placed(frame: AudioFrame, origin: Fraction) -> tuple[int, Samples]:
    if frame.pts is None or frame.time_base is None:
        raise ContractError("The sound has no times; the file has to be made again.")
    samples = np.asarray(frame.to_ndarray(), np.float32)
    samples = samples.T if frame.format.is_planar else samples.reshape(frame.samples, -1)
    return sample_at(frame.pts * frame.time_base - origin), samples


class _Ear:
    """Puts blocks where they belong, and measures what is heard."""

    def __init__(self, layout: str, channels: int, length: int, *, loudness: bool) -> None:
        self._channels, self._length = channels, length
        self._course = _Course(layout) if loudness else None
        self._first: int | None = None
        self._next = self._heard = 0
        self._gaps: list[Moment] = []
        self._rest = silence(0, channels)
        self._levels: list[Levels] = [np.empty(0, np.float32)]
        self._peaks: list[Levels] = [np.empty(0, np.float32)]

    def take(self, place: int, samples: Samples) -> None:
        """Hear a block whose first sample belongs at `place`."""
        if self._first is None:
            self._first = self._next = place
        if abs(place - self._next) <= SLACK:
            place = self._next
        else:
            self._gaps.append((self._next, place))
        self._next = max(self._next, place + len(samples))
        end = self._length + STRAY
        while (missing := min(place, end) - self._heard) > 0:
            self._hear(silence(min(missing, RATE), self._channels))
        # what comes before the picture, or is there twice, is not heard again
        if self._heard < end:
            self._hear(samples[max(0, self._heard - place) :])

    def finish(self) -> Heard:
        """What was heard."""
        if len(self._rest):
            self._note(np.pad(self._rest, ((0, SPAN - len(self._rest)), (0, 0))))
        nothing = None, SILENT, np.empty(0, np.float32)
        integrated, true_peak, short_term = self._course.finish() if self._course else nothing
        peak = np.concatenate(self._peaks)
        return Heard(
            first=self._first or 0,
            last=self._next,
            gaps=tuple(self._gaps),
            level=np.concatenate(self._levels),
            peak=peak,
            integrated=integrated,
            true_peak=max(true_peak, decibels(float(peak.max(initial=0)))),
            short_term=short_term,
        )

    def _hear(self, samples: Samples) -> None:
        left = self._length - self._heard
        self._heard += len(samples)
        # what fills up the last packet would count as silence in a short episode
        if self._course and left > 0:
            self._course.take(samples[:left])
        line = np.concatenate([self._rest, samples])
        whole = len(line) // SPAN * SPAN
        self._note(line[:whole])
        self._rest = line[whole:]

    def _note(self, samples: Samples) -> None:
        spans = samples.reshape(-1, SPAN * self._channels)
        self._levels.append(np.sqrt(np.mean(np.square(spans), axis=1, dtype=np.float32)))
        self._peaks.append(np.abs(spans).max(axis=1))


class _Course:
    """The loudness of sound as time goes by, by ffmpeg's ebur128."""

    def __init__(self, layout: str) -> None:
        self._chain = Chain(cast(Layout, layout), [("ebur128", "metadata=1:peak=true")])
        self._count, self._channels = 0, 0
        self._short: list[float] = []
        self._momentary: list[float] = []
        self._told: dict[str, str] = {}

    def take(self, samples: Samples) -> None:
        """Measure the next samples."""
        self._channels = samples.shape[1]
        self._count += len(samples)
        self._through(samples)

    def finish(self) -> tuple[float | None, float, Levels]:
        """Loudness of the whole, true peak, and the short-term loudness of each step."""
        if rest := -self._count % STEP:
            self._through(silence(rest, self._channels))
        self._through(None)
        integrated = float(self._told.get("lavfi.r128.I", GATE))
        measured = integrated > GATE and self._count >= GATE_STEPS * STEP
        short = np.asarray(self._short)
        # it says nothing until there are 3 seconds: what there is so far is the mean of its 400 ms
        head = min(SHORT_STEPS - 1, len(short))
        powers = 10 ** (np.asarray(self._momentary[:head]) / 10)
        blocks = np.maximum(np.arange(1, head + 1) - (GATE_STEPS - 1), 1)
        short[:head] = 10 * np.log10(np.cumsum(powers) / blocks + 1e-12)
        true_peak = decibels(float(self._told.get("lavfi.r128.true_peak", 0)))
        return integrated if measured else None, true_peak, np.maximum(short, SILENT).astype(np.float32)

    def _through(self, samples: Samples | None) -> None:
        for frame in self._chain.push(samples):
            self._told = frame.metadata
            self._short.append(self._level("S"))
            self._momentary.append(self._level("M"))

    def _level(self, name: str) -> float:
        level = float(self._told.get(f"lavfi.r128.{name}", SILENT))
        # its running sums can fall below zero in silence, and have no logarithm then
        return max(level, SILENT) if isfinite(level) else SILENT


def excerpt(track: Track, moment: Moment) -> Levels:
    """The mean of all channels over a moment; silence where the track has none.

    Raises:
        ContractError: the sound does not decode, or has no times.
    """
    first, last = moment
    heard = np.zeros(last - first, np.float32)
    start = track.origin + Fraction(first, RATE) - BEFORE
    with (
        _opened(track) as container,
        closing(sound_blocks(container, track.index, track.origin, start)) as blocks,
    ):
        for place, samples in blocks:
            if place >= last:
                break
            begin, end = max(place, first), min(place + len(samples), last)
            if begin < end:
                part = samples[begin - place : end - place]
                heard[begin - first : end - first] = part.mean(axis=1)
    return heard


def lateness(heard: Levels, expected: Levels) -> tuple[int, float]:
    """By how many samples a sound comes later than expected, and how alike the two are there, 0 to 1.

    The place is where the normalized cross-correlation is highest; of places that are as good, as in a steady
    tone, the one nearest to no lateness.

    Args:
        heard: n samples.
        expected: the same moment, and as many samples before it as after it: n + 2 * reach samples.
    """
    reach = (len(expected) - len(heard)) // 2
    size = 1 << (len(expected) - 1).bit_length()
    given, wanted = heard.astype(np.float64), expected.astype(np.float64)
    spectrum = np.fft.rfft(wanted, size) * np.conj(np.fft.rfft(given, size))
    products = np.fft.irfft(spectrum, size)[: 2 * reach + 1]
    energies = np.concatenate([[0.0], np.cumsum(np.square(wanted))])
    own = float(np.sum(np.square(given)))
    there = energies[len(heard) :][: 2 * reach + 1] - energies[: 2 * reach + 1]
    # where hardly anything is expected, nothing can be alike
    enough = there > max(own, float(energies[-1])) * 1e-6
    likeness = np.where(enough, products / np.sqrt(np.maximum(there * own, 1e-12)), 0)
    best = float(likeness.max(initial=0))
    equal = np.flatnonzero(likeness >= best - AS_GOOD)
    place = int(equal[np.argmin(np.abs(equal - reach))])
    return reach - place, min(1.0, best)
