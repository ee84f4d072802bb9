"""The machine that a farm runs on: its GPUs, its ports, and the environment of Prefect's processes."""

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from app.farm_members import Member
from sakuga.errors import FarmError
from sakuga.settings import home

ASK_TIMEOUT = 60
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
SERVER_ENVIRONMENT = {"PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW": "-1"}

WORKER_ENVIRONMENT = {
    # a run starts within about two seconds
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    # a worker that is gone is offline after three of these
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "sakuga",
}


def farm_folder() -> Path:
    """Folder of everything that the farm of this machine keeps: database, logs."""
    return home() / "farm"


def gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES has to be for each GPU of this machine; none where there is none.

    A value that is set already is respected: only the devices that it names count.
    """
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [device.strip() for device in chosen.split(",") if device.strip() not in ("", "-1")]
    if program := shutil.which("nvidia-smi"):
        return _lines([program, "--query-gpu=index", "--format=csv,noheader"])
    if find_spec("torch"):
        code = "import torch; print(*range(torch.cuda.device_count()), sep='\\n')"
        return _lines([sys.executable, "-c", code])
    return []


def _lines(command: list[str]) -> list[str]:
    try:
        asked = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line.strip() for line in asked.stdout.splitlines()] if asked.returncode == 0 else []
    return [line for line in lines if line.isdigit()]


def check_port(host: str, port: int) -> None:
    """Refuse a port that another program has.

    Raises:
        FarmError: it is taken, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise FarmError(
                f"Port {port} of {host} cannot be used ({error.strerror}): choose another one, such as "
                f"`sakuga farm up --port {port + 1}`, or end the program that has it."
            ) from error


def check_name(name: str | None) -> None:
    """Refuse what cannot be a machine's name; None is the host name.

    Raises:
        FarmError: it is none.
    """
    if name is not None and not NAME.fullmatch(name):
        raise FarmError(f"{name[:40]!r} is no name for a machine: use letters, digits, dots and dashes.")


def base_environment(url: str) -> dict[str, str]:
    """Environment of the farm's processes: this one's, with the server's address and a Prefect of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_PROFILE"}
    return environment | {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(farm_folder() / "prefect"),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def server_member(host: str, port: int, environment: Mapping[str, str]) -> Member:
    """Prefect's server, with its page and without telemetry."""
    command = [sys.executable, "-P", "-m", "app.farm_server", "--host", host, "--port", str(port)]
    own = {"PREFECT_SERVER_LOGGING_LEVEL": "WARNING"}
    # who writes to SQLite may need a second connection, while those that wait for it have all of the pool
    own |= {name: value for name, value in SERVER_ENVIRONMENT.items() if name not in environment}
    if host not in ("127.0.0.1", "localhost", "::1"):
        # the page asks the machine that it came from, whatever that is called from elsewhere
        own["PREFECT_SERVER_UI_API_URL"] = "/api"
    if password := environment.get("PREFECT_API_AUTH_STRING"):
        own["PREFECT_SERVER_API_AUTH_STRING"] = password
    return Member("server", command, {**environment, **own}, farm_folder() / "logs" / "server.log")


def worker_members(
    cpu: int, gpu: int | None, environment: Mapping[str, str], name: str | None = None
) -> list[Member]:
    """The workers of this machine.

    Args:
        cpu: workers of the CPU pool.
        gpu: workers of the GPU pool; None is one for each GPU, or one on the CPU where there is none.
        environment: of the farm's processes.
        name: of the machine, as no two of a farm may have; its host name unless given.
    """
    devices = gpus()
    count = max(1, len(devices)) if gpu is None else gpu
    host = name or platform.node().split(".")[0] or "machine"
    workers = [_worker(f"{host}-cpu-{number}", "cpu", None, environment) for number in range(cpu)]
    for number in range(count):
        if devices:
            own = {**environment, "CUDA_VISIBLE_DEVICES": devices[number % len(devices)]}
            worker = f"{host}-gpu-{number}"
        else:
            own, worker = dict(environment), f"{host}-gpu-on-cpu-{number}"
        workers.append(_worker(worker, "gpu", 1, own))
    return workers


def _worker(name: str, pool: str, limit: int | None, environment: Mapping[str, str]) -> Member:
    command = [sys.executable, "-P", "-m", "prefect", "worker", "start", "--pool", pool, "--name", name]
    command += ["--type", "process", "--install-policy", "never"]
    command += ["--limit", str(limit)] if limit else []
    # the machine's own settings win
    own = {**WORKER_ENVIRONMENT, **environment}
    return Member(name, command, own, farm_folder() / "logs" / f"{name}.log")
