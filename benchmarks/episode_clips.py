"""Clips of several sizes and rates for the benchmark of episodes, drawn by the demo's cartoon."""

from fractions import Fraction
from functools import cache
from pathlib import Path

from app.demo_art import drawing
from app.demo_canvas import Rgb
from app.demo_episode_clips import Shot, chirps, voice, write_clip
from benchmarks.clips import CARTOON_SECONDS
from benchmarks.episode_forms import Form

DRAWINGS = 12
"""A second; from clip to clip the cartoon is seen `LATER` seconds later."""
LATER = 0.7


def draw_clips(folder: Path, forms: tuple[Form, ...], *, seconds: Fraction) -> list[Path]:
    """A clip of each form, in this order, with a mono AAC track: every other one talks."""
    clips = []
    for number, form in enumerate(forms):
        name = f"{number + 1:03}-{form.size[0]}x{form.size[1]}-{float(form.rate):.0f}.mp4"
        sound = chirps if number % 2 else voice
        write_clip(folder / name, Shot(name, _held, form.size, form.rate, seconds, LATER * number, sound))
        clips.append(folder / name)
    _drawn.cache_clear()
    return clips


def _held(size: tuple[int, int], time: float) -> Rgb:
    return _drawn(size, round(time * DRAWINGS) % (CARTOON_SECONDS * DRAWINGS))


@cache
def _drawn(size: tuple[int, int], step: int) -> Rgb:
    return drawing(step / DRAWINGS, size)
