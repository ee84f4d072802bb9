"""Processes that run Anime4K's networks, one picture each at a time.

pyanime4k keeps Python's lock while it computes, so that in this process nothing else would run meanwhile:
not the decoder, not the encoder, not the answer to Ctrl-C. And one network over two cores waits at every
layer for the slower of them, which shares its core with the encoder. Whole pictures on single cores do not.
And while it loads it finds out what the processor can by trying instructions, which in a process with other
libraries, such as PyTorch, has ended in a segmentation fault.
"""

import atexit
import os
import pickle
import subprocess
import sys
import threading
from functools import lru_cache
from typing import Any

from sakuga.errors import SakugaError, SubprocessError
from sakuga.media.picture import Plane
from sakuga.media.resize import Levels

MOST = 8
"""Processes at the most: each holds a few hundred megabytes while it enlarges a large picture."""

LAST_WORDS = 2.0
"""Seconds in which a process ends when its input does."""


def cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class NetworkProcesses:
    """Child processes that are started when they are needed, and end with this process."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._free = threading.BoundedSemaphore(most)
        self._idle: list[subprocess.Popen[bytes]] = []
        self._idle_lock = threading.Lock()
        atexit.register(self.close)

    def enlarge_luma(
        self, name: str, luma: Plane, source: Levels, result: Levels, size: tuple[int, int]
    ) -> Plane:
        """`network.enlarge_luma` in the first process that is free; any number of threads may wait.

        Raises:
            SubprocessError: the process died.
        """
        with self._free:
            with self._idle_lock:
                process = self._idle.pop() if self._idle else None
            process = process or _start(max(1, cpus() // self.most))
            try:
                answer = _ask(process, (name, luma, source, result, size))
            except BaseException:
                # what is left in its pipes belongs to nobody
                process.kill()
                _reap(process)
                raise
            with self._idle_lock:
                self._idle.append(process)
        if isinstance(answer, SakugaError):
            raise answer
        plane: Plane = answer
        return plane

    def close(self) -> None:
        """End all processes that are idle, and wait for them."""
        with self._idle_lock:
            processes, self._idle = self._idle, []
        for process in processes:
            assert process.stdin
            process.stdin.close()
        for process in processes:
            _reap(process)


def _start(threads: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -P: a folder called `sakuga` where the user happens to be must not be taken for ours
        [sys.executable, "-P", "-m", "sakuga.models.network_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"},
        # Ctrl-C is for this process to answer
        start_new_session=True,
    )


def _ask(process: subprocess.Popen[bytes], question: tuple[Any, ...]) -> Any:  # noqa: ANN401 - any object
    assert process.stdin
    assert process.stdout
    try:
        pickle.dump(question, process.stdin, protocol=5)
        process.stdin.flush()
        return pickle.load(process.stdout)
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        argv = [str(part) for part in process.args] if isinstance(process.args, list) else []
        raise SubprocessError(
            "A process that enlarges pictures died; if memory is short, use fewer workers.",
            argv,
            process.poll(),
            "",
        ) from error


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(LAST_WORDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            try:
                pipe.close()
            except OSError:
                continue


@lru_cache(maxsize=1)
def network_processes() -> NetworkProcesses:
    """The processes of this process, as many as there are processors, or `MOST`."""
    return NetworkProcesses(min(cpus(), MOST))
