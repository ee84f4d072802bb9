"""The clip that the demo enhances when none is given: the cartoon with a tune and subtitles."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from app.demo_art import drawing

SOUND_RATE = 44100
SUBTITLES = ((0.3, 2.5, "A fine morning for a walk."), (3.1, 4.4, "Is somebody looking at me?"))
BASE_NOTE = 220.0
TUNE = (0, 4, 7, 12, 9, 7, 4, 7, 5, 9, 12, 16, 14, 12, 9, 7)
"""Semitones above the base note, four to a second."""


def make_demo_clip(
    path: Path,
    *,
    size: tuple[int, int] = (640, 360),
    seconds: int = 6,
    rate: Fraction = Fraction(24),
    hold: int = 2,
    crf: int = 28,
    preset: str = "medium",
    sound: bool = True,
) -> Path:
    """Draw the cartoon into a Matroska file and return its path.

    Args:
        path: where to write it.
        size: width and height in pixels.
        seconds: length; the cartoon repeats after six.
        rate: frames per second.
        hold: how many frames each drawing is shown for; animators draw on twos or threes.
        crf: x264's constant rate factor; 28 looks like a clip from the web.
        preset: x264's preset.
        sound: whether to add a stereo tune and a subtitle track.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="matroska") as container:
        container.metadata["title"] = "Little Fox takes the long way home"
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": preset})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SOUND_RATE) if sound else None
        text = container.add_mux_stream("subrip", rate=1000) if sound else None
        for frame in _frames(size, round(seconds * rate), rate, hold):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            audio.codec_context.bit_rate = 96_000
            for block in _sound_blocks(tune(seconds)):
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
        if text is not None:
            for first, end, line in SUBTITLES:
                packet = av.Packet(line.encode())
                packet.stream = text
                packet.time_base = Fraction(1, 1000)
                packet.pts = packet.dts = round(first * 1000)
                packet.duration = round((end - first) * 1000)
                container.mux(packet)
    return path


def _frames(size: tuple[int, int], count: int, rate: Fraction, hold: int) -> Iterator[av.VideoFrame]:
    picture = drawing(0, size)
    for number in range(count):
        if number % hold == 0:
            picture = drawing(float(number / rate), size)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        frame.time_base = 1 / rate
        yield frame


def tune(seconds: int) -> NDArray[np.float32]:
    """A plucked tune over a soft bass, as samples of shape (2, seconds * SOUND_RATE) from -1 to 1."""
    wave = np.zeros((2, (seconds + 2) * SOUND_RATE))
    for beat in range(seconds * 4):
        note = BASE_NOTE * 2 * 2 ** (TUNE[beat % len(TUNE)] / 12)
        pan = 0.5 + 0.3 * np.sin(beat)
        _pluck(wave, beat / 4, note, 0.7, 0.16, pan)
        if beat % 4 == 0:
            bass = BASE_NOTE / 2 * 2 ** ((0, 5, 7, 0)[beat // 4 % 4] / 12)
            _pluck(wave, beat / 4, bass, 1.4, 0.26, 0.5)
    return wave[:, : seconds * SOUND_RATE].astype(np.float32)


def _pluck(
    wave: NDArray[np.float64], start: float, pitch: float, length: float, level: float, pan: float
) -> None:
    time = np.arange(int(length * SOUND_RATE)) / SOUND_RATE
    shape = np.exp(-4.5 * time / length) * np.minimum(1, time * 200)
    tone = sum(np.sin(2 * np.pi * pitch * part * time) / part**2 for part in (1, 2, 3))
    first = int(start * SOUND_RATE)
    for side, share in enumerate((1 - pan, pan)):
        wave[side, first : first + len(time)] += level * 2 * share * shape * tone


def _sound_blocks(wave: NDArray[np.float32]) -> Iterator[av.AudioFrame]:
    for start in range(0, wave.shape[1], 1024):
        block = np.ascontiguousarray(wave[:, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate = SOUND_RATE
        frame.pts = start
        frame.time_base = Fraction(1, SOUND_RATE)
        yield frame
