"""The sound of an episode as a picture: its waveform, and its loudness over time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sakuga.episode.hearing import GATE_STEPS, SPAN, STEP, Heard, Levels
from sakuga.episode.spec import EpisodeOutput
from sakuga.episode.timeline import Timeline
from sakuga.episode.wav import RATE
from sakuga.quality.drawing import FAINT, GROUND, INK
from sakuga.quality.previews import save_picture

WIDTH, WAVE, LOUD = 1280, 180, 240
"""Pixels of the whole, and of the heights of its two parts."""

LEFT, RIGHT, TOP, BETWEEN, BOTTOM = 64, 24, 48, 24, 34
PEAKS, LEVELS = (70, 92, 122), (128, 170, 222)
LINE, TARGET, SCENES, RULE = (240, 196, 96), (120, 190, 130), (84, 84, 90), (48, 48, 52)
CLIPS = (222, 96, 80)

QUIETEST, LOUDEST = -60.0, 0.0
"""Range of the loudness that is drawn, in LUFS."""

RULES = (-50, -40, -30, -20, -10)
MARKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Seconds between marks of time, of which there are 12 at most."""

MOST_SCENES = 200
"""Scenes whose beginnings are drawn; more would be a wall."""


def draw_waveform(heard: Heard, timeline: Timeline, output: EpisodeOutput, path: Path) -> Path:
    """Write a PNG: above peaks and levels, below the short-term loudness with its target and true peak.

    Args:
        heard: what is heard in the episode.
        timeline: of the episode.
        output: what loudness and true peak were asked for.
        path: where to write; nothing is there until it is whole.

    Raises:
        DiskFullError: there is no room.
        EncodeError: the picture cannot be written.
    """
    image = Image.new("RGB", (WIDTH, TOP + WAVE + BETWEEN + LOUD + BOTTOM), GROUND)
    draw = ImageDraw.Draw(image)
    columns = WIDTH - LEFT - RIGHT
    length = float(timeline.duration)

    def across(time: float) -> float:
        return LEFT + columns * min(1.0, time / length)

    whole = "silent" if heard.integrated is None else f"{heard.integrated:.1f} LUFS"
    head = f"{whole}, asked for {output.loudness:g}    true peak {heard.true_peak:.1f} dBTP, at most"
    draw.text((LEFT, 14), f"{head} {output.true_peak:g}", INK, ImageFont.load_default(18))
    _draw_times(draw, timeline, across)
    _draw_wave(draw, heard, columns, length)
    _draw_loudness(draw, heard, output, across)
    return save_picture(np.asarray(image, np.uint8), path)


def _draw_times(draw: ImageDraw.ImageDraw, timeline: Timeline, across: Callable[[float], float]) -> None:
    """Marks of time below, and lines where scenes begin."""
    small = ImageFont.load_default(13)
    bottom = TOP + WAVE + BETWEEN + LOUD
    length = float(timeline.duration)
    step = next((mark for mark in MARKS if length / mark <= 12), MARKS[-1])
    for time in range(0, int(length) + 1, step):
        x = across(time)
        draw.line((x, bottom, x, bottom + 5), FAINT)
        draw.text((x - 10, bottom + 8), _clock(time), FAINT, small)
    if len(timeline.scenes) <= MOST_SCENES:
        for placed in timeline.scenes[1:]:
            x = across(float(timeline.time(placed.first)))
            draw.line((x, TOP, x, bottom), SCENES)


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _draw_wave(draw: ImageDraw.ImageDraw, heard: Heard, columns: int, length: float) -> None:
    """Peaks and levels, full scale at the height of the part; peaks above it are marked."""
    spans = max(1, round(length * RATE / SPAN))
    peaks = per_column(heard.peak, spans, columns)
    levels = per_column(heard.level, spans, columns)
    centre, half = TOP + WAVE / 2, WAVE / 2
    for x, (peak, level) in enumerate(zip(peaks, levels, strict=True), LEFT):
        for height, colour in ((peak, CLIPS if peak > 1 else PEAKS), (level, LEVELS)):
            reach = half * min(1.0, float(height))
            draw.line((x, centre - reach, x, centre + reach), colour)
    draw.text((8, TOP), "0 dBFS", FAINT, ImageFont.load_default(13))


def _draw_loudness(
    draw: ImageDraw.ImageDraw, heard: Heard, output: EpisodeOutput, across: Callable[[float], float]
) -> None:
    small, top = ImageFont.load_default(13), TOP + WAVE + BETWEEN

    def down(loudness: float) -> float:
        share = (LOUDEST - max(QUIETEST, min(LOUDEST, loudness))) / (LOUDEST - QUIETEST)
        return top + LOUD * share

    draw.rectangle((LEFT, top, WIDTH - RIGHT, top + LOUD), outline=RULE)
    for rule in RULES:
        draw.line((LEFT, down(rule), WIDTH - RIGHT, down(rule)), RULE)
        draw.text((8, down(rule) - 8), f"{rule} LUFS", FAINT, small)
    draw.line((LEFT, down(output.loudness), WIDTH - RIGHT, down(output.loudness)), TARGET, 2)
    times = (np.arange(len(heard.short_term)) + 1) * STEP / RATE
    points = [(across(float(t)), down(float(v))) for t, v in zip(times, heard.short_term, strict=True)]
    # the first windows of 400 ms are not whole yet
    points = points[GATE_STEPS - 1 :]
    thinned = points[:: max(1, len(points) // (2 * WIDTH))]
    if len(thinned) > 1:
        draw.line(thinned, LINE, 2)


def per_column(levels: Levels, spans: int, columns: int) -> Levels:
    """The highest of the levels that fall on each column, as if there were so many spans of them."""
    known = np.zeros(spans, np.float32)
    count = min(spans, len(levels))
    known[:count] = levels[:count]
    if spans <= columns:
        return known[np.arange(columns) * spans // columns]
    edges = np.arange(columns) * spans // columns
    return np.maximum.reduceat(known, edges)
