"""Memory and disk of a long job against a short one."""

import tempfile
from pathlib import Path

from benchmarks.clips import looped
from benchmarks.job import Used, run_job
from benchmarks.machine import table, verdict

SHORT, LONG = 60, 600
GROWTH_BOUND = 1.1
MEMORY_BOUND = 1.5 * 2**30
DISK_BOUND = 1.5
OPTIONS = ("--model", "lanczos", "--preset", "ultrafast")
"""Fast, and with the same buffers as any other job."""


def measure() -> str:
    """Peaks of memory and disk, sampled while the jobs run."""
    used: dict[int, Used] = {}
    disk: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as name:
        for seconds in (SHORT, LONG):
            source = looped(Path(name), seconds=seconds)
            used[seconds] = run_job(source, Path(name) / f"job-{seconds}", *OPTIONS)
            disk[seconds] = used[seconds].disk / used[seconds].result_size
    growth = used[LONG].memory / used[SHORT].memory
    peak = max(one.memory for one in used.values())
    most = max(disk.values())
    rows = [
        (f"peak memory, {SHORT} s", f"{used[SHORT].memory / 2**20:.0f} MiB", "", ""),
        (f"peak memory, {LONG} s", f"{used[LONG].memory / 2**20:.0f} MiB", "", ""),
        (
            "the long one over the short one",
            f"**{growth:.2f}**",
            f"{GROWTH_BOUND}",
            verdict(growth, GROWTH_BOUND),
        ),
        ("peak memory", f"**{peak / 2**30:.2f} GiB**", "1.5 GiB", verdict(peak, MEMORY_BOUND)),
        (
            "peak disk besides the result, over the result",
            f"**{most - 1:.2f}**",
            f"{DISK_BOUND}",
            verdict(most - 1, DISK_BOUND),
        ),
        ("peak disk in all, over the result", f"{most:.2f}", "", ""),
    ]
    return table(("480p, 24 fps, 2x", "measured", "bound", "under it"), rows)
