"""Processes of tests: started under a mark in their environment, found by it, waited for, killed by id."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

MARK = "SAKUGA_TEST_FARM"
"""Variable that every process of a farm inherits: `<farm>/<machine>`, or of a test: its own mark."""
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

LOOPBACK = "127.0.0.1"

T = TypeVar("T")


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which every connection is refused, as long as the block lasts."""
    with socket.socket() as bound:
        # bound but not listening
        bound.bind((LOOPBACK, 0))
        yield int(bound.getsockname()[1])


def die_with_tests() -> None:
    """Between fork and exec: whatever ends the tests ends this process too."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program that writes to a log file and nowhere else."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=die_with_tests,
        )


def end(process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    """Ask a program to end, and kill it where it does not."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def marked(mark: str) -> list[psutil.Process]:
    """Living processes whose mark is this, or begins with it and a slash."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            held = process.environ().get(MARK, "")
            if (held == mark or held.startswith(f"{mark}/")) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return [process for process in found if process.pid != os.getpid()]


def command(process: psutil.Process) -> str:
    """Command line of a process, empty when it has ended."""
    with suppress(psutil.Error, OSError):
        return " ".join(process.cmdline())
    return ""


def kill(processes: Sequence[psutil.Process]) -> int:
    """Kill -9, and return how many were alive."""
    killed = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            killed += 1
    psutil.wait_procs(processes, timeout=10)
    return killed


def wait_for(
    look: Callable[[], T | bool | None],
    seconds: float,
    what: str,
    told: Callable[[], str] = lambda: "",
    pause: float = 0.1,
) -> T:
    """What `look` returns once it is true; `told` adds to the message when it never is.

    Raises:
        AssertionError: it was not within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found  # type: ignore[return-value]
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s. {told()}")
        time.sleep(pause)
