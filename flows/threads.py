"""How many chunks a flow works on at the same time, and what its threads share."""

import ctypes
import sys
from typing import Any

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from sakuga.errors import OptionError
from sakuga.settings import load_settings

ARENAS = 2
"""Memory pools of all threads: glibc's default is eight for each core, and what one thread has freed another
cannot have, so that a job of hundreds of parts would grow by a third."""

_M_ARENA_MAX = -8
"""Of mallopt(3)."""


def chunk_threads() -> TaskRunner[PrefectFuture[Any]]:
    """A task runner with as many threads as the settings of this machine ask for."""
    _share_memory()
    try:
        workers = load_settings().workers
    except OptionError:
        # said again, and better, when a job starts
        workers = 1
    runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=workers)
    return runner


def _share_memory() -> None:
    """Have threads share memory where the C library is glibc; others have no such pools."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_M_ARENA_MAX, ARENAS)
