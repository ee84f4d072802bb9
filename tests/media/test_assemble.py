from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from pathlib import Path

import av
import pytest

from sakuga.errors import CancelledError, ContractError, DiskFullError, SubprocessError
from sakuga.media.assemble import assemble
from sakuga.media.codecs import Codec
from sakuga.media.encode import EncodeSettings
from sakuga.media.info import PixelLayout
from sakuga.media.probe import probe
from sakuga.settings import Limits, Settings
from tests.assets import ASSETS
from tests.clips import decoded_times, make_clip, read_number
from tests.media.disks import SmallDisk, small_disk
from tests.media.results import (
    EIGHT,
    FILM,
    SPLIT,
    beeping,
    ffmpeg,
    film_track,
    left_beside,
    make_track,
    picture,
    planes_of,
    put_together,
    write_chunk,
)

__all__ = ["small_disk"]

MS = Fraction(1, 1000)
COUNT = sum(SPLIT)
VARYING = [90 * k * k + 3000 * k + 7 for k in range(COUNT)]

PAIRS: list[tuple[Codec, str]] = [
    ("h264", "mp4"),
    ("h264", "mkv"),
    ("h264", "mov"),
    ("hevc", "mp4"),
    ("hevc", "mkv"),
    ("hevc", "mov"),
    ("av1", "mp4"),
    ("av1", "mkv"),
    ("prores", "mov"),
    ("prores", "mkv"),
]


def silent(folder: Path) -> Path:
    return make_clip(folder / "silent.mp4")


@pytest.mark.parametrize(("codec", "container"), PAIRS)
@pytest.mark.parametrize(
    ("times", "time_base", "end", "rate"),
    [
        (range(COUNT), 1 / FILM, COUNT, FILM),
        (range(COUNT), Fraction(1, 24), COUNT, Fraction(24)),
        (range(COUNT), Fraction(1001, 30000), COUNT, Fraction(30000, 1001)),
        (range(COUNT), Fraction(1499, 45000), COUNT, Fraction(45000, 1499)),
        (VARYING, Fraction(1, 90000), VARYING[-1] + 9000, None),
    ],
    ids=["23.976", "24", "29.97", "odd", "varying"],
)
def test_every_frame_is_there_at_its_exact_time(
    tmp_path: Path,
    codec: Codec,
    container: str,
    times: Sequence[int],
    time_base: Fraction,
    end: int,
    rate: Fraction | None,
) -> None:
    track = make_track(tmp_path, times, time_base, end, codec=codec, rate=rate)
    output = tmp_path / f"out.{container}"
    put_together(silent(tmp_path), track, output, codec=codec)
    bound = MS if container == "mkv" else 0
    planned = [time * time_base for time in times]
    assert all(abs(a - b) <= bound for a, b in zip(decoded_times(output), planned, strict=True))
    with av.open(str(output)) as result:
        video = result.streams.video[0]
        numbers = [read_number(planes_of(frame, _layout(frame))[0]) for frame in result.decode(video)]
        assert numbers == list(range(COUNT))
        if rate and container != "mkv":
            assert video.average_rate == rate
        if container != "mkv":
            assert video.duration is not None
            assert video.time_base is not None
            assert video.duration * video.time_base == (end - times[0]) * time_base


def _layout(frame: av.VideoFrame) -> PixelLayout:
    return EIGHT.model_copy(update={"depth": 10 if "10" in frame.format.name else 8})


@pytest.mark.parametrize("rate", [FILM, Fraction(24), Fraction(25), Fraction(30000, 1001)])
def test_matroska_says_the_frame_rate_though_it_counts_in_milliseconds(
    tmp_path: Path, rate: Fraction
) -> None:
    track = make_track(tmp_path, range(COUNT), 1 / rate, COUNT, rate=rate)
    output = tmp_path / "out.mkv"
    put_together(silent(tmp_path), track, output)
    with av.open(str(output)) as result:
        assert result.streams.video[0].average_rate == rate


