"""From finished chunks to a result that is proved: assembled, checked, with its pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from prefect.logging import get_run_logger

from sakuga import __version__
from sakuga.enhance.colours import result_colour
from sakuga.media.assemble import Assembly, assemble
from sakuga.media.chunks import VideoTrack
from sakuga.models.registry import model_digest, shown_name
from sakuga.quality.check import Check
from sakuga.quality.checks import check_result
from sakuga.quality.export import export_frames
from sakuga.quality.previews import make_previews
from sakuga.quality.sample import RESULT_LIMITS
from sakuga.settings import load_settings
from tasks.cache import ChunkCache, ChunkRecord
from tasks.channel import current_channel
from tasks.job import Job, load_planned, open_store
from tasks.progress import stage_progress
from tasks.retry import step


@step("assemble")
def assemble_result(job: Job, records: Sequence[ChunkRecord], name: str) -> tuple[Path, Assembly]:
    """Join the chunks with the source's other streams into a file in the run's folder.

    Raises:
        ContractError: the chunks are not what was planned.
        StoreError: a chunk is not in the store any more.
        SubprocessError: ffmpeg failed.
    """
    planned, channel = load_planned(job.folder), current_channel()
    channel.emit("stage", stage="assemble")
    plan, spec = planned.plan, job.spec
    cache = ChunkCache(open_store(job.store))
    track = VideoTrack(
        chunks=tuple(cache.file(record, job.folder) for record in records),
        chunk_frames=tuple(record.frames for record in records),
        times=plan.times,
        time_base=plan.time_base,
        end=plan.end,
        frame_rate=plan.frame_rate,
        size=plan.geometry.output,
        colour=result_colour(planned.info.video, spec),
    )
    output = job.folder / f"result{Path(name).suffix}"
    assembly = assemble(
        job.source.path,
        planned.info,
        track,
        codec=spec.codec,
        container=spec.container,
        audio=spec.audio,
        metadata=_metadata(job, planned.info.metadata),
        output=output,
        scratch=job.folder,
        settings=load_settings(),
        cancelled=channel.cancelled,
    )
    for note in (*assembly.converted, *assembly.left_out):
        get_run_logger().info(
            "Stream %d (%s, %s): %s, %s", note.index, note.kind, note.codec, note.action, note.why
        )
    return output, assembly


def _metadata(job: Job, source: Mapping[str, str]) -> dict[str, str]:
    title = source.get("title") or source.get("TITLE") or Path(job.source.name).stem
    options = job.spec.model_dump(mode="json", exclude_defaults=True)
    options["model"] = shown_name(job.spec.model_choice())
    asked = ", ".join(f"{name}={value}" for name, value in options.items())
    digest = model_digest(job.spec.model_choice())
    return {"title": title, "comment": f"Sakuga {__version__}: {asked}; weights {digest}"}


@step("check")
def check_job(job: Job, result: Path, assembly: Assembly) -> tuple[Check, ...]:
    """Check the result against its source, its plan and what the assembly promised."""
    planned, channel = load_planned(job.folder), current_channel()
    channel.emit("stage", stage="check")
    with stage_progress("check", len(planned.plan.times)) as on_frame:
        checks = check_result(
            job.source.path,
            result,
            planned.info,
            planned.packets,
            planned.plan,
            job.spec,
            assembly,
            load_settings().limits,
            watch=lambda frame: on_frame(frame),
        )
    for check in checks:
        if not check.passed:
            get_run_logger().error(
                "Check %r failed: %s, bound %s; %s", check.name, check.value, check.bound, check.detail
            )
    return checks


@step("previews")
def make_pictures(job: Job, result: Path) -> dict[str, Path]:
    """A poster, a contact sheet and a before/after picture, and the frames as files where asked for."""
    planned, channel = load_planned(job.folder), current_channel()
    channel.emit("stage", stage="previews")
    folder = job.folder / "pictures"
    folder.mkdir(exist_ok=True)
    made = make_previews(
        job.source.path,
        result,
        planned.info,
        planned.packets,
        planned.plan,
        job.spec,
        folder,
        load_settings().limits,
    )
    return {
        "poster": made.poster,
        "contact_sheet": made.contact_sheet,
        "before_after": made.before_after,
    }


@step("export frames")
def export_pngs(job: Job, result: Path, folder: Path) -> Path:
    """Write the result's frames as numbered PNG files into `folder`, whole or not at all."""
    planned, channel = load_planned(job.folder), current_channel()
    channel.emit("stage", stage="frames")
    with stage_progress("frames", len(planned.plan.times)) as on_frame:
        export_frames(result, folder, RESULT_LIMITS, on_frame)
    return folder
