"""From finished parts of an episode to a file that is proved: joined, checked, with pictures and report."""

from collections.abc import Sequence
from pathlib import Path

from prefect.logging import get_run_logger

from sakuga import __version__
from sakuga.episode.assembly import Assembled, assemble_episode
from sakuga.episode.audit import Audit, audit_episode
from sakuga.episode.cover import make_cover
from sakuga.episode.mix import Mixed
from sakuga.episode.report import EpisodeReport, EpisodeWork, build_report
from sakuga.episode.sheet import scene_sheet
from sakuga.episode.waveform import draw_waveform
from sakuga.media.probe import probe
from sakuga.media.ref import file_digest
from sakuga.quality.report import Stage, file_facts
from sakuga.quality.sample import RESULT_LIMITS
from sakuga.settings import load_settings
from tasks.cache import PartCache
from tasks.channel import current_channel
from tasks.episode import EpisodeJob, SegmentRecord, load_plan, segment_cache
from tasks.progress import stage_progress
from tasks.retry import patiently, step


@step("join")
def join_episode(
    job: EpisodeJob, segments: Sequence[SegmentRecord], mixed: Mixed, name: str
) -> tuple[Path, Assembled]:
    """Join the segments with sound, chapters, subtitles and cover into a file in the run's folder.

    Raises:
        ContractError: the parts are not what was planned.
        StoreError: a part is not in the store any more.
    """
    plan, channel, cache = load_plan(job.folder), current_channel(), segment_cache(job)
    channel.emit("stage", stage="assemble")
    files = [_local(cache, record, job.folder) for record in segments]
    time, cover = plan.spec.output.cover, None
    if time is not None:
        cover = make_cover(files, plan.timeline, plan.form, time, job.folder / "cover.jpg")
    output = job.folder / f"result{Path(name).suffix}"
    made = assemble_episode(
        files,
        plan.timeline,
        plan.form,
        sound=mixed.path,
        subtitles=plan.subtitles,
        cover=cover,
        metadata={"title": plan.spec.title, "comment": f"Sakuga {__version__}"},
        output=output,
        scratch=job.folder,
        settings=load_settings(),
        cancelled=channel.cancelled,
        # segments of one encoder were decoded one by one; where others follow, decoders have to follow too
        decode=any(record.copied for record in segments),
    )
    return output, made


def _local(cache: PartCache[SegmentRecord], record: SegmentRecord, folder: Path) -> Path:
    return patiently(lambda: cache.file(record, folder))


@step("check episode")
def check_result(job: EpisodeJob, result: Path, segments: Sequence[SegmentRecord], mixed: Mixed) -> Audit:
    """Check the episode against its plan, its clips and its mix; its segments were looked at when made."""
    plan = load_plan(job.folder)
    current_channel().emit("stage", stage="check")
    with stage_progress("check", plan.timeline.frames) as on_frame:
        audit = audit_episode(
            result,
            plan.spec,
            plan.timeline,
            plan.form,
            plan.footages,
            mixed,
            load_settings(),
            looks={index: record.look for index, record in enumerate(segments)},
            watch=lambda frame: on_frame(frame),
            cancelled=current_channel().cancelled,
        )
    for check in audit.checks:
        if not check.passed:
            get_run_logger().error(
                "Check %r failed: %s, bound %s; %s", check.name, check.value, check.bound, check.detail
            )
    return audit


@step("pictures")
def draw_pictures(job: EpisodeJob, result: Path, audit: Audit) -> dict[str, Path]:
    """A contact sheet with a picture of each scene, and the waveform with the loudness over time."""
    plan = load_plan(job.folder)
    current_channel().emit("stage", stage="previews")
    made = {
        "contact_sheet": scene_sheet(result, plan.spec.title, plan.timeline, job.folder / "contact-sheet.png")
    }
    if audit.heard is not None:
        made["waveform"] = draw_waveform(
            audit.heard, plan.timeline, plan.spec.output, job.folder / "waveform.png"
        )
    return made


@step("report")
def episode_report(
    job: EpisodeJob,
    result: Path,
    name: str,
    mixed: Mixed,
    joined: Assembled,
    work: EpisodeWork,
    stages: Sequence[Stage],
    audit: Audit,
) -> EpisodeReport:
    """What the episode is made of, what was done, and what was proved."""
    plan = load_plan(job.folder)
    sha256, size = file_digest(result)
    notes = (*plan.notes, *joined.notes)
    for note in (*notes, *mixed.notes):
        current_channel().emit("note", text=note)
    return build_report(
        spec=plan.spec,
        timeline=plan.timeline,
        footages=plan.footages,
        result=file_facts(name, size, sha256, probe(result, RESULT_LIMITS).info),
        mixed=mixed,
        work=work,
        stages=stages,
        checks=audit.checks,
        notes=notes,
    )
