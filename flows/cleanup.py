"""Remove what is not needed any more: from a store, and from the machine that runs this."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from pydantic import Field

from blocks.stores import MediaStore
from flows.forms import titled
from sakuga.media.info import Frozen
from sakuga.settings import Settings, load_settings
from tasks.cache import prune
from tasks.failure import said_plainly
from tasks.job import open_store
from tasks.leftovers import chunks_of_living, job_folders, remove_ended
from tasks.scratch import keys_in_use, remove_dead, run_folder
from tasks.shared import JOBS
from tasks.source_cache import clean_sources

SAFE_AGE = timedelta(days=1)
"""Folders of jobs, and parts of files, that were written within this time stay whatever their runs say."""


class Cleaned(Frozen):
    """What was removed and what was kept; sizes are in bytes."""

    chunks: int
    chunk_bytes: int
    kept_chunks: int
    kept_chunk_bytes: int
    jobs: int
    job_bytes: int
    living_jobs: int
    scratch_folders: int
    sources: int
    source_bytes: int
    parts: int

    def to_markdown(self, place: str) -> str:
        """A table for people."""
        rows = (
            ("Finished chunks, too old or too many", self.chunks, self.chunk_bytes),
            ("Folders of ended jobs", self.jobs, self.job_bytes),
            ("Parts of files that were never finished", self.parts, None),
            ("Fetched sources of this machine", self.sources, self.source_bytes),
            ("Folders of killed runs of this machine", self.scratch_folders, None),
        )
        lines = [
            f"Cleaned up {place} and the machine that ran this.",
            "",
            "| what | removed | MB |",
            "|---|--:|--:|",
        ]
        lines += [f"| {what} | {count} | {_megabytes(size)} |" for what, count, size in rows]
        kept = f"Kept: {self.kept_chunks} chunks ({_megabytes(self.kept_chunk_bytes)} MB)"
        return "\n".join([*lines, "", f"{kept}; {self.living_jobs} jobs are at work."])


def _run_name() -> str:
    return f"clean up {flow_run.parameters.get('store') or 'the store of this machine'}"


@flow(name="cleanup", flow_run_name=_run_name, persist_result=False)
@said_plainly
def cleanup(
    store: Annotated[str | None, titled("Store")] = None,
    max_age_days: Annotated[float | None, Field(ge=0), titled("Age of chunks")] = None,
    max_gigabytes: Annotated[float | None, Field(ge=0), titled("Size of chunks")] = None,
) -> Cleaned:
    """Remove old chunks, what ended jobs have left, and what killed runs have left on this machine.

    What a living run needs stays, and so does everything that was used within the last hour.

    Args:
        store: A media store block, as `type/name`; empty is the folder of this machine.
        max_age_days: Days since a finished chunk was last used; empty is the setting of this machine.
        max_gigabytes: Size of all finished chunks together, in GB; empty is the setting of this machine.

    Returns:
        What was removed.

    Raises:
        OptionError: there is no such store.
        StoreError: the store cannot be read or written.
        FarmError: Prefect's server does not answer.
    """
    settings = load_settings()
    age = settings.cache.max_age_days if max_age_days is None else max_age_days
    size = settings.cache.max_bytes if max_gigabytes is None else round(max_gigabytes * 1e9)
    cleaned = _clean(open_store(store), settings, timedelta(days=age), size)
    text = cleaned.to_markdown(store or "the store of this machine")
    create_markdown_artifact(text, key="cleanup", description="What the clean-up removed.")
    get_run_logger().info("%s", text)
    return cleaned


def _clean(store: MediaStore, settings: Settings, max_age: timedelta, max_bytes: int) -> Cleaned:
    safe = datetime.now(UTC) - SAFE_AGE
    dead = remove_dead(settings.scratch_root)
    sources, source_bytes = clean_sources(settings.scratch_root, settings.farm.source_bytes)
    with run_folder(settings.scratch_root) as scratch:
        jobs = job_folders(store)
        living = chunks_of_living(store, jobs, scratch)
    parts = sum(store.sweep(folder, older_than=safe) for folder in (JOBS, "results"))
    ended, ended_bytes = remove_ended(store, jobs, safe)
    in_use = living | keys_in_use(settings.scratch_root)
    pruned = prune(store, max_bytes=max_bytes, max_age=max_age, in_use=in_use)
    return Cleaned(
        chunks=pruned.removed,
        chunk_bytes=pruned.removed_bytes,
        kept_chunks=pruned.left,
        kept_chunk_bytes=pruned.left_bytes,
        jobs=ended,
        job_bytes=ended_bytes,
        living_jobs=sum(job.alive for job in jobs),
        scratch_folders=dead,
        sources=sources,
        source_bytes=source_bytes,
        parts=parts,
    )


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.1f}"
