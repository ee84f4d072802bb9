"""Whole episodes through the real flow: what they leave, and what is made again after a change."""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest

from flows.episode import Retake, episode
from sakuga.episode.report import EpisodeWork
from sakuga.episode.spec import EpisodeSpec
from sakuga.errors import CancelledError, UnreadableMediaError
from sakuga.media.probe import probe
from sakuga.settings import Settings
from tasks.channel import Channel, open_channel
from tests.blocks.outages import new_bucket
from tests.clips import decoded_lumas, make_clip, read_number

pytestmark = pytest.mark.usefixtures("prefect_server", "sakuga_home")

SIZE = (96, 64)
SECONDS = 2
RATE = 24
SCENES = 4
OVERLAP = 6
"""Frames of a crossfade of a quarter second."""

FRAMES = SCENES * SECONDS * RATE - (SCENES - 1) * OVERLAP
SEGMENTS = 2 * SCENES - 1
YAML = """
title: Four colours
transition: {kind: crossfade, seconds: 0.25}
scenes:
  - {clip: one.mp4, id: opening, title: Opening}
  - {clip: two.mp4, title: Middle}
  - {clip: three.mp4}
  - {clip: four.mp4, title: End}
output: {preset: ultrafast, quality: 12}
"""


def clip(path: Path, first: int, size: tuple[int, int] = SIZE) -> Path:
    """A clip whose frames say `first`, `first + 1`, ..., with beeps, in one closed group of pictures."""
    from tests.clips import numbered

    return make_clip(
        path,
        frames=SECONDS * RATE,
        size=size,
        audio_seconds=SECONDS,
        draw=lambda number, width, height: numbered(first + number, width, height),
        options={"g": "250", "sc_threshold": "0", "bf": "0"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an episode's file and its clips."""
    folder = tmp_path / "season: '1'"
    folder.mkdir()
    for number, name in enumerate(("one", "two", "three", "four")):
        clip(folder / f"{name}.mp4", 100 * number)
    (folder / "pilot.yaml").write_text(YAML)
    return folder


def made(folder: Path) -> EpisodeWork:
    """What was made for the episode of a folder."""
    return episode(str(folder / "pilot.yaml"), overwrite=True).work


def test_an_episode_has_every_frame_of_its_scenes_and_all_that_was_asked(
    folder: Path, sakuga_home: Path
) -> None:
    outcome = episode(str(folder / "pilot.yaml"))
    result = folder / "pilot.sakuga.mp4"
    assert (outcome.result, outcome.frames, outcome.scenes) == (str(result), FRAMES, SCENES)
    assert sorted(path.name for path in folder.iterdir() if "sakuga" in path.name) == [
        "pilot.sakuga.contact-sheet.png",
        "pilot.sakuga.mp4",
        "pilot.sakuga.report.json",
        "pilot.sakuga.report.md",
        "pilot.sakuga.waveform.png",
    ]
    assert not list((sakuga_home / "scratch").iterdir())
    lumas = decoded_lumas(result)
    assert len(lumas) == FRAMES
    own = SECONDS * RATE - OVERLAP
    shown = {0: 0, own - 1: own - 1, own + OVERLAP: 100 + OVERLAP, FRAMES - 1: 300 + SECONDS * RATE - 1}
    assert {frame: read_number(lumas[frame]) for frame in shown} == shown
    info = probe(result, Settings().limits).info
    assert [(each.title, each.start) for each in info.chapters] == [
        ("Opening", 0),
        ("Middle", Fraction(own, RATE)),
        ("End", Fraction(3 * own, RATE)),
    ]
    report = json.loads(Path(outcome.report).read_text())
    assert report["passed"]
    assert [scene["name"] for scene in report["scenes"]] == ["opening", "scene-2", "scene-3", "scene-4"]


@pytest.mark.slow
def test_a_retake_replaces_one_scene_and_says_so(folder: Path) -> None:
    made(folder)
    clip(folder / "two b.mp4", 700)
    outcome = episode(
        str(folder / "pilot.yaml"),
        retakes=[Retake(scene="2", clip="two b.mp4", notes="sharper")],
        overwrite=True,
    )
    assert outcome.work.segments - outcome.work.cached == 3
    report = json.loads(Path(outcome.report).read_text())
    assert [scene["takes"] for scene in report["scenes"]] == [0, 1, 0, 0]


@pytest.mark.slow
def test_what_is_in_form_already_is_copied(folder: Path) -> None:
    (folder / "pilot.yaml").write_text(YAML.replace("kind: crossfade, seconds: 0.25", "kind: cut"))
    work = made(folder)
    assert (work.copied, work.copied_frames) == (SCENES, SCENES * SECONDS * RATE)


@pytest.mark.slow
def test_clips_of_another_size_are_made_to_fit_the_others(folder: Path) -> None:
    clip(folder / "three.mp4", 200, size=(64, 64))
    outcome = episode(str(folder / "pilot.yaml"))
    assert outcome.frames == FRAMES
    video = probe(Path(outcome.result), Settings().limits).info.video
    assert (video.width, video.height) == SIZE


def test_missing_clips_end_it_before_any_work_and_all_are_named(folder: Path) -> None:
    (folder / "two.mp4").unlink()
    (folder / "three.mp4").write_bytes(b"no video")
    with pytest.raises(UnreadableMediaError, match=r"'scene-2'.*'scene-3'"):
        episode(str(folder / "pilot.yaml"))
    assert not list(folder.glob("*.sakuga.*"))


@pytest.mark.slow
@pytest.mark.parametrize(("choice", "scenes"), [("skip", SCENES - 1), ("placeholder", SCENES)])
def test_missing_clips_are_skipped_or_stood_in_for_when_asked(folder: Path, choice: str, scenes: int) -> None:
    (folder / "two.mp4").unlink()
    (folder / "pilot.yaml").write_text(YAML + f"on_missing: {choice}\n")
    outcome = episode(str(folder / "pilot.yaml"))
    assert outcome.scenes == scenes
    report = Path(outcome.report).with_suffix(".md").read_text()
    assert "scene-2" in report
    assert str(folder) not in report


@pytest.mark.slow
def test_clips_may_go_through_enhance_first(folder: Path) -> None:
    wanted = "enhance: {scale: 2, preset: ultrafast}\n"
    scenes = [line for line in YAML.splitlines(keepends=True) if "three" not in line and "four" not in line]
    (folder / "pilot.yaml").write_text("".join(scenes) + wanted)
    outcome = episode(str(folder / "pilot.yaml"))
    video = probe(Path(outcome.result), Settings().limits).info.video
    assert (video.width, video.height) == (2 * SIZE[0], 2 * SIZE[1])
    assert made(folder).cached == outcome.work.segments
    report = Path(outcome.report).with_suffix(".md").read_text()
    assert re.search(r"Enhanced with (drawn|filmed)-[ms]: .*one.mp4", report)


@pytest.mark.slow
def test_an_episode_of_a_store_takes_clips_from_it_and_goes_into_it(folder: Path, s3_endpoint: str) -> None:
    bucket = new_bucket(s3_endpoint, "episodes")
    bucket.save("episodes", overwrite=True)
    for name in ("one", "two"):
        bucket.put(folder / f"{name}.mp4", f"scenes/{name}.mp4")
    spec = EpisodeSpec.model_validate(
        {
            "title": "From afar",
            "scenes": [{"clip": "scenes/one.mp4"}, {"clip": "scenes/two.mp4"}],
            "output": {"preset": "ultrafast"},
        }
    )
    outcome = episode(spec, store="sakuga-s3-store/episodes")
    assert outcome.result.startswith("s3://episodes/results/")
    assert bucket.exists(outcome.ref)


@pytest.mark.slow
def test_a_stopped_episode_keeps_what_is_finished_and_leaves_nothing_else(
    folder: Path, sakuga_home: Path
) -> None:
    seen: list[str] = []

    def watch(kind: str, facts: dict[str, object]) -> None:
        if kind == "stage":
            seen.append(str(facts["stage"]))
        if seen and seen[-1] == "mix":
            channel.cancel()

    channel = Channel(watch)
    with open_channel(channel), pytest.raises(CancelledError):
        episode(str(folder / "pilot.yaml"))
    assert not list(folder.glob("*.sakuga.*"))
    assert not list((sakuga_home / "scratch").iterdir())
    assert made(folder).cached == SEGMENTS
