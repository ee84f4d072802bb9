"""The timing contract of an episode: every frame, every sound and every chapter is where it is due."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from sakuga.episode.conform import placement
from sakuga.episode.plan import EpisodePlan
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.wav import RATE, Samples
from sakuga.media.probe import probe
from tests.clips import decoded_lumas, decoded_times, read_number
from tests.episode.any_plan import BURST, BY_NAME, parts, rate_of, shown
from tests.episode.sounds import decoded, level
from tests.episode.whole import SETTINGS

TICK = {"mp4": Fraction(0), "mov": Fraction(0), "mkv": Fraction(1, 2000)}
"""Seconds that a frame's time may be off: Matroska rounds to milliseconds."""

CHAPTER_TICK = Fraction(1, 1000)
"""Seconds: the resolution of chapters in some containers."""

PACKET = 1024
"""Samples: the last packet of sound is filled up."""

IN_SYNC = Fraction(1, 1000)
"""Seconds that the middle of a burst may be found off: a codec leaves it a little uneven."""

TEMPO = Fraction(1, 100)
"""Seconds of the clip by which sound of another speed is off at most: pieces are joined where they fit."""

SPREAD = Fraction(1, 20)
"""Seconds that a codec may spread a sound over."""

SILENT = -55.0
"""dB: what a codec may leave of its neighbours where nothing is heard."""


def check_times(spec: EpisodeSpec, result: Path, plan: EpisodePlan) -> None:
    """Hold an episode of the clips of `any_plan` to the contract; of its plan only sizes are used."""
    check_picture(spec, result, plan)
    check_chapters(spec, result)
    check_sound(spec, decoded(result))


def check_picture(spec: EpisodeSpec, result: Path, plan: EpisodePlan) -> None:
    rate, placed = rate_of(spec), parts(spec)
    frames = placed[-1].first + placed[-1].frames
    if spec.credits:
        frames += max(1, int(spec.credits.seconds * rate + Fraction(1, 2)))
    times, lumas = decoded_times(result), decoded_lumas(result)
    assert len(lumas) == len(times) == frames
    tick = TICK[spec.output.container]
    assert all(abs(time - number / rate) <= tick for number, time in enumerate(times))
    for scene, part, footage in zip(spec.scenes, placed, plan.footages, strict=True):
        left, top, width, height = placement(footage.info.video, scene.fit, plan.form.size).place
        own = range(part.before, part.frames - part.after)
        seen = [
            read_number(lumas[part.first + number][top : top + height, left : left + width]) for number in own
        ]
        assert seen == [shown(scene, number, rate) for number in own]


def check_chapters(spec: EpisodeSpec, result: Path) -> None:
    rate = rate_of(spec)
    due = [
        (part.first / rate, scene.title)
        for part, scene in zip(parts(spec), spec.scenes, strict=True)
        if scene.title
    ]
    if due and due[0][0] > 0:
        due.insert(0, (Fraction(0), spec.title))
    found = [(one.start, one.title) for one in probe(result, SETTINGS.limits).info.chapters]
    assert [title for _, title in found] == [title for _, title in due]
    assert all(abs(a - b) <= CHAPTER_TICK for (a, _), (b, _) in zip(found, due, strict=True))


def check_sound(spec: EpisodeSpec, heard: Samples) -> None:
    rate, placed = rate_of(spec), parts(spec)
    frames = placed[-1].first + placed[-1].frames
    assert frames / rate * RATE - 1 < len(heard)
    if not spec.credits:
        assert len(heard) < frames / rate * RATE + PACKET
    for scene, part in zip(spec.scenes, placed, strict=True):
        clip = BY_NAME[scene.clip]
        own = (part.first + part.before) / rate, (part.first + part.frames - part.after) / rate
        if clip.sound is None:
            quiet = cut_out(heard, own[0] + SPREAD, own[1] - SPREAD)
            assert not len(quiet) or level(quiet) < SILENT
            continue
        if clip.at is None:
            continue
        off = IN_SYNC if scene.speed == 1 else max(1 / rate, TEMPO / scene.speed)
        middle = part.first / rate + (clip.at + BURST - scene.start) / scene.speed
        around = BURST / scene.speed + off + SPREAD
        ends = scene.end is not None and scene.end < clip.at + 2 * BURST
        if not ends and own[0] + around < middle < own[1] - around:
            assert abs(centre(heard, middle - around, middle + around)) < off


def cut_out(heard: Samples, first: Fraction, last: Fraction) -> Samples:
    """What is heard from one time to another."""
    return heard[max(0, int(first * RATE)) : max(0, int(last * RATE))]


def centre(heard: Samples, first: Fraction, last: Fraction) -> float:
    """How many seconds the middle of a burst is after the middle between two times."""
    power = np.square(cut_out(heard, first, last).mean(axis=1), dtype=np.float64)
    assert power.max() > 1e-6
    power[power < power.max() / 100] = 0
    return float(power @ (np.arange(len(power)) + 0.5) / power.sum() - len(power) / 2) / RATE
