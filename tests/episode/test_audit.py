"""Every check of an episode passes on a right one and fails on one that is broken in its way."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sakuga.episode.audit import look_at_segment
from sakuga.episode.seams import SegmentLook
from sakuga.episode.timeline import Segment
from sakuga.episode.wav import Samples
from sakuga.errors import CancelledError
from sakuga.media.info import Chapter, PixelLayout
from sakuga.media.picture import Picture
from sakuga.media.resize import resize_picture
from tests.episode.finished import FPS, FRAMES, SETTINGS, Finished, finish, muxed

CUT = FRAMES
"""The first frame of the second scene, after a cut."""

FADE = 6
"""Frames of the crossfade after it."""


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    spec = {
        "title": "Three scenes",
        "credits": {"lines": ["Somebody"], "seconds": "1"},
        "output": {"loudness": -20, "preset": "ultrafast"},
    }
    clips: list[dict[str, Any]] = [
        {"title": "One", "transition": {"kind": "cut"}},
        {"title": "Two", "transition": {"kind": "crossfade", "seconds": "1/4"}},
        {"title": "Three"},
    ]
    return finish(tmp_path_factory.mktemp("episode"), spec, clips)


def black(like: Picture) -> Picture:
    planes = tuple(np.full_like(plane, 128 if number else 16) for number, plane in enumerate(like.planes))
    return Picture(planes, like.layout)


def test_a_right_episode_passes_every_check(right: Finished) -> None:
    audit = right.audit()
    assert [check for check in audit.checks if not check.passed] == []
    assert audit.passed
    assert len(audit.looks) == len(right.timeline.segments)


def test_the_same_file_put_together_again_passes_too(right: Finished, tmp_path: Path) -> None:
    # what is damaged below is made this way
    again = right.damaged(tmp_path / "again.mp4", pictures=list, sound=lambda wave: wave)
    assert right.failures(again) == set()


def test_a_dropped_frame_is_found(right: Finished, tmp_path: Path) -> None:
    short = right.damaged(tmp_path / "short.mp4", pictures=lambda all: all[:20] + all[21:])
    assert {"Frames", "Duration", "Frames beside cuts"} <= right.failures(short)


def test_a_doubled_frame_is_found(right: Finished, tmp_path: Path) -> None:
    long = right.damaged(tmp_path / "long.mp4", pictures=lambda all: all[:21] + all[20:])
    assert {"Frames", "Duration", "Frames beside cuts"} <= right.failures(long)


def test_a_frame_doubled_where_a_later_one_is_dropped_is_found_at_the_cut_between(
    right: Finished, tmp_path: Path
) -> None:
    shifted = right.damaged(tmp_path / "shifted.mp4", pictures=lambda all: all[:21] + all[20:70] + all[71:])
    assert right.failures(shifted) == {"Frames beside cuts"}
    seams = next(check for check in right.audit(shifted).checks if check.name == "Frames beside cuts")
    assert "shows what is due 1 frame earlier" in seams.detail


@pytest.mark.parametrize("frame", [CUT - 1, CUT], ids=["before", "after"])
def test_a_wrong_frame_beside_a_cut_is_found(right: Finished, tmp_path: Path, frame: int) -> None:
    def wrong(all: list[Picture]) -> list[Picture]:
        return [*all[:frame], all[frame - 20], *all[frame + 1 :]]

    found = right.audit(right.damaged(tmp_path / "wrong.mp4", pictures=wrong))
    failed = [check for check in found.checks if not check.passed]
    assert [check.name for check in failed] == ["Frames beside cuts"]
    assert f"frame {frame} " in failed[0].detail


def test_a_frame_of_the_neighbouring_scene_after_a_cut_is_found(right: Finished, tmp_path: Path) -> None:
    late = right.damaged(
        tmp_path / "late.mp4", pictures=lambda all: [*all[:CUT], all[CUT - 1], *all[CUT + 1 :]]
    )
    assert right.failures(late) == {"Frames beside cuts"}


def test_a_black_second_is_found(right: Finished, tmp_path: Path) -> None:
    dark = right.damaged(
        tmp_path / "dark.mp4", pictures=lambda all: [*all[:10], *map(black, all[10:34]), *all[34:]]
    )
    found = right.audit(dark)
    check = next(check for check in found.checks if check.name.startswith("Black"))
    assert not check.passed
    assert check.value.startswith("24 of")
    assert "frames 10-33" in check.detail
    assert "scene-1" in check.detail


def test_a_single_black_frame_is_found(right: Finished, tmp_path: Path) -> None:
    dark = right.damaged(tmp_path / "dark.mp4", pictures=lambda all: [*all[:60], black(all[60]), *all[61:]])
    assert right.failures(dark) == {"Black frames not asked for"}


def test_a_frozen_second_is_found(right: Finished, tmp_path: Path) -> None:
    still = right.damaged(
        tmp_path / "still.mp4", pictures=lambda all: [*all[:10], *[all[10]] * 24, *all[34:]]
    )
    assert right.failures(still) == {"Frozen frames not asked for"}


def test_sound_that_is_3_db_too_loud_is_found(right: Finished, tmp_path: Path) -> None:
    loud = right.damaged(tmp_path / "loud.mp4", sound=lambda wave: wave * np.float32(10 ** (3 / 20)))
    assert right.failures(loud) == {"Loudness"}


def test_a_peak_above_what_was_asked_for_is_found(right: Finished, tmp_path: Path) -> None:
    def click(wave: Samples) -> Samples:
        peaked = wave.copy()
        peaked[30_000:30_040] = np.sign(np.sin(np.arange(40)))[:, None]
        return peaked

    assert right.failures(right.damaged(tmp_path / "peak.mp4", sound=click)) == {"True peak"}


def test_sound_that_is_200_ms_late_is_found(right: Finished, tmp_path: Path) -> None:
    late = right.damaged(tmp_path / "late.mp4", late=Fraction(1, 5))
    failed = right.failures(late)
    assert {
        "Sound begins",
        "Sound ends",
        "Sound in time with the mix",
        "Sound in time with the clips",
    } <= failed


def test_sound_that_is_late_within_its_track_is_found(right: Finished, tmp_path: Path) -> None:
    def later(wave: Samples) -> Samples:
        return np.concatenate([np.zeros((9600, 2), np.float32), wave[:-9600]])

    found = right.audit(right.damaged(tmp_path / "late.mp4", sound=later))
    sync = [check for check in found.checks if check.name.startswith("Sound in time")]
    assert [check.passed for check in sync] == [False, False]
    assert all("200 ms late" in check.value for check in sync)


def test_a_gap_in_the_sound_is_found(right: Finished, tmp_path: Path) -> None:
    gone = right.damaged(tmp_path / "gap.mp4", lost=(Fraction(1), Fraction(13, 10)))
    assert {"Gaps in the sound", "Sound as mixed"} <= right.failures(gone)


def test_silence_in_the_sound_is_found(right: Finished, tmp_path: Path) -> None:
    def muted(wave: Samples) -> Samples:
        hole = wave.copy()
        hole[40_000:45_000] = 0
        return hole

    assert right.failures(right.damaged(tmp_path / "mute.mp4", sound=muted)) == {"Sound as mixed"}


def test_sound_that_ends_early_is_found(right: Finished, tmp_path: Path) -> None:
    short = right.damaged(tmp_path / "short.mp4", sound=lambda wave: wave[:-24_000])
    assert "Sound ends" in right.failures(short)


def test_missing_sound_is_found(right: Finished, tmp_path: Path) -> None:
    mute = muxed(tmp_path / "mute.mp4", right.result, None, right.timeline.chapters)
    assert right.failures(mute) == {"Sound track"}


@pytest.mark.parametrize(
    "chapters",
    [
        lambda all: all[:-1],
        lambda all: [
            *all[:1],
            Chapter(start=all[1].start + Fraction(1, 10), end=all[1].end, title=all[1].title),
            *all[2:],
        ],
        lambda all: [*all[:-1], Chapter(start=all[-1].start, end=all[-1].end, title="Other")],
    ],
    ids=["missing", "late", "renamed"],
)
def test_wrong_chapters_are_found(right: Finished, tmp_path: Path, chapters: object) -> None:
    assert callable(chapters)
    changed = right.damaged(tmp_path / "chapters.mp4", chapters=chapters(list(right.timeline.chapters)))
    assert right.failures(changed) == {"Chapters"}


def test_another_rate_is_found(right: Finished, tmp_path: Path) -> None:
    fast = right.damaged(tmp_path / "fast.mp4", pictures=list, rate=Fraction(25))
    assert {"Frame times", "Duration"} <= right.failures(fast)


def test_another_size_is_found(right: Finished, tmp_path: Path) -> None:
    def smaller(all: list[Picture]) -> list[Picture]:
        small = PixelLayout(chroma="420", depth=8)
        return [resize_picture(one, (32, 24), small, right.form.colour) for one in all]

    changed = right.damaged(tmp_path / "small.mp4", pictures=smaller)
    assert {"Picture size", "Result decodes"} <= right.failures(changed)


def test_a_file_that_is_no_video_is_a_failed_check(right: Finished, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    assert right.failures(tmp_path / "text.mp4") == {"Result decodes"}


def test_a_file_that_breaks_off_is_a_failed_check(right: Finished, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    data = bytearray(right.result.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 2000] = bytes(2000)
    broken.write_bytes(data)
    assert right.failures(broken)


def test_segments_that_were_seen_before_are_not_decoded_again(right: Finished) -> None:
    seen = right.audit().looks
    frames: list[int] = []
    audit = right.audit(looks=dict(enumerate(seen[1:], 1)), watch=frames.append)
    assert frames == list(range(right.timeline.segments[0].last))
    assert audit.passed
    assert audit.looks == seen


def test_a_segment_looks_the_same_in_its_own_file(right: Finished) -> None:
    seen = right.audit().looks
    for number, segment in enumerate(right.timeline.segments):
        path = right.folder / f"segment-{number}.mp4"
        look = look_at_segment(path, segment, right.spec, right.form, right.footages, SETTINGS)
        assert look == seen[number]
        assert SegmentLook.model_validate_json(look.model_dump_json()) == look


def test_watching_may_stop_the_work(right: Finished) -> None:
    def stop(frame: int) -> None:
        if frame == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        right.audit(watch=stop)


@pytest.mark.parametrize("asked", [3, 500])
def test_cancelling_stops_the_work(right: Finished, asked: int) -> None:
    times = 0

    def cancelled() -> bool:
        nonlocal times
        times += 1
        return times > asked

    with pytest.raises(CancelledError):
        right.audit(cancelled=cancelled)


def test_all_kinds_of_segments_are_looked_at(right: Finished) -> None:
    kinds = [segment.kind for segment in right.timeline.segments]
    assert kinds == ["plain", "plain", "transition", "plain", "credits"]
    last: Segment = right.timeline.segments[-1]
    assert last.frames == FPS
    assert right.timeline.segments[2].frames == FADE
