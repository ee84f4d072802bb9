import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest

from sakuga.errors import ContractError, DiskFullError, EncodeError, MissingToolError, OptionError
from sakuga.media.codecs import Codec, encoder_works
from sakuga.media.encode import (
    ChunkWriter,
    EncodeSettings,
    choose_layout,
    encoders_here,
    output_colour,
    verify_chunk,
)
from sakuga.media.info import ChromaFormat, Colour, PixelLayout
from sakuga.media.scheduling import real_time, scheduling
from tests.clips import read_number
from tests.media.disks import SmallDisk, small_disk
from tests.media.results import EIGHT, FILM, HD, SIZE, picture, planes_of, write_chunk

__all__ = ["small_disk"]

CODECS: tuple[Codec, ...] = ("h264", "hevc", "av1", "prores")
TICK = Fraction(1001, 24000)


def layout(chroma: ChromaFormat, depth: Literal[8, 10] = 8) -> PixelLayout:
    return PixelLayout(chroma=chroma, depth=depth)


def quick(codec: Codec, quality: int = 17) -> EncodeSettings:
    return EncodeSettings(codec=codec, quality=quality, preset="ultrafast")


def frames_of(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [1, 2, 3, 24])
def test_a_chunk_has_every_frame_in_its_order(tmp_path: Path, codec: Codec, count: int) -> None:
    fits = choose_layout(EIGHT, Fraction(2), codec)
    path = write_chunk(tmp_path / "chunk", range(count), TICK, layout=fits, settings=quick(codec))
    numbers = [read_number(planes_of(frame, fits)[0]) for frame in frames_of(path)]
    assert numbers == list(range(count))


@pytest.mark.parametrize("codec", CODECS)
def test_no_encoder_keeps_others_from_the_processor(tmp_path: Path, codec: Codec) -> None:
    own, before = threading.get_native_id(), scheduling()
    fits = choose_layout(EIGHT, Fraction(2), codec)
    with ChunkWriter(
        tmp_path / "chunk",
        size=SIZE,
        layout=fits,
        colour=HD,
        settings=quick(codec),
        frame_rate=FILM,
        time_base=TICK,
    ) as writer:
        writer.write(picture(0, fits), 0)
        during = scheduling()
    assert not any(map(real_time, during.values()))
    assert during.get(own) == before.get(own)
    assert encoder_works("libsvtav1")
    assert scheduling().get(own) == before.get(own)


@pytest.mark.parametrize(
    ("codec", "chroma", "depth"),
    [
        (codec, chroma, depth)
        for codec in ("h264", "hevc")
        for chroma in ("420", "422", "444")
        for depth in (8, 10)
    ],
)
def test_quality_0_is_lossless(
    tmp_path: Path, codec: Codec, chroma: ChromaFormat, depth: Literal[8, 10]
) -> None:
    exact = layout(chroma, depth)
    path = write_chunk(tmp_path / "chunk", range(6), TICK, layout=exact, settings=quick(codec, 0))
    for number, frame in enumerate(frames_of(path)):
        for got, put in zip(planes_of(frame, exact), picture(number, exact).planes, strict=True):
            assert np.array_equal(got, put)


def test_a_picture_with_odd_strides_arrives_whole(tmp_path: Path) -> None:
    size = (102, 58)
    path = write_chunk(tmp_path / "chunk", [0], TICK, size=size, settings=quick("h264", 0))
    got = planes_of(frames_of(path)[0], EIGHT)
    assert all(np.array_equal(a, b) for a, b in zip(got, picture(0, EIGHT, size).planes, strict=True))


@pytest.mark.parametrize("codec", CODECS)
def test_chunks_of_the_same_settings_have_the_same_header(tmp_path: Path, codec: Codec) -> None:
    fits = choose_layout(EIGHT, Fraction(2), codec)
    headers = set()
    for name, times in (("a", range(24)), ("b", range(24, 25)), ("c", [2400, 2405, 2411])):
        path = write_chunk(tmp_path / name, times, TICK, layout=fits, settings=quick(codec))
        with av.open(str(path)) as container:
            headers.add(container.streams.video[0].codec_context.extradata)
    assert len(headers) == 1


@pytest.mark.parametrize("codec", CODECS)
def test_the_same_pictures_give_the_same_file_wherever_they_are(tmp_path: Path, codec: Codec) -> None:
    fits = choose_layout(EIGHT, Fraction(2), codec)
    early = write_chunk(tmp_path / "a", range(24), TICK, layout=fits, settings=quick(codec))
    late = write_chunk(tmp_path / "b", range(500, 524), TICK, layout=fits, settings=quick(codec))
    assert early.read_bytes() == late.read_bytes()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("matrix", "primaries", "transfer", "numbers"),
    [
        ("bt709", "bt709", "bt709", (1, 1, 1)),
        ("smpte170m", "smpte170m", "smpte170m", (6, 6, 6)),
        ("bt470bg", "bt470bg", "bt470bg", (5, 5, 5)),
        ("bt2020nc", "bt2020", "bt2020-10", (9, 9, 14)),
    ],
)
def test_every_output_says_its_colours(
    tmp_path: Path,
    codec: Codec,
    matrix: str,
    primaries: str,
    transfer: str,
    numbers: tuple[int, int, int],
) -> None:
    colour = Colour(matrix=matrix, primaries=primaries, transfer=transfer, full_range=codec != "prores")
    fits = choose_layout(EIGHT, Fraction(2), codec)
    path = write_chunk(tmp_path / "chunk", [0], TICK, layout=fits, colour=colour, settings=quick(codec))
    frame = frames_of(path)[0]
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == numbers
    if codec != "prores":
        assert frame.color_range == 2


