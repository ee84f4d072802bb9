"""The processes of a farm on this machine: what they are, how they are started, watched and ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.farm_child import adopt_orphans, descendants, end_all, reap, send
from sakuga.errors import FarmError

WORKER_GRACE = 8.0
"""Seconds for a worker and its runs to say farewell to the server."""

SERVER_GRACE = 3.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before something that died is started again: the first time, and at most."""

STEADY = 60.0
"""Seconds after which something that died again counts as dying for the first time."""

LOG_BYTES = 20 * 10**6
"""A log larger than this is set aside when its process is started anew; one such is kept."""


class Member:
    """One process of the farm, under a keeper that ends it with everything below it."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self.grace = WORKER_GRACE
        self._command, self._environment = list(command), dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._next = 0.0
        self._pause = FIRST_PAUSE

    @property
    def pid(self) -> int | None:
        """Id of the keeper, None while there is none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it; its output goes to its log.

        Raises:
            FarmError: the log cannot be written.
        """
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
                self.log.replace(self.log.with_suffix(".old.log"))
            log = self.log.open("ab")
        except OSError as error:
            raise FarmError(f"The log {str(self.log)!r} cannot be written: {error.strerror}.") from error
        keeper = [sys.executable, "-P", "-m", "app.farm_child", str(os.getpid()), str(self.grace)]
        with log:
            self._process = subprocess.Popen(
                [*keeper, *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                # a Ctrl-C in the terminal is for the farm, which ends its members one after another
                start_new_session=True,
            )
        self._began = time.monotonic()

    def watch(self, say: Callable[[str], None]) -> None:
        """Start it again where it has died, after a pause that grows when that happens again and again."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._next:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            return
        if now - self._began > STEADY:
            self._pause = FIRST_PAUSE
        again = f"starting it again in {self._pause:.0f} s"
        say(f"{self.name} has ended ({_reason(code)}); {again}. Log: {self.log}")
        self._let_go()
        self._next = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def has_died(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def ask_to_end(self) -> None:
        """Have its keeper end it and everything below it; returns at once."""
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def wait_for_end(self) -> None:
        """Wait until it has ended; a keeper that takes too long is killed."""
        if self._process is None:
            return
        try:
            self._process.wait(self.grace + 4)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        self.ask_to_end()
        self._process = None


def _reason(code: int) -> str:
    # a keeper passes a signal on as 128 and its number, as a shell does
    return f"signal {code - 128}" if code > 128 else f"signal {-code}" if code < 0 else f"exit code {code}"


class Members:
    """All processes of a farm on this machine; use it as a context manager, leaving it ends them."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._server: Member | None = None
        self._workers: list[Member] = []
        self._strays: dict[int, float] = {}

    def __enter__(self) -> "Members":
        adopt_orphans()
        return self

    def add_server(self, server: Member) -> None:
        """Start the server; it is the last to end."""
        server.grace = SERVER_GRACE
        self._server = server
        server.start()

    def add_worker(self, worker: Member) -> None:
        """Start a worker."""
        self._workers.append(worker)
        worker.start()

    def watch(self) -> None:
        """Start again what has died. To be called often."""
        for member in self._all():
            member.watch(self._say)
        self._end_strays()

    def _all(self) -> list[Member]:
        return [*([self._server] if self._server else []), *self._workers]

    def _end_strays(self) -> None:
        """End what a keeper that was itself killed has left behind; on Linux that is ours now."""
        kept = {member.pid for member in self._all() if member.pid}
        known = kept.union(*(descendants(pid) for pid in kept))
        for pid in descendants(os.getpid()):
            if pid not in known:
                asked = self._strays.setdefault(pid, time.monotonic())
                send(pid, signal.SIGTERM if time.monotonic() - asked < WORKER_GRACE else signal.SIGKILL)
        for pid in self._strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            worker.wait_for_end()
        if self._server:
            self._server.ask_to_end()
            self._server.wait_for_end()
        end_all(os.getpid(), 0)
        reap()
