"""Did it come out right: every check of a finished episode."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sakuga.episode.file_checks import check_chapters, check_cover, check_duration, check_times
from sakuga.episode.footage import Cancelled, Footage
from sakuga.episode.form import Form
from sakuga.episode.hearing import Heard, hear
from sakuga.episode.mix import Mixed
from sakuga.episode.planned import Plans
from sakuga.episode.seam_checks import check_looks
from sakuga.episode.seams import SegmentLook, look
from sakuga.episode.sound_checks import check_sound, sound_track
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import Segment, Timeline
from sakuga.episode.wav import sample_at
from sakuga.errors import ContractError, DamagedMediaError, SakugaError
from sakuga.media.decode import FrameReader
from sakuga.media.picture import Picture
from sakuga.media.probe import Probed, probe
from sakuga.quality.check import Check
from sakuga.quality.container import check_format
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
    cancelled: Cancelled = None,
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
        cancelled: asked often; True stops.

    Returns:
        All checks; a result that cannot be read gives one failed check.

    Raises:
        CancelledError: `cancelled` returned True.
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
    track, heard = sound_track(result, made.info), None
    plans = Plans(footages, spec, form, settings, cancelled)
    try:
        heard = hear(track, sample_at(timeline.duration), cancelled=cancelled) if track else None
        checks += check_sound(
            made.info, track, heard, timeline, spec.output, footages, mixed, settings.limits, cancelled
        )
        found = _looks(result, made, timeline, plans, looks or {}, watch)
    except ContractError as error:
        return Audit((*checks, _unreadable(error)), heard)
    return Audit((*checks, *check_looks(timeline, found)), heard, found)


def _looks(
    result: Path,
    made: Probed,
    timeline: Timeline,
    plans: Plans,
    known: Mapping[int, SegmentLook],
    watch: Watch | None,
) -> tuple[SegmentLook, ...]:
    """Look at every segment that is not known, in one pass over the result."""
    _same_form(made, plans.form)
    found = []
    with FrameReader(result, made.info.video, made.packets, limits=RESULT_LIMITS) as reader, plans:
        for number, segment in enumerate(timeline.segments):
            if number in known:
                found.append(known[number])
                continue
            shown = _watched(reader, segment, len(made.packets), watch)
            found.append(look(segment, shown, plans.of(segment), plans.form))
    return tuple(found)


def look_at_segment(
    path: Path,
    segment: Segment,
    spec: EpisodeSpec,
    form: Form,
    footages: Sequence[Footage],
    settings: Settings,
    cancelled: Cancelled = None,
) -> SegmentLook:
    """Look at the file of one segment, as `audit_episode` does at the whole; for its `looks`.

    Args:
        path: the encoded segment.
        segment: what it is.
        spec: the episode.
        form: its form.
        footages: the clips of all scenes of the episode, in order.
        settings: of this machine.
        cancelled: asked often; True stops.

    Raises:
        CancelledError: `cancelled` returned True.
        ContractError: the file does not decode, or has pictures of another size or format.
        SakugaError: a clip cannot be read any more.
    """
    made = probe(path, RESULT_LIMITS)
    _same_form(made, form)
    here = segment.model_copy(update={"first": 0, "last": segment.frames})
    reader = FrameReader(path, made.info.video, made.packets, limits=RESULT_LIMITS)
    with reader, Plans(footages, spec, form, settings, cancelled) as plans:
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
