from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from sakuga.episode.assembly import assemble_episode, joined_track
from sakuga.episode.cover import make_cover as episode_cover
from sakuga.episode.joined import prove_packets
from sakuga.episode.subtitles import SubtitleTrack
from sakuga.episode.timeline import Timeline
from sakuga.errors import CancelledError, ContractError, DiskFullError
from sakuga.media.chunks import schedule
from sakuga.media.codecs import Codec
from sakuga.media.containers import Container
from sakuga.media.probe import probe
from sakuga.settings import Limits, Settings
from tests.clips import decoded_times, read_number
from tests.episode.joins import (
    SAMPLE_RATE,
    caption,
    first_shown_after,
    join,
    make_form,
    make_sound,
    make_timeline,
    shown_numbers,
    write_segment,
    write_segments,
)
from tests.media.disks import SmallDisk, small_disk
from tests.media.results import FILM, beep_times, left_beside

__all__ = ["small_disk"]

MS = Fraction(1, 1000)
ONSET = Fraction(1, 500)
"""How far from its start a beep is first as loud as what counts as one; AAC smears it a little."""

CONTAINERS: list[Container] = ["mp4", "mkv", "mov"]
PAIRS: list[tuple[Codec, Container]] = [
    *(("h264", container) for container in CONTAINERS),
    ("hevc", "mp4"),
    ("av1", "mp4"),
    ("av1", "mkv"),
    ("prores", "mov"),
]


@pytest.mark.parametrize(("codec", "container"), PAIRS)
@pytest.mark.parametrize("rate", [FILM, Fraction(25), Fraction(30000, 1001)], ids=["film", "pal", "ntsc"])
def test_every_frame_of_every_segment_is_shown_at_its_time(
    tmp_path: Path, codec: Codec, container: Container, rate: Fraction
) -> None:
    form, timeline = make_form(container, codec, rate), make_timeline(rate)
    made = join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form)
    tolerance = MS if container == "mkv" else 0
    times = decoded_times(made.path)
    assert all(abs(time - k / rate) <= tolerance for k, time in enumerate(times))
    assert shown_numbers(made.path) == list(range(timeline.frames))
    assert (made.frames, made.duration) == (timeline.frames, timeline.frames / rate)
    assert made.bytes == made.path.stat().st_size
    assert left_beside(made.path) == []


@pytest.mark.parametrize("container", CONTAINERS)
def test_sound_is_in_sync_from_the_first_frame_to_the_last(tmp_path: Path, container: Container) -> None:
    form, timeline = make_form(container), make_timeline(scenes=(30, 20, 25))
    sound = make_sound(tmp_path, timeline.duration, form.settings.container)
    made = join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form, sound=sound)
    assert decoded_times(made.path)[0] == 0
    beeps = beep_times(made.path)
    assert len(beeps) == 7
    assert all(abs(time - number * Fraction(1, 2)) <= ONSET for number, time in enumerate(beeps))


def test_the_sound_of_an_mp4_is_as_long_as_its_picture_to_the_sample(tmp_path: Path) -> None:
    form, timeline = make_form(), make_timeline()
    sound = make_sound(tmp_path, timeline.duration, form.settings.container)
    made = join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form, sound=sound)
    with av.open(str(made.path)) as container:
        stream = container.streams.audio[0]
        assert stream.start_time == 0
        assert stream.duration is not None
        assert abs(stream.duration - timeline.duration * SAMPLE_RATE) < 1


def test_sound_without_loss_goes_into_matroska(tmp_path: Path) -> None:
    form, timeline = make_form("mkv"), make_timeline()
    sound = make_sound(tmp_path, timeline.duration, "mkv")
    made = join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form, sound=sound)
    assert [one.codec for one in probe(made.path, Limits()).info.audio] == ["flac"]


def test_sound_that_the_container_cannot_hold_is_refused(tmp_path: Path) -> None:
    form, timeline = make_form("mov"), make_timeline()
    sound = make_sound(tmp_path, timeline.duration, "mkv")
    with pytest.raises(ContractError, match="flac"):
        join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form, sound=sound)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("seconds", [-0.1, 0.1])
