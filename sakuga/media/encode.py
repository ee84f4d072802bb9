"""Frames out: one chunk of pictures into one verified file."""

import errno
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.packet import Packet

from sakuga.errors import ContractError, DiskFullError, EncodeError, InputError
from sakuga.media.chunks import OWN_LIMITS
from sakuga.media.codecs import (
    EncodeSettings,
    choose_layout,
    encoder_format,
    encoder_options,
    encoders_here,
    keyframe_interval,
    output_colour,
    require_encoder,
)
from sakuga.media.info import Colour, PixelLayout
from sakuga.media.open import open_media
from sakuga.media.picture import Picture
from sakuga.media.scheduling import fair_scheduling

__all__ = [
    "ChunkWriter",
    "EncodeSettings",
    "choose_layout",
    "encoders_here",
    "output_colour",
    "verify_chunk",
]

_SANE_DTS = 1 << 40
_MAX_TICKS = 2**31 - 1
_NO_ROOM_BYTES = 1 << 16


def beside(path: Path) -> Path:
    """A hidden temporary name in the folder of `path`, so that renaming it is atomic."""
    return path.with_name(f".{path.name[:64]}.{uuid.uuid4().hex[:12]}.part")


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """Turn the failures of writing media into errors of this project.

    Args:
        what: what is written, as a message names it.
        folder: where. libavformat does not tell of the last bytes that found no room, so that a file which
            is not what was written, on a disk without room, means that the disk is full.
    """
    try:
        yield
    except (ContractError, EncodeError) as error:
        if shutil.disk_usage(folder).free < _NO_ROOM_BYTES:
            raise DiskFullError(
                f"No room is left on the disk for {what}; free some and run again."
            ) from error
        raise
    except (av.FFmpegError, OSError) as error:
        if error.errno == errno.ENOSPC:
            raise DiskFullError(
                f"No room is left on the disk for {what}; free some and run again."
            ) from error
        if shutil.disk_usage(folder).free < _NO_ROOM_BYTES:
            raise DiskFullError(
                f"No room is left on the disk for {what}; free some and run again."
            ) from error
        raise EncodeError(f"Writing {what} failed: {error.strerror or error}.") from error


