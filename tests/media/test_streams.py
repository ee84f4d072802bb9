from fractions import Fraction
from pathlib import Path

import av
import pytest

from sakuga.media.probe import probe
from sakuga.settings import Limits, Settings
from tests.clips import make_clip
from tests.media.results import (
    beep_times,
    beeping,
    ffmpeg,
    film_track,
    left_beside,
    make_track,
    put_together,
)

MS = Fraction(1, 1000)
LONG_PACKET = Fraction(1536, 48000)
"""Containers cut the last packet short or count it whole; AC-3's is the longest here."""
CODER_SMEAR = Fraction(5, 1000)
"""A lossy coder spreads the edge of a beep over a short block of 128 samples and its overlap."""

SRT = "1\n00:00:00,250 --> 00:00:00,600\nHello, <i>you</i>\n\n2\n00:00:00,700 --> 00:00:00,900\nBye\n"
ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    "Format: Name, Fontname, Fontsize, PrimaryColour\nStyle: Default,Arial,20,&H00FFFFFF\n\n"
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:00.25,0:00:00.60,Default,,0,0,0,,{\\b1}Hello\n"
)


def payloads(path: Path, track: int = 0) -> bytes:
    with av.open(str(path)) as container:
        return b"".join(bytes(packet) for packet in container.demux(container.streams.audio[track]))


def kinds(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]


def texts(path: Path, track: int = 0) -> list[tuple[float, str]]:
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[track]
        return [
            (round(float(packet.pts * packet.time_base), 3), bytes(packet).decode("utf-8", "replace"))
            for packet in container.demux(stream)
            if packet.size > 2 and packet.pts is not None
        ]


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
def test_sound_far_behind_the_picture_in_the_file_keeps_its_last_packet(
    tmp_path: Path, container: str
) -> None:
    # more than ten seconds apart, which is when muxers give up putting packets side by side
    seconds = 30
    source = make_clip(tmp_path / "source.mkv", frames=seconds, rate=Fraction(1), audio_seconds=seconds)
    with av.open(str(source)) as opened:
        assert opened.streams.audio[0].codec_context.frame_size == 0
    track = make_track(tmp_path, [k * 1000 for k in range(seconds)], MS, seconds * 1000, split=(seconds,))
    output = tmp_path / f"out.{container}"
    put_together(source, track, output)
    assert payloads(output) == payloads(source)
    wanted, got = beep_times(source), beep_times(output)
    assert len(wanted) == seconds
    assert all(abs(a - b) <= 2 * MS for a, b in zip(wanted, got, strict=True))


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("audio", ["keep", "aac"])
@pytest.mark.parametrize("late", [Fraction(-1, 2), Fraction(0), Fraction(1, 2), Fraction(1, 7)])
def test_sound_stays_where_it_was_against_the_picture(
    tmp_path: Path, container: str, audio: str, late: Fraction
) -> None:
    beeps = beeping(tmp_path)
    source = ffmpeg(
        [beeps],
        ["-map", "0:v", "-map", "0:a", "-c", "copy", "-bsf:a", f"setts=ts=TS+({late}/TB)", "-f", "matroska"],
        tmp_path / "source.mkv",
    )
    probed = probe(source, Limits())
    index = probed.packets
    start = index.pts[0] * index.time_base - probed.info.start
    time_base = MS
    times = [round((int(p) * index.time_base - probed.info.start) / MS) for p in index.pts]
    assert times[0] == start / MS
    track = make_track(tmp_path, times, time_base, times[-1] + 42, split=(20, 28))
    output = tmp_path / f"out.{container}"
    put_together(source, track, output, audio=audio)
    wanted, got = beep_times(source), beep_times(output)
    # In and out of Matroska both the picture's and the sound's times are rounded to a millisecond.
    bound = 2 * MS + (CODER_SMEAR if audio == "aac" else 0)
    assert len(wanted) == 2
    assert all(abs(a - b) <= bound for a, b in zip(wanted, got, strict=True))


