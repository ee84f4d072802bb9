"""How long a file says it is, from the outermost structure of its container."""

from pathlib import Path
from typing import BinaryIO

ISO_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")
EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
CLUSTER = b"\x1f\x43\xb6\x75"
TOP_LEVEL_KINDS = "1f43b675 114d9b74 1549a966 1654ae6b 1c53bb6b 1043a770 1941a469 1254c367"
"""Clusters, seek heads, information, tracks, cues, chapters, attachments and tags of a Segment (RFC 9559)."""
TOP_LEVEL = frozenset(map(bytes.fromhex, TOP_LEVEL_KINDS.split()))
ENDLESS = 1 << 63
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


def matroska_hole(path: Path) -> int | None:
    """Where the elements of a Matroska file stop following each other, in bytes; None where they do not.

    Demuxers pass over such a place in silence, and with it over the frames that were there. Only the heads of
    the elements are read.
    """
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        if file.read(4) != EBML:
            return None
        length, octets = _vint(file)
        position = 4 + octets + (length or 0)
        ends = [ENDLESS]  # of the elements that `position` is in
        while position < size:
            while position == ends[-1]:
                ends.pop()
            file.seek(position)
            kind, length, head = _element(file.read(12))
            if (len(ends) == 1 and kind != SEGMENT) or (kind is None and ends[-1] == ENDLESS):
                return None  # junk after the Segment, which players pass over
            if kind in TOP_LEVEL and len(ends) > 2:
                ends.pop()  # a cluster that does not say its size ends here
            end = ends[-1] if length is None else position + head + length
            if kind is None or end > ends[-1]:
                return position
            if kind in (SEGMENT, CLUSTER):
                ends.append(end)
                position += head
            elif length is None:
                return None
            else:
                position = end
    return None


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


def _element(head: bytes) -> tuple[bytes | None, int | None, int]:
    """Kind, size of the content (None where it is unknown) and size of the head of an EBML element.

    The kind is None where these bytes are no head; kinds take up to 4 bytes and sizes up to 8 (RFC 8794).
    """
    kind = 9 - head[0].bit_length()
    if kind > 4 or len(head) <= kind or not head[kind]:
        return None, None, 0
    octets = 9 - head[kind].bit_length()
    bits = int.from_bytes(head[kind : kind + octets], "big") & ((1 << 7 * octets) - 1)
    return head[:kind], None if bits == (1 << 7 * octets) - 1 else bits, kind + octets
