"""The parts of an episode: its segments, made here or over a work pool, and the sounds of its scenes."""

from collections.abc import Mapping
from contextlib import ExitStack

from prefect import unmapped

from flows.dispatch import Dispatch, spread
from sakuga.settings import load_settings
from tasks.artifacts import ProgressArtifact
from tasks.channel import current_channel
from tasks.episode import (
    EpisodeJob,
    Parts,
    SegmentRecord,
    SoundRecord,
    find_parts,
    load_plan,
    make_segment,
    make_sound,
)
from tasks.episode_handover import share_episode
from tasks.gather import gather, settle_all
from tasks.job import Source
from tasks.progress import Progress
from tasks.scratch import noted_keys
from tasks.spread import PoolWork
from tasks.table import PartTable


def make_parts(
    job: EpisodeJob, dispatch: Dispatch, sources: Mapping[str, Source], ending: ExitStack
) -> tuple[Parts, Parts]:
    """All segments and sounds; and those of them that were there already.

    Args:
        job: the episode.
        dispatch: `local` makes segments in this process, `pool` by runs on a work pool; sounds are always
            made here.
        sources: its clips by digest.
        ending: gets what is to be done when the run has ended.

    Raises:
        CancelledError: the run was asked to stop; finished parts are kept.
        SakugaError: a part could not be made.
    """
    plan, cached = load_plan(job.folder), find_parts(job)
    silent = [index for index in range(len(plan.footages)) if index not in cached.sounds]
    current_channel().emit("stage", stage="render")
    # both at once: sound is little work, and waits for no picture
    futures = make_sound.map(unmapped(job), silent) if silent else None
    try:
        made = _segments(job, cached.segments, dispatch, sources, ending)
    except BaseException:
        if futures is not None:
            settle_all(futures)
        raise
    sounds: dict[int, SoundRecord] = {}
    if futures is not None:
        sounds = gather(SoundRecord, futures, silent, what="sound")
    return Parts(segments=cached.segments | made, sounds=cached.sounds | sounds), cached


def _segments(
    job: EpisodeJob,
    cached: Mapping[int, SegmentRecord],
    dispatch: Dispatch,
    sources: Mapping[str, Source],
    ending: ExitStack,
) -> dict[int, SegmentRecord]:
    """The segments that are not there yet."""
    plan = load_plan(job.folder)
    missing = [index for index in range(len(plan.timeline.segments)) if index not in cached]
    done = sum(record.frames for record in cached.values())
    progress = Progress("render", plan.timeline.frames, done)
    artifact = ProgressArtifact(progress, plan.spec.title)
    made: dict[int, SegmentRecord] = {}
    if dispatch == "pool":
        work = segment_work(job, missing, sources, progress)
        table = PartTable(work.name, work.frames, work.what)
        for index, record in cached.items():
            table.record(index, record, kept=True)

        def watch() -> None:
            artifact.update()
            table.update()

        try:
            made = spread(work, missing, progress, table, watch, ending)
        finally:
            table.finish()
    elif missing:
        futures = make_segment.map(unmapped(job), missing, unmapped(progress))
        made = gather(SegmentRecord, futures, missing, artifact.update, "segment")
    artifact.finish()
    return made


def segment_work(
    job: EpisodeJob, missing: list[int], sources: Mapping[str, Source], progress: Progress
) -> PoolWork[SegmentRecord]:
    """Segments of an episode, for a work pool.

    Args:
        job: the episode; its folder holds its plan and the keys of its parts, segments first.
        missing: numbers of the segments that are to be made.
        sources: its clips by digest.
        progress: is told which frames are done.
    """
    plan = load_plan(job.folder)
    return PoolWork(
        kind=SegmentRecord,
        what="segment",
        stage="render",
        name=plan.spec.title,
        store=job.store,
        deployment=load_settings().farm.segments_deployment,
        keys=noted_keys(job.folder),
        frames={index: segment.frames for index, segment in enumerate(plan.timeline.segments)},
        share=lambda run: share_episode(job, plan.spec.title, sources, missing, run),
        make_here=lambda index: make_segment.submit(job, index, progress),
    )