def test_sound_of_another_length_is_refused_and_nothing_is_left(
    tmp_path: Path, container: Container, seconds: float
) -> None:
    form, timeline = make_form(container), make_timeline()
    sound = make_sound(tmp_path, timeline.duration + Fraction(seconds), container)
    with pytest.raises(ContractError, match="sound"):
        join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form, sound=sound)
    assert not (tmp_path / f"episode.{container}").exists()
    assert left_beside(tmp_path / "episode") == []


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("rate", [FILM, Fraction(30000, 1001), Fraction(24)], ids=["film", "ntsc", "24"])
def test_going_to_a_chapter_shows_the_first_frame_of_its_scene(
    tmp_path: Path, container: Container, rate: Fraction
) -> None:
    form, timeline = make_form(container, rate=rate), make_timeline(rate)
    sound = make_sound(tmp_path, timeline.duration, form.settings.container)
    made = join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form, sound=sound)
    chapters = probe(made.path, Limits()).info.chapters
    assert [one.title for one in chapters] == ["Scene 0", "Scene 1", "Scene 2"]
    starts = [first_shown_after(made.path, one.start) for one in chapters]
    assert starts == [placed.first for placed in timeline.scenes]


def two_tracks() -> list[SubtitleTrack]:
    return [
        SubtitleTrack(
            captions=(caption("1/10", "1/2", r"One\Nline"), caption("1/2", "3/4", r"{\i1}two{\i0}")),
            language="eng",
            title="English",
        ),
        SubtitleTrack(captions=(caption("1/3", "2/3", "drei"),), language="ger"),
    ]


@pytest.mark.parametrize("container", CONTAINERS)
def test_subtitles_are_shown_when_they_should_be(tmp_path: Path, container: Container) -> None:
    form, timeline = make_form(container), make_timeline()
    made = join(
        tmp_path,
        write_segments(tmp_path, form, timeline),
        timeline,
        form,
        sound=make_sound(tmp_path, timeline.duration, form.settings.container),
        subtitles=two_tracks(),
    )
    tracks = probe(made.path, Limits()).info.subtitles
    codec = "subrip" if container == "mkv" else "mov_text"
    assert [(one.codec, one.language) for one in tracks][:2] == [(codec, "eng"), (codec, "ger")]
    with av.open(str(made.path)) as file:
        shown = [
            (packet.pts * packet.time_base, (packet.pts + (packet.duration or 0)) * packet.time_base)
            for packet in file.demux(file.streams[tracks[0].index])
            if packet.pts is not None and packet.size > 2
        ]
    planned = [(each.start, each.end) for each in two_tracks()[0].captions]
    for found, wanted in zip(shown, planned, strict=True):
        assert all(abs(a - b) <= MS for a, b in zip(found, wanted, strict=True))


def make_cover(path: Path) -> Path:
    assert cv2.imwrite(str(path), np.full((32, 48, 3), 90, np.uint8))
    return path


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_cover_is_in_the_file_and_is_not_its_video(
    tmp_path: Path, container: Container, suffix: str
) -> None:
    form, timeline = make_form(container), make_timeline()
    cover = make_cover(tmp_path / f"cover.{suffix}")
    made = join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form, cover=cover)
    info = probe(made.path, Limits()).info
    assert [one.kind for one in info.others if one.kind != "data"] == ["cover"]
    assert (info.video.width, info.video.frames) == (form.width, timeline.frames)
    assert made.notes == ()


def test_a_cover_that_mov_cannot_hold_is_said(tmp_path: Path) -> None:
    form, timeline = make_form("mov"), make_timeline()
    cover = make_cover(tmp_path / "cover.jpg")
    made = join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form, cover=cover)
    assert made.notes == ("MOV cannot hold a cover.",)


def test_a_cover_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    form, timeline = make_form(), make_timeline()
    cover = tmp_path / "cover.jpg"
    cover.write_bytes(b"\xff\xd8\xffnothing")
    with pytest.raises(ContractError, match=r"cover\.jpg"):
        join(tmp_path, write_segments(tmp_path, form, timeline), timeline, form, cover=cover)


