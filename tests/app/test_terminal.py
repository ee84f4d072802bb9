"""What a person sees: the command in a real terminal."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clips import make_clip

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_terminal(home: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and everything shown of `sakuga` with these arguments in a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "SAKUGA_HOME": str(home), "COLUMNS": "120", "TERM": "xterm-256color"},
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:
        # how Linux says that nobody holds the other end any more
        pass
    finally:
        os.close(ours)
    return process.wait(60), ESCAPES.sub("", shown.decode())


@pytest.mark.slow
def test_a_job_shows_a_bar_with_frames_and_then_where_everything_is(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=48)
    code, shown = in_terminal(tmp_path / "home", "enhance", str(clip), "--scale", "4")
    assert code == 0, shown
    assert "Traceback" not in shown
    assert "usage data" not in shown  # Prefect's notice of telemetry, which a private server does not send
    assert re.search(r"clip\.mp4 enhancing .* \d+/48 frames", shown)
    assert not re.search(r"previews .* \d+/48 frames", shown)
    assert "48 frames of 384x256" in shown
    for ending in (".mp4", ".report.json", ".before-after.png"):
        assert f"clip.sakuga{ending}" in shown


@pytest.mark.slow
def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    code, shown = in_terminal(tmp_path / "home", "enhance", str(tmp_path / "empty.mp4"))
    assert code == 2
    assert len(shown.strip().splitlines()) == 1
    assert "empty" in shown
