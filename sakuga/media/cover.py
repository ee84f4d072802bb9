"""The picture that a file shows of itself."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from sakuga.errors import ContractError
from sakuga.media.containers import Container

_KINDS = {
    b"\xff\xd8\xff": ("mjpeg", "jpg", "image/jpeg"),
    b"\x89PNG\r\n\x1a\n": ("png", "png", "image/png"),
}


def holds_cover(container: Container) -> bool:
    """Whether a container holds a cover: MKV as an attachment, MP4 as a tag; the muxer writes none in MOV."""
    return container != "mov"


def add_cover(output: OutputContainer, picture: Path, container: Container) -> "Packet[Stream] | None":
    """Make a picture the cover of a file whose header is not written yet.

    Args:
        output: the file, with its other streams added.
        picture: a JPEG or PNG.
        container: what the file is; see `holds_cover`.

    Returns:
        A packet that is to be the first one written, or None where the header holds the cover.

    Raises:
        ContractError: the picture is neither, or does not decode.
        OSError: it cannot be read.
    """
    data = picture.read_bytes()
    kind = next((kind for mark, kind in _KINDS.items() if data.startswith(mark)), None)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if kind else None
    if kind is None or pixels is None:
        raise ContractError(f"The cover {picture.name} is no JPEG or PNG.")
    codec, suffix, mime = kind
    if container == "mkv":
        output.add_attachment(f"cover.{suffix}", mime, data)
        return None
    height, width = pixels.shape[:2]
    stream = output.add_mux_stream(codec, width=width, height=height)
    stream.time_base = Fraction(1, 1000)
    stream.disposition = Disposition.attached_pic
    packet: Packet[Stream] = Packet(data)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = 0
    packet.is_keyframe = True
    return packet
