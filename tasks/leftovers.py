"""What ended jobs have left in a store, and what living ones still need there."""

import json
import logging
import zipfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import UUID

from pydantic import TypeAdapter

from blocks.stores import MediaStore
from sakuga.errors import OptionError, StoreError
from sakuga.media.info import Frozen
from tasks.handover import MANIFEST, remove_job
from tasks.runs import read_runs
from tasks.scratch import KEYS
from tasks.shared import JOBS, SharedEpisode, SharedJob, job_key

_SHARED: TypeAdapter[SharedJob | SharedEpisode] = TypeAdapter(SharedJob | SharedEpisode)
_logger = logging.getLogger("sakuga.cleanup")


class JobFolder(Frozen):
    """A job's folder in a store: its size in bytes, when it was last written, whether its run lives."""

    id: str
    size: int
    used: datetime
    alive: bool


def job_folders(store: MediaStore) -> list[JobFolder]:
    """All jobs that share files in a store.

    Raises:
        StoreError: the store cannot be read.
        FarmError: Prefect's server does not answer.
    """
    sizes: dict[str, int] = {}
    used: dict[str, datetime] = {}
    for file in store.files(JOBS):
        id_ = file.key.split("/")[1]
        sizes[id_] = sizes.get(id_, 0) + file.size
        used[id_] = max(file.used, used.get(id_, file.used))
    alive = _living(sizes)
    return [JobFolder(id=id_, size=sizes[id_], used=used[id_], alive=id_ in alive) for id_ in sorted(sizes)]


def remove_ended(store: MediaStore, jobs: Iterable[JobFolder], older_than: datetime) -> tuple[int, int]:
    """Remove the folders of jobs whose run has ended, or is not known, and that were not written since.

    Returns:
        How many were removed, and their size in bytes.

    Raises:
        StoreError: the store cannot be written.
    """
    removed = removed_bytes = 0
    for job in jobs:
        if job.alive or job.used >= older_than:
            continue
        try:
            remove_job(store, job.id)
        except OptionError:
            _logger.warning("%r is no folder of a job; it is left.", f"{JOBS}/{job.id}")
            continue
        removed, removed_bytes = removed + 1, removed_bytes + job.size
    return removed, removed_bytes


def chunks_of_living(store: MediaStore, jobs: Iterable[JobFolder], scratch: Path) -> frozenset[str]:
    """Keys of the chunks that living jobs need.

    Raises:
        StoreError: the store cannot be read, or a plan in it is damaged.
        DiskFullError: there is no room for a copy of a plan.
    """
    keys: set[str] = set()
    for job in jobs:
        content = store.read(job_key(job.id, MANIFEST)) if job.alive else None
        if content is None:
            continue
        archive = scratch / "plan.zip"
        try:
            shared = _SHARED.validate_json(content)
            store.fetch(shared.plan, archive)
            with zipfile.ZipFile(archive) as pack:
                keys.update(json.loads(pack.read(KEYS)))
        except StoreError:
            # a job that has ended meanwhile took its files along
            if store.stat(job_key(job.id, MANIFEST)):
                raise
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise StoreError(
                f"The job {job.id} in {store.location(JOBS)!r} is damaged; cancel its run and retry."
            ) from error
        finally:
            archive.unlink(missing_ok=True)
    return frozenset(keys)


def _living(ids: Iterable[str]) -> frozenset[str]:
    wanted = []
    for id_ in ids:
        try:
            wanted.append(UUID(id_))
        except ValueError:
            # not of a run, so nobody is at it
            continue
    runs = read_runs(wanted)
    return frozenset(id_ for id_, run in runs.items() if run.state and not run.state.is_final())
