import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks import events

FARTHEST = 2 * events.TIMEOUT + 1
"""Seconds that two events may hold a job up, with one for a busy machine."""

UNREACHABLE = "http://192.0.2.1:4200/api"
"""An address for documentation, which nobody answers at."""

TELL = """
import json, os, time
from tasks.events import video_enhanced, video_failed
began = time.monotonic()
video_enhanced("a.mp4", "a" * 64, {"result": "r"}, 1.0)
video_failed("a.mp4", None, ValueError("x" * 10_000_000), 1.0)
print(json.dumps(time.monotonic() - began), flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("url", [UNREACHABLE, "http://127.0.0.1:9/api"])
def test_a_server_that_is_away_neither_fails_nor_holds_up_a_job(url: str, tmp_path: Path) -> None:
    environment = {"PREFECT_API_URL": url, "PREFECT_HOME": str(tmp_path), "PYTHONPATH": "."}
    told = subprocess.run(
        [sys.executable, "-c", TELL],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(told.stdout.splitlines()[-1]) < FARTHEST


def test_values_that_no_event_can_hold_are_no_reason_to_fail() -> None:
    began = time.monotonic()
    events.video_enhanced("", "", {"result": object()}, float("nan"))
    events.video_failed("\udcff.mp4", None, RuntimeError(), 0)
    assert time.monotonic() - began < FARTHEST
