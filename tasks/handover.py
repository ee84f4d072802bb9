"""Handing a job to the workers of a pool: what they share lies in the store; see `tasks.shared`."""

import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from prefect.logging import get_run_logger
from pydantic import BaseModel, ValidationError

from blocks.files import local_errors
from blocks.stores import MediaStore
from sakuga.errors import OptionError, StoreError
from sakuga.media.ref import MediaRef
from tasks.channel import current_channel
from tasks.job import PLANNED, Job, Source, open_store
from tasks.retry import step
from tasks.scratch import KEYS
from tasks.shared import JOBS, Lease, Shared, SharedJob, UnitReport, job_key
from tasks.source_cache import local_source, safe_suffix

T = TypeVar("T", bound=BaseModel)
S = TypeVar("S", bound=Shared)

MANIFEST = "job.json"
PLAN = "plan.zip"
LEASE = "lease.json"

MEMBERS = (*PLANNED, KEYS)
"""All that an archive of a plan holds; other names in one are never looked at."""

MAX_MEMBER_BYTES = 4 << 30
"""Size of one file of a plan, unpacked: the longest source that is allowed stays far below it."""


@step("share job")
def share_job(job: Job, job_id: str) -> SharedJob:
    """Put what workers need for a job into its store; the job's folder holds its plan and its chunk keys.

    What an earlier try of the same job has left there is used again.

    Raises:
        StoreError: the store could not be written; worth another try.
        DiskFullError: no room is left.
    """
    current_channel().check()
    store = open_store(job.store)
    store.prepare()
    source = job.source.ref or _share_source(store, job.source, job_id)
    archive = pack(job.folder, {name: job.folder / name for name in MEMBERS})
    try:
        plan = store.put(archive, job_key(job_id, PLAN))
    finally:
        archive.unlink(missing_ok=True)
    shared = SharedJob(id=job_id, source=source, name=job.source.name, spec=job.spec, plan=plan)
    # last: where it is, all that it names is there too
    store.write(job_key(job_id, MANIFEST), shared.model_dump_json().encode())
    get_run_logger().info("The job is ready for workers in %s", store.location(f"{JOBS}/{job_id}"))
    return shared


@step("fetch job")
def fetch_shared(job_id: str, store: str | None, folder: Path) -> tuple[Job, SharedJob]:
    """The job that another run has shared, as files of this machine; all of it is verified.

    Args:
        job_id: id of the job.
        store: the media store block that it was shared in.
        folder: this run's own; it gets the plan and the chunk keys.

    Raises:
        StoreError: the job is not in the store, or not what it was; worth another try.
        DiskFullError: no room is left for it.
    """
    current_channel().check()
    opened = open_store(store)
    shared = read_shared(opened, job_id, SharedJob)
    unpack(opened.fetch(shared.plan, folder / PLAN), folder, MEMBERS)
    path = local_source(opened, shared.source, folder, shared.name)
    source = Source(
        path=path,
        name=shared.name,
        sha256=shared.source.sha256,
        size=shared.source.size,
        ref=shared.source,
    )
    return Job(source=source, spec=shared.spec, folder=folder, store=store), shared


def read_shared(store: MediaStore, job_id: str, kind: type[S]) -> S:
    """What a job of some kind has shared.

    Raises:
        StoreError: it is not in the store, or damaged.
    """
    shared = _read(store, job_key(job_id, MANIFEST), kind)
    if shared is None or shared.id != job_id:
        raise StoreError(
            f"There is no job {job_id} in {store.location(JOBS)!r}; it has ended, or the worker and the job "
            "do not use the same store."
        )
    return shared


def write_lease(store: MediaStore, job_id: str, lease: Lease) -> None:
    """Give a sign of life of a job.

    Raises:
        StoreError: the store could not be written.
    """
    store.write(job_key(job_id, LEASE), lease.model_dump_json().encode())


def read_lease(store: MediaStore, job_id: str) -> Lease | None:
    """The last sign of life of a job, None when there is none.

    Raises:
        StoreError: the store could not be read.
    """
    return _read(store, job_key(job_id, LEASE), Lease)


def write_report(store: MediaStore, job_id: str, report: UnitReport) -> bool:
    """Say what a unit came to; False, and nothing is written, when its job is not in the store any more.

    Raises:
        StoreError: the store could not be written.
    """
    if store.stat(job_key(job_id, MANIFEST)) is None:
        return False
    store.write(_report_key(job_id, report.unit), report.model_dump_json().encode())
    return True


def read_report(store: MediaStore, job_id: str, unit: str) -> UnitReport | None:
    """What a unit came to, None when it has not said so.

    Raises:
        StoreError: the store could not be read.
    """
    return _read(store, _report_key(job_id, unit), UnitReport)


def remove_job(store: MediaStore, job_id: str) -> None:
    """Remove what the runs of a job shared; finished chunks stay.

    Raises:
        StoreError: the store could not be written.
    """
    # first: nobody begins with a job that is half gone, and no report is written for it
    store.remove(job_key(job_id, MANIFEST))
    for file in list(store.files(f"{JOBS}/{job_id}")):
        store.remove(file.key)
    for name in ("units", "files", ""):
        if folder := store.local_path(job_key(job_id, name).rstrip("/")):
            with suppress(OSError):
                folder.rmdir()


def _share_source(store: MediaStore, source: Source, job_id: str) -> MediaRef:
    key = job_key(job_id, f"source{safe_suffix(source.name)}")
    ref = MediaRef(uri=key, sha256=source.sha256, size=source.size)
    # a key gets its file whole or not at all, and the id of a run belongs to one source
    if store.exists(ref):
        return ref
    return store.share(source.path, ref)


def pack(folder: Path, members: Mapping[str, Path]) -> Path:
    """An archive of files in a run's folder, under the names that they are to have.

    Raises:
        DiskFullError: no room is left.
        StoreError: it cannot be written.
    """
    archive = folder / PLAN
    with (
        local_errors(archive),
        zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
    ):
        for name, file in members.items():
            packed.write(file, name)
    return archive


def unpack(archive: Path, folder: Path, members: Iterable[str]) -> None:
    """Take the files of these names out of an archive, and remove it; other names in it are not looked at.

    Raises:
        StoreError: it is damaged, or too large.
        DiskFullError: no room is left.
    """
    with local_errors(archive):
        try:
            with zipfile.ZipFile(archive) as packed:
                for name in members:
                    if packed.getinfo(name).file_size > MAX_MEMBER_BYTES:
                        raise StoreError(f"The plan of the job is too large ({name}); start the job again.")
                    with packed.open(name) as member, (folder / name).open("wb") as file:
                        shutil.copyfileobj(member, file)
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            raise StoreError(f"The plan of the job is damaged ({error}); start the job again.") from error
        archive.unlink()


def _report_key(job_id: str, unit: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", unit):
        raise OptionError(f"{unit!r} is no name of a unit.")
    return job_key(job_id, f"units/{unit}.json")


def _read(store: MediaStore, key: str, kind: type[T]) -> T | None:
    content = store.read(key)
    if content is None:
        return None
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise StoreError(f"{store.location(key)!r} is damaged, or of another version of Sakuga.") from error
