"""Sound between steps: 48 kHz samples of 32 bits in WAV files, written and read in blocks."""

import os
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from sakuga.errors import ContractError
from sakuga.media.encode import beside, writing
from sakuga.media.timing import ticks

Samples = NDArray[np.float32]
"""Sound as rows of samples and columns of channels, full scale at 1."""

Cancelled = Callable[[], bool] | None

RATE = 48_000
"""Samples per second of everything that is heard."""

BLOCK = 1 << 16
"""Samples that are held at a time."""

_MASKS = {1: 0x4, 2: 0x3, 6: 0x3F}
_FLOAT = bytes.fromhex("0300000000001000800000aa00389b71")
_HEAD = struct.Struct("<4sI4s 4sIQQQI 4sIHHIIHHHHI16s 4sI")
_MAX_32 = 2**32 - 1


def sample_at(time: Fraction) -> int:
    """The sample that is heard nearest to a time in seconds, the later of two."""
    return ticks(time, Fraction(1, RATE))


def silence(samples: int, channels: int) -> Samples:
    """Nothing to hear."""
    return np.zeros((samples, channels), np.float32)


class WavWriter:
    """Writes samples in blocks; a context manager that leaves a whole file or none.

    Attributes:
        samples: how many were written.
    """

    def __init__(self, path: Path, channels: int) -> None:
        self.samples = 0
        self._path, self._part, self._channels = path, beside(path), channels
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        with self._writing():
            self._file = self._part.open("wb+")
            try:
                self._file.write(self._head())
            except OSError:
                self._file.close()
                self._part.unlink()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        try:
            with self._writing():
                if kind is None:
                    self._file.seek(0)
                    self._file.write(self._head())
                self._file.close()
                if kind is None:
                    self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)

    def append(self, block: Samples) -> None:
        """Write the next samples.

        Raises:
            DiskFullError: no room is left.
            EncodeError: the file cannot be written.
        """
        assert self._file is not None
        with self._writing():
            self._file.write(np.ascontiguousarray(block, np.float32).data)
        self.samples += len(block)

    def scale(self, factor: float) -> None:
        """Multiply everything that was written, in place."""
        assert self._file is not None
        with self._writing():
            for first in range(0, self.samples, BLOCK):
                place = _HEAD.size + 4 * self._channels * first
                self._file.seek(place)
                block = np.frombuffer(self._file.read(4 * self._channels * BLOCK), np.float32)
                self._file.seek(place)
                self._file.write((block * np.float32(factor)).data)
            self._file.seek(0, os.SEEK_END)

    def _writing(self) -> AbstractContextManager[None]:
        return writing("the sound", self._part.parent)

    def _head(self) -> bytes:
        """A WAV header, or an RF64 one where 32 bits do not hold the size (EBU Tech 3306)."""
        frame = 4 * self._channels
        size = self.samples * frame
        whole = _HEAD.size - 8 + size
        large = whole > _MAX_32
        return _HEAD.pack(
            *(b"RF64" if large else b"RIFF", _MAX_32 if large else whole, b"WAVE"),
            *(b"ds64" if large else b"JUNK", 28, whole, size, self.samples, 0),
            *(b"fmt ", 40, 0xFFFE, self._channels, RATE, RATE * frame, frame, 32, 22, 32),
            *(_MASKS.get(self._channels, 0), _FLOAT),
            *(b"data", _MAX_32 if large else size),
        )


@dataclass(frozen=True)
class Wav:
    """A file that `WavWriter` wrote."""

    path: Path
    channels: int
    samples: int

    def read(self, first: int, last: int) -> Samples:
        """Samples [first, last); silence where the file has none.

        Raises:
            ContractError: the file is shorter than it was.
        """
        block = silence(last - first, self.channels)
        begin, end = max(first, 0), min(last, self.samples)
        if begin < end:
            with self.path.open("rb") as file:
                file.seek(_HEAD.size + 4 * self.channels * begin)
                data = np.fromfile(file, np.float32, (end - begin) * self.channels)
            if data.size != (end - begin) * self.channels:
                raise ContractError(f"The sound {self.path.name} ends early; run again to make it anew.")
            block[begin - first : end - first] = data.reshape(-1, self.channels)
        return block


def open_wav(path: Path) -> Wav:
    """A file that `WavWriter` wrote.

    Raises:
        ContractError: it is something else, or not whole.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
        size = file.seek(0, os.SEEK_END) - _HEAD.size
    if len(head) == _HEAD.size:
        fields = _HEAD.unpack(head)
        channels = fields[12]
        known = fields[0] in (b"RIFF", b"RF64") and fields[9] == b"fmt " and fields[20] == _FLOAT
        if known and channels and fields[6] == size and size % (4 * channels) == 0:
            return Wav(path, channels, size // (4 * channels))
    raise ContractError(f"The sound {path.name} is not whole; run again to make it anew.")
