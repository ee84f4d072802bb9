"""What the runs of one job share over a work pool: files of a folder in the media store.

    jobs/<id>/job.json            the job: source, spec, where the plan is; written last
    jobs/<id>/plan.zip            the plan, the packet index and the keys of all chunks
    jobs/<id>/source.<suffix>     the source, where it is not in the store already
    jobs/<id>/files/<sha256>      clips and fonts of an episode, where they are not in the store already
    jobs/<id>/lease.json          a sign of life of the job's own run, renewed several times a minute
    jobs/<id>/units/<unit>.json   what a unit came to, written by the run that worked on it when it ends

Finished chunks are not here: they are in the cache, under their keys. `<id>` is the id of the job's flow
run, so a run that is tried again finds what it has left.
"""

import re
from typing import Literal

from pydantic import Field

from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError
from sakuga.media.info import Frozen
from sakuga.media.ref import MediaRef

JOBS = "jobs"
TAG = "sakuga-job:"
"""Before a job's id: the tag of all runs that work for it."""


class Shared(Frozen):
    """A job as its workers see it."""

    id: str
    name: str
    """What people call the source."""
    plan: MediaRef
    """The archive of the plan."""


class SharedJob(Shared):
    """A video whose chunks are made."""

    source: MediaRef
    spec: EnhanceSpec


class SharedFile(Frozen):
    """A file of an episode, under the name that people know it by."""

    ref: MediaRef
    name: str


class SharedEpisode(Shared):
    """An episode whose segments are made; its files are named by their SHA-256 in hexadecimal."""

    clips: dict[str, SharedFile]
    fonts: dict[str, SharedFile]


class Lease(Frozen):
    """A sign of life: `count` grows with each renewal. Clocks of two machines are never compared."""

    count: int = Field(ge=0)
    run_count: int = Field(ge=0)
    """Which try of the job's run this is."""


class Failure(Frozen):
    """Why a chunk, or a whole unit, was not made."""

    error: str
    """Name of the class in `sakuga.errors`, or of another exception."""
    message: str
    retryable: bool


End = Literal["done", "failed", "cancelled", "deadline", "orphaned"]


class UnitReport(Frozen):
    """What a unit came to.

    `done` chunks are in the cache; what is in neither `done` nor `failed` was not begun or not finished.
    `orphaned` means that the job had ended, or gave no sign of life. `frames` were computed by this run
    itself, in `seconds`, so their ratio is the speed of its worker.
    """

    unit: str
    worker: str
    end: End
    done: tuple[int, ...]
    failed: dict[int, Failure]
    failure: Failure | None = None
    """Of the unit as a whole, where it did not come to its chunks."""
    frames: int
    seconds: float


def job_key(job: str, name: str) -> str:
    """Key of a file of a job in the store.

    Raises:
        OptionError: that is no id of a job.
    """
    if not re.fullmatch(r"[0-9a-f-]{8,64}", job):
        raise OptionError(f"{job!r} is no id of a job.")
    return f"{JOBS}/{job}/{name}"
