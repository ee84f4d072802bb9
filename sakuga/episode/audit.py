"""Did it come out right: every check of a finished episode."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path

from sakuga.episode.footage import Footage
from sakuga.episode.form import Form
from sakuga.episode.hearing import Heard, hear
from sakuga.episode.mix import Mixed
from sakuga.episode.planned import Plans
from sakuga.episode.seams import SegmentLook, look
from sakuga.episode.sound_checks import check_sound, sound_track
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import Segment, Timeline
from sakuga.episode.wav import sample_at
from sakuga.errors import ContractError, DamagedMediaError, SakugaError
from sakuga.media.decode import FrameReader
from sakuga.media.info import MediaInfo
from sakuga.media.packets import PacketIndex
from sakuga.media.picture import Picture
from sakuga.media.probe import Probed, probe
from sakuga.quality.check import Check
from sakuga.quality.container import ROUNDING, check_format, ms_text
from sakuga.quality.pictures import ranges_text
from sakuga.quality.sample import RESULT_LIMITS, Watch
from sakuga.settings import Settings


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found: all checks in a fixed order, what was heard, and what was seen of each segment."""

    checks: tuple[Check, ...]
    heard: Heard | None = None
    looks: tuple[SegmentLook, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)


def check_episode(
    result: Path,
    spec: EpisodeSpec,
    timeline: Timeline,
    form: Form,
    footages: Sequence[Footage],
    mixed: Mixed | None,
    settings: Settings,
    watch: Watch | None = None,
) -> tuple[Check, ...]:
    """All checks of a finished episode; see `audit_episode`."""
    return audit_episode(result, spec, timeline, form, footages, mixed, settings, watch=watch).checks


def audit_episode(
    result: Path,
    spec: EpisodeSpec,
    timeline: Timeline,
    form: Form,
    footages: Sequence[Footage],
    mixed: Mixed | None,
    settings: Settings,
    *,
    looks: Mapping[int, SegmentLook] | None = None,
    watch: Watch | None = None,
) -> Audit:
    """Check a finished episode against its plan, its clips and its mix.

    All of its packets are read, and its pictures and its sound are decoded once from beginning to end, in
    constant memory. Clips are decoded beside cuts, and where the result is black or stands still.

    Args:
        result: the finished file.
        spec: what was asked for.
        timeline: when everything is shown.
        form: what its pictures are like.
        footages: the clips of all scenes, in order.
        mixed: its sound, whose file is still there; None for an episode without.
        settings: of this machine.
        looks: what was seen before of segments, by their number, in the file that was joined; the frames of
            those are not decoded again.
        watch: called with the number of every frame that was looked at; may raise to stop.

    Returns:
        All checks; a result that cannot be read gives one failed check.

    Raises:
        SakugaError: a clip or the mix cannot be read any more.
    """
    try:
        made = probe(result, RESULT_LIMITS)
    except SakugaError as error:
        return Audit((_unreadable(error),))
    checks = [
        *check_times(timeline, made.packets),
        check_duration(timeline, made.info),
        *check_format(form.size, form.layout, form.colour, made.info),
        check_chapters(timeline, made.info),
        *check_cover(spec, made.info),
    ]
    try:
        track = sound_track(result, made.info)
        heard = hear(track, sample_at(timeline.duration)) if track else None
        checks += check_sound(
            made.info, track, heard, timeline, spec.output, footages, mixed, settings.limits
        )
    except ContractError as error:
        return Audit((*checks, _unreadable(error)))
    try:
        found = _looks(result, made, spec, timeline, form, footages, settings, looks or {}, watch)
    except ContractError as error:
        return Audit((*checks, _unreadable(error)), heard)
    return Audit((*checks, *check_looks(timeline, found)), heard, found)


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
    """A cover that was asked for is there; MOV holds none."""
    if spec.output.cover is None or spec.output.container == "mov":
        return ()
    found = sum(stream.kind in ("cover", "attachment") for stream in made.others)
    return (Check(name="Cover", value=str(found), bound="= 1", passed=found == 1),)


def check_looks(timeline: Timeline, looks: Sequence[SegmentLook]) -> tuple[Check, ...]:
    """What was seen of all segments, in order, held against what was planned."""
    black = [
        segment.first + frame
        for segment, seen in zip(timeline.segments, looks, strict=True)
        for frame in seen.black
    ]
    frozen = [
        (segment.first + first, segment.first + last)
        for segment, seen in zip(timeline.segments, looks, strict=True)
        for first, last in seen.frozen
    ]
    still = [frame for first, last in frozen for frame in range(first, last)]
    looked = sum(seen.frames for seen in looks)
    return (
        _seams(timeline, looks),
        _frames("Black frames not asked for", black, looked, timeline),
        _frames("Frozen frames not asked for", still, looked, timeline),
    )