def test_sound_in_mp4_stays_in_place_to_the_sample(tmp_path: Path) -> None:
    source = beeping(tmp_path)
    output = tmp_path / "out.mp4"
    put_together(source, film_track(tmp_path), output)
    assert beep_times(source) == beep_times(output)


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
def test_sound_is_copied_bit_for_bit(tmp_path: Path, container: str) -> None:
    source = beeping(tmp_path)
    output = tmp_path / f"out.{container}"
    assembly = put_together(source, film_track(tmp_path), output)
    assert [note.why for note in assembly.kept] == ["bit for bit"]
    assert payloads(source) == payloads(output)


def test_every_track_is_kept_with_its_language_title_and_channels(tmp_path: Path) -> None:
    source = ffmpeg(
        [beeping(tmp_path)],
        [
            *("-map", "0:v", "-map", "0:a", "-map", "0:a", "-c:v", "copy"),
            *("-c:a:0", "copy", "-c:a:1", "ac3", "-ac:a:1", "6"),
            *("-metadata:s:a:0", "language=jpn", "-metadata:s:a:1", "language=eng"),
            *("-metadata:s:a:1", "title=Surround", "-disposition:a:0", "default"),
        ],
        tmp_path / "source.mkv",
    )
    for container in ("mp4", "mkv", "mov"):
        output = tmp_path / f"out.{container}"
        put_together(source, film_track(tmp_path), output)
        first, second = probe(output, Limits()).info.audio
        assert (first.language, second.language) == ("jpn", "eng")
        assert (second.codec, second.channels) == ("ac3", 6)
        assert second.title == "Surround" or container != "mkv"


@pytest.mark.parametrize(
    ("coder", "options", "container"),
    [
        ("vorbis", ["-c:a", "libvorbis"], "mp4"),
        ("opus", ["-c:a", "libopus"], "mov"),
        ("pcm_s16le", ["-c:a", "pcm_s16le"], "mp4"),
    ],
)
def test_sound_that_the_container_cannot_hold_becomes_aac_and_the_note_says_why(
    tmp_path: Path, coder: str, options: list[str], container: str
) -> None:
    source = ffmpeg([beeping(tmp_path)], ["-c:v", "copy", *options, "-ac", "6"], tmp_path / "source.mkv")
    output = tmp_path / f"out.{container}"
    assembly = put_together(source, film_track(tmp_path), output)
    (note,) = assembly.converted
    assert note.codec == coder
    assert container.upper() in note.why
    (stream,) = probe(output, Limits()).info.audio
    assert (stream.codec, stream.channels, stream.sample_rate) == ("aac", 6, 48000)
    bound = MS + CODER_SMEAR
    pairs = zip(beep_times(source), beep_times(output), strict=True)
    assert all(abs(a - b) <= bound for a, b in pairs)
    assert left_beside(output) == []


@pytest.mark.parametrize("coder", ["alac", "truehd", "flac", "ac3"])
def test_copied_sound_ends_when_it_did(tmp_path: Path, coder: str) -> None:
    source = ffmpeg(
        [beeping(tmp_path)],
        ["-c:v", "copy", "-c:a", coder, "-strict", "-2", "-t", "1"],
        tmp_path / "source.mkv",
    )
    for container in ("mkv", "mov" if coder == "alac" else "mp4"):
        output = tmp_path / f"out.{container}"
        put_together(source, film_track(tmp_path), output)
        (before,), (after,) = probe(source, Limits()).info.audio, probe(output, Limits()).info.audio
        assert before.duration is not None
        assert after.duration is not None
        assert abs(after.duration - before.duration) <= LONG_PACKET


