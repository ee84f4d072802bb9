"""The server of compose.yaml as processes of this machine: its commands and variables, other addresses."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from tests.processes import LOOPBACK, free_port, wait_for
from tests.services import postgres, redis, running

COMPOSE = Path(__file__).parents[2] / "deployments" / "compose.yaml"
EXAMPLE = COMPOSE.with_name(".env.example")
REDIS_PASSWORD = "secretofredis"
SECRETS = {
    "POSTGRES_PASSWORD": "secretofpostgres",
    "REDIS_PASSWORD": REDIS_PASSWORD,
    "PREFECT_AUTH_STRING": "farm:secretofprefect",
    "STORAGE_ACCESS_KEY": "access",
    "STORAGE_SECRET_KEY": "secretofstorage",
}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
START_SECONDS = 60.0


def filled(text: str, given: dict[str, str]) -> str:
    """What compose makes of `${NAME:-default}` and `${NAME:?message}`."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if given.get(name):
            return given[name]
        assert kind == "-", f"{name} has no value"
        return str(rest)

    return VARIABLE.sub(value, text)


def compose(given: dict[str, str] | None = None) -> dict[str, Any]:
    """The file as compose reads it, with secrets of the tests."""
    read: dict[str, Any] = yaml.safe_load(filled(COMPOSE.read_text(), SECRETS if given is None else given))
    return read


class Production:
    """A database, a broker, and what is started on them. `seconds` says how long each start took."""

    def __init__(self, folder: Path, database: str, broker: str) -> None:
        self.folder = folder
        self.services = compose()["services"]
        self.seconds: dict[str, float] = {}
        addresses = {"@postgres:5432/prefect": f"@{database.split('@')[1]}", "@redis:6379": f"@{broker[8:]}"}
        self._addresses = addresses
        self._stack = ExitStack()
        self._apis: dict[int, AbstractContextManager[Any]] = {}

    def environment(self, service: str) -> dict[str, str]:
        """Variables of a service, with the addresses of this machine in place of compose's."""
        given = {name: str(value) for name, value in self.services[service]["environment"].items()}
        for name, value in given.items():
            for theirs, ours in self._addresses.items():
                given[name] = given[name].replace(theirs, ours)
            assert "@postgres" not in given[name], f"{name}={value}"
            assert "@redis" not in given[name], f"{name}={value}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return {**inherited, "PREFECT_HOME": str(self.folder / service), **given}

    def command(self, service: str) -> list[str]:
        """Command of a service, run by this Python."""
        program, *rest = self.services[service]["command"]
        assert program == "prefect"
        return [sys.executable, "-m", "prefect", *rest]

    def migrate(self) -> None:
        """Make the tables, as the one-shot service does."""
        began = time.monotonic()
        done = subprocess.run(
            self.command("migrate"),
            env=self.environment("migrate"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        self.seconds["migrate"] = time.monotonic() - began

    def start_api(self, port: int) -> None:
        """Start a process of the API on that port; it is not waited for."""
        command = self.command("server")
        command[command.index("--port") + 1] = str(port)
        command[command.index("--host") + 1] = LOOPBACK
        environment = self.environment("server")
        environment["PREFECT_SERVER_UI_ENABLED"] = "false"
        self._apis[port] = running(command, self.folder / f"api-{port}.log", environment=environment)
        self._apis[port].__enter__()

    def stop_api(self, port: int) -> None:
        """End a process of the API."""
        self._apis.pop(port).__exit__(None, None, None)

    def start_services(self, number: int) -> None:
        """Start a process of the background services."""
        environment = {
            **self.environment("services"),
            "PREFECT_HOME": str(self.folder / f"services-{number}"),
        }
        log = self.folder / f"services-{number}.log"
        self._stack.enter_context(running(self.command("services"), log, environment=environment))

    def start_worker(self, port: int, pool: str, extra: dict[str, str]) -> None:
        """Start a process worker with the environment of compose's."""
        health = {
            "PREFECT_WORKER_WEBSERVER_HOST": LOOPBACK,
            "PREFECT_WORKER_WEBSERVER_PORT": str(free_port()),
        }
        environment = {**self.environment("worker-cpu"), **self.client(port), **health, **extra}
        command = self.command("worker-cpu")
        command[command.index("--pool") + 1] = pool
        self._stack.enter_context(running(command, self.folder / "worker.log", environment=environment))

    def client(self, port: int) -> dict[str, str]:
        """Variables of a client of one process of the API."""
        return {
            "PREFECT_API_URL": f"http://{LOOPBACK}:{port}/api",
            "PREFECT_API_AUTH_STRING": SECRETS["PREFECT_AUTH_STRING"],
        }

    def wait_for_api(self, port: int) -> None:
        """Wait until the API and its database answer."""
        began = time.monotonic()
        wait_for(lambda: _ready(port), START_SECONDS, "the API", lambda: self.log(f"api-{port}"))
        self.seconds[f"api-{port}"] = time.monotonic() - began

    def log(self, name: str) -> str:
        """The end of what a process has said."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def close(self) -> None:
        """End everything; the API last, which would wait for its clients."""
        self._stack.close()
        for port in list(self._apis):
            self.stop_api(port)


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/api/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def production(folder: Path, apis: int = 2, services: int = 2) -> Iterator[tuple[Production, list[int]]]:
    """A running server in that many processes, and the ports of its API."""
    with postgres() as database, redis(REDIS_PASSWORD) as broker:
        farm = Production(folder, database, broker)
        try:
            farm.migrate()
            ports = [free_port() for _ in range(apis)]
            for port in ports:
                farm.start_api(port)
            for number in range(services):
                farm.start_services(number)
            for port in ports:
                farm.wait_for_api(port)
            yield farm, ports
        finally:
            farm.close()
