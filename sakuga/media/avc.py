"""H.264 as MP4 and Matroska hold it: NAL units behind their lengths (ISO/IEC 14496-15, 5.3.3)."""

from collections.abc import Iterator

IDR, SEQUENCE, PICTURE, DELIMITER = 5, 7, 8, 9
"""Types of NAL units (ITU-T H.264, table 7-1)."""

_LENGTH = 4
_HEAD = 6


def nal_units(data: bytes | memoryview) -> Iterator[bytes]:
    """NAL units of a packet with lengths of four bytes; what does not fit its length is left out."""
    view, place = memoryview(data), 0
    while place + _LENGTH < len(view):
        size = int.from_bytes(view[place : place + _LENGTH], "big")
        if size == 0 or place + _LENGTH + size > len(view):
            return
        yield bytes(view[place + _LENGTH : place + _LENGTH + size])
        place += _LENGTH + size


def nal_type(unit: bytes) -> int:
    """Type of a NAL unit."""
    return unit[0] & 0x1F


def parameter_sets(header: bytes) -> tuple[bytes, ...]:
    """Sequence and picture parameter sets of a decoder configuration record, none where it is no such record.

    Args:
        header: a stream's extradata; lengths in its packets must have four bytes.
    """
    if len(header) <= _HEAD or header[0] != 1 or header[4] & 3 != _LENGTH - 1:
        return ()
    sets: list[bytes] = []
    place = _HEAD - 1
    for mask in (0x1F, 0xFF):
        if place >= len(header):
            return ()
        count, place = header[place] & mask, place + 1
        for _ in range(count):
            size = int.from_bytes(header[place : place + 2], "big")
            unit = header[place + 2 : place + 2 + size]
            if len(unit) != size or not size:
                return ()
            sets.append(unit)
            place += 2 + size
    return tuple(sets)


def profile_and_level(header: bytes) -> tuple[int, ...]:
    """Profile and level of a decoder configuration record, as numbers that grow with what they ask for."""
    return tuple(header[1:4:2]) if len(header) > _HEAD else ()


def with_parameter_sets(data: bytes, sets: tuple[bytes, ...]) -> bytes:
    """A packet with parameter sets in front of its pictures, behind the delimiter that must come first."""
    inserted = b"".join(len(unit).to_bytes(_LENGTH, "big") + unit for unit in sets)
    first = next(nal_units(data), b"")
    place = _LENGTH + len(first) if first and nal_type(first) == DELIMITER else 0
    return data[:place] + inserted + data[place:]
