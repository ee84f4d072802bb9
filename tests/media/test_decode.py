import random
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sakuga.errors import DamagedMediaError
from sakuga.media.colour import rgb_to_yuv
from sakuga.media.decode import FrameReader
from sakuga.media.picture import Picture
from sakuga.media.probe import Probed, probe
from sakuga.settings import Limits
from tests.assets import asset_files
from tests.clips import make_clip, numbered, read_number
from tests.media.test_packets import KINDS

LIMITS = Limits()
ROUNDING = 0.51
"""Steps of a sample: one rounding, and what floats add."""


def reader_of(path: Path, found: Probed, *, salvage: bool = False) -> FrameReader:
    return FrameReader(path, found.info.video, found.packets, limits=LIMITS, salvage=salvage)


def all_pictures(path: Path, found: Probed, *, salvage: bool = False) -> list[Picture]:
    with reader_of(path, found, salvage=salvage) as reader:
        return list(reader.read(0, len(found.packets)))


@pytest.mark.parametrize("name", KINDS)
def test_a_frame_read_alone_equals_the_same_frame_read_in_a_row(tmp_path: Path, name: str) -> None:
    clip = make_clip(tmp_path / name, frames=40, **KINDS[name])
    found = probe(clip, LIMITS)
    row = all_pictures(clip, found)
    assert [read_number(picture.planes[0]) for picture in row] == list(range(40))
    with reader_of(clip, found) as reader:
        for number in random.Random(1).sample(range(40), 16):
            (alone,) = reader.read(number, number + 1)
            assert alone.same_as(row[number])


def test_reading_on_gives_what_reading_at_once_gives(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=30)
    found = probe(clip, LIMITS)
    row = all_pictures(clip, found)
    with reader_of(clip, found) as reader:
        parts = [*reader.read(0, 7), *reader.read(7, 8), *reader.read(8, 30)]
    assert all(a.same_as(b) for a, b in zip(parts, row, strict=True))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10le", "yuv444p10le"])
def test_samples_are_those_of_the_decoder(tmp_path: Path, pix_fmt: str) -> None:
    clip = make_clip(tmp_path / "lossless.mkv", codec="ffv1", pix_fmt=pix_fmt, frames=2)
    found = probe(clip, LIMITS)
    (picture, _) = all_pictures(clip, found)
    assert picture.layout.pix_fmt == pix_fmt
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
        for plane, raw in zip(picture.planes, frame.planes, strict=True):
            wide = np.dtype(np.uint16 if "10" in pix_fmt else np.uint8)
            rows = np.frombuffer(memoryview(raw), wide).reshape(raw.height, -1)
            assert plane.flags.c_contiguous
            assert np.array_equal(plane, rows[:, : raw.width])


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv420p12le", "yuv422p16le", "yuv444p12le", "gray12le"])
def test_deep_samples_lose_only_their_lowest_bits(tmp_path: Path, pix_fmt: str, full: bool) -> None:
    def prepare(stream: av.VideoStream) -> None:
        stream.codec_context.color_range = 2 if full else 1

    clip = make_clip(tmp_path / "deep.mkv", codec="ffv1", pix_fmt=pix_fmt, frames=2, prepare=prepare)
    (picture, _) = all_pictures(clip, probe(clip, LIMITS))
    with av.open(str(clip)) as container:
        raw = next(container.decode(video=0)).planes[0]
    exact = np.frombuffer(memoryview(raw), np.uint16).reshape(raw.height, -1)[:, : raw.width].astype(float)
    exact /= 64 if "16" in pix_fmt else 4
    assert float(np.abs(picture.planes[0] - np.minimum(exact, 1023)).max()) <= ROUNDING


def test_rgb_becomes_bt709_within_one_step(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "rgb.mkv", codec="ffv1", pix_fmt="bgr0", frames=2)
    (picture, _) = all_pictures(clip, probe(clip, LIMITS))
    red, green, blue = (numbered(0, 96, 64)[..., channel].astype(float) / 255 for channel in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert float(np.abs(picture.planes[0] - (16 + 219 * luma)).max()) <= ROUNDING
    assert float(np.abs(picture.planes[1] - (128 + 224 * (blue - luma) / 1.8556)).max()) <= ROUNDING
    assert float(np.abs(picture.planes[2] - (128 + 224 * (red - luma) / 1.5748)).max()) <= ROUNDING


def test_white_and_black_have_their_nominal_levels_in_ten_bits() -> None:
    rgb = np.array([[[0, 0, 0], [65535, 65535, 65535]]], np.uint16)
    luma, blue, red = rgb_to_yuv(rgb, 10)
    assert luma.tolist() == [[64, 940]]
    assert blue.tolist() == red.tolist() == [[512, 512]]


def test_transparent_pixels_are_shown_over_black(tmp_path: Path) -> None:
    path = tmp_path / "clear.mov"
    pixels = np.full((64, 96, 4), 255, np.uint8)
    pixels[:, :48, 3] = 0
    pixels[:, 48:72, 3] = 128
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=24)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgba"
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        container.mux(stream.encode(None))
    found = probe(path, LIMITS)
    (picture, _) = all_pictures(path, found)
    assert found.info.video.alpha
    assert (picture.planes[0][0, [0, 60, 90]]).tolist() == [16, 126, 235]


