"""Checks of an episode's sound: whole, as mixed, as loud as asked for, and in sync with its picture."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from sakuga.episode.channels import CHANNELS
from sakuga.episode.footage import Footage
from sakuga.episode.hearing import GATE_STEPS, SLACK, SPAN, STEP, Heard, Levels, Moment, Track, hear
from sakuga.episode.mix import Mixed
from sakuga.episode.spec import EpisodeOutput
from sakuga.episode.sync_checks import AUDIBLE, in_time_with_clips, in_time_with_mix, sample_text
from sakuga.episode.timeline import Timeline
from sakuga.episode.wav import RATE, Cancelled, sample_at
from sakuga.media.info import AudioStream, MediaInfo
from sakuga.media.open import open_media
from sakuga.quality.check import Check
from sakuga.quality.container import PRIMING
from sakuga.quality.drawing import time_label
from sakuga.quality.sample import RESULT_LIMITS
from sakuga.settings import Limits

LOUDNESS_SLACK = 0.5
"""LU that a programme may be off its target (EBU R128)."""

PEAK_SLACK = 0.1
"""dB by which a true peak may be measured higher: meters differ by so much (EBU Tech 3341 allows 0.2)."""

AGREES = 0.2
"""LU by which the sound may differ from what the mix says of itself."""

LOST, GROWN = 0.1, 4.0
"""A span of less than a tenth (-20 dB) of the mix's level is missing; one of four times (+12 dB) is not of
the mix. Coding changes a span by 1 dB or so."""

FALSE_LEVEL = 0.02
"""Level (-34 dBFS) from which on sound counts that is not of the mix: coding spreads a loud sound over the
spans beside it."""

SPREAD = 3
"""Spans on both sides that coding can spread a sound over: a packet of AAC looks 43 ms back and forth."""

LEAST_SPANS = 2
"""Spans in a row that must differ: 40 ms."""


def sound_track(result: Path, made: MediaInfo) -> Track | None:
    """The sound of a result, counted from its first frame; None where it has none."""
    if not made.audio:
        return None
    return Track(result, made.audio[0].index, made.video.start, RESULT_LIMITS)


def check_sound(
    made: MediaInfo,
    track: Track | None,
    heard: Heard | None,
    timeline: Timeline,
    output: EpisodeOutput,
    footages: Sequence[Footage],
    mixed: Mixed | None,
    limits: Limits,
    cancelled: Cancelled = None,
) -> tuple[Check, ...]:
    """All checks of sound.

    Args:
        made: what the result holds.
        track: its sound.
        heard: what is heard in it.
        timeline: of the episode.
        output: what was asked for.
        footages: the clips of the scenes, in order.
        mixed: the mix, whose file is still there; None for an episode without sound.
        limits: for clips.
        cancelled: asked often; True stops.

    Raises:
        CancelledError: `cancelled` returned True.
        ContractError: the mix or the result does not decode.
        InputError: the file of the mix cannot be opened.
    """
    tracks = _tracks(made.audio, mixed, output)
    if mixed is None or track is None or heard is None:
        return (tracks,)
    length = sample_at(timeline.duration)
    with open_media(mixed.path, RESULT_LIMITS) as container:
        mix = Track(mixed.path, container.streams.audio[0].index, Fraction(0), RESULT_LIMITS)
    wanted = hear(mix, length, loudness=False, cancelled=cancelled)
    return (
        tracks,
        *_extent(heard, length),
        _gaps(heard),
        _as_mixed(heard, wanted, length),
        in_time_with_mix(track, mix, wanted.level, timeline),
        in_time_with_clips(track, heard.level, timeline, footages, limits),
        _loudness(heard, length, mixed, output),
        _true_peak(heard, output),
    )


def _tracks(tracks: Sequence[AudioStream], mixed: Mixed | None, output: EpisodeOutput) -> Check:
    found = ", ".join(f"{one.codec} {one.channels}ch {one.sample_rate} Hz" for one in tracks) or "none"
    channels = len(CHANNELS[output.layout])
    bound = f"{mixed.codec} {channels}ch {RATE} Hz" if mixed else "none"
    return Check(name="Sound track", value=found, bound=f"= {bound}", passed=found == bound)


def _extent(heard: Heard, length: int) -> tuple[Check, Check]:
    """The sound begins with the first frame, and ends with the last but for what a packet is filled up."""
    begins, ends = heard.first, heard.last - length
    return (
        Check(
            name="Sound begins",
            value=f"{sample_text(begins)} after the picture",
            bound=f"within {sample_text(SLACK)}",
            passed=abs(begins) <= SLACK,
        ),
        Check(
            name="Sound ends",
            value=f"{sample_text(ends)} after the picture",
            bound=f"from {sample_text(-SLACK)} to {sample_text(PRIMING)}",
            passed=-SLACK <= ends <= PRIMING,
        ),
    )


def _gaps(heard: Heard) -> Check:
    total = sum(abs(last - first) for first, last in heard.gaps)
    return Check(
        name="Gaps in the sound",
        value=f"{len(heard.gaps)}, {sample_text(total)}" if heard.gaps else "none",
        bound="none",
        passed=not heard.gaps,
        detail=_places([min(gap) for gap in heard.gaps]),
    )


def _as_mixed(heard: Heard, wanted: Heard, length: int) -> Check:
    """Nothing of the mix is missing, and nothing else is there, in spans of 20 ms."""
    spans = length // SPAN
    got, mix = (
        np.pad(level[:spans], (0, max(0, spans - len(level)))) for level in (heard.level, wanted.level)
    )
    least, most = (_around(mix, choose) for choose in (np.minimum, np.maximum))
    bad = (got < LOST * least) & (least > AUDIBLE) | (got > GROWN * most) & (got > FALSE_LEVEL)
    runs = [(first, last) for first, last in _runs(bad) if last - first >= LEAST_SPANS]
    total = sum(last - first for first, last in runs) * SPAN
    return Check(
        name="Sound as mixed",
        value=f"{sample_text(total)} differ" if runs else "all",
        bound="all",
        passed=not runs,
        detail=_places([first * SPAN for first, _ in runs]),
    )


def _around(levels: Levels, choose: np.ufunc) -> Levels:
    """Lowest or highest of each span and those that coding mixes it with."""
    chosen = levels.copy()
    for shift in range(1, SPREAD + 1):
        chosen[shift:] = choose(chosen[shift:], levels[:-shift])
        chosen[:-shift] = choose(chosen[:-shift], levels[shift:])
    return chosen


def _runs(flags: np.typing.NDArray[np.bool_]) -> Iterator[Moment]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    yield from ((int(first), int(last)) for first, last in edges.reshape(-1, 2))


def _loudness(heard: Heard, length: int, mixed: Mixed, output: EpisodeOutput) -> Check:
    name, bound = "Loudness", f"{output.loudness:g} LUFS, within {LOUDNESS_SLACK:g} LU"
    if heard.integrated is None or mixed.loudness is None:
        short = min(heard.last, length) < GATE_STEPS * STEP
        same = short or (heard.integrated is None and mixed.loudness is None)
        value = "silent" if heard.integrated is None else f"{heard.integrated:.1f} LUFS"
        return Check(
            name=name,
            value="too short to be measured" if short else value,
            bound=bound if short or not same else "silent, as mixed",
            passed=same,
        )
    off = heard.integrated - output.loudness
    # a mix that says itself that its peaks do not allow more has to be what it says
    declared = not mixed.linear and off < 0 and abs(heard.integrated - mixed.loudness) <= AGREES
    return Check(
        name=name,
        value=f"{heard.integrated:.1f} LUFS",
        bound=bound,
        passed=abs(off) <= LOUDNESS_SLACK or declared,
        detail=" ".join(mixed.notes),
    )


def _true_peak(heard: Heard, output: EpisodeOutput) -> Check:
    return Check(
        name="True peak",
        value=f"{heard.true_peak:.1f} dBTP",
        bound=f"<= {output.true_peak:g} dBTP",
        passed=heard.true_peak <= output.true_peak + PEAK_SLACK,
    )


def _places(samples: Sequence[int]) -> str:
    """`at 0:07.29, 0:09.00`, at most five."""
    if not samples:
        return ""
    labels = [time_label(Fraction(max(0, place), RATE)) for place in samples[:5]]
    return "at " + ", ".join(labels) + (", ..." if len(samples) > 5 else "")
