from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sakuga.errors import DamagedMediaError
from sakuga.media.info import PixelLayout
from sakuga.media.probe import Probed, probe
from sakuga.media.structure import matroska_hole
from sakuga.settings import Limits
from tests.assets import asset_files
from tests.clips import make_clip

LIMITS = Limits()


def remux(source: Path, target: Path, *, shift: dict[int, Fraction] | None = None) -> Path:
    """Copy all streams; times of stream `index` are moved by `shift[index]` seconds."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        made = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is None or packet.pts is None:
                continue
            ticks = int((shift or {}).get(packet.stream_index, Fraction(0)) / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            packet.stream = made[packet.stream_index]
            new.mux(packet)
    return target


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize(
    "rate",
    [
        Fraction(24000, 1001),
        Fraction(24),
        Fraction(25),
        Fraction(30000, 1001),
        Fraction(60000, 1001),
        Fraction(10),
    ],
)
def test_a_constant_rate_is_found_exactly(tmp_path: Path, name: str, rate: Fraction) -> None:
    video = probe(make_clip(tmp_path / name, rate=rate, frames=50), LIMITS).info.video
    assert video.frame_rate == rate
    assert video.constant_rate
    assert video.frames == 50
    assert abs(video.duration - 50 / rate) <= video.time_base


def test_an_odd_rate_is_found_exactly(tmp_path: Path) -> None:
    video = probe(make_clip(tmp_path / "odd.mp4", rate=Fraction(45000, 1499)), LIMITS).info.video
    assert (video.frame_rate, video.constant_rate) == (Fraction(45000, 1499), True)


def test_times_that_vary_are_kept_and_said_to_vary(tmp_path: Path) -> None:
    times = [0, 40, 90, 100, 200, 333, 400]
    clip = make_clip(tmp_path / "vfr.mkv", times=times, time_base=Fraction(1, 1000), frames=len(times))
    found = probe(clip, LIMITS)
    assert not found.info.video.constant_rate
    assert found.info.video.frame_rate == Fraction(6, 1) / Fraction(400, 1000)
    assert found.packets.pts.tolist() == times


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    video = probe(make_clip(tmp_path / "one.mp4", frames=1), LIMITS).info.video
    assert (video.frames, video.frame_rate, video.duration) == (1, Fraction(24), Fraction(1, 24))


@pytest.mark.parametrize("late", [0, 1])
def test_a_stream_that_starts_later_keeps_its_offset(tmp_path: Path, late: int) -> None:
    clip = make_clip(tmp_path / "sound.mp4", frames=48, audio_seconds=2)
    info = probe(remux(clip, tmp_path / "late.mkv", shift={late: Fraction(1, 2)}), LIMITS).info
    offset = (info.audio[0].start or Fraction(0)) - info.video.start
    one_block = Fraction(1024, 48000)
    assert abs(offset - (Fraction(1, 2) if late else -Fraction(1, 2))) <= one_block
    assert info.start == min(info.video.start, info.audio[0].start or Fraction(0))


def test_audio_streams_are_described(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "sound.mp4", frames=48, audio_seconds=2), LIMITS).info
    (sound,) = info.audio
    assert (sound.codec, sound.sample_rate, sound.channels, sound.layout) == ("aac", 48000, 2, "stereo")
    assert sound.start == 0
    assert sound.duration is not None
    assert abs(sound.duration - 2) <= Fraction(2 * 1024, 48000)


@pytest.mark.parametrize(
    ("turn", "mirror", "rotation", "flipped"),
    [
        (90, False, 270, False),
        (-90, False, 90, False),
        (180, False, 180, False),
        (0, True, 0, True),
        (0, False, 0, False),
    ],
)
def test_rotation_says_how_far_clockwise_to_turn(
    tmp_path: Path, turn: int, mirror: bool, rotation: int, flipped: bool
) -> None:
    def prepare(stream: av.VideoStream) -> None:
        if turn or mirror:
            stream.set_display_rotation(turn, hflip=mirror)

    video = probe(make_clip(tmp_path / "turned.mp4", frames=3, prepare=prepare), LIMITS).info.video
    assert (video.rotation, video.flipped) == (rotation, flipped)
    assert (video.width, video.height) == (96, 64)


def test_the_sample_aspect_is_read(tmp_path: Path) -> None:
    def prepare(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(32, 27)

    video = probe(make_clip(tmp_path / "wide.mp4", frames=3, prepare=prepare), LIMITS).info.video
    assert video.sar == Fraction(32, 27)


def tagged(**tags: int) -> Callable[[av.VideoStream], None]:
    def prepare(stream: av.VideoStream) -> None:
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)

    return prepare


def test_colour_tags_are_read(tmp_path: Path) -> None:
    prepare = tagged(colorspace=1, color_primaries=1, color_trc=1, color_range=2)
    colour = probe(make_clip(tmp_path / "full.mp4", frames=3, prepare=prepare), LIMITS).info.video.colour
    assert (colour.matrix, colour.primaries, colour.transfer) == ("bt709", "bt709", "bt709")
    assert colour.full_range
    assert colour.tagged


@pytest.mark.parametrize(("transfer", "kind"), [(16, "pq"), (18, "hlg")])
def test_high_dynamic_range_is_reported(tmp_path: Path, transfer: int, kind: str) -> None:
    prepare = tagged(colorspace=9, color_primaries=9, color_trc=transfer)
    clip = make_clip(tmp_path / "hdr.mp4", frames=3, pix_fmt="yuv420p10le", prepare=prepare)
    video = probe(clip, LIMITS).info.video
    assert (video.hdr, video.colour.matrix, video.layout.depth) == (kind, "bt2020nc", 10)


@pytest.mark.parametrize(
    ("size", "matrix"), [((720, 480), "smpte170m"), ((720, 576), "bt470bg"), ((1280, 720), "bt709")]
)
def test_untagged_video_gets_the_colours_of_its_size(
    tmp_path: Path, size: tuple[int, int], matrix: str
) -> None:
    colour = probe(make_clip(tmp_path / "plain.mp4", frames=2, size=size), LIMITS).info.video.colour
    assert (colour.matrix, colour.tagged, colour.full_range) == (matrix, False, False)


@pytest.mark.parametrize(
    ("pix_fmt", "chroma", "depth", "rgb"),
    [
        ("yuv420p", "420", 8, False),
        ("yuv422p10le", "422", 10, False),
        ("yuv444p16le", "444", 10, False),
        ("yuv411p", "422", 8, False),
        ("yuv410p", "420", 8, False),
        ("gray", "gray", 8, False),
        ("gray12le", "gray", 10, False),
        ("bgr0", "444", 8, True),
        ("gbrp10le", "444", 10, True),
    ],
)
def test_every_pixel_format_has_a_working_layout(
    tmp_path: Path, pix_fmt: str, chroma: str, depth: int, rgb: bool
) -> None:
    video = probe(make_clip(tmp_path / "p.mkv", codec="ffv1", pix_fmt=pix_fmt, frames=2), LIMITS).info.video
    assert video.layout == PixelLayout.model_validate({"chroma": chroma, "depth": depth})
    assert video.rgb is rgb
    if rgb:
        assert (video.colour.matrix, video.colour.full_range) == ("bt709", False)


def test_interlaced_video_says_its_field_order(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "tff=1"}
    video = probe(make_clip(tmp_path / "fields.mp4", options=options), LIMITS).info.video
    assert video.field_order == "tff"


def test_the_default_stream_is_chosen_and_the_others_are_named(tmp_path: Path) -> None:
    small = make_clip(tmp_path / "small.mp4", frames=6)
    large = make_clip(tmp_path / "large.mp4", frames=6, size=(192, 128))
    both = tmp_path / "both.mkv"
    with (
        av.open(str(large)) as first,
        av.open(str(small)) as second,
        av.open(str(both), "w") as new,
    ):
        made = [new.add_stream_from_template(one.streams.video[0]) for one in (first, second)]
        made[0].disposition = av.stream.Disposition(0)
        made[1].disposition = av.stream.Disposition.default
        for source, stream in zip((first, second), made, strict=True):
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    new.mux(packet)
    info = probe(both, LIMITS).info
    assert (info.video.index, info.video.width) == (1, 96)
    assert [(other.index, other.kind) for other in info.others] == [(0, "video")]


def test_chapters_and_metadata_are_read(tmp_path: Path) -> None:
    path = tmp_path / "chapters.mkv"
    clip = make_clip(tmp_path / "clip.mp4")
    with av.open(str(clip)) as old, av.open(str(path), "w") as new:
        new.metadata["title"] = "A film"
        base = Fraction(1, 1000)
        new.set_chapters(
            [{"id": 1, "start": 0, "end": 500, "time_base": base, "metadata": {"title": "Opening"}}]
        )
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    info = probe(path, LIMITS).info
    (chapter,) = info.chapters
    assert (chapter.start, chapter.end) == (Fraction(0), Fraction(1, 2))
    assert chapter.title == "Opening"
    assert info.metadata["title"] == "A film"


def test_info_survives_a_round_trip_through_json(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "clip.mp4", audio_seconds=1), LIMITS).info
    assert type(info).model_validate_json(info.model_dump_json()) == info


@pytest.mark.parametrize("path", asset_files("video"), ids=lambda path: path.name)
def test_real_clips_are_probed(path: Path) -> None:
    found: Probed = probe(path, LIMITS)
    video = found.info.video
    assert found.truncated is None
    assert len(found.packets) == video.frames > 0
    assert bool((np.diff(found.packets.pts) > 0).all())
    assert found.packets.keyframe[0]
    assert found.packets.end > found.packets.pts[-1]
    varies = path.name in ("phone_vfr_rot180.mp4", "no_duration.webm")
    assert video.constant_rate is not varies


def test_a_hole_in_matroska_is_damage_and_with_salvage_its_frames_are_counted(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mkv", frames=72, options={"g": "12"})
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1500] = bytes(byte ^ 0x5A for byte in data[middle : middle + 1500])
    holed = tmp_path / "holed.mkv"
    holed.write_bytes(data)
    with pytest.raises(DamagedMediaError, match=r"damaged at byte \d+ of .*--salvage"):
        probe(holed, Limits())
    saved = probe(holed, Limits(), salvage=True)
    assert saved.truncated is not None
    assert 0 < len(saved.packets) == 72 - saved.lost_frames < 72
    assert probe(whole, Limits()).truncated is None


def test_matroska_that_does_not_say_its_sizes_has_no_hole(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "source.mkv", frames=72, options={"g": "12"})
    live = tmp_path / "live.mkv"
    with av.open(str(source)) as given, av.open(str(live), "w", options={"live": "1"}) as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    live.write_bytes(live.read_bytes() + bytes(100))
    assert matroska_hole(live) is None
    assert matroska_hole(source) is None
