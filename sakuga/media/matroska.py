"""The one thing that the muxer does not write for copied video: the duration of a frame."""

from fractions import Fraction
from pathlib import Path

_HEAD_BYTES = 1 << 20
_UID = b"\x73\xc5\x88" + bytes(7) + b"\x01"
_FLAG_LACING = b"\x9c\x81\x00"
_SHORT_UID = b"\x73\xc5\x83\x00\x00\x01"
_DEFAULT_DURATION = b"\x23\xe3\x83\x84"
_NANOSECONDS = 10**9


def set_frame_rate(path: Path, rate: Fraction) -> bool:
    """Write the frame duration of the first track into a Matroska file's header, in place.

    Without it a player only has times rounded to a millisecond to tell the rate from. The track's identifier,
    8 bytes that hold the number 1, is written with 3, and the lacing flag goes (its default only allows
    lacing); that is just the room that DefaultDuration needs (Matroska, RFC 9559, 5.1.4.1).

    Args:
        path: a file written by libavformat with `bitexact` set and without checksums.
        rate: frames per second.

    Returns:
        Whether the file had the expected bytes; where not, it is unchanged.
    """
    duration = round(_NANOSECONDS / rate)
    old = _UID + _FLAG_LACING
    with path.open("r+b") as file:
        head = file.read(_HEAD_BYTES)
        place = head.find(old)
        if place < 0 or duration >= 1 << 32:
            return False
        file.seek(place)
        file.write(_SHORT_UID + _DEFAULT_DURATION + duration.to_bytes(4, "big"))
    return True
