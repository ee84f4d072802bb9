"""Clips that the tests make: every frame says its own number, in a way that survives scaling and coding."""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from sakuga.media.scheduling import fair_scheduling

Rgb = NDArray[np.uint8]
Draw = Callable[[int, int, int], Rgb]

CODE_BITS = 12
"""A frame number is drawn as this many black or white blocks along the top edge."""


def numbered(number: int, width: int, height: int) -> Rgb:
    """A drawing of flat shapes that moves a little, under a bar code of its frame number."""
    y, x = np.mgrid[0:height, 0:width]
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = 60 + 120 * x // max(1, width - 1)
    image[..., 1] = 70 + 100 * y // max(1, height - 1)
    image[..., 2] = 110
    radius = height // 6
    centre_x = width // 4 + (number * max(1, width // 96)) % max(1, width // 2)
    disc = (x - centre_x) ** 2 + (y - height * 5 // 8) ** 2
    image[disc <= (radius + 2) ** 2] = (20, 20, 24)
    image[disc <= radius**2] = (228, 150, 64)
    bar = max(2, height // 8)
    for bit in range(CODE_BITS):
        level = 235 if number >> bit & 1 else 16
        image[:bar, bit * width // CODE_BITS : (bit + 1) * width // CODE_BITS] = level
    return image


def read_number(luma: NDArray[np.uint8] | NDArray[np.uint16]) -> int:
    """The frame number drawn by `numbered`, from a luma plane of any size and depth."""
    height, width = luma.shape
    bar = max(2, height // 8)
    middle = float(luma.max()) / 2 + float(luma.min()) / 2
    number = 0
    for bit in range(CODE_BITS):
        left, right = bit * width // CODE_BITS, (bit + 1) * width // CODE_BITS
        margin = (right - left) // 4
        block = luma[bar // 4 : bar - bar // 4, left + margin : right - margin]
        number |= int(float(block.mean()) > middle) << bit
    return number


def make_clip(
    path: Path,
    *,
    frames: int = 24,
    size: tuple[int, int] = (96, 64),
    rate: Fraction = Fraction(24),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    draw: Draw = numbered,
    times: list[int] | None = None,
    time_base: Fraction | None = None,
    audio_seconds: float = 0,
    options: Mapping[str, str] | None = None,
    prepare: Callable[[av.VideoStream], None] | None = None,
) -> Path:
    """Write a clip and return its path.

    `times` are frame times in ticks of `time_base` for a variable rate. `prepare` may change the stream
    before the first frame (colour tags, aspect). With `audio_seconds` a stereo AAC track is added that beeps
    at the start of every second.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=dict(options or {}))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        base = time_base or 1 / rate  # writing the header changes the stream's own
        stream.time_base = base
        stream.codec_context.time_base = base
        sound = container.add_stream("aac", rate=48000) if audio_seconds else None
        assert sound is None or isinstance(sound, av.AudioStream)
        if prepare:
            prepare(stream)
        with fair_scheduling():
            stream.codec_context.open(strict=False)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number, *size), format="rgb24").reformat(format=pix_fmt)
            frame.pts = times[number] if times else number
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            for block in _beeps(audio_seconds):
                container.mux(sound.encode(block))
            container.mux(sound.encode(None))
    return path


def _beeps(seconds: float, rate: int = 48000) -> Iterator[av.AudioFrame]:
    time = np.arange(int(seconds * rate)) / rate
    wave = np.where(time % 1 < 0.1, 0.5 * np.sin(2 * np.pi * 1000 * time), 0).astype(np.float32)
    for start in range(0, len(wave), 1024):
        block = np.stack([wave[start : start + 1024]] * 2)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
        frame.sample_rate = rate
        frame.pts = start
        yield frame


def decoded_lumas(path: Path) -> list[NDArray[np.uint8]]:
    """Luma planes of all frames of a file, as 8 bits."""
    with av.open(str(path)) as container:
        return [
            frame.to_ndarray(format="gray").astype(np.uint8, copy=False)
            for frame in container.decode(video=0)
        ]


def decoded_times(path: Path) -> list[Fraction]:
    """Times of all frames of a file, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [(frame.pts, frame.time_base or stream.time_base) for frame in container.decode(stream)]
    return [pts * base for pts, base in times if pts is not None and base is not None]
