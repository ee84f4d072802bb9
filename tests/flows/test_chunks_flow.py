import uuid
from fractions import Fraction
from pathlib import Path

import av
import pytest
from prefect import flow
from prefect.exceptions import CancelledRun

from flows.chunks import enhance_chunks
from flows.enhance import enhance
from sakuga.errors import DamagedMediaError, FarmError, SakugaError
from tasks.cache import ChunkCache, ChunkRecord
from tasks.channel import Channel, open_channel
from tasks.finish import assemble_result
from tasks.handover import read_report, remove_job
from tasks.job import Job, open_store
from tasks.scratch import noted_keys
from tasks.shared import UnitReport
from tests.clips import decoded_lumas, read_number
from tests.flows.sharing import CHUNKS, SPEC, planned_and_shared, quartered_clip

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "sakuga_home")]

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


def _spoil(clip: Path, begin: Fraction) -> None:
    """Turn the pictures from `begin` on into noise, and leave the file's size and index as they are."""
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        for packet in container.demux(video=0):
            if packet.pos is not None and packet.size and (packet.pts or 0) * packet.time_base >= begin:
                for at in range(packet.pos + 4, packet.pos + packet.size):
                    content[at] ^= 0xA5
    clip.write_bytes(content)


def test_a_chunk_that_no_other_attempt_can_make_ends_its_unit_and_is_named_in_the_report(
    clip: Path, tmp_path: Path, sakuga_home: Path
) -> None:
    _spoil(clip, Fraction(3, 4))
    job_id, folder = str(uuid.uuid4()), tmp_path / "plan"
    folder.mkdir()
    planned_and_shared(str(clip), folder, job_id, spec=SPEC.model_copy(update={"deinterlace": "off"}))
    with pytest.raises(DamagedMediaError, match=r"^clip.mp4 is damaged"):
        enhance_chunks(job=job_id, chunks=[0, 3, 1], unit="u1")
    report = read_report(open_store(None), job_id, "u1")
    assert report is not None
    assert (report.end, list(report.failed)) == ("failed", [3])
    assert 0 in report.done
    assert (report.failed[3].error, report.failed[3].retryable) == ("DamagedMediaError", False)
    assert report.failed[3].message.startswith("clip.mp4 is damaged")
    assert list((sakuga_home / "scratch").glob("run-*")) == []


def test_a_unit_that_was_told_to_stop_is_cancelled_and_says_what_is_done(
    clip: Path, tmp_path: Path, sakuga_home: Path
) -> None:
    job_id, _ = _shared(clip, tmp_path)
    made: list[int] = []

    def listen(kind: str, facts: dict[str, int]) -> None:
        if kind == "chunk":
            made.append(facts["chunk"])
            channel.cancel()

    channel = Channel(listen)
    with open_channel(channel), pytest.raises(CancelledRun):
        enhance_chunks(job=job_id, chunks=[2, 3, 0, 1], unit="u1")
    report = read_report(open_store(None), job_id, "u1")
    assert report is not None
    assert (report.end, report.done, report.failed) == ("cancelled", (2,), {})
    assert made == [2]
    assert list((sakuga_home / "scratch").glob("run-*")) == []


def test_a_unit_past_its_deadline_fails_and_gives_back_what_is_left(clip: Path, tmp_path: Path) -> None:
    job_id, _ = _shared(clip, tmp_path)
    with pytest.raises(FarmError, match="not done within"):
        enhance_chunks(job=job_id, chunks=list(range(CHUNKS)), unit="u1", deadline=1e-9)
    report = read_report(open_store(None), job_id, "u1")
    assert report is not None
    assert report.end == "deadline"


def test_a_machine_that_would_make_other_chunks_makes_none_and_another_may_try(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, _ = _shared(clip, tmp_path)
    monkeypatch.setattr("sakuga.enhance.key.ENGINE_VERSION", "another")
    with pytest.raises(FarmError, match="bring it up to date"):
        enhance_chunks(job=job_id, chunks=[0], unit="u1")
    report = read_report(open_store(None), job_id, "u1")
    assert report is not None
    assert report.failure is not None
    assert report.failure.retryable


def test_a_unit_of_a_job_that_has_ended_fails_and_leaves_no_report(clip: Path, tmp_path: Path) -> None:
    job_id, _ = _shared(clip, tmp_path)
    store = open_store(None)
    remove_job(store, job_id)
    with pytest.raises(SakugaError, match="it has ended"):
        enhance_chunks(job=job_id, chunks=[0], unit="u1")
    assert list(store.files("jobs")) == []
