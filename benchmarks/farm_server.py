"""How many requests a second one process of Prefect's server answers, on SQLite and on PostgreSQL."""

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.farm import BenchFarm
from benchmarks.machine import table
from tests.services import postgres

THREADS = 8
SECONDS = 8.0
TIMEOUT = 60.0


def measure() -> str:
    """Rates of what a farm asks most: a worker's look for work, a run's state, and a new run."""
    kinds = ("a worker looks for work", "state of a run", "a new run of a deployment")
    with postgres() as url:
        rates = {"SQLite": _rates(None), "PostgreSQL": _rates(url)}
    rows = [(kind, *(f"{rates[name][number]:.0f}" for name in rates)) for number, kind in enumerate(kinds)]
    return table(("requests a second, one server process", *rates), rows)


def _rates(database: str | None) -> list[float]:
    with tempfile.TemporaryDirectory() as name, BenchFarm(Path(name), 0, database) as farm:
        deployment = farm.client.read_deployment_by_name("enhance-chunks/waiting")
        parameters = {"job": "00000000-0000", "chunks": [0], "unit": "none"}
        run = farm.client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        new = {"parameters": parameters, "state": {"type": "SCHEDULED", "name": "Scheduled"}}
        looks: list[Callable[[httpx.Client], httpx.Response]] = [
            lambda client: client.post("/work_pools/cpu/get_scheduled_flow_runs", json={}),
            lambda client: client.get(f"/flow_runs/{run.id}"),
            lambda client: client.post(f"/deployments/{deployment.id}/create_flow_run", json=new),
        ]
        return [_rate(farm.url, look) for look in looks]


def _rate(url: str, ask: Callable[[httpx.Client], httpx.Response]) -> float:
    """Requests a second that several clients get answered, without those that met a busy server."""
    counts = [0] * THREADS
    began = time.monotonic()

    def work(number: int) -> None:
        with httpx.Client(base_url=url, timeout=TIMEOUT) as client:
            while time.monotonic() - began < SECONDS:
                try:
                    answer = ask(client)
                except httpx.TransportError:
                    # a server that was slow takes a waiting connection for one that nobody uses
                    continue
                if answer.status_code != 503:
                    answer.raise_for_status()
                    counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)
