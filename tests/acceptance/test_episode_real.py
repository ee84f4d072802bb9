"""An episode of real clips, as a person makes it: what it holds, that it plays, and what a change costs."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from sakuga.media.ffmpeg import ffmpeg_path, file_url, run
from sakuga.media.probe import probe
from sakuga.settings import Settings
from tests.acceptance.jobs import Ended, failures_in, left_running, report_of, sakuga
from tests.assets import ASSETS
from tests.clips import decoded_times
from tests.episode.sounds import measured, tone, write_sound

CLIPS = {
    "cartoon": "big_buck_bunny_0_30.webm",
    "wide": "anamorphic_sar4x3_2audio_ac3-5.1.mp4",
    "turned": "karma_rot90_audio.mp4",
    "surround": "bbb_2audio_2subs_chapters.mkv",
    "other": "chaplin_bw_mp3audio.mp4",
}
"""VP8 720p at 24 with stereo; H.264 at 60 with pixels that are not square; H.264 at 29.97 that lies on its
side; H.264 720p at 25 with 5.1 and subtitles; H.264 at 25 with MP3."""

SIZE, RATE = (428, 240), 24
"""No clip has this size, so that the colours are BT.709 whatever clips there are."""

FRAMES = 60 + 48 + 48 + 60 - (12 + 6 + 12)
"""Of the four scenes, less what the transitions share."""

SEGMENTS = 9
"""Four scenes, the first cut in three by its title, and three transitions."""

LOUDNESS, TRUE_PEAK = -23, -1
SLACK, PEAK_SLACK = 0.5, 0.1
"""LU and dB by which two meters may differ."""

FILE = "-real 'cut'.yaml"


def path(name: str) -> str:
    """Where a real clip is."""
    return str(ASSETS / "video" / CLIPS[name])


def spec() -> dict[str, Any]:
    """The episode; JSON is YAML too."""
    title = {"text": "Real clips", "at": "1/4", "seconds": 1, "place": "lower-third"}
    return {
        "title": "Real",
        "transition": {"kind": "crossfade", "seconds": "1/2"},
        "scenes": [
            {
                "clip": path("cartoon"),
                "start": 10,
                "end": "12.5",
                "title": "A cartoon",
                "titles": [title],
                "subtitles": "its words.srt",
            },
            {
                "clip": path("wide"),
                "start": 1,
                "end": 3,
                "title": "A wide one",
                "transition": {"kind": "slide", "seconds": "1/4"},
            },
            {
                "clip": path("turned"),
                "start": "1/2",
                "end": "5/2",
                "transition": {"kind": "fade-black", "seconds": "1/2"},
            },
            {"clip": path("surround"), "start": 1, "end": "7/2", "title": "In surround"},
        ],
        "soundtrack": {"music": [{"file": "music.wav", "loop": True, "duck": 12}]},
        "output": {
            "width": SIZE[0],
            "height": SIZE[1],
            "fps": RATE,
            "preset": "ultrafast",
            "loudness": LOUDNESS,
            "true_peak": TRUE_PEAK,
            "cover": 1,
        },
    }


def made(folder: Path, home: Path, *flags: str) -> tuple[Ended, Path]:
    """Make the episode, and where it is."""
    done = sakuga("episode", "make", *flags, "--", FILE, home=home, folder=folder)
    assert done.code == 0, done.said
    (result,) = folder.glob("*.sakuga.mp4")
    return done, result


@pytest.mark.slow
@pytest.mark.skipif(not all(Path(path(name)).exists() for name in CLIPS), reason="real clips are absent")
def test_an_episode_of_real_clips_plays_and_a_retake_makes_one_scene_again(
    tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "a season"
    folder.mkdir()
    write_sound(folder / "music.wav", tone(3, 220, 0.2))
    (folder / "its words.srt").write_text("1\n00:00:10,500 --> 00:00:11,500\nHello\n")
    (folder / FILE).write_text(json.dumps(spec(), indent=1))
    _, result = made(folder, home)
    report = report_of(result)
    assert failures_in(report) == []
    assert report["passed"]
    assert (report["work"]["segments"], report["work"]["cached"]) == (SEGMENTS, 0)
    check_contents(result)
    check_playing(result)
    retake = sakuga("episode", "retake", "--with", path("other"), "--", FILE, "2", home=home, folder=folder)
    assert retake.code == 0, retake.said
    made(folder, home, "--overwrite")
    again = report_of(result)
    assert failures_in(again) == []
    assert [scene["takes"] for scene in again["scenes"]] == [0, 1, 0, 0]
    work = again["work"]
    assert (work["segments"] - work["cached"], work["encoded"] + work["copied"]) == (3, 3)
    assert work["sounds"] - work["cached_sounds"] == 1
    check_contents(result)
    assert left_running(home) == []


def check_contents(result: Path) -> None:
    """Every frame at its time, chapters at their scenes, and all streams."""
    info = probe(result, Settings().limits).info
    assert (info.video.width, info.video.height) == SIZE
    assert decoded_times(result) == [Fraction(number, RATE) for number in range(FRAMES)]
    assert [(one.title, one.start) for one in info.chapters] == [
        ("A cartoon", 0),
        ("A wide one", Fraction(48, RATE)),
        ("In surround", Fraction(48 + 42 + 36, RATE)),
    ]
    assert [one.channels for one in info.audio] == [2]
    assert info.subtitles


def check_playing(result: Path) -> None:
    """Another build of ffmpeg decodes all of it without an error, at the right loudness."""
    argv = [str(ffmpeg_path(Settings())), "-nostdin", "-loglevel", "error", "-xerror"]
    assert run([*argv, "-i", file_url(result), "-f", "null", "-"], timeout=60) == ""
    loudness, peak = measured(result)
    assert abs(loudness - LOUDNESS) <= SLACK
    assert peak <= TRUE_PEAK + PEAK_SLACK
