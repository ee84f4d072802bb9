"""PostgreSQL and Redis for tests: private ones, from the system's packages, on free ports of the loopback."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.processes import LOOPBACK, free_port, wait_for

START_SECONDS = 30.0
STOP_SECONDS = 10.0
POSTGRES_USER = "postgres"
"""PostgreSQL refuses to run as root: its package makes this user."""


def postgres_tool(name: str) -> str | None:
    """Path of one of PostgreSQL's programs; Debian keeps them out of `PATH`, the newest version is taken."""
    found = shutil.which(name)
    if found:
        return found
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1]) if versions else None


def missing_services() -> str:
    """Why PostgreSQL and Redis cannot be started here, empty when they can."""
    absent = [] if postgres_tool("initdb") else ["PostgreSQL"]
    absent += [] if shutil.which("redis-server") else ["Redis"]
    if absent:
        return f"{' and '.join(absent)} not installed: run `make services`"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(POSTGRES_USER)
        except KeyError:
            return f"PostgreSQL does not run as root, and there is no user {POSTGRES_USER}"
    return ""


@contextmanager
def postgres() -> Iterator[str]:
    """A new PostgreSQL; gives the URL of an empty database, as Prefect wants it."""
    user, port = POSTGRES_USER if os.geteuid() == 0 else None, free_port()
    # not below pytest's own folder, which PostgreSQL's user may not pass through
    with tempfile.TemporaryDirectory(prefix="sakuga-postgres-") as folder:
        data, log = Path(folder) / "data", Path(folder) / "log"
        if user:
            shutil.chown(folder, user)
        make = [postgres_tool("initdb"), "-D", data, "-U", "prefect", "--auth=trust", "--no-sync"]
        done = subprocess.run(_command(user, make), cwd="/", stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 0, done.stderr[-2000:]
        settings = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "port": port,
            "max_connections": 200,
            # a database that ends with its test need not survive a power cut
            "fsync": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # SIGINT is PostgreSQL's fast shutdown; on SIGTERM it would wait for its clients
        command = [postgres_tool("postgres"), "-D", data, *options]
        with running(command, log, user=user, stop=signal.SIGINT) as process:
            _wait(process, lambda: _answers(port), log)
            yield f"postgresql+asyncpg://prefect@{LOOPBACK}:{port}/postgres"


@contextmanager
def redis(password: str = "") -> Iterator[str]:
    """A new Redis; gives its URL, without the password and the number of a database."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="sakuga-redis-") as folder:
        log = Path(folder) / "log"
        command = ["redis-server", "--bind", LOOPBACK, "--port", port, "--dir", folder, "--save", ""]
        with running([*command, "--requirepass", password], log) as process:
            _wait(process, lambda: _accepts(port), log)
            yield f"redis://{LOOPBACK}:{port}"


def _command(user: str | None, parts: Sequence[object]) -> list[str]:
    """A command that runs as that user; where the system can, it ends when this process does."""
    command = [str(part) for part in parts]
    if not shutil.which("setpriv"):
        return command
    identity = ["--reuid", user, "--regid", user, "--clear-groups"] if user else []
    return ["setpriv", *identity, "--pdeathsig", "INT", *command]


def _answers(port: int) -> bool:
    ready = [str(postgres_tool("pg_isready")), "-q", "-h", LOOPBACK, "-p", str(port)]
    return subprocess.run(ready, stdin=subprocess.DEVNULL, check=False).returncode == 0


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    def told() -> str:
        return log.read_text(errors="replace")[-2000:]

    wait_for(lambda: ready() or process.poll() is not None, START_SECONDS, "an answer", told)
    assert process.poll() is None, told()


@contextmanager
def running(
    parts: Sequence[object],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process and its group, which writes to `log` only and is stopped at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            _command(user, parts),
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    """Start both, say where they are, and stop them when standard input closes or Ctrl-C is pressed."""
    with postgres() as database, redis() as broker, suppress(KeyboardInterrupt):
        sys.stdout.write(f"{database}\n{broker}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
