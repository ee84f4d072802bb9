"""The report of a job."""

from collections.abc import Sequence
from pathlib import Path

from sakuga.errors import SakugaError
from sakuga.media.assemble import Assembly
from sakuga.media.probe import probe
from sakuga.media.ref import file_digest
from sakuga.models.registry import model_digest
from sakuga.quality.check import Check
from sakuga.quality.report import FileFacts, JobReport, Stage, Work, build_report, file_facts
from sakuga.quality.sample import RESULT_LIMITS
from tasks.cache import ChunkRecord
from tasks.job import Job, load_planned
from tasks.retry import step


@step("report")
def job_report(
    job: Job,
    result: Path,
    assembly: Assembly,
    records: Sequence[ChunkRecord],
    cached: int,
    checks: Sequence[Check],
    stages: Sequence[Stage],
    name: str,
) -> JobReport:
    """What was in, what was done and why, how long it took, and what was proved."""
    planned = load_planned(job.folder)
    source, info = job.source, planned.info
    work = Work(
        chunks=len(records),
        cached_chunks=cached,
        frames=sum(record.frames for record in records),
        computed=sum(record.computed for record in records),
        partial=sum(record.partial for record in records),
        reused=sum(record.reused for record in records),
        pixels=sum(record.pixels for record in records),
        all_pixels=sum(record.all_pixels for record in records),
        audits=sum(record.audits for record in records),
        refused=sum(record.refused for record in records),
        worst_audit=min((r.worst_audit for r in records if r.worst_audit is not None), default=None),
        regions_off=next((record.regions_off for record in records if record.regions_off), ""),
        engines=tuple(dict.fromkeys(record.use for record in records if record.use)),
        concealed=sum(record.concealed for record in records),
        lost_frames=planned.found.lost_frames,
    )
    return build_report(
        source=file_facts(source.name, source.size, source.sha256, info),
        result=_facts(job, result, name),
        info=info,
        plan=planned.plan,
        spec=job.spec,
        assembly=assembly,
        work=work,
        stages=stages,
        checks=checks,
        found=planned.found.reason,
        chosen=planned.found.chosen,
        truncated=planned.found.truncated,
        versions={"model": model_digest(job.spec.model_choice())},
    )


def _facts(job: Job, result: Path, name: str) -> FileFacts:
    """Facts of the result; of the source's where the result, which a check says, cannot be read."""
    sha256, size = file_digest(result)
    try:
        info = probe(result, RESULT_LIMITS).info
    except SakugaError:
        info = load_planned(job.folder).info
    return file_facts(name, size, sha256, info)
