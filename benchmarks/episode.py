"""An episode of five minutes beside MoviePy's own way, one changed scene, and memory over many scenes."""

import json
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.episode_clips import draw_clips
from benchmarks.episode_forms import CLIP_SECONDS, CRF, FADE, HALF, NONE, OWN, PRESET, RATE, SIZE, Form
from benchmarks.job import Used, watch_python
from benchmarks.machine import table, verdict

CHANGED = 8
"""The scene that gets another clip, a middle one of the episode's own form in `HALF`."""

AGAIN_BOUND = 0.1
GROWTH_BOUND = 1.1
SCENES = (10, 40, 160)
SMALL = Form((640, 360), Fraction(24))
SMALL_SECONDS = 2


def measure() -> str:
    """Wall time, CPU time and memory of both, where half of the clips conform and where none does."""
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as name:
        for title, forms in (("half of the clips conform", HALF), ("no clip conforms", NONE)):
            folder = Path(name) / title.replace(" ", "-")
            folder.mkdir()
            clips = draw_clips(folder, (*forms, OWN), seconds=CLIP_SECONDS)
            rows += _both(folder, title, clips[:-1], clips[-1])
    heads = ("", "wall time", "CPU time", "peak memory", "faster than MoviePy", "part of its memory")
    return table(heads, rows)


def _both(folder: Path, title: str, clips: Sequence[Path], retake: Path) -> list[tuple[str, ...]]:
    peer = _peer(folder / "peer", clips)
    ours = _episode(folder / "ours", clips)
    changed = [retake if number == CHANGED else clip for number, clip in enumerate(clips)]
    again = _episode(folder / "ours", changed)
    share = again.wall / ours.wall
    return [
        (f"{title}: MoviePy", *_used(peer), "", ""),
        (
            f"{title}: Sakuga",
            *_used(ours),
            f"**{peer.wall / ours.wall:.1f}** times",
            f"**{ours.memory / peer.memory:.2f}**",
        ),
        (
            f"again, one scene changed: {share:.1%} of the first, under 10 %: {verdict(share, AGAIN_BOUND)}",
            *_used(again),
            f"{peer.wall / again.wall:.0f} times",
            f"{again.memory / peer.memory:.2f}",
        ),
    ]


def _used(used: Used) -> tuple[str, str, str]:
    return f"{used.wall:.1f} s", f"{used.cpu:.1f} s", f"{used.memory / 2**20:.0f} MiB"


def _peer(folder: Path, clips: Sequence[Path]) -> Used:
    output = folder / "out"
    output.mkdir(parents=True)
    arguments = [str(output / "episode.mp4"), str(float(FADE)), *map(str, clips)]
    return watch_python(["-m", "benchmarks.moviepy_child", *arguments], folder, output)


def _episode(folder: Path, clips: Sequence[Path]) -> Used:
    return make_episode(
        folder,
        {
            "scenes": [{"clip": str(clip)} for clip in clips],
            "transition": {"kind": "crossfade", "seconds": str(FADE)},
            "output": {"width": SIZE[0], "height": SIZE[1], "fps": RATE, "quality": CRF, "preset": PRESET},
        },
    )


def make_episode(folder: Path, episode: dict[str, Any]) -> Used:
    """What an episode costs through the command line, with what an earlier one in the folder kept."""
    output = folder / "out"
    output.mkdir(parents=True, exist_ok=True)
    file = folder / "episode.json"
    file.write_text(json.dumps(episode))
    arguments = [str(file), "--output", str(output), "--overwrite", "--json"]
    return watch_python(["-m", "app.cli", "episode", "make", *arguments], folder, output)


def measure_memory() -> str:
    """Peak memory over the number of scenes."""
    rows: list[tuple[str, ...]] = []
    first = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = draw_clips(folder, (SMALL,) * 8, seconds=Fraction(12))
        for count in SCENES:
            used = make_episode(folder / str(count), _many(clips, count))
            first = first or used.memory
            growth = used.memory / first
            under = verdict(growth, GROWTH_BOUND)
            rows.append((str(count), *_used(used), f"**{growth:.2f}**", f"{GROWTH_BOUND}", under))
    heads = ("scenes of 2 s, 640x360, crossfades", "wall time", "CPU time", "peak memory")
    return table((*heads, f"over that of {SCENES[0]}", "bound", "under it"), rows)


def _many(clips: Sequence[Path], count: int) -> dict[str, Any]:
    scenes = []
    for number in range(count):
        start = Fraction(number // len(clips), 4)
        cut = {"start": str(start), "end": str(start + SMALL_SECONDS)}
        scenes.append({"clip": str(clips[number % len(clips)])} | cut)
    return {"scenes": scenes, "transition": {"kind": "crossfade", "seconds": str(FADE)}}