def test_tags_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    form, timeline = make_form(), make_timeline()
    segments = write_segments(tmp_path, form, timeline)
    sound = make_sound(tmp_path, timeline.duration, form.settings.container)
    made = [
        join(
            tmp_path,
            segments,
            timeline,
            form,
            sound=sound,
            subtitles=two_tracks(),
            output=tmp_path / f"{name}.mp4",
        )
        for name in "ab"
    ]
    assert probe(made[0].path, Limits()).info.metadata["title"] == "An episode"
    assert made[0].path.read_bytes() == made[1].path.read_bytes()


def test_a_segment_with_other_frames_than_planned_is_refused(tmp_path: Path) -> None:
    form, timeline = make_form(), make_timeline()
    segments = write_segments(tmp_path, form, timeline)
    write_segment(segments[2], form, range(12))
    with pytest.raises(ContractError, match="12 frames where 13"):
        join(tmp_path, segments, timeline, form)
    assert left_beside(tmp_path / "episode") == []


@pytest.mark.parametrize("name", ["-y.mp4", 'it\'s "so".mp4', "two\nlines.mkv", "100%d a:b.mov"])
def test_any_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    container: Container = name[-3:]  # type: ignore[assignment]
    form, timeline = make_form(container), make_timeline()
    segments = write_segments(tmp_path, form, timeline)
    made = join(tmp_path, segments, timeline, form, subtitles=two_tracks(), output=tmp_path / name)
    assert len(decoded_times(made.path)) == timeline.frames


def test_hundreds_of_segments_of_one_frame_are_one_video(tmp_path: Path) -> None:
    form = make_form(preset="ultrafast")
    timeline = make_timeline(scenes=[1] * 300)
    kinds = [write_segment(tmp_path / f"{number}", form, [number]) for number in range(5)]
    made = join(tmp_path, [kinds[k % 5] for k in range(300)], timeline, form)
    assert shown_numbers(made.path) == [k % 5 for k in range(300)]


def test_a_cancelled_join_leaves_nothing(tmp_path: Path) -> None:
    form, timeline = make_form(), make_timeline()
    segments = write_segments(tmp_path, form, timeline)
    with pytest.raises(CancelledError):
        assemble(tmp_path, segments, timeline, tmp_path / "out.mp4", cancel=True)
    assert left_beside(tmp_path / "out.mp4") == ["sound.aac"]
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("room", [4, 8])
def test_a_full_disk_is_told_apart_and_nothing_is_left(
    tmp_path: Path, small_disk: SmallDisk, room: int
) -> None:
    form, timeline = make_form(), make_timeline()
    segments = write_segments(tmp_path, form, timeline)
    folder = small_disk(room)
    with pytest.raises(DiskFullError):
        assemble(tmp_path, segments, timeline, folder / "out.mp4")
    assert list(folder.iterdir()) == []


def assemble(
    folder: Path, segments: list[Path], timeline: Timeline, output: Path, *, cancel: bool = False
) -> None:
    (folder / "scratch").mkdir(exist_ok=True)
    assemble_episode(
        segments,
        timeline,
        make_form(),
        sound=make_sound(folder / "scratch", timeline.duration),
        subtitles=two_tracks(),
        cover=None,
        metadata={},
        output=output,
        scratch=folder / "scratch",
        settings=Settings(),
        cancelled=lambda: cancel,
    )


def test_packets_of_other_segments_are_noticed(tmp_path: Path) -> None:
    form, timeline = make_form(), make_timeline(scenes=(10, 10))
    segments = write_segments(tmp_path, form, timeline)
    made = join(tmp_path, segments, timeline, form)
    for wrong in (segments[::-1], [segments[0], segments[0]]):
        track = joined_track(wrong, [10, 10], timeline, form)
        with pytest.raises(ContractError, match=r"Packet \d+"):
            prove_packets(made.path, track, schedule(track), None)


@pytest.mark.parametrize(("time", "frame"), [("0", 0), ("1/2", 12), ("11/24", 11), ("99", 23)])
def test_the_cover_is_the_frame_at_its_time(tmp_path: Path, time: str, frame: int) -> None:
    form, timeline = make_form(rate=Fraction(24)), make_timeline(Fraction(24))
    segments = write_segments(tmp_path, form, timeline)
    path = episode_cover(segments, timeline, form, Fraction(time), tmp_path / "cover.jpg")
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (form.height, form.width, 3)
    assert read_number(picture[..., 1].astype(np.uint8)) == frame
    join(tmp_path, segments, timeline, form, cover=path)
