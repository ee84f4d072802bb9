import json
import subprocess
import sys
from pathlib import Path

import pytest

from sakuga.media.probe import probe
from sakuga.settings import Settings

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
def test_the_demo_makes_an_episode_that_passes_its_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "it's a demo"
    monkeypatch.setenv("SAKUGA_HOME", str(tmp_path / "home"))
    command = [sys.executable, "-m", "app.demo_episode", "--folder", str(folder)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    report = json.loads((folder / "episode.sakuga.report.json").read_text())
    assert report["passed"]
    info = probe(folder / "episode.sakuga.mp4", Settings().limits).info
    assert [chapter.title for chapter in info.chapters] == [
        "A fine morning",
        "Who is there?",
        "Over the hills",
        "Under the stars",
    ]
    for name in ("episode.yaml", "episode.sakuga.mp4", "contact-sheet.png", "waveform.png", "report.md"):
        assert name in said
