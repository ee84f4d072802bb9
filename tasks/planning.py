"""From a source to the plan of every output frame."""

from pathlib import Path

from prefect.logging import get_run_logger

from sakuga.analysis.cadence import analyse
from sakuga.enhance.automatic import Choice, choose_model
from sakuga.enhance.geometry import geometry
from sakuga.enhance.key import chunk_key
from sakuga.enhance.plan import Plan
from sakuga.enhance.planner import check_request, make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.decode import FrameReader
from sakuga.media.film import Film
from sakuga.media.info import MediaInfo
from sakuga.media.probe import Probed
from sakuga.models.base import AUTO
from sakuga.models.registry import shown_name
from sakuga.settings import load_settings
from tasks.cache import ChunkCache
from tasks.channel import current_channel
from tasks.job import Found, Job, Planned, Source, load_planned, open_store, save_planned
from tasks.probing import probe_once
from tasks.progress import stage_progress
from tasks.retry import step
from tasks.source import called_by_name

BEGUN = 4
"""Chunks that tell with which model a job was begun: they are among the first to be made."""


@step("plan")
def plan_job(
    source: Source, spec: EnhanceSpec, store: str | None, folder: Path, *, alone: bool = True
) -> Job:
    """Probe the source, find out how its frames were made, choose a model, and plan every output frame.

    Args:
        source: the source.
        spec: what the user wants; the job's names the model that was chosen in place of `auto`.
        store: the store of the job.
        folder: the run's own.
        alone: whether this machine makes all chunks.

    Raises:
        InputError: the source or an option is not acceptable.
        DamagedMediaError: the frames that had to be looked at do not decode.
    """
    limits = load_settings().limits
    current_channel().emit("stage", stage="plan")
    with called_by_name(source):
        probed = probe_once(source.path, limits, salvage=spec.salvage)
        info = probed.info
        check_request(info, spec, limits)
        reader = FrameReader(source.path, info.video, probed.packets, limits=limits, salvage=spec.salvage)
        with reader, stage_progress("plan", info.video.frames) as on_frame:
            analysis = analyse(reader, info, probed.packets, spec, on_frame)
            choice = _choice(reader, probed, analysis.track.film, spec, alone=alone)
    plan = make_plan(info, probed.packets, analysis.track, spec, limits)
    if choice and alone:
        choice = choice.begun_with(_begun_with(choice, source, info, plan, spec, store))
    if choice:
        spec = spec.model_copy(update={"model": choice.model})
    found = Found(
        info=info,
        reason=analysis.reason,
        chosen=choice.reason if choice else "",
        truncated=probed.truncated,
        lost_frames=probed.lost_frames,
    )
    save_planned(Planned(found, probed.packets, plan), folder)
    load_planned(folder)
    _announce(plan, found, spec)
    return Job(source=source, spec=spec, folder=folder, store=store)


def _choice(
    reader: FrameReader, probed: Probed, film: Film, spec: EnhanceSpec, *, alone: bool
) -> Choice | None:
    """The model for what the video shows; None where the user has named one."""
    if spec.model != AUTO:
        return None
    video = probed.info.video
    return choose_model(
        reader,
        probed.packets,
        video,
        film,
        geometry(video, spec, load_settings().limits).output,
        spec.fps,
        spec.precision,
        alone=alone,
        on_look=current_channel().check,
    )


def _announce(plan: Plan, found: Found, spec: EnhanceSpec) -> None:
    width, height = plan.geometry.output
    for sentence in filter(None, (found.reason, found.chosen)):
        get_run_logger().info("%s", sentence)
    get_run_logger().info("%d frames of %dx%d in %d chunks", len(plan.times), width, height, len(plan.chunks))
    current_channel().emit(
        "planned",
        frames=len(plan.times),
        chunks=len(plan.chunks),
        size=[width, height],
        frame_rate=str(plan.frame_rate) if plan.frame_rate else None,
        found=found.reason,
        model=shown_name(spec.model_choice()),
        chosen=found.chosen,
    )


def _begun_with(
    choice: Choice, source: Source, info: MediaInfo, plan: Plan, spec: EnhanceSpec, store: str | None
) -> str:
    """The model of an earlier try of the job, perhaps on a faster machine; else the chosen one."""
    cache = ChunkCache(open_store(store))
    for name in (choice.model, *choice.sizes):
        tried = spec.model_copy(update={"model": name})
        keys = (chunk_key(source.sha256, info, plan, chunk, tried) for chunk in plan.chunks[:BEGUN])
        if any(cache.find(key) for key in keys):
            return name
    return choice.model