def test_prores_is_written_with_limited_range() -> None:
    full = HD.model_copy(update={"full_range": True})
    assert not output_colour(full, "prores").full_range
    assert output_colour(full, "h264") == full


@pytest.mark.parametrize(
    ("source", "enlargement", "codec", "expected"),
    [
        (layout("gray"), 2, "h264", layout("420")),
        (layout("420"), 1, "h264", layout("420")),
        (layout("422"), 2, "h264", layout("420")),
        (layout("444"), 2, "hevc", layout("420")),
        (layout("422"), 1, "h264", layout("422")),
        (layout("444"), Fraction(3, 2), "hevc", layout("444")),
        (layout("444", 10), 1, "av1", layout("420", 10)),
        (layout("420", 10), 2, "h264", layout("420", 10)),
        (layout("420"), 2, "prores", layout("422", 10)),
        (layout("444"), 1, "prores", layout("444", 10)),
        (layout("gray"), 1, "prores", layout("422", 10)),
    ],
)
def test_no_chroma_is_lost_and_none_is_made_up(
    source: PixelLayout, enlargement: int | Fraction, codec: Codec, expected: PixelLayout
) -> None:
    assert choose_layout(source, Fraction(enlargement), codec) == expected


def test_a_bit_depth_that_is_asked_for_wins() -> None:
    assert choose_layout(layout("420", 10), Fraction(2), "h264", bit_depth="8").depth == 8
    assert choose_layout(layout("420"), Fraction(2), "hevc", bit_depth="10").depth == 10


def test_a_bit_depth_that_an_encoder_does_not_have_is_refused() -> None:
    with pytest.raises(OptionError, match="ProRes"):
        choose_layout(layout("420"), Fraction(2), "prores", bit_depth="8")
    with pytest.raises(OptionError, match="nvenc"):
        choose_layout(layout("420"), Fraction(2), "h264", "nvenc", "10")


@pytest.mark.parametrize(
    ("codec", "preset"), [("h264", "13"), ("hevc", "warp"), ("av1", "14"), ("av1", "warp")]
)
def test_an_unknown_preset_is_refused(tmp_path: Path, codec: Codec, preset: str) -> None:
    with pytest.raises(OptionError, match=preset):
        write_chunk(tmp_path / "chunk", [0], TICK, settings=EncodeSettings(codec=codec, preset=preset))
    assert list(tmp_path.iterdir()) == []


def test_the_software_encoders_are_here() -> None:
    here = encoders_here()
    assert all(here[name] for name in ("libx264", "libx265", "libsvtav1", "prores_ks"))
    assert {name for name in here if name.startswith("h264_")} >= {"h264_nvenc", "h264_qsv"}


@pytest.mark.skipif(encoder_works("h264_nvenc"), reason="this machine has the encoder")
def test_a_hardware_encoder_that_is_not_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="h264_nvenc"):
        write_chunk(tmp_path / "chunk", [0], TICK, settings=EncodeSettings(hardware="nvenc"))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with ChunkWriter(
            tmp_path / "chunk",
            size=SIZE,
            layout=EIGHT,
            colour=HD,
            settings=quick("h264"),
            frame_rate=FILM,
            time_base=TICK,
        ) as writer:
            writer.write(picture(0), 0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_time_that_does_not_increase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="Frame 2"):
        write_chunk(tmp_path / "chunk", [0, 5, 5], TICK)
    assert list(tmp_path.iterdir()) == []


def test_a_chunk_that_lost_a_frame_is_not_accepted(tmp_path: Path) -> None:
    path = write_chunk(tmp_path / "chunk", range(5), TICK)
    verify_chunk(path, 5, SIZE)
    with pytest.raises(ContractError, match="5 frames where 6"):
        verify_chunk(path, 6, SIZE)
    with pytest.raises(ContractError, match="size"):
        verify_chunk(path, 5, (48, 64))


@contextmanager
def small_files() -> Iterator[None]:
    """Within it this process cannot write beyond 2000 bytes of any file, the log of the tests included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_grow_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with small_files(), pytest.raises(EncodeError, match="chunk"):
        write_chunk(tmp_path / "chunk", range(24), TICK, settings=quick("h264", 0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [4, 24])
def test_a_disk_that_fills_up_is_told_apart_and_nothing_is_left(small_disk: SmallDisk, room: int) -> None:
    folder = small_disk(room)
    with pytest.raises(DiskFullError, match="free some"):
        write_chunk(folder / "chunk", range(96), TICK, settings=quick("h264", 0))
    assert list(folder.iterdir()) == []
