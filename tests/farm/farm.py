"""A farm for tests: a real server, work pools, deployments, and workers that stand for machines."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings

from app.farm_machine import SERVER_ENVIRONMENT
from blocks.s3 import S3Store
from blocks.stores import LocalFolderStore
from tests.farm.deploy import deploy
from tests.farm.proxy import Proxy
from tests.processes import MARK, command, free_port, kill, marked, start, wait_for

START_SECONDS = 90.0
STOP_SECONDS = 20.0
TEND_SECONDS = 2.0
WRITING = timedelta(seconds=10)
"""Parts of files that are younger may be in writing."""
PARENTS = 4
"""Jobs at a time on a machine of the CPU pool."""

STORE = "sakuga-local-folder-store/farm"
BUCKET = "sakuga-s3-store/farm"
SETTINGS = {
    "SAKUGA_FARM__UNIT_SECONDS": "30",
    "SAKUGA_FARM__DEADLINE": "120",
    "SAKUGA_FARM__LEASE_SECONDS": "60",
    "SAKUGA_FARM__PATIENCE": "90",
    "SAKUGA_FARM__SILENCE": "90",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}
"""Of every machine: units and patience are as short as the films of tests."""


OWN = ("PREFECT_", "SAKUGA_")
"""Beginnings of variables that the tests' own environment does not pass on."""


