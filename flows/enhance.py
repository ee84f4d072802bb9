"""Enhance a video: probe, plan, enhance each chunk, assemble, check, publish."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from blocks.preset import completed
from flows.dispatch import Dispatch, make_chunks
from flows.forms import titled
from flows.threads import chunk_threads
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import QualityError
from sakuga.media.info import Frozen
from sakuga.media.ref import MediaRef
from sakuga.models.registry import shown_name
from sakuga.settings import load_settings
from tasks.artifacts import publish_artifacts
from tasks.cache import ChunkRecord
from tasks.channel import open_channel
from tasks.destination import Destination, choose_destination
from tasks.events import video_enhanced, video_failed
from tasks.failure import said_plainly
from tasks.finish import assemble_result, check_job, export_pngs, make_pictures
from tasks.job import Job, prepare_store
from tasks.model import fetch_model
from tasks.names import job_name
from tasks.planning import plan_job
from tasks.publish import Place, publish
from tasks.report import job_report
from tasks.scratch import run_folder
from tasks.source import Named, fetch_source, find_source
from tasks.stopwatch import Stopwatch


class Outcome(Frozen):
    """What a finished job left; places are paths, or addresses in a store."""

    result: str
    ref: MediaRef
    report: str
    previews: dict[str, str]
    model: str
    frames: int
    chunks: int
    cached_chunks: int
    computed: int
    reused: int
    concealed: int
    seconds: float
    checks: int


def _run_name() -> str:
    return job_name(flow_run.parameters)


@flow(
    name="enhance",
    flow_run_name=_run_name,
    task_runner=chunk_threads(),
    persist_result=False,
)
@said_plainly
def enhance(
    source: Annotated[Annotated[str, Field(title="Path")] | MediaRef, titled("Source")],
    spec: Annotated[EnhanceSpec, titled("Options")] = EnhanceSpec(),  # noqa: B008 - immutable, and the UI shows its fields
    output: Annotated[str | None, titled("Output")] = None,
    preset: Annotated[str | None, titled("Preset")] = None,
    dispatch: Annotated[Dispatch, titled("Dispatch")] = "local",
    overwrite: Annotated[bool, titled("Overwrite")] = False,
    store: Annotated[str | None, titled("Store")] = None,
) -> Outcome:
    """Make a video larger and cleaner, exactly as long as it was.

    Args:
        source: A video file of the machine that runs this; or one in the store, by its key, its
            `s3://bucket/key` address, or a reference.
        spec: What the result is to be.
        output: File or folder for the result; empty is beside the source, or in the store if one is named.
        preset: Name of a preset block; what the options leave at their defaults comes from it.
        dispatch: Where chunks are made: `local` in this run, `pool` by the workers of the GPU pool.
        overwrite: Replace a result of the same name.
        store: A media store block, as `type/name`; empty uses the folder of this machine.

    Returns:
        Where everything is, and what it took.

    Raises:
        InputError: the source or an option is not acceptable.
        QualityError: the result failed a check; it is kept under a name that says so.
        CancelledError: the job was asked to stop; finished chunks are kept.
        SakugaError: anything else that went wrong.
    """
    clock = Stopwatch()
    with _told(source, clock) as told:
        spec, output, store = completed(preset, spec, output, store)
        with open_channel(), run_folder(load_settings().scratch_root) as folder, ExitStack() as ending:
            named = find_source(source, store)
            destination = _destination(named, spec, output, store, overwrite)
            if store or dispatch == "pool":
                prepare_store(store)
            with clock("read"):
                local = fetch_source(named, store, folder)
            told.sha256 = local.sha256
            with clock("plan"):
                job = plan_job(local, spec, store, folder, alone=dispatch == "local")
            if dispatch == "local":
                with clock("model"):
                    fetch_model(job.spec)
            with clock("enhance"):
                records, cached = make_chunks(job, dispatch, ending)
            told.places, outcome = _finish(job, records, cached, destination, clock, overwrite)
        return outcome


def _finish(
    job: Job,
    records: list[ChunkRecord],
    cached: int,
    destination: Destination,
    clock: Stopwatch,
    overwrite: bool,
) -> tuple[dict[str, Any], Outcome]:
    """From finished chunks to a published result.

    Raises:
        QualityError: it failed a check.
    """
    with clock("assemble"):
        result, assembly = assemble_result(job, records, destination.name)
    with clock("check"):
        checks = check_job(job, result, assembly)
    with clock("previews"):
        pictures = make_pictures(job, result)
    report = job_report(job, result, assembly, records, cached, checks, clock.stages, destination.name)
    if job.spec.frames and destination.folder:
        export_pngs(job, result, destination.folder / f"{destination.stem}.frames")
    place = Place(folder=job.folder, store=job.store, mark=job.source.sha256[:12])
    places = publish(place, destination, result, report, pictures, overwrite=overwrite)
    publish_artifacts(report, places)
    if not report.passed:
        names = ", ".join(check.name for check in report.failed)
        raise QualityError(f"The result failed a check ({names}); it is kept as {places['result']!r}.")
    return places, _outcome(job, places, records, cached, len(checks), clock)


@dataclass
class _Told:
    """What other programs are told when the job ends."""

    sha256: str | None = None
    places: dict[str, Any] = field(default_factory=dict)


@contextmanager
def _told(source: str | MediaRef, clock: Stopwatch) -> Iterator[_Told]:
    """Tell other programs how the job ends."""
    name = source.uri if isinstance(source, MediaRef) else source
    told = _Told()
    try:
        yield told
    except BaseException as error:
        video_failed(name, told.sha256, error, time.monotonic() - clock.began)
        raise
    video_enhanced(name, told.sha256 or "", told.places, time.monotonic() - clock.began)


def _destination(
    named: Named, spec: EnhanceSpec, output: str | None, store: str | None, overwrite: bool
) -> Destination:
    """Where the result goes; refused here when the name is taken, before any work."""
    return choose_destination(
        named.path, named.name, spec.container, output, in_store=store is not None, overwrite=overwrite
    )


def _outcome(
    job: Job, places: dict[str, Any], records: list[ChunkRecord], cached: int, checks: int, clock: Stopwatch
) -> Outcome:
    return Outcome(
        result=places["result"],
        ref=MediaRef.model_validate(places["ref"]),
        report=places["report"],
        model=shown_name(job.spec.model_choice()),
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
