import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling, Crashed, Failed, Running

from blocks import LocalFolderStore
from sakuga.errors import CancelledError
from tasks.channel import Channel
from tasks.handover import write_lease
from tasks.shared import Lease
from tasks.watchdog import Pace, Watchdog
from tests.processes import closed_port

QUICK = Pace(tick=0.05, ask=0.2)
SOON = 10.0
"""Seconds that a quick watchdog may take on a busy machine."""

LONG = 3600.0


@pytest.fixture
def store(tmp_path: Path) -> LocalFolderStore:
    made = LocalFolderStore(root=tmp_path / "store")
    made.prepare()
    return made


@contextmanager
def _watched(
    store: LocalFolderStore,
    job: str,
    *,
    own: UUID | None = None,
    deadline: float = LONG,
    lease_seconds: float = LONG,
) -> Iterator[tuple[Channel, Watchdog]]:
    channel = Channel()
    logger = logging.getLogger("test")
    watchdog = Watchdog(
        channel,
        store,
        job,
        own=own,
        deadline=deadline,
        lease_seconds=lease_seconds,
        logger=logger,
        pace=QUICK,
    )
    with watchdog:
        yield channel, watchdog


def _await(look: Callable[[], bool], seconds: float = SOON) -> bool:
    until = time.monotonic() + seconds
    while not look() and time.monotonic() < until:
        time.sleep(0.02)
    return look()


def _run(state: State) -> UUID:
    @flow
    def any_flow() -> None: ...

    with get_client(sync_client=True) as client:
        return client.create_flow_run(any_flow, state=state).id


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("state", [Failed(), Crashed(), Cancelling()], ids=lambda state: state.name)
def test_a_unit_stops_when_its_jobs_run_ends(store: LocalFolderStore, state: State) -> None:
    job = _run(Running())
    with _watched(store, str(job), own=_run(Running())) as (channel, watchdog):
        assert not _await(channel.cancelled, 1.0)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(job, state, force=True)
        assert _await(channel.cancelled)
        assert watchdog.stop is not None
        assert watchdog.stop.end == "orphaned"
        assert str(state.name) in watchdog.stop.reason
        with pytest.raises(CancelledError):
            channel.check()


@pytest.mark.usefixtures("prefect_server")
def test_a_unit_stops_when_its_jobs_run_was_deleted(store: LocalFolderStore) -> None:
    with _watched(store, str(uuid4())) as (channel, watchdog):
        assert _await(channel.cancelled)
        assert watchdog.stop is not None
        assert watchdog.stop.end == "orphaned"


@pytest.mark.usefixtures("prefect_server")
def test_a_unit_stops_when_its_own_run_is_cancelled(store: LocalFolderStore) -> None:
    own = _run(Running())
    with _watched(store, str(_run(Running())), own=own) as (channel, watchdog):
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(own, Cancelling(), force=True)
        assert _await(channel.cancelled)
        assert watchdog.stop is not None
        assert watchdog.stop.end == "cancelled"


@contextmanager
def _no_server() -> Iterator[None]:
    with closed_port() as port, temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        yield


def test_a_server_that_does_not_answer_stops_nothing(store: LocalFolderStore) -> None:
    with _no_server(), _watched(store, str(uuid4()), own=uuid4()) as (channel, watchdog):
        assert not _await(channel.cancelled, 2.0)
        assert watchdog.stop is None


def test_a_unit_stops_at_its_deadline(store: LocalFolderStore) -> None:
    with _no_server(), _watched(store, str(uuid4()), deadline=0.3) as (channel, watchdog):
        assert _await(channel.cancelled)
        assert watchdog.stop is not None
        assert watchdog.stop.end == "deadline"


@pytest.mark.slow
def test_a_unit_lives_as_long_as_its_jobs_lease_is_renewed(store: LocalFolderStore) -> None:
    job, seconds = str(uuid4()), 1.5
    with _no_server(), _watched(store, job, lease_seconds=seconds) as (channel, watchdog):
        for count in range(10):
            write_lease(store, job, Lease(count=count, run_count=1))
            assert not _await(channel.cancelled, 0.3)
        # the job is tried again and begins to count from the start
        write_lease(store, job, Lease(count=0, run_count=2))
        began = time.monotonic()
        assert _await(channel.cancelled)
        assert time.monotonic() - began > seconds / 2
        assert watchdog.stop is not None
        assert watchdog.stop.end == "orphaned"


@pytest.mark.slow
def test_a_store_that_is_away_is_waited_for_as_long_as_a_lease_holds(
    store: LocalFolderStore, tmp_path: Path
) -> None:
    job = str(uuid4())
    write_lease(store, job, Lease(count=1, run_count=1))
    with _no_server(), _watched(store, job, lease_seconds=3) as (channel, _):
        assert not _await(channel.cancelled, 0.5)
        store.root.rename(tmp_path / "away")
        assert not _await(channel.cancelled, 1.0)
        (tmp_path / "away").rename(store.root)
        write_lease(store, job, Lease(count=2, run_count=1))
        assert not _await(channel.cancelled, 2.0)
        store.root.rename(tmp_path / "away")
        assert _await(channel.cancelled)


PROCESS = """
import logging, os, signal, sys, time
from pathlib import Path
from blocks import LocalFolderStore
from tasks.channel import Channel
from tasks.watchdog import Pace, Watchdog

folder, deadline, stubborn = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "stubborn"
if stubborn:
    signal.signal(signal.SIGTERM, lambda *_: (folder / "asked").touch())
channel = Channel()
watchdog = Watchdog(
    channel, LocalFolderStore(root=folder), "0" * 8, own=None, deadline=deadline, lease_seconds=3600,
    logger=logging.getLogger("test"), pace=Pace(tick=0.05, ask=3600, term=0.3, kill=0.9, own_process=True),
)
with watchdog:
    (folder / "ready").touch()
    while stubborn or not channel.cancelled():
        time.sleep(0.02)
    (folder / "stop").write_text(watchdog.stop.end + ": " + watchdog.stop.reason)
"""

WORKER = """
import subprocess, sys, time
from pathlib import Path
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], start_new_session=True, **quiet)
time.sleep(60)
"""

START = 60.0
"""Seconds that Python may take to import Prefect on a busy machine."""


@pytest.mark.slow
def test_a_unit_stops_when_the_worker_that_started_it_is_killed(tmp_path: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, PROCESS, tmp_path, "120", "kind"])
    try:
        assert _await((tmp_path / "ready").exists, START)
        assert not _await((tmp_path / "stop").exists, 0.5)
    finally:
        worker.kill()
        worker.wait()
    assert _await(lambda: (tmp_path / "stop").exists() and bool((tmp_path / "stop").read_text()))
    assert (tmp_path / "stop").read_text().startswith("failed: The worker")


@pytest.mark.slow
def test_a_run_that_does_not_stop_is_asked_by_a_signal_and_then_killed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, tmp_path, "0.2", "stubborn"], start_new_session=True
    )
    assert process.wait(START) == -signal.SIGKILL
    assert (tmp_path / "asked").exists()