class Farm:
    """Everything of one farm lies below `folder`; use it as a context manager.

    A machine is a worker with a home of its own: `cpu-1` reaches the server through `network`, the machines
    of the GPU pool directly. `store` is a folder that all of them see, `bucket` is S3 behind `storage`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.store = folder / "store"
        self.results = folder / "results"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.network = Proxy(self.port)
        self._s3_port = free_port()
        self.storage = Proxy(self._s3_port)
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._tender = threading.Thread(target=self._tend, daemon=True)
        self.died: list[str] = []
        """Workers that ended by themselves, and were started again as a service manager does it."""
        for place in (self.store, self.results, folder / "logs"):
            place.mkdir(parents=True)

    def __enter__(self) -> "Farm":
        try:
            self.network.__enter__()
            self.storage.__enter__()
            self.start_server()
            self._tender.start()
            self.client = SyncPrefectClient(api=self.url, httpx_settings={"timeout": 30})
            with temporary_settings({PREFECT_API_URL: self.url}):
                deploy(self.client, self.environment("admin"))
                LocalFolderStore(root=self.store).save(STORE.split("/")[1], overwrite=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        kill(marked(self.mark))
        for program in self._programs.values():
            program.wait()
        self.network.__exit__()
        self.storage.__exit__()

    def environment(self, machine: str) -> dict[str, str]:
        """The environment of a machine: its own homes, the farm's settings, the farm's mark."""
        home = self.folder / "machines" / machine
        for name in ("prefect", "tmp"):
            (home / name).mkdir(parents=True, exist_ok=True)
        port = self.network.port if machine.startswith("cpu") else self.port
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        return {
            **kept,
            **SETTINGS,
            "DO_NOT_TRACK": "1",
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "SAKUGA_HOME": str(home / "sakuga"),
            "TMPDIR": str(home / "tmp"),
            MARK: f"{self.mark}/{machine}",
        }

    def start_server(self) -> None:
        """Start the server, or start it again on the database that it left."""
        argv = [sys.executable, "-m", "app.farm_server", "--host", "127.0.0.1"]
        environment = self.environment("server") | SERVER_ENVIRONMENT
        environment |= {
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "5",
        }
        environment.pop("PREFECT_API_URL")
        self._start("server", [*argv, "--port", str(self.port)], environment)
        self._await("server", self.healthy)

    def healthy(self) -> bool:
        """Whether the server answers."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        return False

    def start_storage(self) -> None:
        """Start S3 with an empty bucket, and save the block that leads to it through the proxy; once."""
        import boto3

        if self.runs("s3"):
            return
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._s3_port)]
        self._start("s3", argv, self.environment("s3"))
        s3 = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self._s3_port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self._await("s3", lambda: _listens(self._s3_port))
        s3.create_bucket(Bucket="farm")
        block = S3Store(
            bucket="farm",
            endpoint_url=f"http://127.0.0.1:{self.storage.port}",
            region="us-east-1",
            access_key="test",
            secret_key="test",
        )
        with temporary_settings({PREFECT_API_URL: self.url}):
            block.save(BUCKET.split("/")[1], overwrite=True)

    def start_worker(self, machine: str, *, limit: int = 1, **variables: str) -> None:
        """Start the worker of a machine; the first part of its name is the pool."""
        argv = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process"]
        argv += ["--pool", machine.split("-")[0], "--name", machine, "--limit", str(limit)]
        self._start(machine, argv, self.environment(machine) | variables)

    def _tend(self) -> None:
        while not self._ended.wait(TEND_SECONDS):
            for name in [name for name in list(self._programs) if "-" in name and not self.runs(name)]:
                if self._programs.pop(name, None) and not self._ended.is_set():
                    self.died.append(name)
                    self.start_worker(name, limit=PARENTS if name.startswith("cpu") else 1)

    def all_up(self, *machines: str) -> None:
        """Everything is as it was at the beginning, whatever has been done to it."""
        self.network.set("forward")
        self.storage.set("forward")
        if not self.runs("server"):
            self._programs.pop("server", None)
            self.start_server()
        for machine in machines:
            if not self.runs(machine):
                self._programs.pop(machine, None)
                self.start_worker(machine, limit=PARENTS if machine.startswith("cpu") else 1)

    def _start(self, name: str, argv: list[str], environment: Mapping[str, str]) -> None:
        assert name not in self._programs, f"{name} runs already"
        self._programs[name] = start(argv, environment, self.folder / "logs" / f"{name}.log")

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        wait_for(lambda: ready() or not self.runs(name), START_SECONDS, name, lambda: self.log(name))
        assert self.runs(name), f"{name} ended: {self.log(name)}"

    def stop(self, name: str) -> None:
        """Stop a program as an operator does, and after a while as an impatient one does."""
        program = self._programs.pop(name)
        program.send_signal(signal.SIGINT if name == "server" else signal.SIGTERM)
        try:
            program.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()

    def kill_program(self, name: str) -> None:
        """Kill -9 a server or a worker, and nothing that it started."""
        program = self._programs.pop(name)
        program.kill()
        program.wait()

    def kill_machine(self, machine: str) -> None:
        """Everything of a machine at once, as when it loses power."""
        self._programs.pop(machine).kill()
        kill(self.processes(machine))

    def runs(self, name: str) -> bool:
        """Whether a program was started, not stopped, and lives."""
        return name in self._programs and self._programs[name].poll() is None

    def processes(self, machine: str, *words: str) -> list[psutil.Process]:
        """Living processes of a machine, with all the words in their command lines."""
        found = marked(f"{self.mark}/{machine}")
        return [process for process in found if all(word in command(process) for word in words)]

    def engines(self, machine: str) -> list[psutil.Process]:
        """Processes that run a flow."""
        return [process for process in self.processes(machine) if is_engine(process)]

    def working(self) -> list[psutil.Process]:
        """Processes that work for jobs: all but the server, S3 and the workers themselves."""
        workers = {program.pid for program in self._programs.values()}
        names = [place.name for place in (self.folder / "machines").iterdir()]
        found = [process for name in names if "-" in name for process in self.processes(name)]
        return [process for process in found if process.pid not in workers]

    def in_work(self, machine: str) -> bool:
        """Whether a machine makes chunks now: its network lives from the first chunk of a run to the last."""
        runs = (self.folder / "machines" / machine).glob("sakuga/scratch/run-*/chunk-keys.json")
        return any(runs) and bool(self.helpers(machine))

    def helpers(self, machine: str) -> list[psutil.Process]:
        """Processes that run the network."""
        return self.processes(machine, "network_child")

    def log(self, name: str) -> str:
        """The end of what a program printed."""
        with suppress(OSError):
            return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")[-4000:]
        return ""

    def sweep(self) -> None:
        """Remove what killed writers left in the store, as the clean-up does."""
        LocalFolderStore(root=self.store).sweep("chunks", datetime.now(UTC) - WRITING)

    @contextmanager
    def store_away(self) -> Iterator[None]:
        """The shared folder is gone, as when a network drive is unmounted."""
        away = self.store.with_name("store-away")
        self.store.rename(away)
        try:
            yield
        finally:
            time.sleep(0.05)
            away.rename(self.store)


def is_engine(process: psutil.Process) -> bool:
    """Whether a process runs a flow."""
    return "prefect.engine" in command(process)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
