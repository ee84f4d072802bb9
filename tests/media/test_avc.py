from pathlib import Path

import av
from hypothesis import given
from hypothesis import strategies as st

from sakuga.media.avc import (
    DELIMITER,
    IDR,
    nal_type,
    nal_units,
    parameter_sets,
    profile_and_level,
    with_parameter_sets,
)
from tests.clips import make_clip

SETS = (b"\x67set", b"\x68set")


def packed(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def test_the_sets_of_a_real_header_are_found(tmp_path: Path) -> None:
    with av.open(str(make_clip(tmp_path / "clip.mp4"))) as container:
        header = container.streams.video[0].codec_context.extradata or b""
        first = bytes(next(container.demux(video=0)))
    sets = parameter_sets(header)
    assert [nal_type(unit) for unit in sets] == [7, 8]
    assert profile_and_level(header) == (sets[0][1], sets[0][3])
    assert IDR in [nal_type(unit) for unit in nal_units(first)]
    assert tuple(nal_units(with_parameter_sets(first, sets)))[:2] == sets


def test_sets_go_behind_a_delimiter() -> None:
    packet = packed(bytes([DELIMITER, 0x10]), b"\x65picture")
    assert list(nal_units(with_parameter_sets(packet, SETS))) == [
        bytes([DELIMITER, 0x10]),
        *SETS,
        b"\x65picture",
    ]


@given(st.binary(max_size=200))
def test_headers_that_are_none_have_no_sets_that_are_not_in_them(data: bytes) -> None:
    assert all(unit and unit in data for unit in parameter_sets(data))
    assert parameter_sets(b"\0\0\0\1" + data) == ()


@given(st.binary(max_size=200))
def test_packets_that_are_none_give_only_what_is_in_them(data: bytes) -> None:
    assert all(unit and unit in data for unit in nal_units(data))


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5))
def test_units_come_back_from_a_packet(units: list[bytes]) -> None:
    assert list(nal_units(packed(*units))) == units
