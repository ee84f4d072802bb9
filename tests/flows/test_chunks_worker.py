"""Units of work as a worker of a process pool runs them, and what is left when things are killed."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling, Failed, Running

from blocks.stores import LocalFolderStore
from flows.chunks import enhance_chunks
from sakuga.enhance.spec import EnhanceSpec
from tasks.handover import read_report, write_lease
from tasks.shared import Lease, UnitReport
from tests.clips import make_clip
from tests.farm.workload import draw
from tests.flows.chunk_pool import ChunkPool
from tests.flows.sharing import planned_and_shared
from tests.processes import command, kill, marked, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.farm, pytest.mark.usefixtures("prefect_server")]

ROOT = Path(__file__).parents[2]
CHUNK_SECONDS = 10
CHUNKS = list(range(8))
"""More than are made before a busy machine hears of what is done to it."""

SPEC = EnhanceSpec(
    model="acnet-hdn0", preset="ultrafast", chunk_seconds=CHUNK_SECONDS, reuse="off", device="cpu"
)
START_SECONDS = 90.0
"""A worker polls, starts Python, imports everything and plans; on a busy machine that takes its time."""

STOP_SECONDS = 30.0
"""What is promised for a run that is cancelled or has lost its job."""

LOST_SECONDS = 15.0
"""A run looks at its parent process twice a second, and chunks look at every frame."""


class Machine(ChunkPool):
    """A worker of a pool of its own with a home of its own, and a job that it works for."""

    def __init__(self, folder: Path, client: SyncPrefectClient) -> None:
        super().__init__(folder)
        self.client = client
        self.store = LocalFolderStore(root=self.home / "store")
        self.parent = client.create_flow_run(enhance_chunks, parameters={}, state=Running()).id

    def run_unit(self, unit: str, chunks: list[int]) -> uuid.UUID:
        """Ask for a unit of work."""
        write_lease(self.store, str(self.parent), Lease(count=1, run_count=1))
        parameters = {"job": str(self.parent), "chunks": chunks, "unit": unit}
        return self.client.create_flow_run_from_deployment(self.deployment, parameters=parameters).id

    def engines(self) -> list[psutil.Process]:
        """Processes that run units."""
        return [process for process in marked(self.mark) if "prefect.engine" in command(process)]

    def helpers(self) -> list[psutil.Process]:
        """Processes that run the network."""
        return [process for process in marked(self.mark) if "network_child" in command(process)]

    def await_work(self) -> None:
        """Return in the midst of a chunk."""
        wait_for(lambda: self._half() and self.helpers(), START_SECONDS, "no chunk was begun", self.log)

    def _half(self) -> bool:
        return any(file for folder in self.scratch() for file in folder.glob(".chunk-*.part"))

    def scratch(self) -> list[Path]:
        """Folders of runs."""
        return [path for path in (self.home / "scratch").glob("run-*") if path.is_dir()]

    def await_end(self, run: uuid.UUID, seconds: float) -> StateType:
        """The type of the state that a run ends in."""

        def ended() -> StateType | None:
            state = self.client.read_flow_run(run).state
            return state.type if state and state.is_final() else None

        return wait_for(ended, seconds, "the run does not end", self.log)

    def report(self, unit: str) -> UnitReport:
        """What a unit came to."""
        report = read_report(self.store, str(self.parent), unit)
        assert report is not None, self.log()
        return report

    def log(self) -> str:
        """The end of what the worker printed."""
        return (self.folder / "worker.log").read_text(errors="replace")[-3000:]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    options = {"g": str(24 * CHUNK_SECONDS), "sc_threshold": "0", "preset": "ultrafast"}
    frames = len(CHUNKS) * 24 * CHUNK_SECONDS
    film = make_clip(folder / "film.mp4", frames=frames, size=(320, 240), draw=draw, options=options)
    with get_client(sync_client=True) as client, pytest.MonkeyPatch.context() as patch:
        made = Machine(folder, client)
        patch.setenv("SAKUGA_HOME", str(made.home))
        (folder / "plan").mkdir()
        _, _, chunks = planned_and_shared(str(film), folder / "plan", str(made.parent), spec=SPEC)
        assert chunks == CHUNKS
        try:
            yield made
        finally:
            kill(marked(made.mark))


def _nothing_is_left(machine: Machine, seconds: float) -> None:
    wait_for(lambda: not machine.engines() and not machine.helpers(), seconds, "processes are left")
    assert machine.scratch() == []


def test_a_unit_that_is_killed_cancelled_or_has_lost_its_job_or_its_worker_leaves_nothing(
    machine: Machine,
) -> None:
    worker = machine.start_worker()

    killed = machine.run_unit("killed", CHUNKS)
    machine.await_work()
    for engine in machine.engines():
        engine.kill()
    wait_for(lambda: not machine.engines() and not machine.helpers(), LOST_SECONDS, "processes are left")
    assert machine.await_end(killed, STOP_SECONDS) == StateType.CRASHED
    assert len(machine.scratch()) == 1

    cancelled = machine.run_unit("cancelled", CHUNKS)
    machine.await_work()
    assert len(machine.scratch()) == 1, "what the killed run left is still there"
    machine.client.set_flow_run_state(cancelled, Cancelling())
    assert machine.await_end(cancelled, STOP_SECONDS) == StateType.CANCELLED
    _nothing_is_left(machine, STOP_SECONDS)
    assert machine.report("cancelled").end == "cancelled"

    lost = machine.run_unit("lost", CHUNKS)
    machine.await_work()
    os.kill(worker, signal.SIGKILL)
    _nothing_is_left(machine, LOST_SECONDS)
    report = machine.report("lost")
    assert (report.end, report.worker) == ("failed", "gpu-7")
    assert machine.await_end(lost, STOP_SECONDS) == StateType.FAILED

    machine.start_worker()
    orphaned = machine.run_unit("orphaned", CHUNKS)
    machine.await_work()
    machine.client.set_flow_run_state(machine.parent, Failed(), force=True)
    assert machine.await_end(orphaned, STOP_SECONDS) == StateType.CANCELLED
    _nothing_is_left(machine, STOP_SECONDS)
    assert machine.report("orphaned").end == "orphaned"
