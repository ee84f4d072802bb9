"""A whole job on a 480p cartoon, and the plain script that people write, in the same run."""

import json
import tempfile
from pathlib import Path

from benchmarks.clips import cartoon
from benchmarks.job import Used, run_job
from benchmarks.machine import table, verdict
from benchmarks.peer import MODEL, run_peer

SECONDS = 24
BOUND = 1.0
LARGER = "drawn-m"


def measure() -> str:
    """Duration of the job as a multiple of the clip's, drawn on ones, twos and threes."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for hold in (1, 2, 3):
            source = cartoon(folder, seconds=SECONDS, hold=hold)
            used = run_job(source, folder / f"job-{hold}")
            larger = run_job(source, folder / f"job-m-{hold}", "--model", LARGER)
            peer = run_peer(source, folder / f"peer-{hold}.mp4")
            times = used.wall / SECONDS
            rows.append(
                (
                    f"on {('ones', 'twos', 'threes')[hold - 1]}",
                    f"{used.wall:.1f} s ({_model(used)})",
                    f"**{times:.2f}**",
                    verdict(times, BOUND),
                    f"{larger.wall / SECONDS:.2f}",
                    f"{peer / SECONDS:.2f}",
                )
            )
    said = f"under {BOUND:g}", f"with {LARGER}", f"plain script, {MODEL}"
    return table((f"{SECONDS} s drawn", "default job", "times the clip", *said), rows)


def _model(used: Used) -> str:
    """Name of the model that a job chose, from its report."""
    report = json.loads(used.result.with_suffix(".report.json").read_text())
    return str(report["versions"]["model"]).rsplit("-", 2)[0]
