import codecs
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.episode.captions import MAX_BYTES, MAX_TEXT, Caption, read_captions, stream_captions
from sakuga.episode.spec import EpisodeSpec, Scene, Transition
from sakuga.episode.subtitles import (
    MAX_AT_ONCE,
    SubtitleTrack,
    clip_subtitles,
    flatten,
    merge_subtitles,
    write_subtitles,
)
from sakuga.episode.timeline import Timeline, lay_out
from sakuga.errors import LimitError, OptionError
from sakuga.media.containers import Container
from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.assets import ASSETS
from tests.clips import make_clip
from tests.episode.joins import caption
from tests.media.results import ffmpeg

SRT = """1
00:00:00,500 --> 00:00:01,250
First <i>line</i>
second line

2
0:00:02.000 --> 0:00:03.500
More, and: commas

"""
VTT = """WEBVTT

STYLE
::cue { color: white }

intro
00:00.500 --> 00:01.250 align:start
<c.loud>First</c>

00:00:02.000 --> 00:00:03.500
More
"""
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Sign,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:09.00,Sign,,0,0,0,,not shown
Dialogue: 0,0:00:02.00,0:00:03.50,Sign,,0,0,0,,More, and: commas
Dialogue: 0,0:00:00.50,0:00:01.25,Sign,,0,0,0,,{\\i1}First{\\i0}
Dialogue: 0,0:00:00.50,0:00:01.25,Sign,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}
"""
TIMES = [(Fraction(1, 2), Fraction(5, 4)), (Fraction(2), Fraction(7, 2))]
RATE = Fraction(24)


def write(folder: Path, text: str, name: str = "subtitles.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("text", [SRT, VTT, ASS], ids=["srt", "vtt", "ass"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_are_told_apart_by_what_they_hold(tmp_path: Path, text: str, mark: str) -> None:
    captions = read_captions(write(tmp_path, mark + text))
    assert [(each.start, each.end) for each in captions] == TIMES


def test_lines_and_styles_of_srt_are_kept(tmp_path: Path) -> None:
    first, second = read_captions(write(tmp_path, SRT.replace("\n", "\r\n")))
    assert first.text == r"First {\i1}line{\i0}\Nsecond line"
    assert second.text == "More, and: commas"


def test_wide_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "wide.srt"
    path.write_bytes(codecs.BOM_UTF16_LE + SRT.replace("More", "日本").encode("utf-16-le"))
    assert read_captions(path)[1].text == "日本, and: commas"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no subtitles"),
        (b"Just a text.\n", "no subtitles"),
        (SRT.replace("line", "z\xfcrich").encode("latin-1"), "UTF-8"),
    ],
)
def test_what_is_no_file_of_subtitles_is_said(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad.srt"
    path.write_bytes(data)
    with pytest.raises(OptionError, match=message):
        read_captions(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"gone\.srt"):
        read_captions(tmp_path / "gone.srt")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.srt"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(LimitError, match="larger"):
        read_captions(path)


def with_streams(folder: Path, clip: Path, container: str, codec: str, delay: float = 0) -> Path:
    text = write(folder, SRT, "in.srt")
    return ffmpeg(
        [clip, text],
        [
            *("-map", "0:v", "-map", "1:s", "-map", "1:s", "-c:v", "copy", "-c:s", codec),
            *("-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=deu"),
            *("-output_ts_offset", str(delay)),
        ],
        folder / f"with.{container}",
    )


@pytest.mark.parametrize(("container", "codec"), [("mkv", "srt"), ("mkv", "ass"), ("mp4", "mov_text")])
def test_streams_of_a_clip_are_read_in_its_time(tmp_path: Path, container: str, codec: str) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=96)
    path = with_streams(tmp_path, clip, container, codec, delay=3)
    info = probe(path, Limits()).info
    tracks = clip_subtitles(path, info, None, Limits())
    assert [track.language for track in tracks] == ["eng", "ger"]
    for found, wanted in zip(tracks[0].captions, TIMES, strict=True):
        assert abs(found.start - wanted[0]) <= Fraction(1, 100)
        assert abs(found.end - wanted[1]) <= Fraction(1, 100)
    assert "First" in tracks[0].captions[0].text
    assert tracks[0].captions[1].text == "More, and: commas"


@pytest.mark.parametrize(
    ("name", "language"),
    [("a.srt", None), ("a.en.srt", "eng"), ("a b.deu.srt", "ger"), ("v1.final.srt", None)],
)
def test_the_name_of_a_file_tells_its_language(tmp_path: Path, name: str, language: str | None) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    info = probe(clip, Limits()).info
    (track,) = clip_subtitles(clip, info, write(tmp_path, SRT, name), Limits())
    assert track.language == language
    assert [(each.start, each.end) for each in track.captions] == TIMES


def test_subtitles_follow_start_speed_and_place_of_their_scene() -> None:
    scenes = (Scene(clip="a"), Scene(clip="b", start=Fraction(1), end=Fraction(5), speed=Fraction(2)))
    timeline = lay_out(EpisodeSpec(scenes=scenes), [Fraction(3), Fraction(9)], RATE)
    track = SubtitleTrack(captions=(caption("1/2", "3/2", "early"), caption(2, 4)), language="eng")
    (merged,) = merge_subtitles([[], [track]], scenes, timeline)
    assert merged.captions == (caption(3, "13/4", "early"), caption("7/2", "9/2"))


def test_subtitles_are_cut_at_the_edges_of_their_scene() -> None:
    scenes = (Scene(clip="a", end=Fraction(2)), Scene(clip="b"))
    timeline = lay_out(EpisodeSpec(scenes=scenes), [Fraction(9), Fraction(2)], RATE)
    first = SubtitleTrack(captions=(caption(1, 3), caption(3, 4, "after")))
    second = SubtitleTrack(captions=(caption(-1, 1, "next"), caption("1", "41/40", "a flash")))
    (merged,) = merge_subtitles([[first], [second]], scenes, timeline)
    assert merged.captions == (caption(1, 2), caption(2, 3, "next"))


def test_each_language_is_one_track_and_its_title_is_the_first_one() -> None:
    scenes = (Scene(clip="a"), Scene(clip="b"))
    timeline = lay_out(EpisodeSpec(scenes=scenes), [Fraction(2), Fraction(2)], RATE)
    english = SubtitleTrack(captions=(caption(0, 1),), language="eng")
    titled = english.model_copy(update={"title": "English"})
    other = SubtitleTrack(captions=(caption(0, 1),), language="jpn")
    merged = merge_subtitles([[english], [other, titled]], scenes, timeline)
    assert [(one.language, one.title, len(one.captions)) for one in merged] == [
        ("eng", "English", 2),
        ("jpn", None, 1),
    ]


def test_captions_of_both_scenes_of_a_transition_are_shown_together() -> None:
    joint = Transition(kind="crossfade", seconds=Fraction(1))
    scenes = (Scene(clip="a", transition=joint), Scene(clip="b"))
    timeline = lay_out(EpisodeSpec(scenes=scenes), [Fraction(3), Fraction(3)], RATE)
    first, second = (SubtitleTrack(captions=(caption(0, 3, text),)) for text in "ab")
    (merged,) = merge_subtitles([[first], [second]], scenes, timeline)
    assert merged.captions == (caption(0, 2, "a"), caption(2, 3, r"a\Nb"), caption(3, 5, "b"))


times = st.fractions(min_value=0, max_value=20, max_denominator=24)
some_captions = st.lists(
    st.builds(
        lambda start, length, text: Caption(start=start, end=start + length, text=text),
        times,
        st.fractions(min_value=Fraction(1, 24), max_value=6, max_denominator=24),
        st.sampled_from("abcd"),
    ),
    max_size=12,
)


def shown(captions: list[Caption] | tuple[Caption, ...], time: Fraction) -> set[str]:
    return {text for each in captions if each.start <= time < each.end for text in each.text.split("\\N")}


@given(some_captions, times)
def test_flat_captions_say_the_same_at_every_time_and_never_overlap(
    captions: list[Caption], time: Fraction
) -> None:
    flat = flatten(captions)
    assert all(one.end <= other.start for one, other in pairwise(flat))
    assert shown(flat, time) == shown(captions, time)


def laid_out(scenes: list[Scene], duration: Fraction) -> Timeline:
    return lay_out(EpisodeSpec(scenes=tuple(scenes)), [duration] * len(scenes), RATE)


@given(
    st.lists(
        st.tuples(times, st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(3)])), min_size=1, max_size=4
    ),
    some_captions,
)
def test_merged_captions_never_leave_their_scene(
    plans: list[tuple[Fraction, Fraction]], captions: list[Caption]
) -> None:
    scenes = [Scene(clip=f"{n}", start=start, speed=speed) for n, (start, speed) in enumerate(plans)]
    timeline = laid_out(scenes, Fraction(30))
    tracks = [
        [SubtitleTrack(captions=tuple(each.model_copy(update={"text": f"{n}"}) for each in captions))]
        for n in range(len(scenes))
    ]
    for merged in merge_subtitles(tracks, scenes, timeline):
        for each in merged.captions:
            placed = timeline.scenes[int(each.text)]
            assert timeline.time(placed.first) <= each.start < each.end
            assert each.end <= timeline.time(placed.first + placed.frames)


def test_subtitles_of_a_real_clip_are_read() -> None:
    path = ASSETS / "video" / "bbb_2audio_2subs_chapters.mkv"
    if not path.exists():
        pytest.skip("needs the real clips")
    tracks = clip_subtitles(path, probe(path, Limits()).info, None, Limits())
    assert len(tracks) >= 1
    assert all(each.end > each.start >= 0 for track in tracks for each in track.captions)


def test_a_heap_of_captions_at_one_time_is_cut_down() -> None:
    heap = [caption(Fraction(k, 1000), 30, f"line {k}") for k in range(2000)]
    flat = flatten([*heap, caption(30, 31, "after")])
    assert max(each.text.count("\\N") for each in flat) == MAX_AT_ONCE - 1
    assert flat[-1].text == "after"


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_text_and_its_styles_come_back_from_the_file_that_is_written(
    tmp_path: Path, container: Container
) -> None:
    texts = [r"{\i1}slanted{\i0} and\Ntwo lines", "日本語 & a < b ♪", "x" * MAX_TEXT, "last"]
    track = SubtitleTrack(captions=tuple(caption(2 * k, 2 * k + 1, text) for k, text in enumerate(texts)))
    path = write_subtitles(track, container, tmp_path / "out")
    found = stream_captions(path, 0, Limits())
    assert [(each.start, each.end) for each in found] == [
        (Fraction(2 * k), Fraction(2 * k + 1)) for k in range(4)
    ]
    assert [each.text for each in found][1:] == texts[1:]
    plain = re.sub(r"\{[^}]*\}", "", found[0].text)
    assert plain == r"slanted and\Ntwo lines"
    assert r"\i1" in found[0].text


def test_of_two_streams_in_a_language_the_fuller_one_is_read(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=96)
    signs = write(tmp_path, SRT.partition("2\n0:")[0], "signs.srt")
    path = ffmpeg(
        [clip, signs, write(tmp_path, SRT, "all.srt")],
        ["-map", "0:v", "-map", "1", "-map", "2", "-c:v", "copy", "-metadata:s:s", "language=eng"],
        tmp_path / "with.mkv",
    )
    (track,) = clip_subtitles(path, probe(path, Limits()).info, None, Limits())
    assert len(track.captions) == 2
