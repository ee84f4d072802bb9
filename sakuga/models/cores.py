"""Threads whose torch operations stay on one core."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

Result = TypeVar("Result")

THREADS = 4
"""Pictures that are converted at the same time at the most."""

_MAKING = threading.Lock()


def on_one_core(work: Callable[[], Result]) -> Result:
    """Do torch work on one core while the caller waits.

    Conversions are thousands of short operations. Split over cores, each waits for its slowest part: on two
    idle cores that gains a tenth, beside an encoder that also wants them it makes the work 15 times as long.
    """
    with _MAKING:
        pool = _pool()
    return pool.submit(work).result()


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    """All its threads are made at once: what they set for themselves is also the default of later threads.

    A second pool, made at the same time, would take that default for everybody's: callers hold `_MAKING`.
    """
    everywhere = torch.get_num_threads()
    together = threading.Barrier(THREADS)

    def begin() -> None:
        # the first look takes the default, and would undo what was set before it
        torch.get_num_threads()
        torch.set_num_threads(1)
        together.wait()

    pool = ThreadPoolExecutor(THREADS, "sakuga-colours")
    for job in [pool.submit(begin) for _ in range(THREADS)]:
        job.result()
    restore = threading.Thread(target=torch.set_num_threads, args=(everywhere,))
    restore.start()
    restore.join()
    return pool
