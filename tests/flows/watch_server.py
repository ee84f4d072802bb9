"""A real Prefect server for the tests of watching, with what acts on events; and programs that talk to it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.processes import free_port, start, wait_for

START_SECONDS = 120.0
ROOT = Path(__file__).parents[2]


@contextmanager
def running_server(folder: Path) -> Iterator[dict[str, str]]:
    """Start a server, and yield the environment of programs that talk to it; this process talks to it too."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PREFECT_HOME": str(folder / "prefect"),
        "SAKUGA_HOME": str(folder / "sakuga"),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }
    url = f"http://127.0.0.1:{port}/api"
    server = start(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        environment,
        folder / "server.log",
    )

    def answers() -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{url}/health", timeout=5).status_code == 200
        return False

    try:
        wait_for(answers, START_SECONDS, "the server answers", lambda: (folder / "server.log").read_text())
        with temporary_settings({PREFECT_API_URL: url}):
            yield {**environment, "PREFECT_API_URL": url}
    finally:
        server.kill()
        server.wait()


def program(code: str, environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    """A Python program that talks to the server."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