@pytest.mark.parametrize(
    ("language", "mp4", "mov"),
    [
        ("deu", "deu", "ger"),
        ("fre", "fre", "fra"),
        ("swe", "swe", "sve"),
        ("FIN", "fin", "fin"),
        ("yue", "yue", None),
        ("en-US", None, None),
    ],
)
def test_languages_are_said_in_the_container_s_own_way_or_noted_as_lost(
    tmp_path: Path, language: str, mp4: str | None, mov: str | None
) -> None:
    text = tmp_path / "text.srt"
    text.write_text(SRT)
    source = ffmpeg(
        [beeping(tmp_path), text],
        [
            *("-map", "0", "-map", "1", "-c", "copy"),
            *("-metadata:s:a", f"language={language}", "-metadata:s:s", f"language={language}"),
        ],
        tmp_path / "source.mkv",
    )
    for container, said in (("mkv", language), ("mp4", mp4), ("mov", mov)):
        output = tmp_path / f"out.{container}"
        assembly = put_together(source, film_track(tmp_path), output)
        info = probe(output, Limits()).info
        found = [info.audio[0].language, info.subtitles[0].language]
        assert [None if each == "und" else each for each in found] == [said, said]
        notes = (*assembly.kept, *assembly.converted)
        assert [language in note.why for note in notes] == [said is None] * 2


