"""Jobs of a test farm: started, followed, cancelled and tried again through the API, as the UI does it."""

import hashlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterTags,
    LogFilter,
    LogFilterFlowRunId,
    TaskRunFilter,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import PrefectHTTPStatusError

from sakuga.media.ref import TEMPORARY
from tasks.scratch import remove_dead
from tasks.shared import JOBS, TAG
from tests.farm.farm import STORE, Farm
from tests.farm.workload import SPEC
from tests.processes import command, wait_for

PARENT = "enhance/enhance-video"
JOB_SECONDS = 300.0
SETTLED_SECONDS = 30.0
"""Within this after a job's end everything of it is gone: as docs/reliability.md says."""

AWAY_SECONDS = 60.0
POLL = 0.2

T = TypeVar("T")


class Job:
    """One run of `enhance` over the pool."""

    def __init__(self, farm: Farm, source: Path, *, store: str = STORE) -> None:
        self.farm = farm
        self.result = farm.results / f"{source.stem}.mp4"
        deployment = farm.client.read_deployment_by_name(PARENT)
        parameters = {
            "source": str(source),
            "spec": SPEC.model_dump(mode="json"),
            "output": str(self.result),
            "store": store,
            "dispatch": "pool",
        }
        run = farm.client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        self.id: UUID = run.id

    def run(self) -> FlowRun:
        """The job's own run, asked for until the server answers."""
        return answered(lambda: self.farm.client.read_flow_run(self.id))

    def children(self) -> list[FlowRun]:
        """Runs that worked or work for the job."""
        wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"{TAG}{self.id}"]))
        found = answered(lambda: self.farm.client.read_flow_runs(flow_run_filter=wanted, limit=200))
        return [run for run in found if run.id != self.id]

    def living(self) -> list[FlowRun]:
        """Children that have not ended."""
        return [run for run in self.children() if not run.state or not run.state.is_final()]

    def wait(self, seconds: float = JOB_SECONDS) -> State[Any]:
        """The state that the job ends in."""
        return wait_for(self.ended, seconds, "the job ends", self.story, pause=0.5)

    def ended(self) -> State[Any] | None:
        """The state that the job has ended in, None while it goes on."""
        state = self.run().state
        return state if state and state.is_final() else None

    def set(self, kind: StateType, name: str, run: UUID | None = None) -> None:
        """Propose a state as the UI does."""
        state: State[Any] = State(type=kind, name=name, message=f"{name} by the tests")
        self.farm.client.set_flow_run_state(run or self.id, state, force=kind == StateType.CANCELLING)

    def cancel(self, run: UUID | None = None) -> None:
        """What the button `Cancel` does."""
        self.set(StateType.CANCELLING, "Cancelling", run)

    def retry(self) -> None:
        """What the button `Retry` does."""
        self.set(StateType.SCHEDULED, "AwaitingRetry")

    def story(self) -> str:
        """Everything that helps to understand a failure."""
        lines = []
        for run in [self.run(), *self.children()]:
            lines.append(f"\n== {run.name} {run.state_name} {run.state.message if run.state else ''}")
            wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
            with suppress(httpx.HTTPError):
                logs = self.farm.client.read_logs(log_filter=wanted, limit=200)
                lines += [f"{log.timestamp:%H:%M:%S} {log.message[-600:]}" for log in logs[-40:]]
        return "\n".join(lines)


class Run(Job):
    """A run that was started already."""

    def __init__(self, farm: Farm, run: UUID) -> None:
        self.farm, self.id = farm, run

    def completed(self) -> "Run":
        """Itself at its end, which has to be a good one."""
        assert self.wait().is_completed(), self.story()
        return self


def start(farm: Farm, deployment: str, **parameters: Any) -> Run:  # noqa: ANN401
    """Start a run as any client of the API does."""
    found = farm.client.read_deployment_by_name(deployment)
    return Run(farm, farm.client.create_flow_run_from_deployment(found.id, parameters=parameters).id)


def answered(ask: Callable[[], T]) -> T:
    """What the server says, asked again while it is away.

    Raises:
        AssertionError: it does not answer for a minute.
    """
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return ask()
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            if time.monotonic() > deadline:
                raise AssertionError("the server does not come back") from error
            time.sleep(0.5)


class Ledger:
    """Counts how often each new chunk is published in the farm's folder, by looking all the time.

    Two publications of one chunk differ, as each says how long it took. Use it as a context manager.
    """

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._before = {manifest.stem for manifest in self._manifests()}
        self.published: dict[str, set[str]] = defaultdict(set)
        self.workers: dict[str, str] = {}

    def __enter__(self) -> "Ledger":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._stop.wait(POLL):
            for manifest in self._manifests():
                if manifest.stem in self._before:
                    continue
                with suppress(OSError, ValueError):
                    content = manifest.read_bytes()
                    self.published[manifest.stem].add(hashlib.sha256(content).hexdigest())
                    self.workers[manifest.stem] = json.loads(content).get("worker", "")

    def _manifests(self) -> list[Path]:
        return list(self._farm.store.glob("chunks/*/*.json"))

    def twice(self) -> list[str]:
        """Chunks that were computed to the end more than once."""
        return [key for key, contents in self.published.items() if len(contents) > 1]


def parts_begun(job: Job, what: str = "chunk") -> int:
    """Task runs that began to make a chunk, or another part, as far as the server heard of them."""
    ids = [run.id for run in job.children()]
    if not ids:
        return 0
    wanted = FlowRunFilter.model_validate({"id": {"any_": ids}})
    named = TaskRunFilter.model_validate({"name": {"like_": f"{what} "}})
    found = job.farm.client.read_task_runs(flow_run_filter=wanted, task_run_filter=named, limit=200)
    return len(found)


def leftovers(farm: Farm, job: Job, *, killed: bool) -> list[str]:
    """What a job that has ended must not leave: processes, runs, slots, temporary files, half files.

    What a killed process had open is removed by the next run of its machine, and by the clean-up of the
    store; with `killed` it does not count.
    """
    left = [f"child run {run.name} is {run.state_name}" for run in job.living()]
    for process in farm.working():
        left.append(f"process {process.pid}: {command(process)[:160]}")
    for limit in farm.client.read_global_concurrency_limits(limit=50):
        if limit.active_slots:
            left.append(f"slot of {limit.name}")
    machines = farm.folder / "machines"
    if killed:
        for scratch in machines.glob("*/sakuga/scratch"):
            remove_dead(scratch)
        farm.sweep()
    left += [str(path) for path in machines.glob("*/sakuga/scratch/run-*") if path.is_dir()]
    for folder in (farm.store, farm.results, machines):
        left += [str(path) for path in folder.rglob(f"{TEMPORARY}*")]
    left += [str(path) for path in farm.store.glob(f"{JOBS}/{job.id}/**/*") if path.is_file()]
    return left


def settled(farm: Farm, job: Job, *, killed: bool) -> list[str]:
    """What is left of a job some time after its end."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while (left := leftovers(farm, job, killed=killed)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left
