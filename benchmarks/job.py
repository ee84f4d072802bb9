"""A whole job as a process, with what it used while it ran."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

EVERY = 0.25
"""Seconds between two looks at a running job."""


@dataclass(frozen=True)
class Used:
    """What a job used: seconds, CPU seconds of all its processes, and peaks in bytes."""

    wall: float
    cpu: float
    memory: int
    disk: int
    result: Path

    @property
    def result_size(self) -> int:
        """Bytes of the result."""
        return self.result.stat().st_size


def run_job(source: Path, folder: Path, *options: str) -> Used:
    """Enhance `source` with nothing kept from before.

    Args:
        source: what to enhance.
        folder: an empty folder for everything that the job writes.
        options: flags of `sakuga enhance`.

    Raises:
        RuntimeError: the job failed.
    """
    output = folder / "out"
    output.mkdir(parents=True)
    argv = ["-m", "app.cli", "enhance", str(source), "-o", str(output), "--json", *options]
    return watch_python(argv, folder, output)


def watch_python(argv: Sequence[str], folder: Path, output: Path) -> Used:
    """Run Python with these arguments and look at what it uses.

    Args:
        argv: Python's arguments.
        folder: for all that is written, Sakuga's home in it.
        output: where the one result will be.

    Raises:
        RuntimeError: it failed.
    """
    environment = os.environ | {"SAKUGA_HOME": str(folder / "home")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *argv], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        memory, disk = _watch(process, folder)
    wall = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(f"The job failed: {(folder / 'log.txt').read_text()[-2000:]}")
    made = [path for path in output.iterdir() if path.suffix in (".mp4", ".mkv", ".mov")]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Used(wall, cpu, memory, disk, made[0])


def _watch(process: "subprocess.Popen[bytes]", folder: Path) -> tuple[int, int]:
    memory = disk = 0
    while process.poll() is None:
        memory = max(memory, _memory(process.pid))
        disk = max(disk, _disk(folder))
        time.sleep(EVERY)
    return memory, disk


def _memory(pid: int) -> int:
    """Bytes that the process and all below it hold, shared pages shared out."""
    total = 0
    try:
        job = psutil.Process(pid)
        for process in (job, *job.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.Error:
        return total
    return total


def _disk(folder: Path) -> int:
    """Bytes of media under the folder: results, finished chunks and scratch, no databases."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and "prefect" not in path.relative_to(folder).parts:
                total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total
