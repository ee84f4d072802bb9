"""The keeper of one process of a farm: `python -m app.farm_child FARM_PID GRACE COMMAND...`.

It starts the command, and ends when the command does. When its standard input closes, as the farm has ended
in whatever way, it stops the command and what this has started: asked first, killed after GRACE seconds. On
Linux it also becomes the parent of what a dead worker leaves behind, runs in sessions of their own and their
encoders, and ends that too.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

POLL = 0.2
KILLS = 50
"""Rounds of killing what is left: a process may fork between being seen and being killed."""

RUNS_SHARE = 0.6
"""Part of the grace that is for the runs of a worker; the rest is for the worker."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies; only Linux can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def descendants(pid: int) -> list[int]:
    """Ids of all living processes below `pid`, parents before their children."""
    below: dict[int, list[int]] = {}
    for child, parent in _parents():
        below.setdefault(parent, []).append(child)
    found: list[int] = []
    queue = [pid]
    while queue:
        next_ones = below.get(queue.pop(0), [])
        found += next_ones
        queue += next_ones
    return found


def _parents() -> list[tuple[int, int]]:
    """Each living process and its parent."""
    if sys.platform != "linux":
        command = ["ps", "-axo", "pid=,ppid=,stat="]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as listing:
            rows = [line.split() for line in listing.communicate()[0].splitlines()]
        alive = [(int(row[0]), int(row[1])) for row in rows if not row[2].startswith("Z")]
        return [pair for pair in alive if pair[0] != listing.pid]
    pairs = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # the name of the program may hold spaces and brackets; what follows it does not
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    pairs.append((int(entry.name), int(parent)))
    return pairs


def children(pid: int) -> list[int]:
    """Ids of the living processes that `pid` is the parent of."""
    return [child for child, parent in _parents() if parent == pid]


def end_all(pid: int, grace: float) -> None:
    """End all processes below `pid`: they are asked, and after `grace` seconds killed."""
    _ask_and_wait(lambda: descendants(pid), grace)
    for _ in range(KILLS):
        left = descendants(pid)
        if not left:
            return
        for one in left:
            send(one, signal.SIGKILL)
        reap()
        time.sleep(POLL / 4)


def _ask_and_wait(which: Callable[[], list[int]], seconds: float) -> None:
    """Ask processes to end, also those that appear meanwhile; each is asked once."""
    deadline = time.monotonic() + seconds
    asked: set[int] = set()
    while time.monotonic() < deadline and (alive := which()):
        for one in set(alive) - asked:
            send(one, signal.SIGTERM)
        asked.update(alive)
        reap()
        time.sleep(POLL / 4)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def reap(known: int = 0) -> None:
    """Let go of dead children that were adopted; `known` is left to whoever started it."""
    with contextlib.suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid == known:
                return
            os.waitpid(found.si_pid, os.WNOHANG)


def _die_with_keeper() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Keep one process, until it ends or the farm does."""
    farm, grace, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # the farm says when to stop, by closing the pipe
        signal.signal(number, signal.SIG_IGN)
    adopt_orphans()
    if os.getppid() != farm:
        os._exit(1)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        restore_signals=True,
        preexec_fn=partial(_prepare, os.getpid()),
    )
    while child.poll() is None:
        if select.select([sys.stdin], [], [], POLL)[0] and not os.read(sys.stdin.fileno(), 1):
            break
        reap(child.pid)
    # a worker that is asked kills its runs; asked before it, they tell the server themselves that they end
    _ask_and_wait(lambda: children(child.pid), grace * RUNS_SHARE)
    end_all(os.getpid(), grace * (1 - RUNS_SHARE))
    code = child.poll()
    os._exit(128 - code if code and code < 0 else code or 0)


def _prepare(keeper: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        _die_with_keeper()
    if os.getppid() != keeper:
        # it was killed before that call
        os._exit(1)


if __name__ == "__main__":
    main()
