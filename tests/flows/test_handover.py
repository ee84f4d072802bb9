import uuid
import zipfile
from pathlib import Path

import numpy as np
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType

from blocks.stores import MediaStore
from flows.chunks import enhance_chunks
from flows.dispatch import chunk_work, clear_shared
from sakuga.errors import OptionError, StoreError
from tasks.handover import (
    MAX_MEMBER_BYTES,
    fetch_shared,
    read_lease,
    read_report,
    remove_job,
    share_job,
    write_lease,
    write_report,
)
from tasks.job import Job, load_planned, open_store
from tasks.scratch import noted_keys
from tasks.shared import JOBS, TAG, Failure, Lease, SharedJob, UnitReport
from tests.flows.sharing import planned_and_shared, quartered_clip

pytestmark = pytest.mark.usefixtures("prefect_server", "sakuga_home")

REPORT = UnitReport(
    unit="u-1",
    worker="gpu-0",
    end="failed",
    done=(1, 2),
    failed={3: Failure(error="EncodeError", message="It died.", retryable=True)},
    frames=12,
    seconds=1.5,
)


@flow(name="fetch", persist_result=False)
def _fetched(job_id: str, folder: Path) -> tuple[Job, SharedJob]:
    # without the task's retries: what is damaged stays so
    return fetch_shared.with_options(retries=0)(job_id, None, folder)


@flow(name="share again", persist_result=False)
def _shared_again(job: Job, job_id: str) -> SharedJob:
    return share_job(job, job_id)


@pytest.fixture
def job_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def shared(tmp_path: Path, job_id: str) -> Job:
    folder = tmp_path / "plan"
    folder.mkdir()
    return planned_and_shared(str(quartered_clip(tmp_path / "in" / "my film.mp4")), folder, job_id)[0]


@pytest.fixture
def store(shared: Job) -> MediaStore:
    return open_store(shared.store)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    return tmp_path / "other"


def test_what_was_shared_is_fetched_whole(shared: Job, job_id: str, other: Path) -> None:
    job, told = _fetched(job_id, other)
    assert (job.spec, told.id, told.name) == (shared.spec, job_id, "my film.mp4")
    assert job.source.path.read_bytes() == shared.source.path.read_bytes()
    assert (job.source.sha256, job.source.name) == (shared.source.sha256, shared.source.name)
    mine, theirs = load_planned(job.folder), load_planned(shared.folder)
    assert (mine.plan, mine.found) == (theirs.plan, theirs.found)
    assert np.array_equal(mine.packets.pts, theirs.packets.pts)
    assert noted_keys(job.folder) == noted_keys(shared.folder)
    assert not (other / "plan.zip").exists()


def test_sharing_again_uses_the_source_that_is_there(shared: Job, job_id: str, store: MediaStore) -> None:
    source = store.local_path(f"jobs/{job_id}/source.mp4")
    assert source is not None
    before = source.stat()
    if before.st_dev == shared.source.path.stat().st_dev:
        assert source.samefile(shared.source.path), "a second name costs no room"
    source.unlink()
    source.write_bytes(shared.source.path.read_bytes())
    there = source.stat().st_ino
    _shared_again(shared, job_id)
    assert source.stat().st_ino == there


def test_a_source_that_is_in_the_store_is_not_shared_again(tmp_path: Path, job_id: str, other: Path) -> None:
    store = open_store(None)
    store.prepare()
    ref = store.put(quartered_clip(tmp_path / "in" / "clip.mp4"), "films/clip.mp4")
    (tmp_path / "plan").mkdir()
    _, told, _ = planned_and_shared(ref, tmp_path / "plan", job_id)
    assert told.source == ref
    names = {file.key.rsplit("/", 1)[-1] for file in store.files(f"jobs/{job_id}")}
    assert names == {"job.json", "plan.zip"}
    assert _fetched(job_id, other)[0].source.ref == ref


