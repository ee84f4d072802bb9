"""What encoders ask of the system's scheduler."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


def scheduling() -> dict[int, int]:
    """The scheduling policy of every thread of this process by its id, as in sched(7); empty but on Linux."""
    policies: dict[int, int] = {}
    if hasattr(os, "sched_getscheduler") and _TASKS.is_dir():
        for thread in _TASKS.iterdir():
            with suppress(OSError):  # it has ended
                policies[int(thread.name)] = _policy(int(thread.name))
    return policies


def real_time(policy: int) -> bool:
    """Whether threads of this policy run before all others, for as long as they like."""
    return policy in (os.SCHED_FIFO, os.SCHED_RR)


@contextmanager
def fair_scheduling() -> Iterator[None]:
    """Open an encoder without the real-time scheduling that it may take for itself and for its caller.

    SVT-AV1 (4.1, `svt_threads.c`) has all its threads run as SCHED_FIFO with priority 99 wherever it may,
    which is wherever it runs as root, and the thread that opens it first stays so for good, with whatever
    that one starts afterwards. Such threads run before all others of the machine. Where one of them waits by
    spinning for a thread that is not like it, as those of OpenMP and TBB do, everything stands still.
    """
    before = scheduling()
    usual = before.get(threading.get_native_id(), 0)
    try:
        yield
    finally:
        if before and not real_time(usual):
            for thread, policy in scheduling().items():
                if real_time(policy) and not real_time(before.get(thread, usual)):
                    with suppress(OSError):
                        os.sched_setscheduler(thread, usual, os.sched_param(0))


def _policy(thread: int) -> int:
    # children of a thread may be told not to inherit its policy, by a flag beside it
    return os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK
