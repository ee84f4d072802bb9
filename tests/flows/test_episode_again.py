"""What is made again after a change of an episode, by counting segments and sounds, never by a clock."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.episode import episode
from tests.clips import make_clip, numbered
from tests.episode.sounds import noise, write_sound

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "sakuga_home")]

SECONDS, RATE = 1, 24
SEGMENTS, SOUNDS = 9, 4
"""Four scenes, three transitions between them; a title cuts the second scene in three."""

YAML = """
title: Four
transition: {kind: crossfade, seconds: 0.125}
scenes:
  - {clip: one.mp4, title: One, gain: 0}
  - {clip: two.mp4, title: Two, titles: [{text: Hello, at: 0.25, seconds: 0.25, fade: 0}]}
  - {clip: three.mp4, title: Three}
  - {clip: four.mp4, title: Four}
soundtrack: {music: [{file: music.wav, gain: -20}]}
output: {preset: ultrafast, quality: 12}
"""

Change = Callable[[Path], object]
"""What is done in the folder of the episode."""


def clip(path: Path, first: int) -> Path:
    """A clip whose frames say `first`, `first + 1`, ..., with beeps."""
    return make_clip(
        path,
        frames=SECONDS * RATE,
        size=(48, 40),
        audio_seconds=SECONDS,
        draw=lambda number, width, height: numbered(first + number, width, height),
    )


def music(path: Path, seed: int) -> Path:
    """A second of noise."""
    return write_sound(path, noise(SECONDS, seed=seed, channels=2))


def said(old: str, new: str) -> Change:
    """Another text in the episode's file."""

    def change(folder: Path) -> None:
        text = (folder / "e.yaml").read_text()
        assert text.count(old) == 1
        (folder / "e.yaml").write_text(text.replace(old, new))

    return change


def nothing(_: Path) -> None:
    """No change."""


def swap_middle(folder: Path) -> None:
    """The second scene after the third."""
    lines = (folder / "e.yaml").read_text().splitlines(keepends=True)
    second = next(number for number, line in enumerate(lines) if "two.mp4" in line)
    lines[second], lines[second + 1] = lines[second + 1], lines[second]
    (folder / "e.yaml").write_text("".join(lines))


WIPE = "title: Three, transition: {kind: wipe, seconds: 0.125}"
CHANGES: dict[str, tuple[Change, int, int]] = {
    "nothing": (nothing, 0, 0),
    "a title's text": (said("text: Hello", "text: Bye"), 1, 0),
    "a title's look": (said("fade: 0}", "fade: 0, size: 0.2}"), 1, 0),
    "a title's time": (said("at: 0.25", "at: 0.375"), 3, 0),
    "a scene's gain": (said("gain: 0", "gain: -6"), 0, 1),
    "the music's file": (lambda folder: music(folder / "music.wav", 2), 0, 0),
    "the music's level": (said("gain: -20", "gain: -10"), 0, 0),
    "the loudness": (said("quality: 12", "quality: 12, loudness: -23"), 0, 0),
    "the order": (swap_middle, 3, 0),
    "a transition's kind": (said("title: Three", WIPE), 1, 0),
    "a transition's length": (said("wipe, seconds: 0.125", "wipe, seconds: 0.25"), 3, 0),
    "a chapter": (said("title: Four}", "title: The end}"), 0, 0),
    "the first clip": (lambda folder: clip(folder / "one.mp4", 500), 2, 1),
    "a clip between two": (lambda folder: clip(folder / "three.mp4", 600), 3, 1),
}
"""Changes, one after the other, with the segments and the sounds that are made again."""


def test_after_a_change_only_what_it_touches_is_made(tmp_path: Path) -> None:
    for number, name in enumerate(("one", "two", "three", "four")):
        clip(tmp_path / f"{name}.mp4", 100 * number)
    music(tmp_path / "music.wav", 1)
    (tmp_path / "e.yaml").write_text(YAML)
    before, made = b"", {}
    for name, (change, _, _) in {"all": (nothing, SEGMENTS, SOUNDS), **CHANGES}.items():
        change(tmp_path)
        outcome = episode(str(tmp_path / "e.yaml"), overwrite=True)
        work, after = outcome.work, Path(outcome.result).read_bytes()
        assert (work.segments, work.sounds) == (SEGMENTS, SOUNDS)
        assert work.encoded + work.copied == work.segments - work.cached
        assert (after == before) == (name == "nothing")
        made[name], before = (work.segments - work.cached, work.sounds - work.cached_sounds), after
    assert made.pop("all") == (SEGMENTS, SOUNDS)
    assert made == {name: (segments, sounds) for name, (_, segments, sounds) in CHANGES.items()}