class ChunkWriter:
    """Encodes the pictures of one chunk; a context manager that leaves a verified file or none.

    The file's first frame is a keyframe at time 0 and no frame refers to another file, so that the packets
    of chunks written with the same arguments can follow each other in one stream.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int],
        layout: PixelLayout,
        colour: Colour,
        settings: EncodeSettings,
        frame_rate: Fraction,
        time_base: Fraction,
    ) -> None:
        """Open the encoder.

        Args:
            path: final name of the chunk; nothing is under it until `close` has verified the chunk.
            size: width and height in pixels.
            layout: of the pictures that will be written.
            colour: what their samples stand for; see `output_colour`.
            settings: codec, quality and speed.
            frame_rate: frames per second, or the mean where times vary.
            time_base: of the times that will be written.

        Raises:
            MissingToolError: the hardware encoder does not work here.
            OptionError: the preset is not one of the encoder's.
            ContractError: the time base is finer than encoders can count.
            EncodeError: the encoder refuses the size or layout.
            DiskFullError: no room is left.
        """
        self._path, self._size, self._layout = path, size, layout
        self._part = beside(path)
        self._first: int | None = None
        self._last = 0
        self._last_dts = -_SANE_DTS
        self.frames = 0
        name = require_encoder(settings.codec, settings.hardware)
        self._time_base = time_base
        if max(time_base.numerator, time_base.denominator) > _MAX_TICKS:
            raise ContractError(f"Encoders cannot count in ticks of {time_base} s; plan with coarser ones.")
        with self._writing():
            self._container = av.open(
                str(self._part.absolute()), "w", format="mov" if settings.codec == "prores" else "mp4"
            )
            try:
                self._stream = self._add_stream(name, settings, colour, frame_rate)
            except BaseException:
                self.abort()
                raise

    def _writing(self) -> AbstractContextManager[None]:
        return writing(f"the chunk {self._path.name}", self._path.parent)

    def _add_stream(
        self, name: str, settings: EncodeSettings, colour: Colour, frame_rate: Fraction
    ) -> av.VideoStream:
        stream = self._container.add_stream(name, rate=frame_rate)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height = self._size
        context.pix_fmt = encoder_format(name, self._layout)
        context.sample_aspect_ratio = Fraction(1)
        context.time_base = stream.time_base = self._time_base
        context.gop_size = 1 if settings.codec == "prores" else keyframe_interval(frame_rate)
        context.thread_count = 0
        context.options = encoder_options(settings, self._layout, colour)
        with fair_scheduling():
            context.open(strict=False)
        return stream

    def write(self, picture: Picture, time: int) -> None:
        """Encode one picture, shown at `time` ticks of the time base; times strictly increase.

        Raises:
            ContractError: the picture's size or layout is not the chunk's, or its time does not increase.
            EncodeError: the encoder failed.
            DiskFullError: no room is left.
        """
        if (picture.width, picture.height) != self._size or picture.layout != self._layout:
            raise ContractError(f"Frame {self.frames} of {self._path.name} has another size or layout.")
        if self._first is None:
            self._first = time
        elif time <= self._last:
            raise ContractError(f"Frame {self.frames} of {self._path.name} is not after the one before it.")
        self._last = time
        frame = self._frame(picture)
        frame.pts, frame.time_base = time - self._first, self._time_base
        with self._writing():
            self._mux(self._stream.encode(frame))
        self.frames += 1

    def _mux(self, packets: "list[Packet[av.VideoStream]]") -> None:
        for packet in packets:
            # x265 leaves the decoding times of a chunk of one or two frames unset: any number at all
            earliest = (self._first or 0) - self._last if self.frames <= 2 else -_SANE_DTS
            if packet.pts is not None and (packet.dts is None or not earliest <= packet.dts <= packet.pts):
                packet.dts = max(packet.pts, self._last_dts + 1)
            self._last_dts = packet.dts or 0
            self._container.mux(packet)

    def _frame(self, picture: Picture) -> av.VideoFrame:
        context = self._stream.codec_context
        frame = av.VideoFrame(picture.width, picture.height, picture.layout.pix_fmt)
        for plane, samples in zip(frame.planes, picture.planes, strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size).view(samples.dtype)
            rows[: samples.shape[0], : samples.shape[1]] = samples
        frame.colorspace, frame.color_range = context.colorspace, context.color_range
        frame.color_primaries, frame.color_trc = context.color_primaries, context.color_trc
        if context.pix_fmt != picture.layout.pix_fmt:
            frame = frame.reformat(format=context.pix_fmt)
        return frame

    def close(self) -> None:
        """Finish, verify and rename the chunk to its final name.

        Raises:
            ContractError: the file is not what was written.
            EncodeError: the encoder failed.
            DiskFullError: no room is left.
        """
        try:
            with self._writing():
                self._mux(self._stream.encode(None))
                self._container.close()
                verify_chunk(self._part, self.frames, self._size)
                self._part.replace(self._path)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Stop and remove what was written; harmless after `close`."""
        with suppress(av.FFmpegError, OSError, ValueError):
            self._container.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def verify_chunk(path: Path, frames: int, size: tuple[int, int]) -> None:
    """Prove that a chunk decodes to as many frames of this size as it should.

    Raises:
        EncodeError: it does not decode to its end; another attempt may.
        ContractError: it has other frames; the message says how.
    """
    count = 0
    try:
        with open_media(path, OWN_LIMITS) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                if (frame.width, frame.height) != size:
                    raise ContractError(f"Frame {count} of {path.name} has another size than planned.")
                if frame.is_corrupt:
                    raise ContractError(f"Frame {count} of {path.name} does not decode.")
                count += 1
    except (av.FFmpegError, InputError) as error:
        # short memory looks like this, too, and passes
        raise EncodeError(f"{path.name} does not decode after frame {count}: {error}") from error
    if count != frames:
        raise ContractError(f"{path.name} has {count} frames where {frames} were written.")
