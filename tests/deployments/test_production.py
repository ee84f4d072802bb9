from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    GlobalConcurrencyLimitCreate,
    WorkPoolCreate,
)
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from tests.deployments.production import Production, production
from tests.processes import LOOPBACK, wait_for
from tests.services import missing_services

pytestmark = [
    pytest.mark.slow,
    pytest.mark.farm,
    pytest.mark.skipif(bool(missing_services()), reason=missing_services() or "they are there"),
]

POOL = "production"
LIMIT = "one-gpu"
LEASE_SECONDS = 120.0
AHEAD_SECONDS = 25.0
"""From the deployment to its scheduled run: the scheduler looks at new deployments every 5 s."""
RUN_SECONDS = 70.0
"""Within which a run that is due is done, on a machine with other work."""
TWICE_SECONDS = 3.0
"""Within which a second process of the services would have started its run too."""
FLOW = """
import os
from pathlib import Path
from prefect import flow

@flow
def note(word: str):
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(word + "\\n")
"""


@contextmanager
def connected(farm: Production, port: int) -> Iterator[SyncPrefectClient]:
    client = farm.client(port)
    given = {
        PREFECT_API_URL: client["PREFECT_API_URL"],
        PREFECT_API_AUTH_STRING: client["PREFECT_API_AUTH_STRING"],
    }
    with temporary_settings(given), get_client(sync_client=True) as api:
        yield api


def deploy(api: SyncPrefectClient, folder: Path) -> UUID:
    (folder / "note_flow.py").write_text(FLOW)
    api.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    api.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=LIMIT, limit=1))
    due = datetime.now(UTC) + timedelta(seconds=AHEAD_SECONDS)
    schedule = IntervalSchedule(interval=timedelta(hours=1), anchor_date=due)
    deployment = api.create_deployment(
        flow_id=api.create_flow_from_name("note"),
        name=POOL,
        work_pool_name=POOL,
        path=str(folder),
        entrypoint="note_flow.py:note",
        parameters={"word": "schedule"},
        schedules=[DeploymentScheduleCreate(schedule=schedule, active=True)],
        enforce_parameter_schema=False,
    )
    trigger = EventTrigger(expect={"production.tested"}, posture=Posture.Reactive, threshold=1)
    action = RunDeployment(deployment_id=deployment, parameters={"word": "event"})
    api.create_automation(AutomationCore(name="on-event", trigger=trigger, actions=[action]))
    return deployment


class Started:
    def __init__(self, farm: Production, ports: list[int], folder: Path) -> None:
        self.farm, self.ports, self.notes = farm, ports, folder / "notes"
        with connected(farm, ports[0]) as api:
            self.deployment = deploy(api, folder)
        farm.start_worker(ports[1], POOL, {"NOTES": str(self.notes)})

    def words(self) -> Counter[str]:
        return Counter(self.notes.read_text().split()) if self.notes.exists() else Counter()

    def runs(self, api: SyncPrefectClient, word: str) -> list[FlowRun]:
        only = DeploymentFilter(id=DeploymentFilterId(any_=[self.deployment]))
        runs = api.read_flow_runs(deployment_filter=only)
        return [run for run in runs if run.parameters.get("word") == word]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("production")
    with production(folder) as (farm, ports):
        yield Started(farm, ports, folder)


def test_a_server_without_the_password_is_closed_but_says_that_it_is_well(started: Started) -> None:
    address = f"http://{LOOPBACK}:{started.ports[0]}/api"
    for path in ("health", "ready"):
        with urlopen(f"{address}/{path}", timeout=10) as answer:
            assert answer.status == 200
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{address}/admin/version", timeout=10)
    assert refused.value.code == 401


def test_a_slot_is_still_held_after_its_server_was_started_again(started: Started) -> None:
    first, second = started.ports
    with connected(started.farm, first) as api:
        taken = api.increment_concurrency_slots_with_lease([LIMIT], 1, "concurrency", LEASE_SECONDS)
        lease = UUID(taken.json()["lease_id"])
    started.farm.stop_api(first)
    with connected(started.farm, second) as api:
        assert held(api) == 1
        api.renew_concurrency_lease(lease, LEASE_SECONDS)
    started.farm.start_api(first)
    started.farm.wait_for_api(first)
    with connected(started.farm, first) as api:
        assert held(api) == 1
        api.renew_concurrency_lease(lease, LEASE_SECONDS)
        api.release_concurrency_slots_with_lease(lease)
        assert held(api) == 0


def held(api: SyncPrefectClient) -> int:
    return api.read_global_concurrency_limit_by_name(LIMIT).active_slots


def test_a_schedule_starts_one_run_though_two_processes_watch_it(started: Started) -> None:
    wait_for(lambda: started.words()["schedule"], RUN_SECONDS, "a run", lambda: started.farm.log("worker"))
    sleep(TWICE_SECONDS)
    assert started.words()["schedule"] == 1
    with connected(started.farm, started.ports[1]) as api:
        dates = [run.expected_start_time for run in started.runs(api, "schedule")]
    assert len(dates) == len(set(dates))


def test_an_event_starts_one_run_though_two_processes_watch_it(started: Started) -> None:
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "production.tested",
        "resource": {"prefect.resource.id": "production.test"},
    }
    with connected(started.farm, started.ports[0]) as api:
        api.request("POST", "/events", json=[event])
        wait_for(
            lambda: started.words()["event"], RUN_SECONDS, "a run", lambda: started.farm.log("services-0")
        )
        sleep(TWICE_SECONDS)
        assert started.words()["event"] == 1
        assert len(started.runs(api, "event")) == 1
