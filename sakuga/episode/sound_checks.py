"""Checks of an episode's sound: whole, as mixed, as loud as asked for, and in sync with its picture."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from sakuga.episode.channels import CHANNELS
from sakuga.episode.footage import Footage
from sakuga.episode.hearing import (
    GATE_STEPS,
    SLACK,
    SPAN,
    STEP,
    Heard,
    Levels,
    Moment,
    excerpt,
    hear,
    lateness,
)
from sakuga.episode.listen import sound_index
from sakuga.episode.mix import Mixed
from sakuga.episode.spec import EpisodeOutput
from sakuga.episode.timeline import Placed, Timeline
from sakuga.episode.wav import RATE, sample_at
from sakuga.errors import ContractError
from sakuga.media.info import AudioStream, MediaInfo
from sakuga.media.open import open_media
from sakuga.quality.check import Check
from sakuga.quality.container import PRIMING, ms_text
from sakuga.quality.drawing import time_label
from sakuga.quality.sample import RESULT_LIMITS
from sakuga.settings import Limits

LOUDNESS_SLACK = 0.5
"""LU that a programme may be off its target (EBU R128)."""

PEAK_SLACK = 0.1
"""dB by which a true peak may be measured higher: meters differ by so much (EBU Tech 3341 allows 0.2)."""

AGREES = 0.2
"""LU by which the sound may differ from what the mix says of itself."""

AUDIBLE = 0.003
"""Level (-50 dBFS) from which on sound that is missing, or can be compared, counts."""

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

WINDOWS = 12
"""Moments of the episode, and scenes, that are compared for their sync."""

WINDOW, REACH = 2 * RATE, RATE // 2
"""Samples of such a moment, and by how many at most it is looked for earlier and later."""

LIKE_MIX, LIKE_CLIP = 0.5, 0.6
"""Likeness below which a moment is another sound than the mix's, and from which on a scene's sound stands out
of music and effects enough to tell when it comes."""

SEEKABLE = ("mp4", "matroska")
"""Containers in which the times of sound are exact after a jump."""


def hear_result(result: Path, made: MediaInfo, timeline: Timeline) -> Heard | None:
    """Hear the first sound track of a result; None where it has none.

    Raises:
        ContractError: the sound does not decode.
    """
    if not made.audio:
        return None
    length = sample_at(timeline.duration)
    return hear(result, made.audio[0].index, made.video.start, length, RESULT_LIMITS)


def check_sound(
    result: Path,
    made: MediaInfo,
    heard: Heard | None,
    timeline: Timeline,
    output: EpisodeOutput,
    footages: Sequence[Footage],
    mixed: Mixed | None,
    limits: Limits,
) -> tuple[Check, ...]:
    """All checks of sound.

    Args:
        result: the finished file.
        made: what it holds.
        heard: its sound.
        timeline: of the episode.
        output: what was asked for.
        footages: the clips of the scenes, in order.
        mixed: the mix, whose file is still there; None for an episode without sound.
        limits: for clips.

    Raises:
        ContractError: the mix or the result does not decode.
    """
    track = _track(made.audio, mixed, output)
    if mixed is None or heard is None:
        return (track,)
    length = sample_at(timeline.duration)
    with open_media(mixed.path, RESULT_LIMITS) as container:
        index = container.streams.audio[0].index
    wanted = hear(mixed.path, index, Fraction(0), length, RESULT_LIMITS, loudness=False)
    moments = tuple(_moments(wanted.level, length))
    frame = 1 / timeline.rate
    late = []
    for moment in moments:
        own = excerpt(result, made.audio[0].index, made.video.start, moment, RESULT_LIMITS)
        around = excerpt(
            mixed.path, index, Fraction(0), (moment[0] - REACH, moment[1] + REACH), RESULT_LIMITS
        )
        late.append((time_label(Fraction(moment[0], RATE)), *lateness(own, around)))
    return (
        track,
        *_extent(heard, length),
        _gaps(heard),
        _as_mixed(heard, wanted, length),
        _sync("Sound in time with the mix", late, frame, LIKE_MIX),
        _scenes_in_sync(result, made, heard, timeline, footages, limits),
        _loudness(heard, mixed, output),
        _true_peak(heard, output),
    )


def _track(tracks: Sequence[AudioStream], mixed: Mixed | None, output: EpisodeOutput) -> Check:
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
            value=f"{_ms(begins)} after the picture",
            bound=f"within {_ms(SLACK)}",
            passed=abs(begins) <= SLACK,
        ),
        Check(
            name="Sound ends",
            value=f"{_ms(ends)} after the picture",
            bound=f"from {_ms(-SLACK)} to {_ms(PRIMING)}",
            passed=-SLACK <= ends <= PRIMING,
        ),
    )


def _gaps(heard: Heard) -> Check:
    total = sum(abs(last - first) for first, last in heard.gaps)
    return Check(
        name="Gaps in the sound",
        value=f"{len(heard.gaps)}, {_ms(total)}" if heard.gaps else "none",
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
        value=f"{_ms(total)} differ" if runs else "all",
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


def _moments(level: Levels, length: int) -> Iterator[Moment]:
    """Moments to compare: the loudest of equal parts of the episode, and the last that is heard at all."""
    window = min(WINDOW, length)
    spans = max(1, window // SPAN)
    if len(level) < spans:
        return
    sums = np.convolve(level, np.ones(spans, np.float32), "valid")
    audible = np.flatnonzero(sums > AUDIBLE * spans)
    if not len(audible):
        return
    parts = np.array_split(audible, min(WINDOWS, len(audible), max(1, length // window)))
    chosen = {int(part[np.argmax(sums[part])]) for part in parts} | {int(audible[-1])}
    yield from ((first * SPAN, first * SPAN + window) for first in sorted(chosen))


def _sync(name: str, late: Sequence[tuple[str, int, float]], frame: Fraction, like: float) -> Check:
    """The worst of several moments; those that are another sound altogether are worse than any."""
    if not late:
        return Check(name=name, value="nothing to hear", bound=f"within {ms_text(frame)}", passed=True)
    strange = [one for one in late if one[2] < like]
    where, samples, likeness = strange[0] if strange else max(late, key=lambda one: abs(one[1]))
    last = late[-1]
    return Check(
        name=name,
        value="another sound" if strange else f"{_ms(samples)} late" if samples else "to the sample",
        bound=f"within {ms_text(frame)}",
        passed=not strange and abs(Fraction(samples, RATE)) < frame,
        detail=f"at {where}, likeness {likeness:.2f}; at the end ({last[0]}) {_ms(last[1])}",
    )


def _scenes_in_sync(
    result: Path,
    made: MediaInfo,
    heard: Heard,
    timeline: Timeline,
    footages: Sequence[Footage],
    limits: Limits,
) -> Check:
    """What is heard in scenes against their own clips, where it stands out enough to be found."""
    usable = [
        (placed, footage)
        for placed, footage in zip(timeline.scenes, footages, strict=True)
        if _comparable(placed, footage, timeline)
    ]
    count = min(WINDOWS, len(usable))
    chosen = [usable[number * (len(usable) - 1) // max(1, count - 1)] for number in range(count)]
    late = []
    for placed, footage in chosen:
        moment = _last_loud(heard.level, placed, timeline)
        around = moment[0] - REACH, moment[1] + REACH
        index = sound_index(footage.info)
        assert index is not None
        clip = footage.info.video
        origin = clip.start + footage.scene.start - timeline.time(placed.first)
        own = excerpt(result, made.audio[0].index, made.video.start, moment, RESULT_LIMITS)
        try:
            samples, likeness = lateness(own, excerpt(footage.path, index, origin, around, limits))
        except ContractError:
            continue  # damaged sound of a clip is made good as far as it goes
        if likeness >= LIKE_CLIP:
            late.append((placed.name, samples, likeness))
    return _sync("Sound in time with the clips", late, 1 / timeline.rate, 0)


def _comparable(placed: Placed, footage: Footage, timeline: Timeline) -> bool:
    scene, body = footage.scene, placed.frames - placed.before - placed.after
    return (
        not footage.placeholder
        and not scene.mute
        and scene.speed == 1
        and sound_index(footage.info) is not None
        and any(kind in footage.info.container for kind in SEEKABLE)
        and body / timeline.rate >= Fraction(1, 2)
    )


def _last_loud(level: Levels, placed: Placed, timeline: Timeline) -> Moment:
    """The loudest moment in the second half of what a scene has for itself."""
    begin, end = placed.first + placed.before, placed.first + placed.frames - placed.after
    first = sample_at(timeline.time(begin) + (end - begin) / timeline.rate / 2)
    last = sample_at(timeline.time(end))
    first, window = max(first - WINDOW // 2, sample_at(timeline.time(begin))), WINDOW
    if last - first <= window:
        return first, last
    spans = window // SPAN
    sums = np.convolve(level[first // SPAN : last // SPAN], np.ones(spans, np.float32), "valid")
    loudest = first + int(np.argmax(sums)) * SPAN if len(sums) else first
    return loudest, min(loudest + window, last)


def _loudness(heard: Heard, mixed: Mixed, output: EpisodeOutput) -> Check:
    name, bound = "Loudness", f"{output.loudness:g} LUFS, within {LOUDNESS_SLACK:g} LU"
    if heard.integrated is None or mixed.loudness is None:
        short = heard.last < GATE_STEPS * STEP
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


def _ms(samples: int) -> str:
    return ms_text(Fraction(samples, RATE))
