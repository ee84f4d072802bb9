"""What the demo's episode is made of: shots of the cartoon in several sizes and rates, a tune, a bell."""

import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from app.demo_art import close_up, evening, walk
from app.demo_canvas import Rgb
from app.demo_clip import SOUND_RATE, tune
from sakuga.media.encode import beside

Wave = NDArray[np.float32]
TALK = 1.75
"""Seconds after which the fox that talks begins again."""

SAID = (0.4, 1.5)
"""When the mouth of `close_up` moves."""


@dataclass(frozen=True)
class Shot:
    """A clip that is to be drawn.

    Attributes:
        name: name of the file.
        draw: the drawing of a size at a time.
        size: width and height in pixels.
        rate: frames per second.
        seconds: length.
        since: time of the first drawing.
        sound: its sound of so many seconds; none where it is left out.
    """

    name: str
    draw: Callable[[tuple[int, int], float], Rgb]
    size: tuple[int, int]
    rate: Fraction
    seconds: Fraction
    since: float = 0.0
    sound: Callable[[float], Wave] | None = None


def voice(seconds: float) -> Wave:
    """A voice without words: a buzz whose tone and loudness change as syllables do, where the mouth moves."""
    time = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    pitch = 170 + 25 * np.sin(2 * np.pi * 1.1 * time)
    turns = 2 * np.pi * np.cumsum(pitch) / SOUND_RATE
    open_mouth = 0.5 + 0.5 * np.sin(2 * np.pi * 2.3 * time)
    parts = (np.sin(k * turns) / (1 + abs(k - 2 - 5 * open_mouth)) for k in range(2, 16))
    said = ((time % TALK) >= SAID[0]) & ((time % TALK) < SAID[1])
    syllables = np.sin(np.pi * (time % 0.25) / 0.25) ** 2
    return np.asarray(0.12 * said * syllables * sum(parts), np.float32)


def chirps(seconds: float) -> Wave:
    """Birds and crickets: short notes far above where voices are."""
    time = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    beat = time % 0.9
    inside = (beat < 0.3) * np.sin(np.pi * (beat % 0.075) / 0.075) ** 2
    return np.asarray(0.05 * inside * np.sin(2 * np.pi * 5600 * time), np.float32)


def bell(seconds: float) -> Wave:
    """A bell."""
    time = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    tones = (np.sin(2 * np.pi * 988 * part * time) / part for part in (1, 2.76, 5.4))
    return np.asarray(0.3 * np.exp(-4 * time) * np.minimum(1, 300 * time) * sum(tones), np.float32)


def _talking(size: tuple[int, int], time: float) -> Rgb:
    return close_up(size, time % TALK)


SHOTS = (
    Shot("1-walk.mp4", walk, (480, 270), Fraction(24), Fraction(4), sound=chirps),
    Shot("2-talk.mp4", _talking, (360, 270), Fraction(25), Fraction(7, 2), sound=voice),
    Shot("3-home.mp4", walk, (640, 360), Fraction(30000, 1001), Fraction(4), since=4.5),
    Shot("4-night.mp4", evening, (480, 270), Fraction(24), Fraction(4), sound=chirps),
)
"""The clips of the episode, in order; the third has no sound."""


def write_clip(path: Path, shot: Shot) -> None:
    """Draw a shot into an MP4 file, each drawing for two frames as animators do."""
    part = beside(path)
    try:
        _draw(part, shot)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _draw(path: Path, shot: Shot) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=shot.rate, options={"crf": "20"})
        video.width, video.height, video.pix_fmt = *shot.size, "yuv420p"
        sound = None
        if shot.sound is not None:
            sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for frame in _pictures(shot):
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None and shot.sound is not None:
            for block in _blocks(shot.sound(float(shot.seconds))):
                container.mux(sound.encode(block))
            container.mux(sound.encode(None))


def _pictures(shot: Shot) -> Iterator[av.VideoFrame]:
    picture = shot.draw(shot.size, shot.since)
    for number in range(round(shot.seconds * shot.rate)):
        if number % 2 == 0:
            picture = shot.draw(shot.size, shot.since + float(number / shot.rate))
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, 1 / shot.rate
        yield frame


def _blocks(samples: Wave) -> Iterator[av.AudioFrame]:
    for start in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        yield frame


def write_tune(path: Path, seconds: int) -> None:
    """Write the cartoon's tune as a stereo WAV file."""
    _write_wav(path, tune(seconds).T)


def write_bell(path: Path) -> None:
    """Write a bell as a WAV file of one channel."""
    _write_wav(path, bell(1.5)[:, None])


def _write_wav(path: Path, samples: Wave) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE)
        file.writeframes(np.round(samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
