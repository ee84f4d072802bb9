"""What a farm looks like from outside: its server, pools, workers and runs."""

from datetime import UTC, datetime

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterTags,
    WorkerFilter,
    WorkerFilterStatus,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from deployments.install import check_server
from deployments.pools import POOLS
from sakuga.errors import FarmError

STATES = ("Running", "Cancelling", "Pending", "Late", "Scheduled", "AwaitingConcurrencySlot")
"""States of runs that are under way or wait, in the order they are shown in."""

SHOWN = 200
"""Runs that are counted at most."""


async def form_of(deployment: str) -> str:
    """Address of the page that starts a run of a deployment, given as `flow/deployment`."""
    async with get_client() as client:
        found = await client.read_deployment_by_name(deployment)
        page = str(client.api_url).rstrip("/").removesuffix("/api")
        return f"{page}/deployments/deployment/{found.id}/run"


async def farm_status() -> list[str]:
    """Lines that say what the farm is doing.

    Raises:
        FarmError: its server does not answer, or has no farm.
    """
    async with get_client() as client:
        lines = [f"Server {client.api_url} (Prefect {await check_server(client)})"]
        lines += [await _pool_line(client, name) for name in POOLS]
        return [*lines, await _runs_line(client)]


async def _pool_line(client: PrefectClient, name: str) -> str:
    try:
        pool = await client.read_work_pool(name)
    except ObjectNotFound as error:
        raise FarmError(f"The server has no work pool {name!r}; run `sakuga farm install`.") from error
    online = WorkerFilter(status=WorkerFilterStatus(any_=["ONLINE"]))
    workers = await client.read_workers_for_work_pool(name, worker_filter=online, limit=SHOWN)
    names = ", ".join(sorted(worker.name for worker in workers)) or "none: its runs wait"
    paused = ", paused" if pool.is_paused else ""
    count = "1 worker" if len(workers) == 1 else f"{len(workers)} workers"
    return f"Pool {name} ({pool.type}{paused}): {count} online: {names}"


async def _runs_line(client: PrefectClient) -> str:
    runs = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=["sakuga"]),
            state=FlowRunFilterState(name=FlowRunFilterStateName(any_=list(STATES))),
            # what schedules have planned for later is no work that waits
            expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
        ),
        sort=FlowRunSort.START_TIME_DESC,
        limit=SHOWN,
    )
    counts = {state: sum(_state(run) == state for run in runs) for state in STATES}
    texts = [f"{count} {state.lower()}" for state, count in counts.items() if count]
    return f"Runs: {', '.join(texts) or 'none'}"


def _state(run: FlowRun) -> str:
    return run.state.name or "" if run.state else ""
