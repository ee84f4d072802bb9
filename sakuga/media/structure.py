"""How long a file says it is, from the outermost structure of its container."""

from pathlib import Path
from typing import BinaryIO

ISO_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")
EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
MAX_BOXES = 10_000


def missing_bytes(path: Path) -> int:
    """How many bytes the file lacks at its end, by its own outermost sizes; 0 where it does not say.

    Reads the top-level boxes of ISO media (ISO/IEC 14496-12, 4.2), the Segment size of Matroska (RFC 9559)
    and the RIFF size of AVI.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        if head[4:8] in ISO_FIRST_BOXES:
            return max(0, _iso_end(file, size)[0] - size)
        if head.startswith(EBML):
            return max(0, _matroska_end(file) - size)
        if head.startswith(b"RIFF"):
            declared = int.from_bytes(head[4:8], "little")
            # Writers that were cut off or that pass 4 GiB leave 0 or all ones.
            return max(0, declared + 8 - size) if 0 < declared < 0xFFFFFF00 else 0
    return 0


def ends_before_index(path: Path, head: bytes) -> bool:
    """Whether this is ISO media (MP4, MOV) that has no `moov` box and runs to the end of the file."""
    if head[4:8] not in ISO_FIRST_BOXES:
        return False
    with path.open("rb") as file:
        return b"moov" not in _iso_end(file, path.stat().st_size)[1]


def _iso_end(file: BinaryIO, size: int) -> tuple[int, set[bytes]]:
    """Where the last top-level box ends, and the kinds of the whole boxes."""
    position, kinds = 0, set()
    for _ in range(MAX_BOXES):
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            break
        length = int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:], "big")
        if length == 0:
            kinds.add(header[4:8])
            return size, kinds
        if length < 8 or not header[4:8].isascii():
            break  # junk after the last box, which players pass over
        position += length
        if position > size:
            return position, kinds
        kinds.add(header[4:8])
    return min(position, size), kinds


def _matroska_end(file: BinaryIO) -> int:
    position = 0
    for _ in range(8):
        file.seek(position)
        kind = file.read(4)
        length, octets = _vint(file)
        if length is None or not kind.startswith((EBML, SEGMENT, b"\xec")):
            return 0
        header = (4 if kind[0] != 0xEC else 1) + octets
        if kind == SEGMENT:
            return position + header + length
        if kind[0] == 0xEC:
            file.seek(position + 1)
            length, octets = _vint(file)
            if length is None:
                return 0
            header = 1 + octets
        position += header + length
    return 0


def _vint(file: BinaryIO) -> tuple[int | None, int]:
    """An EBML size and how many bytes it takes; None where it is unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None, 1
    octets = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0xFF >> octets)]) + file.read(octets - 1), "big")
    return (None if value == (1 << 7 * octets) - 1 else value), octets
