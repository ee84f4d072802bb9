"""A job that is planned and shared the way a run on a work pool does it, for tests of what follows."""

from pathlib import Path

from prefect import flow

from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.ref import MediaRef
from tasks.chunk import find_chunks
from tasks.handover import share_job
from tasks.job import Job, load_planned
from tasks.planning import plan_job
from tasks.shared import SharedJob
from tasks.source import fetch_source, find_source
from tests.clips import make_clip

SPEC = EnhanceSpec(model="lanczos", chunk_seconds=0.25, preset="ultrafast")
CHUNKS = 4
"""Of a second in quarters, with a keyframe every six frames."""


def quartered_clip(path: Path) -> Path:
    """A second of film that is cut into four chunks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_clip(path, size=(48, 40), options={"g": "6", "sc_threshold": "0", "bf": "0"})


@flow(name="share", persist_result=False)
def planned_and_shared(
    source: str | MediaRef, folder: Path, job_id: str, store: str | None = None, spec: EnhanceSpec = SPEC
) -> tuple[Job, SharedJob, list[int]]:
    """Plan and share a job; the numbers of its chunks come last."""
    job = plan_job(fetch_source(find_source(source, store), store, folder), spec, store, folder)
    find_chunks(job)
    shared = share_job(job, job_id)
    return job, shared, [chunk.index for chunk in load_planned(folder).plan.chunks]
