"""What is heard from when to when: pieces of sound with ramps, gains and ducking, added up block by block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sakuga.episode.loudness import amplitude
from sakuga.episode.speech import Spans
from sakuga.episode.wav import BLOCK, RATE, Samples, Wav, silence

ATTACK = RATE // 4
"""Music goes down over the quarter of a second before somebody speaks, so that no word is covered."""

RELEASE = RATE * 3 // 5
"""It comes back over 0.6 s, slow enough not to be noticed."""

HOLD = RATE * 6 // 5
"""Between words that are less than 1.2 s apart it stays down: it would only pump."""

NATURAL_JUMP = 2.0
"""A join is no click where its step is at most so many times the largest one near it."""

Read = Callable[[int, int], Samples]


class Ducking:
    """The gain of music under speech: straight lines in decibels."""

    def __init__(self, speech: Spans, depth: float) -> None:
        """Lay it out.

        Args:
            speech: where somebody speaks, in samples of the episode, in order.
            depth: decibels that the music goes down.
        """
        corners = [
            corner
            for first, last in closed(speech, HOLD)
            for corner in ((first - ATTACK, 0.0), (first, -depth), (last, -depth), (last + RELEASE, 0.0))
        ]
        self._at = np.array([place for place, _ in corners], np.float64)
        self._gain = np.array([gain for _, gain in corners], np.float64)

    def gain(self, first: int, last: int) -> NDArray[np.float32] | float:
        """The factor for samples [first, last)."""
        if not len(self._at):
            return 1.0
        before, after = np.searchsorted(self._at, [first, last])
        ends = np.interp([first, last], self._at, self._gain)
        if before == after and ends[0] == ends[1]:
            return amplitude(float(ends[0]))
        lines = np.interp(np.arange(first, last), self._at, self._gain)
        return np.asarray(10 ** (lines / 20), np.float32)


def closed(spans: Spans, gap: int) -> list[tuple[int, int]]:
    """Ranges, in order of their beginnings, joined where they overlap or are less than `gap` apart."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first - joined[-1][1] < gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


@dataclass(frozen=True)
class Part:
    """Sound that is heard over the samples [first, last) of the episode.

    `read` gives its samples counted from `first`; it comes over `fade_in` samples and goes over `fade_out`,
    as a quarter of a sine: of two that overlap by that much the powers add up to one (equal power).
    """

    first: int
    last: int
    read: Read
    fade_in: int = 0
    fade_out: int = 0
    gain: float = 1.0
    ducking: Ducking | None = None

    def add_to(self, block: Samples, place: int) -> None:
        """Add what is heard of it to the block that begins at sample `place`."""
        begin, end = max(self.first, place), min(self.last, place + len(block))
        if begin >= end:
            return
        sound = self.read(begin - self.first, end - self.first)
        factor: NDArray[np.float32] | float = self.gain
        if self.ducking is not None:
            factor = factor * self.ducking.gain(begin, end)
        if begin < self.first + self.fade_in:
            factor = factor * _rise(begin - self.first, end - self.first, self.fade_in)
        if end > self.last - self.fade_out:
            factor = factor * _rise(self.last - end, self.last - begin, self.fade_out)[::-1]
        if isinstance(factor, np.ndarray):
            sound *= factor[:, None]
        elif factor != 1:
            sound *= np.float32(factor)
        block[begin - place : end - place] += sound


def _rise(first: int, last: int, length: int) -> NDArray[np.float32]:
    """Samples [first, last) of a rise from 0 to 1 over `length` samples."""
    place = np.minimum(np.arange(first, last) + 0.5, length)
    return np.asarray(np.sin(np.pi / 2 * place / length), np.float32)


def added_up(parts: Sequence[Part], samples: int, channels: int) -> Iterator[Samples]:
    """All parts together, in blocks; only those that are heard in a block are read."""
    waiting = sorted(parts, key=lambda part: part.first, reverse=True)
    heard: list[Part] = []
    for place in range(0, samples, BLOCK):
        block = silence(min(BLOCK, samples - place), channels)
        while waiting and waiting[-1].first < place + len(block):
            heard.append(waiting.pop())
        heard = [part for part in heard if part.last > place]
        for part in heard:
            part.add_to(block, place)
        yield block


@dataclass(frozen=True)
class Loop:
    """Samples [first, last) of a file, again and again.

    Where its end and its beginning fit, they just follow each other; where they would click, both are
    brought to zero within `ramp` samples. Either way it comes round after the same time, in its own beat.
    """

    wav: Wav
    first: int
    last: int
    ramp: int

    def read(self, begin: int, end: int) -> Samples:
        """Samples [begin, end), counted from the first beginning."""
        length = self.last - self.first
        pieces = []
        while begin < end:
            place = begin % length
            count = min(end - begin, length - place)
            piece = self.wav.read(self.first + place, self.first + place + count)
            if self.ramp and (place < self.ramp or place + count > length - self.ramp):
                piece *= (_rise(place, place + count, self.ramp))[:, None]
                piece *= _rise(length - place - count, length - place, self.ramp)[::-1, None]
            pieces.append(piece)
            begin += count
        return np.concatenate(pieces)


def seamless(wav: Wav, first: int, last: int, ramp: int) -> Loop:
    """A loop that does not click."""
    near = min(ramp, (last - first) // 2)
    head, tail = wav.read(first, first + near), wav.read(last - near, last)
    steps = [np.abs(np.diff(part, axis=0)).max(initial=0) for part in (head, tail)]
    fits = np.abs(head[0] - tail[-1]).max() <= NATURAL_JUMP * max(steps)
    return Loop(wav, first, last, 0 if fits else near)
