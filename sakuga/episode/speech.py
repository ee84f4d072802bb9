"""Where somebody speaks, told from the level in the band of voices."""

import numpy as np
from numpy.typing import NDArray

from sakuga.episode.wav import RATE, Samples

Spans = tuple[tuple[int, int], ...]
"""Half-open ranges of samples, in order and apart."""

FRAME = RATE // 50
"""20 ms, within which a voice does not change much."""

BAND = (200, 4000)
"""Hz that carry nearly all of a voice's power."""

SHARE = 0.5
"""Least part of a frame's power that is in the band."""

BELOW_LOUD = 25.0
"""dB that a voice's quiet parts are at most below its loud ones."""

ABOVE_FLOOR = 8.0
"""dB that a voice stands above what is always there, such as rain or music."""

QUIET = -60.0
"""dBFS below which nothing counts as speech."""

PAUSE = 20
"""Frames without voice that belong to a sentence: 0.4 s."""

SHORTEST = 6
"""Frames that a voice lasts at least: 0.12 s, the length of a syllable. Shorter ones are knocks and beeps."""

_WINDOW = np.hanning(FRAME).astype(np.float32)
_BINS = slice(BAND[0] * FRAME // RATE, BAND[1] * FRAME // RATE + 1)


class SpeechFinder:
    """Finds speech in sound that goes by; it keeps two numbers for each 20 ms."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._voice: list[NDArray[np.float32]] = []
        self._whole: list[NDArray[np.float32]] = []

    def push(self, block: Samples) -> None:
        """Look at the next samples."""
        mono = np.concatenate([self._rest, block.mean(axis=1, dtype=np.float32)])
        whole = len(mono) // FRAME * FRAME
        self._rest = mono[whole:]
        if not whole:
            return
        spectrum = np.fft.rfft(mono[:whole].reshape(-1, FRAME) * _WINDOW, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        self._voice.append(power[:, _BINS].sum(axis=1))
        self._whole.append(power.sum(axis=1))

    def result(self, gain: float = 1.0) -> Spans:
        """Where speech is.

        A frame is voiced where the power in the band is most of the whole, not much below the loudest, and
        well above the level that is there nine tenths of the time.

        Args:
            gain: factor that the sound is multiplied with afterwards.
        """
        if not self._voice:
            return ()
        voice, whole = np.concatenate(self._voice), np.concatenate(self._whole)
        # A sine of amplitude 1 has this power under the window.
        full = float(_WINDOW.sum()) ** 2 / 2
        level = 10 * np.log10(voice * gain**2 / full + 1e-12)
        loud, floor = np.percentile(level, (95, 10))
        voiced = level > max(QUIET, loud - BELOW_LOUD, floor + ABOVE_FLOOR)
        voiced &= voice > SHARE * whole
        return tuple((first * FRAME, last * FRAME) for first, last in _joined(voiced))


def _joined(voiced: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Ranges of frames with short pauses in them; what is too short between two pauses is left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], voiced, [False]]).astype(np.int8)))
    ranges: list[tuple[int, int, int]] = []
    for first, last in edges.reshape(-1, 2).tolist():
        if ranges and first - ranges[-1][1] <= PAUSE:
            begin, _, heard = ranges[-1]
            ranges[-1] = (begin, last, heard + last - first)
        else:
            ranges.append((first, last, last - first))
    return [(first, last) for first, last, heard in ranges if heard >= SHORTEST]
