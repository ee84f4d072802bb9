"""Make some segments of an episode that another run planned, on a machine of a work pool."""

import time
from pathlib import Path
from typing import Annotated

from prefect import flow, unmapped
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from pydantic import Field

from flows.forms import titled
from flows.threads import chunk_threads
from flows.unit_run import errors_renamed, gather_unit, run_unit
from sakuga.settings import load_settings
from tasks.episode import SegmentRecord, find_some_segments, load_plan, make_segment
from tasks.episode_handover import fetch_episode, fetch_files
from tasks.progress import Progress
from tasks.scratch import run_folder
from tasks.shared import UnitReport
from tasks.unit import Unit, name_source


@flow(name="episode-segments", task_runner=chunk_threads(), persist_result=False)
def episode_segments(
    job: Annotated[str, titled("Job")],
    segments: Annotated[list[int], Field(min_length=1), titled("Segments")],
    unit: Annotated[str, titled("Unit")],
    store: Annotated[str | None, titled("Store")] = None,
    deadline: Annotated[float | None, Field(gt=0), titled("Deadline")] = None,
) -> UnitReport | State[UnitReport]:
    """Make some segments of an episode. **Not to be started by hand**: runs of `episode` start it as needed.

    The plan and the clips come from the store; finished segments go into it. The run ends by itself when the
    episode's run has ended or gives no sign of life.

    Args:
        job: Id of the run of `episode` that gives out this work.
        segments: Numbers of the segments, in the order to make them.
        unit: Name of this piece of work in its job.
        store: The media store block that the episode is shared in, as `type/name`.
        deadline: Seconds from its start after which the run gives back what it has not done.

    Returns:
        What the unit came to, the same as its report in the store; or the state `Cancelled`.

    Raises:
        SakugaError: a segment could not be made, or the unit could not be begun.
    """
    parts = tuple(dict.fromkeys(segments))
    work: Unit[SegmentRecord] = Unit(job=job, name=unit, parts=parts, what="segment")
    return run_unit(work, store, deadline, lambda: _make_segments(work, store))


def _make_segments(work: Unit[SegmentRecord], store: str | None) -> None:
    with run_folder(load_settings().scratch_root) as folder:
        job, shared = fetch_episode(work.job, store, folder)
        get_run_logger().info("%d segments of %s", len(work.parts), shared.name)
        work.found = find_some_segments(job, work.parts)
        clips = fetch_files(job, shared, work.missing)
        line = load_plan(job.folder).timeline
        progress = Progress("render", sum(line.segments[index].frames for index in work.missing))
        work.working = time.monotonic()
        names = {path: shared.clips[digest].name for digest, path in clips.items()}
        with errors_renamed(work, lambda error: _by_name(error, names)):
            futures = make_segment.map(unmapped(job), work.missing, unmapped(progress))
            gather_unit(SegmentRecord, work, futures)


def _by_name(error: BaseException, names: dict[Path, str]) -> None:
    for path, name in names.items():
        name_source(error, path, name)
