"""A work pool of one test, with the deployment that makes parts of jobs and at most one worker."""

import contextvars
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL
from prefect.states import Crashed

from flows.chunks import enhance_chunks
from tasks.channel import Channel
from tasks.shared import JOBS
from tests.processes import MARK, start, wait_for

ROOT = Path(__file__).parents[2]


class ChunkPool:
    """The worker, called `gpu-7`, and what it starts keep their files below `folder` and carry `mark`."""

    def __init__(self, folder: Path, made_by: Flow[..., Any] = enhance_chunks) -> None:
        self.folder, self.home, self.mark = folder, folder / "home", uuid.uuid4().hex
        self.name = f"pool-{self.mark[:8]}"
        with get_client(sync_client=True) as client:
            client.create_work_pool(WorkPoolCreate(name=self.name, type="process"))
            self.deployment = client.create_deployment(
                flow_id=client.create_flow(made_by),
                name=self.name,
                work_pool_name=self.name,
                pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
                entrypoint=f"{made_by.fn.__module__.replace('.', '/')}.py:{made_by.fn.__name__}",
            )

    def start_worker(self, *arguments: str) -> int:
        """Start the worker and return its process id."""
        environment = {
            **os.environ,
            "PREFECT_API_URL": PREFECT_API_URL.value() or "",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_HOME": str(self.folder / "prefect"),
            "SAKUGA_HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            MARK: self.mark,
        }
        argv = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", *arguments]
        log = self.folder / "worker.log"
        return start([*argv, "--pool", self.name, "--name", "gpu-7"], environment, log).pid


class Pool(ChunkPool):
    """What a server hears of the workers of a pool, real or not."""

    def heartbeat(self, worker: str) -> None:
        """Have a worker of this name be online, which takes nothing by itself."""
        url = f"{PREFECT_API_URL.value()}/work_pools/{self.name}/workers/heartbeat"
        wait_for(lambda: httpx.post(url, json={"name": worker}).is_success, 30, f"{worker} is online")

    def crash(self, run: FlowRun, worker: str) -> None:
        """What the server hears when a worker takes a run whose process dies."""
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(run.id, {"prefect.worker.name": worker})
            client.set_flow_run_state(run.id, Crashed(message="exit code 1"), force=True)

    def runs(self) -> list[FlowRun]:
        """All runs of the deployment."""
        wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[self.deployment]))
        with get_client(sync_client=True) as client:
            return client.read_flow_runs(flow_run_filter=wanted)

    def waiting(self, name: str) -> list[FlowRun]:
        """Runs of this name that no worker has taken."""
        return [run for run in self.runs() if run.state_name == "Scheduled" and run.name == name]

    def shared_files(self) -> list[Path]:
        """What jobs shared with workers and did not remove."""
        return [path for path in (self.home / "store" / JOBS).rglob("*") if path.is_file()]


@contextmanager
def meanwhile(channel: Channel, act: Callable[[], None]) -> Iterator[None]:
    """Do something in another thread; what goes wrong there stops the job, and is raised at the end."""

    def safely() -> None:
        try:
            act()
        except BaseException:
            channel.cancel()
            raise

    with ThreadPoolExecutor() as threads:
        done = threads.submit(contextvars.copy_context().run, safely)
        try:
            yield
        finally:
            done.result(60)