def damaged_clip(folder: Path, settings: Mapping[str, Any]) -> tuple[Path, int]:
    """A clip with one packet overwritten, and the number of frames before that packet's time."""
    clip = make_clip(folder / "damaged.mp4", frames=48, size=(320, 192), **settings)
    with av.open(str(clip)) as container:
        packets = [p for p in container.demux(video=0) if p.size and p.pos is not None and p.pts is not None]
        key = [packet for packet in packets if packet.is_keyframe][2]
        before = sum((p.pts or 0) < (key.pts or 0) for p in packets)
        position, size = key.pos or 0, key.size
    data = bytearray(clip.read_bytes())
    data[position : position + size] = random.Random(0).randbytes(size)
    clip.write_bytes(data)
    return clip, before


DAMAGED: list[Mapping[str, Any]] = [
    {"options": {"g": "12"}},
    {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=12:min-keyint=12"}},
]


@pytest.mark.parametrize("settings", DAMAGED, ids=["h264", "hevc"])
def test_overwritten_bytes_are_found_where_they_are(tmp_path: Path, settings: Mapping[str, Any]) -> None:
    clip, before = damaged_clip(tmp_path, settings)
    found = probe(clip, LIMITS)
    with pytest.raises(DamagedMediaError, match=rf"frame {before} at .*--salvage"):
        all_pictures(clip, found)
    with reader_of(clip, found) as reader:
        assert len(list(reader.read(0, before))) == before


@pytest.mark.parametrize("settings", DAMAGED, ids=["h264", "hevc"])
def test_salvage_gives_the_frames_that_decode_at_their_own_times(
    tmp_path: Path, settings: Mapping[str, Any]
) -> None:
    clip, before = damaged_clip(tmp_path, settings)
    whole = probe(clip, LIMITS)
    found = probe(clip, LIMITS, salvage=True)
    assert found.lost_frames >= 1
    assert len(found.packets) + found.lost_frames == len(whole.packets)
    assert set(found.packets.pts.tolist()) < set(whole.packets.pts.tolist())
    with reader_of(clip, found, salvage=True) as reader:
        pictures = list(reader.read(0, len(found.packets)))
        assert reader.concealed == 0
    kept = np.searchsorted(whole.packets.pts, found.packets.pts).tolist()
    seen = [read_number(picture.planes[0]) for picture in pictures[:before]]
    assert seen == kept[:before]


def test_with_salvage_a_frame_that_does_not_come_is_held(tmp_path: Path) -> None:
    clip, before = damaged_clip(tmp_path, DAMAGED[0])
    found = probe(clip, LIMITS)
    with reader_of(clip, found, salvage=True) as reader:
        pictures = list(reader.read(0, len(found.packets)))
        assert len(pictures) == 48
        assert reader.concealed >= 1
        assert pictures[before].same_as(pictures[before - 1])


def test_a_change_of_size_in_mid_stream_is_refused(tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    parts = [
        make_clip(tmp_path / "a.ts", frames=24, rate=Fraction(25)),
        make_clip(tmp_path / "b.ts", frames=24, rate=Fraction(25), size=(128, 96), times=list(range(24, 48))),
    ]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = probe(joined, LIMITS)
    with pytest.raises(DamagedMediaError, match="changes from 96x64 to 128x96"):
        all_pictures(joined, found)


@pytest.mark.parametrize("path", asset_files("video"), ids=lambda path: path.name)
def test_real_clips_give_every_frame_alike_in_any_order(path: Path) -> None:
    found = probe(path, LIMITS)
    count = min(len(found.packets), 150)
    with reader_of(path, found) as reader:
        row = [hash(tuple(plane.tobytes() for plane in one.planes)) for one in reader.read(0, count)]
        for first in random.Random(2).sample(range(count), 3):
            end = min(count, first + 4)
            part = [hash(tuple(p.tobytes() for p in one.planes)) for one in reader.read(first, end)]
            assert part == row[first:end]