@pytest.mark.parametrize("name", ["plan.zip", "source.mp4"])
def test_what_is_not_what_it_was_is_refused(
    shared: Job, job_id: str, store: MediaStore, other: Path, name: str
) -> None:
    del shared
    path = store.local_path(f"jobs/{job_id}/{name}")
    assert path is not None
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not the file it should be"):
        _fetched(job_id, other)


def test_names_in_an_archive_are_never_followed(
    shared: Job, job_id: str, store: MediaStore, other: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "plan.zip"
    path = store.local_path(f"jobs/{job_id}/plan.zip")
    assert path is not None
    with zipfile.ZipFile(path) as held, zipfile.ZipFile(archive, "w") as spoilt:
        for name in held.namelist():
            spoilt.writestr(name, held.read(name))
        spoilt.writestr("../climbed", b"x")
        spoilt.writestr("more", b"x")
    told = SharedJob.model_validate_json(store.read(f"jobs/{job_id}/job.json") or b"")
    plan = store.put(archive, f"jobs/{job_id}/plan.zip")
    store.write(f"jobs/{job_id}/job.json", told.model_copy(update={"plan": plan}).model_dump_json().encode())
    _fetched(job_id, other)
    assert not (other.parent / "climbed").exists()
    assert not (other / "more").exists()
    del shared


def test_an_archive_that_would_fill_the_disk_is_refused(
    shared: Job, job_id: str, store: MediaStore, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_MEMBER_BYTES > 1 << 30
    monkeypatch.setattr("tasks.handover.MAX_MEMBER_BYTES", 100)
    with pytest.raises(StoreError, match="too large"):
        _fetched(job_id, other)
    del shared, store


def test_a_job_that_is_not_there_is_a_clear_error(shared: Job, job_id: str, other: Path) -> None:
    remove_job(open_store(shared.store), job_id)
    with pytest.raises(StoreError, match="it has ended"):
        _fetched(job_id, other)
    with pytest.raises(OptionError):
        _fetched("../../etc", other)


def test_nothing_is_left_of_a_removed_job_and_late_reports_bring_nothing_back(
    shared: Job, job_id: str, store: MediaStore
) -> None:
    write_lease(store, job_id, Lease(count=1, run_count=1))
    assert write_report(store, job_id, REPORT)
    remove_job(store, job_id)
    assert not write_report(store, job_id, REPORT)
    assert list(store.files("jobs")) == []
    folder = store.local_path(f"jobs/{job_id}")
    assert folder is not None
    assert not folder.exists()
    assert shared.source.path.exists()


def test_leases_and_reports_are_read_back(job_id: str, store: MediaStore) -> None:
    assert read_lease(store, job_id) is None
    assert read_report(store, job_id, "u-1") is None
    write_lease(store, job_id, Lease(count=3, run_count=2))
    assert read_lease(store, job_id) == Lease(count=3, run_count=2)
    assert write_report(store, job_id, REPORT)
    assert read_report(store, job_id, "u-1") == REPORT
    store.write(f"jobs/{job_id}/units/u-1.json", b"{")
    with pytest.raises(StoreError, match="damaged"):
        read_report(store, job_id, "u-1")
    for name in ("../lease", "", "a/b", "-x"):
        with pytest.raises(OptionError):
            read_report(store, job_id, name)


@pytest.mark.slow
@pytest.mark.parametrize("made", [True, False])
def test_what_is_shared_goes_once_all_chunks_are_made_though_a_run_seems_to_be_alive(
    shared: Job, job_id: str, made: bool
) -> None:
    with get_client(sync_client=True) as client:
        parameters = {"job": job_id, "chunks": [0], "unit": "1-1"}
        client.create_flow_run(
            enhance_chunks,
            parameters=parameters,
            tags=[TAG + job_id],
            state=State(type=StateType.RUNNING),
        )
    clear_shared(chunk_work(shared), job_id, made=made)
    left = list(open_store(None).files(f"{JOBS}/{job_id}"))
    assert bool(left) is not made
