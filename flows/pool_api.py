"""What a job asks of Prefect's server to spread over a work pool; a server that is away is waited for."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    WorkerFilter,
    WorkerFilterStatus,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from sakuga.errors import FarmError
from tasks.channel import current_channel
from tasks.shared import TAG

TIMEOUT = 15.0
"""Seconds that one request may take."""

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
"""Seconds between the first two tries of a request, and between two at most."""

UNSAID = 5.0
"""Seconds without an answer that nobody is told of: a busy database refuses a request now and then."""

PAGE = 200
"""Runs that the server returns for one request."""

ALIVE = [
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.CANCELLING,
    StateType.PAUSED,
]

T = TypeVar("T")


@dataclass(frozen=True)
class Pool:
    """The work pool that parts are made on; `slots` is how many runs it works on at a time, now."""

    name: str
    type: str
    slots: int
    workers: frozenset[str] = frozenset()
    """Workers that are online."""

    paused: bool = False


@dataclass
class PoolApi:
    """The server, as one job needs it.

    Every method but `cancel` raises `FarmError` when the server refuses, or does not answer for `patience`
    seconds, and `CancelledError` when the job is told to stop meanwhile.
    """

    deployment: str
    job: str
    patience: float
    _pool: str | None = field(default=None, init=False)

    def pool(self) -> Pool:
        """The pool of the deployment as it is now."""

        def ask(client: SyncPrefectClient) -> Pool:
            name = self._pool_name(client)
            pool = client.read_work_pool(name)
            online = _online(client, name)
            slots, limit = len(online), pool.concurrency_limit
            if slots and limit is not None:
                # elsewhere one worker starts a container for each run
                slots = min(slots, limit) if pool.type == "process" else limit
            return Pool(name, pool.type, 0 if pool.is_paused else slots, online, pool.is_paused)

        return self._ask(ask)

    def start(self, parameters: dict[str, Any], name: str, key: str) -> UUID:
        """Start a run of the deployment below the run of the job; the same key gives the same run."""

        def ask(client: SyncPrefectClient) -> UUID:
            del client
            run = run_deployment(
                self.deployment,
                parameters=parameters,
                flow_run_name=name,
                timeout=0,
                tags=[TAG + self.job],
                idempotency_key=key,
                as_subflow=True,
            )
            return run.id  # type: ignore[no-any-return, union-attr, unused-ignore]

        return self._ask(ask)

    def read(self, runs: Sequence[UUID]) -> dict[UUID, FlowRun]:
        """Runs as they are now; those that are not on the server any more are left out."""
        found: dict[UUID, FlowRun] = {}
        for start in range(0, len(runs), PAGE):
            some = FlowRunFilter(id=FlowRunFilterId(any_=list(runs[start : start + PAGE])))
            for run in self._ask(partial(SyncPrefectClient.read_flow_runs, flow_run_filter=some)):
                if run.state:
                    found[run.id] = run
        return found

    def living(self) -> list[FlowRun]:
        """Runs that work for the job and have not ended."""
        some = FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG + self.job]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ALIVE)),
        )
        found: list[FlowRun] = []
        while len(found) % PAGE == 0:
            read = partial(
                SyncPrefectClient.read_flow_runs, flow_run_filter=some, offset=len(found), limit=PAGE
            )
            page = self._ask(read)
            found += page
            if not page:
                break
        return found

    def set_state(self, run: UUID, state: State[Any]) -> None:
        """Move a run into a state, as far as the server allows it."""

        def ask(client: SyncPrefectClient) -> None:
            with suppress(ObjectNotFound):
                client.set_flow_run_state(run, state)

        self._ask(ask)

    def cancel(self, runs: Collection[UUID], seconds: float) -> None:
        """Have runs end; best effort within so many seconds. Raises nothing."""
        until = time.monotonic() + seconds
        cancelling = State[Any](type=StateType.CANCELLING, name="Cancelling", message="Its job has ended.")
        for run in runs:
            left = until - time.monotonic()
            if left <= 0:
                return
            # runs watch over their job too, and end by themselves where this does not arrive
            with suppress(Exception), _client(min(left, TIMEOUT)) as client:
                client.set_flow_run_state(run, cancelling)

    def wait_for_end(self, seconds: float) -> bool:
        """Whether no run of the job is alive; waits for it so many seconds. Raises nothing."""
        until = time.monotonic() + seconds
        some = FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG + self.job]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ALIVE)),
        )
        while True:
            left = max(1.0, until - time.monotonic())
            with suppress(Exception), _client(min(left, TIMEOUT)) as client:
                if not client.read_flow_runs(flow_run_filter=some, limit=1):
                    return True
            if time.monotonic() >= until:
                return False
            time.sleep(0.5)

    def _pool_name(self, client: SyncPrefectClient) -> str:
        if self._pool is None:
            try:
                found = client.read_deployment_by_name(self.deployment)
            except ObjectNotFound as error:
                raise FarmError(
                    f"There is no deployment {self.deployment!r} on Prefect's server; run "
                    "`sakuga farm install`, or choose the dispatch `local`."
                ) from error
            if found.work_pool_name is None:
                raise FarmError(f"The deployment {self.deployment!r} has no work pool; deploy it to one.")
            self._pool = found.work_pool_name
        return self._pool

    def _ask(self, call: Callable[[SyncPrefectClient], T]) -> T:
        """The answer to a request, tried again while the server is away."""
        began, delay, told = time.monotonic(), FIRST_WAIT, False
        while True:
            try:
                with _client(TIMEOUT) as client:
                    answer = call(client)
            except ObjectNotFound as error:
                raise FarmError(
                    f"The deployment {self.deployment!r}, or its work pool, is not on Prefect's server any "
                    "more; run `sakuga farm install`."
                ) from error
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                if isinstance(error, httpx.HTTPStatusError) and not _passes(error):
                    raise FarmError(f"Prefect's server refused a request: {error}") from error
                waited = time.monotonic() - began
                if waited >= self.patience:
                    raise FarmError(
                        f"Prefect's server did not answer for {waited:.0f} s ({_said(error)}); "
                        "retry the run when it is back."
                    ) from error
                if not told and waited >= UNSAID:
                    told = True
                    get_run_logger().warning(
                        "Prefect's server does not answer (%s); it is waited for, %.0f s at most",
                        _said(error),
                        self.patience,
                    )
                current_channel().wait(min(delay, self.patience - waited))
                if not isinstance(error, httpx.HTTPStatusError):
                    # after an answer the client has waited two seconds already
                    delay = min(2 * delay, LONGEST_WAIT)
            else:
                if told:
                    get_run_logger().info(
                        "Prefect's server answers again, after %.0f s", time.monotonic() - began
                    )
                return answer


@contextmanager
def _client(timeout: float) -> Iterator[SyncPrefectClient]:
    """A client that tries nothing again by itself: whoever waits here hears a request to stop meanwhile."""
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True, httpx_settings={"timeout": timeout}) as client,
    ):
        yield client


def worker_of(run: FlowRun) -> str | None:
    """Name of the worker that took a run, None before one has."""
    name = run.labels.get("prefect.worker.name")
    return str(name) if name else None


def _online(client: SyncPrefectClient, pool: str) -> frozenset[str]:
    online = WorkerFilter(status=WorkerFilterStatus(any_=["ONLINE"]))
    names: list[str] = []
    while page := client.read_workers_for_work_pool(pool, online, offset=len(names), limit=PAGE):
        names += [worker.name for worker in page]
        if len(page) < PAGE:
            break
    return frozenset(names)


def _passes(error: httpx.HTTPStatusError) -> bool:
    return error.response.status_code >= 500 or error.response.status_code in (408, 429)


def _said(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
