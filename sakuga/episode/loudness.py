"""How loud sound is: ITU-R BS.1770 and EBU R128, as ffmpeg's ebur128 measures it."""

from collections.abc import Iterable
from math import log10

import numpy as np
from av.audio.frame import AudioFrame

from sakuga.episode.filters import Chain
from sakuga.episode.spec import Layout
from sakuga.episode.wav import RATE, Samples, silence
from sakuga.media.info import Frozen

WORKING_LEVEL = -23.0
"""LUFS that every scene and all music are brought to before they are mixed (EBU R128)."""

SILENT = -120.0
"""The true peak of silence, in dBTP."""

_STEP = RATE // 10
"""ebur128 tells what it knows every 100 ms."""

_SHORTEST = 4 * _STEP
"""It measures in blocks of 400 ms; what is shorter is repeated."""

_GATE = -70.0


class Loudness(Frozen):
    """Integrated loudness in LUFS, None below the absolute gate of -70 LUFS, and true peak in dBTP."""

    integrated: float | None
    true_peak: float


def decibels(factor: float) -> float:
    """A factor of amplitude in decibels, at least `SILENT`."""
    return max(SILENT, 20 * log10(factor)) if factor > 0 else SILENT


def amplitude(decibels: float) -> float:
    """Decibels as a factor of amplitude."""
    return float(10 ** (decibels / 20))


class Meter:
    """Measures sound that goes by, in constant memory."""

    def __init__(self, layout: Layout, *, true_peak: bool = True) -> None:
        peak = ":peak=true" if true_peak else ""
        self._chain = Chain(layout, [("ebur128", f"metadata=1{peak}")])
        self._count = 0
        self._peak = 0.0
        self._head: list[Samples] = []
        self._last: AudioFrame | None = None

    def push(self, block: Samples) -> None:
        """Measure the next samples."""
        if not len(block):
            return
        if self._count < _SHORTEST:
            self._head.append(block[: _SHORTEST - self._count].copy())
        self._count += len(block)
        self._peak = max(self._peak, float(np.abs(block).max()))
        self._through(block)

    def result(self) -> Loudness:
        """What was measured; nothing can be pushed afterwards."""
        if not self._count:
            return Loudness(integrated=None, true_peak=SILENT)
        head, length = np.concatenate(self._head), self._count
        while length < _SHORTEST:
            self._through(head)
            length += len(head)
        if rest := -length % _STEP:
            self._through(silence(rest, head.shape[1]))
        self._through(None)
        told = self._last.metadata if self._last is not None else {}
        integrated = float(told.get("lavfi.r128.I", _GATE))
        peak = max(self._peak, float(told.get("lavfi.r128.true_peak", 0)))
        # At the gate itself it says that it found nothing.
        heard = integrated > _GATE
        return Loudness(integrated=integrated if heard else None, true_peak=decibels(peak))

    def _through(self, block: Samples | None) -> None:
        for frame in self._chain.push(block):
            self._last = frame


def measure(blocks: Iterable[Samples], layout: Layout, *, true_peak: bool = True) -> Loudness:
    """How loud a whole is."""
    meter = Meter(layout, true_peak=true_peak)
    for block in blocks:
        meter.push(block)
    return meter.result()
