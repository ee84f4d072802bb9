"""`make demo-episode`: draw some clips, stitch them into an episode, and say where everything is."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.demo_episode_clips import SHOTS, write_bell, write_clip, write_tune

FOLDER = Path("demo/episode")
TUNE_SECONDS = 8
"""Shorter than the episode, so that it has to begin again."""

WORDS = """1
00:00:00,400 --> 00:00:01,500
Nearly home.

2
00:00:02,150 --> 00:00:03,250
Just over the last hill!
"""

EPISODE = """\
# An episode of four clips. Change it, and run `sakuga episode make` again: only what changed is made.
# Every field is in docs/episodes.md.

title: Little Fox takes the long way home

# Between scenes that say nothing else. Both scenes are there for so long.
transition: {kind: crossfade, seconds: 0.5}

scenes:
  - clip: 1-walk.mp4           # 480x270, 24 fps
    id: walk
    title: A fine morning      # of a chapter
    gain: -8                   # decibels; all clips are as loud before that
    titles:
      - {text: "Little Fox", at: 0.5, seconds: 2.5, size: 0.16, colour: "#ffd678", place: top}
    transition: {kind: wipe, seconds: 0.5, direction: left}

  - clip: 2-talk.mp4           # 360x270, 25 fps
    id: talk
    title: Who is there?
    fit: fill                  # crop it to the episode's shape
    subtitles: words.srt       # in the clip's time

  - clip: 3-home.mp4           # 640x360, 29.97 fps, no sound
    id: home
    title: Over the hills
    transition: {kind: fade-black, seconds: 0.8}

  - clip: 4-night.mp4          # 480x270, 24 fps
    id: night
    title: Under the stars
    gain: -8
    marks: {star: 1.5}         # a time in the scene that has a name

credits:
  lines: [Drawn and sung, by a program]
  seconds: 2

soundtrack:
  music:
    - {file: tune.wav, loop: true, gain: -6, duck: 12, fade_out: 2}   # `duck`: dB down under speech
  effects:
    - {file: bell.wav, scene: night, mark: star, gain: -6}

# Size and frame rate are the most frequent of the clips: 480x270 at 24 fps.
output:
  loudness: -14
  cover: 2
"""


def run_demo(
    folder: Annotated[Path, typer.Option(help="Where the clips and the episode go.")] = FOLDER,
) -> None:
    """Make an episode of clips that are drawn here, exactly as `sakuga episode make` does it."""
    folder.mkdir(parents=True, exist_ok=True)
    typer.echo(f"Drawing {len(SHOTS)} clips.")
    for shot in SHOTS:
        if not (folder / shot.name).exists():
            write_clip(folder / shot.name, shot)
    write_tune(folder / "tune.wav", TUNE_SECONDS)
    write_bell(folder / "bell.wav")
    (folder / "words.srt").write_text(WORDS, encoding="utf-8", newline="\n")
    file = folder / "episode.yaml"
    if not file.exists():
        file.write_text(EPISODE, encoding="utf-8", newline="\n")
    command = [sys.executable, "-m", "app.cli", "episode", "make", "--overwrite", "--", str(file.absolute())]
    ended = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode
    if ended:
        raise typer.Exit(ended if ended > 0 else 1)
    typer.echo("\n" + "\n".join(f"{name:<13} {path}" for name, path in results(folder)))


def results(folder: Path) -> list[tuple[str, Path]]:
    """What the demo has made: names and paths of the files that are there."""
    names = (
        ("File", "episode.yaml"),
        ("Episode", "episode.sakuga.mp4"),
        ("Report", "episode.sakuga.report.md"),
        ("Contact sheet", "episode.sakuga.contact-sheet.png"),
        ("Waveform", "episode.sakuga.waveform.png"),
    )
    return [(name, folder / file) for name, file in names if (folder / file).exists()]


if __name__ == "__main__":
    typer.run(run_demo)
