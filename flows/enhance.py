"""Enhance a video: probe, plan, enhance each chunk, assemble, check, publish."""

import time
from pathlib import Path
from typing import Any

from prefect import flow, unmapped
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError, QualityError
from sakuga.media.info import Frozen
from sakuga.media.ref import MediaRef
from sakuga.settings import load_settings
from tasks.artifacts import ProgressArtifact, publish_artifacts
from tasks.cache import ChunkRecord
from tasks.channel import open_channel
from tasks.chunk import enhance_chunk, find_chunks
from tasks.destination import Destination, choose_destination
from tasks.finish import assemble_result, check_job, export_pngs, make_pictures
from tasks.gather import gather_chunks
from tasks.job import Job, load_planned
from tasks.model import fetch_model
from tasks.planning import plan_job
from tasks.progress import Progress
from tasks.publish import publish
from tasks.report import job_report
from tasks.scratch import run_folder
from tasks.source import fetch_source
from tasks.stopwatch import Stopwatch


class Outcome(Frozen):
    """What a finished job left; places are paths, or addresses in a store."""

    result: str
    ref: MediaRef
    report: str
    previews: dict[str, str]
    frames: int
    chunks: int
    cached_chunks: int
    computed: int
    reused: int
    concealed: int
    seconds: float
    checks: int


def _workers() -> int:
    try:
        return load_settings().workers
    except OptionError:
        # said again, and better, when a job starts
        return 1


def _run_name() -> str:
    source = flow_run.parameters.get("source", "")
    uri = getattr(source, "uri", None) or (source.get("uri") if isinstance(source, dict) else source)
    return f"enhance {Path(str(uri)).name}"


@flow(
    name="enhance",
    flow_run_name=_run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=_workers()),  # type: ignore[arg-type]
    persist_result=False,
)
def enhance(
    source: str | MediaRef,
    spec: EnhanceSpec = EnhanceSpec(),  # noqa: B008 - immutable, and the UI shows its fields
    output: str | None = None,
    store: str | None = None,
    overwrite: bool = False,
) -> Outcome:
    """Make a video larger and cleaner, exactly as long as it was.

    Args:
        source: A video file of the machine that runs this, or a reference to one in the store.
        spec: What the result is to be.
        output: File or folder for the result; empty is beside the source, or in the store if one is named.
        store: A media store block, as `type/name`; empty uses the folder of this machine.
        overwrite: Replace a result of the same name.

    Returns:
        Where everything is, and what it took.

    Raises:
        InputError: the source or an option is not acceptable.
        QualityError: the result failed a check; it is kept under a name that says so.
        CancelledError: the job was asked to stop; finished chunks are kept.
        SakugaError: anything else that went wrong.
    """
    settings = load_settings()
    clock = Stopwatch()
    with open_channel(), run_folder(settings.scratch_root) as folder:
        destination = _destination(source, spec, output, store, overwrite)
        with clock("read"):
            local = fetch_source(source, store, folder)
        with clock("plan"):
            job = plan_job(local, spec, store, folder)
        with clock("model"):
            fetch_model(spec)
        with clock("enhance"):
            records, cached = _enhance_chunks(job)
        with clock("assemble"):
            result, assembly = assemble_result(job, records, destination.name)
        with clock("check"):
            checks = check_job(job, result, assembly)
        with clock("previews"):
            pictures = make_pictures(job, result)
        report = job_report(job, result, assembly, records, cached, checks, clock.stages, destination.name)
        if spec.frames and destination.folder:
            export_pngs(job, result, destination.folder / f"{destination.stem}.frames")
        places = publish(job, destination, result, report, pictures, overwrite=overwrite)
        publish_artifacts(report, places)
        if not report.passed:
            names = ", ".join(check.name for check in report.failed)
            raise QualityError(f"The result failed a check ({names}); it is kept as {places['result']!r}.")
        return _outcome(places, records, cached, len(checks), clock)


def _destination(
    source: str | MediaRef, spec: EnhanceSpec, output: str | None, store: str | None, overwrite: bool
) -> Destination:
    """Where the result goes; refused here when the name is taken, before any work."""
    local = None if isinstance(source, MediaRef) else Path(source).expanduser().absolute()
    name = source.uri if isinstance(source, MediaRef) else Path(source).name
    return choose_destination(
        local, name, spec.container, output, in_store=store is not None, overwrite=overwrite
    )


def _enhance_chunks(job: Job) -> tuple[list[ChunkRecord], int]:
    """All chunks in order, and how many of them were there already."""
    plan = load_planned(job.folder).plan
    finished = find_chunks(job)
    missing = [chunk.index for chunk in plan.chunks if chunk.index not in finished]
    progress = Progress("enhance", len(plan.times), sum(record.frames for record in finished.values()))
    artifact = ProgressArtifact(progress)
    futures = enhance_chunk.map(unmapped(job), missing, unmapped(progress))
    made = gather_chunks(futures, missing, artifact.update)
    artifact.finish()
    records = finished | made
    return [records[chunk.index] for chunk in plan.chunks], len(finished)


def _outcome(
    places: dict[str, Any], records: list[ChunkRecord], cached: int, checks: int, clock: Stopwatch
) -> Outcome:
    return Outcome(
        result=places["result"],
        ref=MediaRef.model_validate(places["ref"]),
        report=places["report"],
        previews={kind: places[kind] for kind in ("poster", "contact_sheet", "before_after")},
        frames=sum(record.frames for record in records),
        chunks=len(records),
        cached_chunks=cached,
        computed=sum(record.computed for record in records),
        reused=sum(record.reused for record in records),
        concealed=sum(record.concealed for record in records),
        seconds=round(time.monotonic() - clock.began, 3),
        checks=checks,
    )