def test_no_sound_where_none_is_asked_for(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    assembly = put_together(beeping(tmp_path), film_track(tmp_path), output, audio="none")
    assert kinds(output) == ["video"]
    assert [note.kind for note in assembly.left_out] == ["audio"]


def rich_source(folder: Path) -> Path:
    """A film with text of two kinds, chapters, tags and an attached font."""
    (folder / "text.srt").write_text(SRT)
    (folder / "text.ass").write_text(ASS)
    (folder / "font.ttf").write_bytes(bytes(range(256)) * 8)
    (folder / "chapters.txt").write_text(
        ";FFMETADATA1\nartist=Somebody\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=Two\n"
    )
    argv_inputs = [beeping(folder), folder / "text.srt", folder / "text.ass"]
    plain = ffmpeg(
        argv_inputs,
        [
            *("-map", "0:v", "-map", "0:a", "-map", "1", "-map", "2", "-c", "copy"),
            *("-metadata:s:s:0", "language=eng", "-metadata", "artist=Somebody"),
            *("-attach", str(folder / "font.ttf"), "-metadata:s:t", "mimetype=font/ttf"),
        ],
        folder / "plain.mkv",
    )
    with av.open(str(plain)) as given, av.open(str(folder / "rich.mkv"), "w") as made:
        made.metadata.update(given.metadata)
        streams = {}
        for stream in given.streams:
            streams[stream.index] = made.add_stream_from_template(stream, opaque=True)
            streams[stream.index].metadata.update(stream.metadata)
        made.set_chapters(
            [
                {"id": 1, "start": 0, "end": 500, "time_base": MS, "metadata": {"title": "One"}},
                {"id": 2, "start": 500, "end": 1000, "time_base": MS, "metadata": {"title": "Two"}},
            ]
        )
        for packet in given.demux(*(s for s in given.streams if s.type != "attachment")):
            if packet.size:
                packet.stream = streams[packet.stream_index]
                made.mux(packet)
    return folder / "rich.mkv"


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_text_becomes_mov_text_at_its_times_and_fonts_are_named_as_left_out(
    tmp_path: Path, container: str
) -> None:
    output = tmp_path / f"out.{container}"
    assembly = put_together(rich_source(tmp_path), film_track(tmp_path), output)
    assert [(note.codec, note.action) for note in assembly.converted] == [
        ("subrip", "converted"),
        ("ass", "converted"),
    ]
    assert [note.kind for note in assembly.left_out] == ["attachment"]
    info = probe(output, Limits()).info
    assert (info.subtitles[0].codec, info.subtitles[0].language) == ("mov_text", "eng")
    (first_time, first), (second_time, second) = texts(output)
    assert (first_time, second_time) == (0.25, 0.7)
    assert "Hello, you" in first
    assert "Bye" in second
    assert texts(output, 1)[0][0] == 0.25


def test_matroska_keeps_text_styles_fonts_chapters_and_tags(tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    source = rich_source(tmp_path)
    assembly = put_together(source, film_track(tmp_path), output)
    assert assembly.converted == assembly.left_out == ()
    assert texts(source) == texts(output)
    assert texts(source, 1) == texts(output, 1)
    with av.open(str(output)) as result, av.open(str(source)) as given:
        assert result.streams.attachments[0].data == given.streams.attachments[0].data
        assert result.streams.attachments[0].name == "font.ttf"
        assert result.streams.subtitles[1].codec_context.extradata == (
            given.streams.subtitles[1].codec_context.extradata
        )


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
def test_chapters_and_tags_are_kept_and_the_settings_are_told(tmp_path: Path, container: str) -> None:
    output = tmp_path / f"out.{container}"
    put_together(rich_source(tmp_path), film_track(tmp_path), output)
    info = probe(output, Limits()).info
    tags = {key.lower(): value for key, value in info.metadata.items()}
    assert [(c.title, c.start, c.end) for c in info.chapters] == [
        ("One", 0, Fraction(1, 2)),
        ("Two", Fraction(1, 2), 1),
    ]
    assert tags["title"] == "A title"
    assert tags["artist"] == "Somebody"
    assert "scale=2" in str(tags)


def test_mov_text_becomes_srt_in_matroska(tmp_path: Path) -> None:
    (tmp_path / "text.srt").write_text(SRT)
    source = ffmpeg(
        [beeping(tmp_path), tmp_path / "text.srt"],
        ["-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text"],
        tmp_path / "source.mp4",
    )
    output = tmp_path / "out.mkv"
    put_together(source, film_track(tmp_path), output, audio="none")
    assert [(time, text.strip()) for time, text in texts(output)] == [
        (0.25, "Hello, <i>you</i>"),
        (0.7, "Bye"),
    ]


def test_subtitles_that_ffmpeg_cannot_read_do_not_stop_the_job(tmp_path: Path) -> None:
    source = rich_source(tmp_path)
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    output = tmp_path / "out.mp4"
    assembly = put_together(source, film_track(tmp_path), output, settings=Settings(FFMPEG_PATH=program))
    assert [note.codec for note in assembly.left_out if note.kind == "subtitle"] == ["subrip", "ass"]
    assert kinds(output)[:2] == ["video", "audio"]


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_cover_goes_along_as_an_attached_picture_or_is_named_as_left_out(
    tmp_path: Path, container: str
) -> None:
    film = beeping(tmp_path)
    cover = ffmpeg([film], ["-frames:v", "1"], tmp_path / "cover.png")
    source = ffmpeg(
        [film, cover],
        ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic"],
        tmp_path / "source.mp4",
    )
    output = tmp_path / f"out.{container}"
    assembly = put_together(source, film_track(tmp_path), output)
    group = assembly.kept if container == "mkv" else assembly.left_out
    assert [note.kind for note in group if note.kind == "cover"] == ["cover"]
    assert [other.kind for other in probe(output, Limits()).info.others] == (
        ["cover"] if container == "mkv" else []
    )


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("audio", ["keep", "aac"])
def test_what_is_left_of_a_source_that_breaks_off_is_kept(tmp_path: Path, container: str, audio: str) -> None:
    whole = ffmpeg([beeping(tmp_path)], ["-c", "copy"], tmp_path / "whole.mkv").read_bytes()
    source = tmp_path / "source.mkv"
    source.write_bytes(whole[: len(whole) * 7 // 10])
    info = probe(source, Limits(), salvage=True).info
    output = tmp_path / f"out.{container}"
    put_together(source, film_track(tmp_path), output, info=info, audio=audio)
    (sound,) = probe(output, Limits()).info.audio
    assert sound.duration is not None
    assert Fraction(1, 2) < sound.duration < Fraction(19, 10)
