import uuid
from pathlib import Path

import pytest
from prefect import flow

from flows.chunks import enhance_chunks
from flows.enhance import enhance
from tasks.cache import ChunkCache, ChunkRecord
from tasks.finish import assemble_result
from tasks.handover import read_report
from tasks.job import Job, open_store
from tasks.scratch import noted_keys
from tasks.shared import UnitReport
from tests.clips import decoded_lumas, read_number
from tests.flows.sharing import CHUNKS, SPEC, planned_and_shared, quartered_clip

pytestmark = pytest.mark.usefixtures("prefect_server", "sakuga_home")

FRAMES = 24


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return quartered_clip(tmp_path / "in" / "clip.mp4")


@flow(name="assemble", persist_result=False)
def _assembled(job: Job, records: list[ChunkRecord], name: str) -> Path:
    return assemble_result(job, records, name)[0]


def _shared(clip: Path, tmp_path: Path) -> tuple[str, Job]:
    job_id, folder = str(uuid.uuid4()), tmp_path / "plan"
    folder.mkdir()
    job, _, chunks = planned_and_shared(str(clip), folder, job_id)
    assert chunks == list(range(CHUNKS))
    return job_id, job


def test_chunks_that_units_made_are_those_of_a_run_on_one_machine(
    clip: Path, tmp_path: Path, sakuga_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, job = _shared(clip, tmp_path)
    first = enhance_chunks(job=job_id, chunks=[3, 1], unit="u1")
    second = enhance_chunks(job=job_id, chunks=[0, 1, 2], unit="u2")
    assert isinstance(first, UnitReport)
    assert isinstance(second, UnitReport)
    assert (first.end, first.done, first.frames) == ("done", (1, 3), 12)
    assert (second.end, second.done, second.frames) == ("done", (0, 1, 2), 12)
    store = open_store(None)
    assert read_report(store, job_id, "u2") == second

    found = [ChunkCache(store).find(key) for key in noted_keys(job.folder)]
    records = [record for record in found if record]
    assert len(records) == CHUNKS
    assert all(record.worker and record.elapsed > 0 and record.tries == 1 for record in records)
    result = _assembled(job, records, "clip.mp4")
    assert [read_number(luma) for luma in decoded_lumas(result)] == list(range(FRAMES))

    monkeypatch.setenv("SAKUGA_STORE", str(tmp_path / "other"))
    alone = enhance(str(clip), SPEC, output=str(tmp_path / "alone.mp4"))
    assert alone.cached_chunks == 0
    for ours, theirs in zip(decoded_lumas(result), decoded_lumas(Path(alone.result)), strict=True):
        assert (ours == theirs).all()
    assert list((sakuga_home / "scratch").glob("run-*")) == []
