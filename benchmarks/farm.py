"""What a farm costs: a pool against one process, scaling over workers, and the server's share of each chunk.

Servers, workers, flows, store and chunks are real; only the model's work is replaced by waiting, so that one
machine can hold many workers.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun

from benchmarks.machine import table, verdict
from sakuga.enhance.spec import EnhanceSpec
from tasks.shared import TAG
from tests.clips import make_clip
from tests.farm.farm import STORE, Farm
from tests.farm.workload import another_film
from tests.services import postgres

ROOT = Path(__file__).parents[1]
RATE = 8
"""Frames of a chunk, which is one second long."""

SPEC = EnhanceSpec(model="lanczos", preset="ultrafast", chunk_seconds=1, reuse="off")
JOB_HOURS = 3.0
PARENT, CHILD = "waiting", "enhance-chunks/waiting"
YAML = """
pull: []
deployments:
  - {name: waiting, entrypoint: benchmarks.waiting.enhance, work_pool: {name: cpu}}
  - {name: waiting, entrypoint: benchmarks.waiting.enhance_chunks, work_pool: {name: gpu}}
"""

OVERHEAD_CHUNKS, OVERHEAD_SECONDS, OVERHEAD_BOUND = 60, 10.0, 0.10
SCALING_SECONDS = 8.0
SCALING = ((1, 20), (2, 40), (4, 80), (8, 500), (16, 500))
POSTGRES_SCALING = ((8, 500),)
"""Workers, and chunks for them: few workers would take hours for 500."""

EFFICIENCY_WORKERS, EFFICIENCY_BOUND = 8, 0.90


class BenchFarm(Farm):
    """A farm with a user's settings, whose chunks wait; on PostgreSQL where an address is given."""

    def __init__(self, folder: Path, seconds: float, database: str | None = None) -> None:
        self._own = {
            "PYTHONPATH": str(ROOT),
            "SAKUGA_BENCH_SECONDS": str(seconds),
            "SAKUGA_FARM__DEPLOYMENT": CHILD,
            "SAKUGA_FARM__UNIT_SECONDS": "300",
            "SAKUGA_FARM__DEADLINE": "3600",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
        }
        if database:
            self._own["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
        super().__init__(folder)

    def environment(self, machine: str) -> dict[str, str]:
        """As of any machine, with the settings of this benchmark."""
        return super().environment(machine) | self._own

    def __enter__(self) -> "BenchFarm":
        super().__enter__()
        file = self.folder / "prefect.yaml"
        file.write_text(YAML)
        deploy = [
            sys.executable,
            "-m",
            "prefect",
            "--no-prompt",
            "deploy",
            "--all",
            "--prefect-file",
            str(file),
        ]
        done = subprocess.run(
            deploy, cwd=ROOT, env=self.environment("admin"), stdin=subprocess.DEVNULL, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        return self


@dataclass(frozen=True)
class Measured:
    """One job: seconds of the run and of its chunks, seconds of CPU of the server and of its own run."""

    run: float
    chunks: float
    server: float
    parent: float
    children: int


def measure_overhead() -> str:
    """The same chunks in the job's own process and on the pool with one worker, at the same time."""
    with tempfile.TemporaryDirectory() as name, BenchFarm(Path(name), OVERHEAD_SECONDS) as farm:
        farm.start_worker("cpu-1", limit=2)
        farm.start_worker("gpu-1")
        time.sleep(10)
        sources = {kind: _film(farm, OVERHEAD_CHUNKS, kind) for kind in ("local", "pool")}
        began = {kind: _start(farm, source, kind) for kind, source in sources.items()}
        seconds = {kind: _seconds(_end(farm, run)) for kind, run in began.items()}
    more = seconds["pool"] / seconds["local"] - 1
    rows = [
        ("`dispatch=local`", f"{seconds['local']:.1f} s", "", ""),
        ("`dispatch=pool`", f"{seconds['pool']:.1f} s", "", ""),
        ("overhead", f"**{more:.1%}**", f"{OVERHEAD_BOUND:.0%}", verdict(more, OVERHEAD_BOUND)),
    ]
    heads = (f"{OVERHEAD_CHUNKS} chunks of {OVERHEAD_SECONDS:g} s, one worker", "run", "bound", "under it")
    return table(heads, rows)


def measure_scaling(database: str | None = None, plan: tuple[tuple[int, int], ...] = SCALING) -> str:
    """Efficiency and cost for more and more workers."""
    rows = []
    with tempfile.TemporaryDirectory() as name, BenchFarm(Path(name), SCALING_SECONDS, database) as farm:
        farm.start_worker("cpu-1")
        started = 0
        for workers, chunks in plan:
            while started < workers:
                started += 1
                farm.start_worker(f"gpu-{started}")
                time.sleep(3)
            time.sleep(10)
            one = _measure(farm, _film(farm, chunks, f"w{workers}"))
            ideal = chunks * SCALING_SECONDS / workers
            efficiency = ideal / one.chunks
            good = ""
            if workers == EFFICIENCY_WORKERS:
                good = "yes" if efficiency >= EFFICIENCY_BOUND else "NO"
            rows.append(
                (
                    str(workers),
                    str(chunks),
                    f"{ideal:.0f} s",
                    f"{one.chunks:.0f} s",
                    f"**{efficiency:.1%}**",
                    good,
                    str(one.children),
                    f"{1000 * one.server / chunks:.0f} ms",
                    f"{1000 * one.parent / chunks:.0f} ms",
                )
            )
    heads = ("workers", "chunks", "ideal", "measured", "efficiency", "at least 90 %", "runs")
    return table((*heads, "server's CPU a chunk", "job's CPU a chunk"), rows)


def measure_postgres() -> str:
    """The same for many workers, with the server on PostgreSQL."""
    with postgres() as url:
        return measure_scaling(url, POSTGRES_SCALING)


def _film(farm: Farm, chunks: int, name: str) -> Path:
    options = {"g": str(RATE), "sc_threshold": "0", "preset": "ultrafast"}
    drawn, size = farm.folder / f"{name}-drawn.mp4", (64, 48)
    make_clip(drawn, frames=chunks * RATE, size=size, rate=Fraction(RATE), options=options)
    # chunks of one film must not count for another
    return another_film(drawn, farm.folder / f"{name}.mp4")


def _start(farm: Farm, source: Path, dispatch: str) -> UUID:
    deployment = farm.client.read_deployment_by_name(f"enhance/{PARENT}")
    parameters: dict[str, Any] = {
        "source": str(source),
        "spec": SPEC.model_dump(mode="json"),
        "output": str(farm.results / f"{source.stem}.mp4"),
        "store": STORE,
        "dispatch": dispatch,
    }
    return farm.client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id


def _end(farm: Farm, run: UUID) -> FlowRun:
    until = time.monotonic() + JOB_HOURS * 3600
    while time.monotonic() < until:
        found = farm.client.read_flow_run(run)
        if found.state and found.state.is_final():
            assert found.state.is_completed(), found.state
            return found
        time.sleep(2)
    raise AssertionError("the job did not end")


def _seconds(run: FlowRun) -> float:
    assert run.start_time
    assert run.end_time
    return (run.end_time - run.start_time).total_seconds()


def _measure(farm: BenchFarm, source: Path) -> Measured:
    with _cpu(farm, "server", "farm_server") as server, _cpu(farm, "cpu-1", "prefect.engine") as parent:
        run = _start(farm, source, "pool")
        ended = _end(farm, run)
    report = json.loads((farm.results / f"{source.stem}.report.json").read_text())
    chunks = next(stage["seconds"] for stage in report["stages"] if stage["name"] == "enhance")
    return Measured(_seconds(ended), chunks, server(), parent(), len(_children(farm, run)))


def _children(farm: Farm, run: UUID) -> list[FlowRun]:
    some = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"{TAG}{run}"]))
    return farm.client.read_flow_runs(flow_run_filter=some, limit=200)


@contextmanager
def _cpu(farm: Farm, machine: str, words: str) -> Iterator[Callable[[], float]]:
    """Seconds of CPU that processes of a machine use meanwhile; looked at all the time, as they end."""
    used: dict[tuple[int, float], float] = {}
    before: dict[tuple[int, float], float] = {}
    stop = threading.Event()

    def look(into: dict[tuple[int, float], float]) -> None:
        for process in farm.processes(machine, *words.split()):
            with suppress(psutil.Error):
                times = process.cpu_times()
                into[process.pid, process.create_time()] = times.user + times.system

    def watch() -> None:
        while not stop.wait(1):
            look(used)

    look(before)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: sum(seconds - before.get(process, 0.0) for process, seconds in used.items())
    finally:
        stop.set()
        thread.join()
