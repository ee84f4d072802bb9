"""A whole job on a 480p cartoon, and the plain script that people write, in the same run."""

import tempfile
from pathlib import Path

from benchmarks.clips import cartoon
from benchmarks.job import run_job
from benchmarks.machine import table, verdict
from benchmarks.peer import run_peer

SECONDS = 24
BOUND = 5.0


def measure() -> str:
    """Duration of the job as a multiple of the clip's, drawn on ones, twos and threes."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for hold in (1, 2, 3):
            source = cartoon(folder, seconds=SECONDS, hold=hold)
            used = run_job(source, folder / f"job-{hold}")
            peer = run_peer(source, folder / f"peer-{hold}.mp4")
            times = used.wall / SECONDS
            rows.append(
                (
                    f"on {('ones', 'twos', 'threes')[hold - 1]}",
                    f"{used.wall:.1f} s",
                    f"**{times:.2f}**",
                    f"{peer / SECONDS:.2f}",
                    verdict(times, BOUND),
                )
            )
    heads = (f"{SECONDS} s drawn", "job", "times the clip", "plain script", f"under {BOUND:g}")
    return table(heads, rows)
