"""The result's frames as numbered PNG files."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2

from sakuga.errors import EncodeError, OptionError
from sakuga.media.decode import FrameReader
from sakuga.media.encode import beside, writing
from sakuga.media.probe import probe
from sakuga.quality.colours import Rgb, to_rgb
from sakuga.settings import Limits

FRAME_NAME = "frame_{:06d}.png"
_FRAME = re.compile(r"frame_\d{6,}\.png")
PNG_EFFORT = 3
"""zlib's level: higher ones take several times as long for a few percent."""


def export_frames(
    result: Path, folder: Path, limits: Limits, on_frame: Callable[[int], None] | None = None
) -> int:
    """Write every frame as `frame_000001.png` and so on; 8 bits a channel, or 16 where the result has 10.

    The folder is there with all frames or not at all. A folder of frames that is already there is replaced.

    Args:
        result: the finished file.
        folder: where the frames go.
        limits: limits for the file.
        on_frame: called with the number of frames written so far; may raise to stop.

    Returns:
        How many frames were written.

    Raises:
        OptionError: the folder holds other things than exported frames.
        DamagedMediaError: a frame does not decode.
        DiskFullError: there is no room.
        EncodeError: the files cannot be written.
    """
    _refuse_foreign(folder)
    made = probe(result, limits)
    video = made.info.video
    part = beside(folder)
    try:
        with writing(f"the frames {folder.name}", folder.parent):
            part.mkdir(parents=True)
            with FrameReader(result, video, made.packets, limits=limits) as reader:
                for number, picture in enumerate(reader.read(0, len(made.packets)), 1):
                    bits = 16 if picture.layout.depth == 10 else 8
                    image = to_rgb(picture, video.colour, bits=bits)
                    (part / FRAME_NAME.format(number)).write_bytes(_png(image))
                    if on_frame:
                        on_frame(number)
            if folder.exists():
                shutil.rmtree(folder)
            part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return len(made.packets)


def _png(image: Rgb) -> bytes:
    good, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, PNG_EFFORT])
    if not good:
        raise EncodeError("A frame could not be written as PNG.")
    return data.tobytes()


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or any(not _FRAME.fullmatch(entry.name) for entry in folder.iterdir()):
        raise OptionError(
            f"{folder} holds other things than exported frames; move it away or choose another name."
        )
