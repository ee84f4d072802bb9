"""The flow as a Python program calls it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.jobs import JOB_SECONDS, environment, left_running, report_of, result_of
from tests.clips import make_clip

ROOT = Path(__file__).parents[2]
PROGRAM = """
from flows.enhance import enhance
from sakuga.enhance.spec import EnhanceSpec

print(enhance("clip.mp4", EnhanceSpec(model="lanczos", preset="ultrafast")).result)
"""


# Prefect gives its temporary server 20 s to start, and a busy machine of two cores wants more
STARTS_WITHIN = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"


@pytest.mark.slow
def test_the_flow_runs_without_a_configured_server_and_leaves_no_process(tmp_path: Path, home: Path) -> None:
    source = make_clip(tmp_path / "clip.mp4", frames=6)
    own = {"PREFECT_HOME": str(tmp_path / "prefect"), "PYTHONPATH": str(ROOT), STARTS_WITHIN: "120"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment(home) | own,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=JOB_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    result = result_of(source, tmp_path)
    assert ended.stdout.split() == [str(result)]
    assert report_of(result)["passed"]
    assert left_running(home) == []
