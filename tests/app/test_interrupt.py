"""A real command line, stopped and killed at any moment."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.clips import decoded_lumas, make_clip

pytestmark = pytest.mark.slow

FRAMES = 96
KILLS = 10
GONE_WITHIN = 10.0
"""Seconds from a signal to the end of the process: one frame, Prefect's farewell, a busy machine."""
JOB = ["--chunk-seconds", "0.5", "--preset", "ultrafast", "--scale", "4", "--json"]


@dataclass
class Run:
    process: subprocess.Popen[str]
    events: list[dict[str, Any]]

    def read_until(self, kind: str, count: int = 1) -> None:
        """Read events until `count` of a kind have come, or the process has ended."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if len(self.all(kind)) >= count:
                return

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    def computed(self) -> set[str]:
        return {event["key"] for event in self.all("chunk") if not event["cached"]}

    def finish(self) -> int:
        self.read_until("nothing is called this")
        return self.process.wait(GONE_WITHIN)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return make_clip(
        folder / "clip.mp4", frames=FRAMES, size=(160, 96), audio_seconds=4, options={"g": "12", "bf": "0"}
    )


def _start(clip: Path, home: Path, *more: str) -> Run:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "enhance", str(clip), *JOB, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**environment, "SAKUGA_HOME": str(home), "PREFECT_HOME": str(home / "user-prefect")},
    )
    return Run(process, [])


def _frames(path: Path) -> str:
    digest = hashlib.sha256()
    for luma in decoded_lumas(path):
        digest.update(luma.tobytes())
    return digest.hexdigest()


def _nothing_left(clip: Path, home: Path) -> bool:
    parts = [path for path in home.rglob("*") if "part" in path.name and path.is_file()]
    return [path.name for path in clip.parent.iterdir()] == [clip.name] and not parts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_job_in_seconds_and_the_next_run_goes_on(
    clip: Path, tmp_path: Path, number: signal.Signals
) -> None:
    home = tmp_path / "home"
    run = _start(clip, home)
    run.read_until("chunk", 2)
    children = psutil.Process(run.process.pid).children(recursive=True)
    began = time.monotonic()
    run.process.send_signal(number)
    assert run.finish() == 130
    assert time.monotonic() - began < GONE_WITHIN
    assert psutil.wait_procs(children, 5)[1] == []
    assert _nothing_left(clip, home)
    assert list((home / "scratch").iterdir()) == []
    assert run.all("failed")[0]["exit_code"] == 130
    again = _start(clip, home)
    assert again.finish() == 0
    assert run.computed().isdisjoint(again.computed())
    assert len(run.computed() | again.computed()) == again.all("planned")[0]["chunks"]


@pytest.mark.parametrize("seconds", [0, 0.3, 0.6, 1.0, 1.5])
def test_a_signal_before_the_first_chunk_stops_at_once(clip: Path, tmp_path: Path, seconds: float) -> None:
    home = tmp_path / "home"
    run = _start(clip, home)
    run.read_until("started")
    time.sleep(seconds)
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 130
    assert _nothing_left(clip, home)


def _finished_chunks(home: Path) -> set[str]:
    """Keys of the chunks that a later run may take over: those with a manifest, which is written last."""
    return {manifest.stem for manifest in (home / "store" / "chunks").glob("*/*.json")}


@pytest.mark.parametrize("kills", [range(KILLS // 2), range(KILLS // 2, KILLS)], ids=["early", "late"])
def test_killed_at_ten_random_moments_the_next_run_finishes_and_computes_no_chunk_twice(
    clip: Path, tmp_path: Path, kills: range
) -> None:
    home, result = tmp_path / "home", clip.parent / "clip.sakuga.mp4"
    began = time.monotonic()
    whole = _start(clip, home, "-o", str(tmp_path / "whole.mp4"))
    assert whole.finish() == 0
    duration, frames = time.monotonic() - began, _frames(tmp_path / "whole.mp4")
    moments = random.Random(kills.start)
    for moment in kills:
        shutil.rmtree(home / "store")
        run = _start(clip, home)
        time.sleep(moments.uniform(moment, moment + 1) * duration / KILLS)
        children = psutil.Process(run.process.pid).children(recursive=True)
        run.process.kill()
        run.finish()
        assert psutil.wait_procs(children, 5)[1] == []
        finished = _finished_chunks(home)
        assert not result.exists() or len(decoded_lumas(result)) == FRAMES
        again = _start(clip, home)
        assert again.finish() == 0
        assert again.all("finished") or again.all("skipped")
        assert finished.isdisjoint(again.computed())
        assert _frames(result) == frames
        assert list((home / "scratch").iterdir()) == []
        for file in clip.parent.glob("clip.sakuga.*"):
            file.unlink()
        assert _nothing_left(clip, home)