def test_the_result_is_tagged_upright_and_has_square_pixels(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    put_together(silent(tmp_path), film_track(tmp_path), output)
    video = probe(output, Limits()).info.video
    assert video.sar == 1
    assert video.rotation == 0
    assert (video.colour.matrix, video.colour.tagged, video.colour.full_range) == ("bt709", True, False)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_the_same_input_gives_the_same_file(tmp_path: Path, codec: Codec) -> None:
    source, track = beeping(tmp_path), film_track(tmp_path, codec=codec)
    for suffix in ("mp4", "mkv"):
        outputs = [tmp_path / f"{name}.{suffix}" for name in "ab"]
        for output in outputs:
            put_together(source, track, output, codec=codec)
        assert outputs[0].read_bytes() == outputs[1].read_bytes()


@pytest.mark.parametrize("name", ["-y.mp4", "a:b.mkv", 'it\'s "so".mp4', "100%d.mp4", "two\nlines.mov"])
def test_any_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    source = ffmpeg([beeping(tmp_path)], ["-c:v", "copy", "-c:a", "libvorbis"], tmp_path / "source.mkv")
    source = source.rename(tmp_path / f"source {name}")
    output = tmp_path / name
    put_together(source, film_track(tmp_path), output)
    assert len(decoded_times(output)) == COUNT


def test_chunks_of_other_settings_are_refused(tmp_path: Path) -> None:
    track = film_track(tmp_path)
    write_chunk(track.chunks[1], [10], 1 / FILM, first=10, size=(80, 64))
    with pytest.raises(ContractError, match="Chunk 1"):
        put_together(silent(tmp_path), track, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_chunk_that_lost_a_frame_is_refused(tmp_path: Path) -> None:
    track = film_track(tmp_path)
    write_chunk(track.chunks[2], range(12), 1 / FILM, settings=EncodeSettings(preset="fast"))
    with pytest.raises(ContractError, match="Chunk 2 has 12 frames where 13"):
        put_together(silent(tmp_path), track, tmp_path / "out.mp4")


def test_a_chunk_of_another_codec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="hevc"):
        put_together(silent(tmp_path), film_track(tmp_path), tmp_path / "out.mp4", codec="hevc")


def test_a_cancelled_job_leaves_nothing(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    source, track = beeping(tmp_path), film_track(tmp_path)
    with pytest.raises(CancelledError):
        assemble(
            source,
            probe(source, Limits()).info,
            track,
            codec="h264",
            container="mp4",
            audio="keep",
            metadata={},
            output=output,
            scratch=tmp_path,
            settings=Settings(),
            cancelled=lambda: True,
        )
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part" or path == output]


def test_a_converter_that_is_killed_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\nfor last; do :; done\necho half > "${last#file:}"\nkill -9 $$\n')
    program.chmod(0o755)
    output = tmp_path / "out.mp4"
    with pytest.raises(SubprocessError, match="signal 9"):
        put_together(
            beeping(tmp_path),
            film_track(tmp_path),
            output,
            audio="aac",
            settings=Settings(FFMPEG_PATH=program),
        )
    assert not output.exists()
    assert left_beside(output) == []


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("room", [4, 8])
def test_a_disk_that_fills_up_is_told_apart_and_nothing_is_left(
    tmp_path: Path, small_disk: SmallDisk, container: str, room: int
) -> None:
    source, track = beeping(tmp_path), film_track(tmp_path)
    info = probe(source, Limits()).info
    folder = small_disk(room)
    with pytest.raises(DiskFullError):
        assemble(
            source,
            info,
            track,
            codec="h264",
            container=container,  # type: ignore[arg-type]
            audio="keep",
            metadata={},
            output=folder / "out",
            scratch=tmp_path,
            settings=Settings(),
        )
    assert list(folder.iterdir()) == []


CLIPS = [
    "bbb_2audio_2subs_chapters.mkv",
    "nasa_13013.mp4",
    "gopro_karma_drone.mp4",
    "anamorphic_sar4x3_2audio_ac3-5.1.mp4",
    "bbb_telecined_480i_dvd.mpg",
    "chaplin_bw_mp3audio.mp4",
    "no_duration.webm",
]


@pytest.mark.slow
@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("name", CLIPS)
def test_every_stream_of_real_clips_is_accounted_for(tmp_path: Path, name: str, container: str) -> None:
    source = ASSETS / "video" / name
    if not source.exists():
        pytest.skip("needs the real clips")
    probed = probe(source, Limits())
    info, index = probed.info, probed.packets
    base = Fraction(1, lcm(index.time_base.denominator, info.start.denominator))
    times = [int((int(p) * index.time_base - info.start) / base) for p in index.pts]
    end = int((index.end * index.time_base - info.start) / base)
    still = [picture(3)] * len(times)
    track = make_track(tmp_path, times, base, end, preset="ultrafast", split=(len(still),))
    output = tmp_path / f"out.{container}"
    assembly = put_together(source, track, output)
    streams = {stream.index for group in (info.audio, info.subtitles, info.others) for stream in group}
    assert {note.index for note in (*assembly.kept, *assembly.converted, *assembly.left_out)} == streams
    assert len(probe(output, Limits()).info.audio) == len(info.audio)