def _frames(name: str, bad: list[int], looked: int, timeline: Timeline) -> Check:
    where = f"frames {ranges_text(bad)}, from {_place(timeline, bad[0])} on" if bad else ""
    return Check(
        name=name,
        value=f"{len(bad)} of {looked}",
        bound="0",
        passed=not bad and looked == timeline.frames,
        detail=where or ("" if looked == timeline.frames else f"{timeline.frames - looked} were not there"),
    )


def _seams(timeline: Timeline, looks: Sequence[SegmentLook]) -> Check:
    """The frames on both sides of every cut are the planned ones."""
    wrong: list[str] = []
    due, least = 0, None
    for segment, seen in zip(timeline.segments, looks, strict=True):
        found = {seam.frame: seam for seam in seen.seams}
        for frame in sorted({0, segment.frames - 1}):
            due += 1
            where = f"frame {segment.first + frame} ({_place(timeline, segment.first + frame)})"
            seam = found.get(frame)
            if seam is None:
                wrong.append(f"{where} is not there")
            elif not seam.right:
                wrong.append(f"{where} {_fault(seam.psnr, seam.bound, seam.nearer)}")
            elif least is None or seam.psnr - seam.bound < least[0]:
                least = seam.psnr - seam.bound, f"{where}: {seam.psnr:.1f} dB, at least {seam.bound:.1f}"
    detail = "; ".join(wrong[:3]) + ("; ..." if len(wrong) > 3 else "")
    return Check(
        name="Frames beside cuts",
        value=f"{due - len(wrong)} of {due} as planned",
        bound=f"= {due}",
        passed=not wrong,
        detail=detail or (f"nearest to its bound is {least[1]}" if least else ""),
    )


def _fault(psnr: float, bound: float, nearer: int) -> str:
    if nearer:
        count = "1 frame" if abs(nearer) == 1 else f"{abs(nearer)} frames"
        return f"shows what is due {count} {'later' if nearer > 0 else 'earlier'}"
    return f"agrees with the plan to {psnr:.1f} dB only, at least {bound:.1f} are due"


def _place(timeline: Timeline, frame: int) -> str:
    """Which scene a frame is in, as a person finds it: `scene-2 at 1.250 s`, `credits`."""
    names = [placed.name for placed in timeline.scenes if 0 <= frame - placed.first < placed.frames]
    time = f"{float(timeline.time(frame)):.3f} s"
    return f"{' to '.join(names) or 'credits'}, {time}"


def _looks(
    result: Path,
    made: Probed,
    spec: EpisodeSpec,
    timeline: Timeline,
    form: Form,
    footages: Sequence[Footage],
    settings: Settings,
    known: Mapping[int, SegmentLook],
    watch: Watch | None,
) -> tuple[SegmentLook, ...]:
    """Look at every segment that is not known, in one pass over the result."""
    video, count = made.info.video, len(made.packets)
    _same_form(made, form)
    found = []
    reader = FrameReader(result, video, made.packets, limits=RESULT_LIMITS)
    with reader, Plans(footages, spec, form, settings) as plans:
        for number, segment in enumerate(timeline.segments):
            if number in known:
                found.append(known[number])
                continue
            found.append(look(segment, _watched(reader, segment, count, watch), plans.of(segment), form))
    return tuple(found)


def look_at_segment(
    path: Path,
    segment: Segment,
    spec: EpisodeSpec,
    form: Form,
    footages: Sequence[Footage],
    settings: Settings,
) -> SegmentLook:
    """Look at the file of one segment, as `audit_episode` does at the whole; for its `looks`.

    Args:
        path: the encoded segment.
        segment: what it is.
        spec: the episode.
        form: its form.
        footages: the clips of all scenes of the episode, in order.
        settings: of this machine.

    Raises:
        ContractError: the file does not decode, or has pictures of another size or format.
        SakugaError: a clip cannot be read any more.
    """
    made = probe(path, RESULT_LIMITS)
    _same_form(made, form)
    here = segment.model_copy(update={"first": 0, "last": segment.frames})
    reader = FrameReader(path, made.info.video, made.packets, limits=RESULT_LIMITS)
    with reader, Plans(footages, spec, form, settings) as plans:
        return look(segment, _watched(reader, here, len(made.packets), None), plans.of(segment), form)


def _same_form(made: Probed, form: Form) -> None:
    video = made.info.video
    if (video.width, video.height) != form.size or video.layout != form.layout:
        raise ContractError("Its pictures have another size or format than planned; none was compared.")


def _watched(
    reader: FrameReader, segment: Segment, count: int, watch: Callable[[int], None] | None
) -> Iterator[Picture]:
    first, last = min(segment.first, count), min(segment.last, count)
    try:
        for frame, picture in enumerate(reader.read(first, last), first):
            yield picture
            if watch:
                watch(frame)
    except DamagedMediaError as error:
        raise ContractError(str(error)) from error


def _unreadable(error: SakugaError) -> Check:
    return Check(name="Result decodes", value="no", bound="yes", passed=False, detail=str(error))
