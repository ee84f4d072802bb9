"""From a source to the plan of every output frame."""

from pathlib import Path

from prefect.logging import get_run_logger

from sakuga.analysis.cadence import analyse
from sakuga.enhance.planner import check_request, make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.decode import FrameReader
from sakuga.settings import load_settings
from tasks.channel import current_channel
from tasks.job import Found, Job, Planned, Source, load_planned, save_planned
from tasks.probing import probe_once
from tasks.progress import stage_progress
from tasks.retry import step
from tasks.source import called_by_name


@step("plan")
def plan_job(source: Source, spec: EnhanceSpec, store: str | None, folder: Path) -> Job:
    """Probe the source, find out how its frames were made, and plan every output frame.

    Raises:
        InputError: the source or an option is not acceptable.
        DamagedMediaError: the frames that had to be looked at do not decode.
    """
    settings = load_settings()
    limits, channel, logger = settings.limits, current_channel(), get_run_logger()
    channel.emit("stage", stage="plan")
    with called_by_name(source):
        probed = probe_once(source.path, limits, salvage=spec.salvage)
        info = probed.info
        check_request(info, spec, limits)
        reader = FrameReader(source.path, info.video, probed.packets, limits=limits, salvage=spec.salvage)
        with reader, stage_progress("plan", info.video.frames) as on_frame:
            analysis = analyse(reader, info, probed.packets, spec, on_frame)
    logger.info("%s", analysis.reason)
    plan = make_plan(info, probed.packets, analysis.track, spec, limits)
    found = Found(
        info=info, reason=analysis.reason, truncated=probed.truncated, lost_frames=probed.lost_frames
    )
    save_planned(Planned(found, probed.packets, plan), folder)
    load_planned(folder)
    width, height = plan.geometry.output
    logger.info("%d frames of %dx%d in %d chunks", len(plan.times), width, height, len(plan.chunks))
    channel.emit(
        "planned",
        frames=len(plan.times),
        chunks=len(plan.chunks),
        size=[width, height],
        frame_rate=str(plan.frame_rate) if plan.frame_rate else None,
        found=analysis.reason,
    )
    return Job(source=source, spec=spec, folder=folder, store=store)
