import json
import os
import time
import zipfile
from datetime import timedelta
from inspect import unwrap
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.logging import disable_run_logger

from flows.cleanup import Cleaned, cleanup
from flows.enhance import enhance
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import StoreError
from sakuga.media.ref import TEMPORARY, MediaRef
from tasks.handover import MANIFEST, PLAN
from tasks.job import open_store
from tasks.scratch import KEYS
from tasks.shared import SharedJob, job_key

pytestmark = pytest.mark.usefixtures("prefect_server")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def store(sakuga_home: Path) -> Path:
    open_store(None)
    return sakuga_home / "store"


def _clean(**given: float) -> Cleaned:
    """A clean-up without a run of its own, which would take most of the time."""
    with disable_run_logger():
        return unwrap(cleanup.fn)(**given)  # type: ignore[no-any-return]


def _age(path: Path, age: timedelta) -> None:
    then = time.time() - age.total_seconds()
    os.utime(path, (then, then))


def _chunk(store: Path, number: int, age: timedelta) -> str:
    key = f"{number:064x}"
    for ending in (".mp4", ".json"):
        file = store / "chunks" / key[:2] / f"{key}{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 1000)
        _age(file, age)
    return key


def _job(store: Path, id_: str, keys: list[str], age: timedelta) -> Path:
    """A job as it is shared, in the store."""
    folder = store / "jobs" / id_
    (folder / "units").mkdir(parents=True)
    with zipfile.ZipFile(folder / PLAN, "w") as pack:
        pack.writestr(KEYS, json.dumps(keys))
    plan = open_store(None).put(folder / PLAN, job_key(id_, PLAN))
    source = MediaRef(uri="a.mp4", sha256="0" * 64, size=1)
    job = SharedJob(id=id_, source=source, name="a.mp4", spec=EnhanceSpec(), plan=plan)
    (folder / MANIFEST).write_text(job.model_dump_json())
    (folder / "units" / "1.json").write_text("{}")
    for file in (folder / PLAN, folder / MANIFEST, folder / "units" / "1.json"):
        _age(file, age)
    return folder


def _run(kind: StateType) -> str:
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(enhance, parameters={"source": "a.mp4"}, state=State(type=kind))
    return str(run.id)


def test_chunks_that_are_too_old_go_and_those_of_living_jobs_stay(store: Path) -> None:
    _chunk(store, 1, 30 * DAY)
    needed = _chunk(store, 2, 30 * DAY)
    _chunk(store, 3, DAY)
    _job(store, _run(StateType.RUNNING), [needed], 2 * DAY)
    found = _clean(max_age_days=14)
    assert (found.chunks, found.chunk_bytes, found.kept_chunks, found.living_jobs) == (1, 2000, 2, 1)
    assert sorted(path.stem[-1] for path in store.rglob("*.mp4")) == ["2", "3"]


def test_chunks_go_beyond_a_size_the_longest_unused_first(store: Path) -> None:
    for number in range(4):
        _chunk(store, number, (number + 2) * HOUR)
    found = _clean(max_gigabytes=4.5e-6)
    assert (found.chunks, found.kept_chunks, found.kept_chunk_bytes) == (2, 2, 4000)
    assert sorted(path.stem[-1] for path in store.rglob("*.mp4")) == ["0", "1"]


def test_folders_of_ended_and_unknown_jobs_go_after_a_day(store: Path) -> None:
    kept = [
        _job(store, _run(StateType.RUNNING), [], 2 * DAY),
        _job(store, _run(StateType.PENDING), [], 2 * DAY),
        _job(store, _run(StateType.FAILED), [], 23 * HOUR),
    ]
    gone = [
        _job(store, _run(kind), [], 2 * DAY)
        for kind in (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
    ]
    gone.append(_job(store, str(uuid4()), [], 2 * DAY))
    found = _clean()
    assert found.jobs == len(gone)
    assert found.job_bytes > 0
    assert [folder for folder in gone if folder.exists()] == []
    assert [folder for folder in kept if not folder.exists()] == []


def test_what_is_no_job_is_left(store: Path) -> None:
    strange = store / "jobs" / "Notes of a person" / "keep.txt"
    strange.parent.mkdir(parents=True)
    strange.write_text("mine")
    _age(strange, 9 * DAY)
    assert _clean().jobs == 0
    assert strange.exists()


def test_a_living_job_that_cannot_be_read_keeps_its_chunks(store: Path) -> None:
    _chunk(store, 1, 30 * DAY)
    folder = _job(store, _run(StateType.RUNNING), [], 2 * DAY)
    (folder / MANIFEST).write_text("{")
    with pytest.raises(StoreError, match="damaged; cancel its run and"):
        _clean(max_age_days=1)
    assert len(list(store.rglob("*.mp4"))) == 1


def test_what_killed_runs_have_left_goes(store: Path, sakuga_home: Path) -> None:
    (sakuga_home / "scratch" / "run-1").mkdir(parents=True)
    part = store / "results" / "a" / f"{TEMPORARY}1"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    fresh = part.with_name(f"{TEMPORARY}2")
    fresh.write_bytes(b"half")
    _age(part, 2 * DAY)
    found = _clean()
    assert (found.scratch_folders, found.parts) == (1, 1)
    assert not part.exists()
    assert fresh.exists()
    assert not (sakuga_home / "scratch" / "run-1").exists()


def test_fetched_sources_of_this_machine_go_beyond_their_size(
    sakuga_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = sakuga_home / "scratch" / "sources"
    sources.mkdir(parents=True)
    for number in range(3):
        (sources / f"{number:064x}").write_bytes(b"x" * 1000)
        _age(sources / f"{number:064x}", number * DAY)
    monkeypatch.setenv("SAKUGA_FARM__SOURCE_BYTES", "1500")
    found = _clean()
    assert (found.sources, found.source_bytes) == (2, 2000)
    assert len(list(sources.iterdir())) == 1


def test_what_was_removed_is_an_artifact(store: Path) -> None:
    _chunk(store, 1, 30 * DAY)
    cleanup()
    artifact = Artifact.get("cleanup")
    assert artifact is not None
    assert "| Finished chunks, too old or too many | 1 |" in str(artifact.data)  # type: ignore[union-attr]
