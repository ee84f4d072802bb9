"""Checks of an episode as a file: frames, times, chapters and cover."""

from fractions import Fraction
from math import lcm

from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import Timeline
from sakuga.media.cover import holds_cover
from sakuga.media.info import MediaInfo
from sakuga.media.packets import PacketIndex
from sakuga.quality.check import Check
from sakuga.quality.container import ROUNDING, ms_text


def check_times(timeline: Timeline, packets: PacketIndex) -> tuple[Check, Check]:
    """Frame k is shown k / rate seconds after the first one, to the container's tick, and none is missing."""
    found, tick = len(packets), packets.time_base
    unit = lcm(tick.denominator, timeline.rate.numerator)
    per_tick, per_frame = int(tick * unit), int(unit / timeline.rate)
    first = int(packets.pts[0]) if found else 0
    off = [abs((int(pts) - first) * per_tick - k * per_frame) for k, pts in enumerate(packets.pts)]
    worst = Fraction(max(off, default=0), unit)
    late = next((k for k, each in enumerate(off) if each > per_tick), None)
    return (
        Check(
            name="Frames",
            value=str(found),
            bound=f"= {timeline.frames}",
            passed=found == timeline.frames,
        ),
        Check(
            name="Frame times",
            value=f"{ms_text(worst)} off the plan",
            bound=f"<= {ms_text(tick)} (one tick)",
            passed=found > 0 and late is None,
            detail="" if late is None else f"first at frame {late}",
        ),
    )


def check_duration(timeline: Timeline, made: MediaInfo) -> Check:
    """The picture lasts as long as planned."""
    slack = 2 * max(made.video.time_base, ROUNDING)
    return Check(
        name="Duration",
        value=f"{float(made.video.duration):.3f} s",
        bound=f"= {float(timeline.duration):.3f} s, within {ms_text(slack)}",
        passed=abs(made.video.duration - timeline.duration) <= slack,
    )


def check_chapters(timeline: Timeline, made: MediaInfo) -> Check:
    """Chapters begin with their scenes and have their titles."""
    want = [(chapter.start, chapter.title) for chapter in timeline.chapters]
    got = [(chapter.start - made.video.start, chapter.title) for chapter in made.chapters]
    off = max((abs(a - b) for (a, _), (b, _) in zip(want, got, strict=False)), default=Fraction(0))
    slack = 2 * ROUNDING
    named = [title for _, title in want] == [title for _, title in got]
    return Check(
        name="Chapters",
        value=f"{len(got)}" + (f", {ms_text(off)} off" if got and want else ""),
        bound=f"= {len(want)}" + (f", within {ms_text(slack)}" if want else ""),
        passed=len(want) == len(got) and off <= slack and named,
        detail="" if named or len(want) != len(got) else "their titles are not those of the scenes",
    )


def check_cover(spec: EpisodeSpec, made: MediaInfo) -> tuple[Check, ...]:
    """A cover that was asked for is there, where the container holds one."""
    if spec.output.cover is None or not holds_cover(spec.output.container):
        return ()
    found = sum(stream.kind in ("cover", "attachment") for stream in made.others)
    return (Check(name="Cover", value=str(found), bound="= 1", passed=found == 1),)
