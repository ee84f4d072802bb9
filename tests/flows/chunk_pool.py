"""A work pool of one test, with the deployment that makes chunks and at most one worker."""

import os
import sys
import uuid
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL

from flows.chunks import enhance_chunks
from tests.processes import MARK, start

ROOT = Path(__file__).parents[2]


class ChunkPool:
    """The worker, called `gpu-7`, and what it starts keep their files below `folder` and carry `mark`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.mark = folder, folder / "home", uuid.uuid4().hex
        self.name = f"pool-{self.mark[:8]}"
        with get_client(sync_client=True) as client:
            client.create_work_pool(WorkPoolCreate(name=self.name, type="process"))
            self.deployment = client.create_deployment(
                flow_id=client.create_flow(enhance_chunks),
                name=self.name,
                work_pool_name=self.name,
                pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
                entrypoint="flows/chunks.py:enhance_chunks",
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
