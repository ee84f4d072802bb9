"""Pictures through real encoders and back, as a source has gone."""

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sakuga.errors import EncodeError

Codes = NDArray[np.uint8]
Planes = tuple[Codes, Codes, Codes]
Codec = Literal["none", "h264", "mpeg2", "jpeg"]

QUALITIES: dict[Codec, tuple[int, int]] = {"h264": (17, 32), "mpeg2": (2, 10), "jpeg": (55, 95)}
"""From the best to the worst that sources have: x264's CRF, MPEG-2's quantizer; JPEG's from worst to best."""

RATE = Fraction(24)


def coded(frames: Sequence[Planes], codec: Codec, quality: int) -> list[Planes]:
    """Frames as they come out of a decoder.

    Args:
        frames: planes Y, Cb, Cr in 8 bits and limited range, chroma halved both ways; sides are even.
        codec: the encoder; of `jpeg` each frame is a picture of its own.
        quality: in the encoder's own measure, see `QUALITIES`.

    Raises:
        EncodeError: the encoder is missing, or gave not as many frames as it got.
    """
    if codec == "none":
        return list(frames)
    if codec == "jpeg":
        return [_jpeg(frame, quality) for frame in frames]
    try:
        result = list(_video(frames, codec, quality))
    except av.error.FFmpegError as error:
        raise EncodeError(f"Frames could not be encoded for training as {codec}: {error}.") from error
    if len(result) != len(frames):
        raise EncodeError(f"Of {len(frames)} frames for training, {len(result)} came back from {codec}.")
    return result


def _video(frames: Sequence[Planes], codec: Codec, quality: int) -> Iterator[Planes]:
    height, width = frames[0][0].shape
    if codec == "h264":
        name, options = "libx264", {"crf": str(quality), "preset": "veryfast", "threads": "1"}
    else:
        name, options = "mpeg2video", {"qmin": str(quality), "qmax": str(quality), "threads": "1"}
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.thread_count = 1
    encoder.time_base, encoder.framerate, encoder.options = 1 / RATE, RATE, options
    decoder = av.CodecContext.create("h264" if codec == "h264" else "mpeg2video", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    packets = []
    for number, planes in enumerate(frames):
        frame = _frame(planes)
        frame.pts, frame.time_base = number, 1 / RATE
        packets += encoder.encode(frame)
    for packet in [*packets, *encoder.encode(None), None]:
        for result in decoder.decode(packet):
            yield _planes(result)


def _frame(planes: Planes) -> av.VideoFrame:
    height, width = planes[0].shape
    stacked = np.concatenate([plane.ravel() for plane in planes]).reshape(height * 3 // 2, width)
    return av.VideoFrame.from_ndarray(stacked, format="yuv420p")


def _planes(frame: av.VideoFrame) -> Planes:
    parts = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        parts.append(rows[:, : plane.width].copy())
    return parts[0], parts[1], parts[2]


def _jpeg(planes: Planes, quality: int) -> Planes:
    """Through a JPEG file with chroma halved both ways, whose samples use every code."""
    height, width = planes[0].shape
    full = [_stretched(planes[0], 16, 219), *(_stretched(plane, 128, 224) for plane in planes[1:])]
    whole = [Image.fromarray(plane).resize((width, height), Image.Resampling.NEAREST) for plane in full]
    file = io.BytesIO()
    Image.merge("YCbCr", whole).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    file.seek(0)
    # draft keeps the decoder from converting to R, G, B
    image = Image.open(file)
    image.draft("YCbCr", image.size)
    y, cb, cr = image.convert("YCbCr").split()
    small = [plane.resize((width // 2, height // 2), Image.Resampling.BOX) for plane in (cb, cr)]
    return (
        _limited(np.asarray(y), 16, 219),
        _limited(np.asarray(small[0]), 128, 224),
        _limited(np.asarray(small[1]), 128, 224),
    )


def _stretched(plane: Codes, zero: int, span: int) -> Codes:
    middle = 0 if zero == 16 else 128
    return np.clip(np.rint((plane.astype(np.float32) - zero) * 255 / span + middle), 0, 255).astype(np.uint8)


def _limited(plane: Codes, zero: int, span: int) -> Codes:
    middle = 0 if zero == 16 else 128
    return np.clip(np.rint((plane.astype(np.float32) - middle) * span / 255 + zero), 1, 254).astype(np.uint8)
