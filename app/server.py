"""A private Prefect server for one run of the command line, where the user has configured none.

The server is a child process on a free port of the loopback interface. It is started before anything else is
done and comes up meanwhile: this process opens the listening socket itself, so requests simply wait until the
child answers them. The child ends when this process does, however that happens.

Each server has a database of its own, the first of `server-0`, `server-1`, ... that no living process holds:
SQLite behind two servers at once would lock, and a database for each run would lose the history.
"""

import fcntl
import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from sakuga.errors import ServerError

START_TIMEOUT = 90.0
"""Seconds until a server must answer; a first start on a slow disk makes its database."""

STOP_TIMEOUT = 5.0
SLOTS = 64

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_ENABLED": "false",
}
"""Settings of a server that serves one job: no page, no schedules, no telemetry."""


def configured_server() -> str | None:
    """Address of the Prefect server that the user has configured, None where there is none."""
    return prefect_setting("PREFECT_API_URL", "api", "url")


def prefect_setting(variable: str, section: str, key: str) -> str | None:
    """A setting of Prefect's, None where the user has set none: its variable, and its place in a TOML file.

    Looks where Prefect looks, in that order: the environment, `.env`, `prefect.toml` and `pyproject.toml` in
    the working folder, and the active profile. Prefect itself is not imported, as that takes longer than
    everything else here.
    """
    if given := os.environ.get(variable) or _dotenv(Path(".env")).get(variable):
        return given
    tool = _table(_toml(Path("pyproject.toml")).get("tool"))
    for tables in (_toml(Path("prefect.toml")), _table(tool.get("prefect"))):
        if value := _table(tables.get(section)).get(key):
            return str(value)
    prefect_home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    profiles = _toml(Path(os.environ.get("PREFECT_PROFILES_PATH") or prefect_home / "profiles.toml"))
    active = str(os.environ.get("PREFECT_PROFILE") or profiles.get("active"))
    value = _table(_table(profiles.get("profiles")).get(active)).get(variable)
    return str(value) if value else None


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _dotenv(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


class PrivateServer:
    """A Prefect server of this process's own; use it as a context manager.

    Entering sets the environment of this process so that Prefect, when it is imported after that, talks to
    the server. Start it from the main thread: the child dies with the thread that started it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ("127.0.0.1", 0)
        self.log = folder / "server.log"

    def __enter__(self) -> "PrivateServer":
        self._folder.mkdir(parents=True, exist_ok=True)
        slot, lock = _take_slot(self._folder)
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._address = listener.getsockname()
        self.log = self._folder / f"server-{slot}.log"
        token = f"sakuga:{secrets.token_urlsafe(24)}"
        os.environ.update(
            PREFECT_API_URL=f"http://127.0.0.1:{self._address[1]}/api",
            PREFECT_API_AUTH_STRING=token,
            PREFECT_HOME=str(self._folder),
            DO_NOT_TRACK="1",
        )
        os.environ.pop("PREFECT_API_KEY", None)
        database = f"sqlite+aiosqlite:///{self._folder / f'server-{slot}.db'}"
        environment = {
            **os.environ,
            **QUIET,
            "PREFECT_SERVER_API_AUTH_STRING": token,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        }
        with listener, lock, self.log.open("wb") as log:
            self._process = subprocess.Popen(
                # -P: a folder called `app` where the user happens to be must not be taken for ours
                [sys.executable, "-P", "-m", "app.server_child", str(listener.fileno()), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=(listener.fileno(), lock.fileno()),
                start_new_session=True,
            )
        return self

    def wait(self, poll: Callable[[], None] | None = None) -> None:
        """Wait until the server answers; `poll` is called again and again, and may raise to stop.

        Raises:
            ServerError: it ended, or did not answer in time.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process and self._process.poll() is None:
            if poll:
                poll()
            connection = http.client.HTTPConnection(*self._address, timeout=5)
            try:
                connection.request("GET", "/api/health")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
            finally:
                connection.close()
        raise ServerError(f"Prefect's server did not start; its log is {str(self.log)!r}.")

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _take_slot(folder: Path) -> tuple[int, IO[bytes]]:
    """The first database that no living process uses, and the open lock that keeps it so."""
    for slot in range(SLOTS):
        lock = (folder / f"server-{slot}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
        else:
            return slot, lock
    raise ServerError(f"{SLOTS} runs use {str(folder)!r} already; wait for one to end.")
