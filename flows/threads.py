"""How many chunks a flow works on at the same time."""

from typing import Any

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from sakuga.errors import OptionError
from sakuga.settings import load_settings


def chunk_threads() -> TaskRunner[PrefectFuture[Any]]:
    """A task runner with as many threads as the settings of this machine ask for."""
    try:
        workers = load_settings().workers
    except OptionError:
        # said again, and better, when a job starts
        workers = 1
    runner: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=workers)
    return runner
