"""Whether sound comes when it should: against the mix, and against the clips of the scenes."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from sakuga.episode.footage import Footage
from sakuga.episode.hearing import SPAN, Levels, Moment, Track, excerpt, lateness
from sakuga.episode.listen import sound_index
from sakuga.episode.timeline import Placed, Timeline
from sakuga.episode.wav import RATE, sample_at
from sakuga.errors import ContractError
from sakuga.quality.check import Check
from sakuga.quality.container import ms_text
from sakuga.quality.drawing import time_label
from sakuga.settings import Limits

AUDIBLE = 0.003
"""Level (-50 dBFS) from which on sound can be compared, and is missed."""

WINDOWS = 12
"""Moments of the episode, and scenes, that are compared for their sync."""

WINDOW, REACH = 2 * RATE, RATE // 2
"""Samples of such a moment, and by how many at most it is looked for earlier and later."""

LIKE_MIX, LIKE_CLIP = 0.5, 0.6
"""Likeness below which a moment is another sound than the mix's, and from which on a scene's sound stands out
of music and effects enough to tell when it comes."""

SEEKABLE = ("mp4", "matroska")
"""Containers in which the times of sound are exact after a jump."""


def in_time_with_mix(track: Track, mix: Track, level: Levels, timeline: Timeline) -> Check:
    """The sound against the mix, at moments spread over the episode and at its end.

    Args:
        track: of the result.
        mix: the same sound before it was put into the result.
        level: of the mix, for each span of 20 ms.
        timeline: of the episode.

    Raises:
        ContractError: one of them does not decode.
    """
    late = []
    for first, last in _moments(level, sample_at(timeline.duration)):
        found = lateness(excerpt(track, (first, last)), excerpt(mix, (first - REACH, last + REACH)))
        late.append((time_label(Fraction(first, RATE)), *found))
    return _sync("Sound in time with the mix", late, 1 / timeline.rate, LIKE_MIX)


def in_time_with_clips(
    track: Track, level: Levels, timeline: Timeline, footages: Sequence[Footage], limits: Limits
) -> Check:
    """What is heard in scenes against their own clips, where it stands out enough to be found.

    Scenes at another speed are left out: their sound is not the same any more.

    Args:
        track: of the result.
        level: of it, for each span of 20 ms.
        timeline: of the episode.
        footages: the clips of the scenes, in order.
        limits: for the clips.

    Raises:
        ContractError: the result does not decode.
    """
    usable = [
        (placed, footage)
        for placed, footage in zip(timeline.scenes, footages, strict=True)
        if _comparable(placed, footage, timeline)
    ]
    count = min(WINDOWS, len(usable))
    late = []
    for number in range(count):
        placed, footage = usable[number * (len(usable) - 1) // max(1, count - 1)]
        first, last = _last_loud(level, placed, timeline)
        index = sound_index(footage.info)
        assert index is not None
        origin = footage.info.video.start + footage.scene.start - timeline.time(placed.first)
        clip = Track(footage.path, index, origin, limits)
        own = excerpt(track, (first, last))
        try:
            samples, likeness = lateness(own, excerpt(clip, (first - REACH, last + REACH)))
        except ContractError:
            continue  # damaged sound of a clip is made good as far as it goes
        if likeness >= LIKE_CLIP:
            late.append((placed.name, samples, likeness))
    return _sync("Sound in time with the clips", late, 1 / timeline.rate, LIKE_CLIP)


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
        value="another sound" if strange else _late_text(samples),
        bound=f"within {ms_text(frame)}",
        passed=not strange and abs(Fraction(samples, RATE)) < frame,
        detail=f"at {where}, likeness {likeness:.2f}; at the end ({last[0]}) {_late_text(last[1])}",
    )


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


def _late_text(samples: int) -> str:
    if not samples:
        return "to the sample"
    return f"{sample_text(abs(samples))} {'late' if samples > 0 else 'early'}"


def sample_text(samples: int) -> str:
    """So many samples in milliseconds."""
    return ms_text(Fraction(samples, RATE))
