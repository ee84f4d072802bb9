"""Whole jobs: through the command line as a person starts them, or through the engine alone."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from numpy.typing import NDArray

from sakuga.enhance.chunk import ChunkResult, enhance_chunk
from sakuga.enhance.plan import Plan
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.info import MediaInfo
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.models.base import Upscaler
from sakuga.settings import Settings
from tasks.destination import MARK, safe_stem

FAST = ("--model", "lanczos", "--preset", "ultrafast")
JOB_SECONDS = 280
RESULTS = (".mp4", ".mkv", ".mov")

SERVER: dict[str, str] = {}
"""How commands reach the Prefect server that they share; without it each starts one of its own."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended; `cpu` is the processor time of all its processes in seconds."""

    code: int
    out: str
    err: str
    cpu: float

    @property
    def said(self) -> str:
        return f"exit code {self.code}\n{self.out[-3000:]}\n{self.err[-3000:]}"


def sakuga(*arguments: str | Path, home: Path, folder: Path | None = None, **variables: str) -> Ended:
    """Run the command with its own SAKUGA_HOME, in `folder`; `variables` are added to its environment.

    It works with the server that commands share, where there is one.
    """
    begun = _children_cpu()
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", *map(str, arguments)],
        env=environment(home) | SERVER | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=JOB_SECONDS,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr, _children_cpu() - begun)


def environment(home: Path) -> dict[str, str]:
    """The environment of a machine whose Prefect and Sakuga are not configured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "SAKUGA_"))}
    return kept | {"SAKUGA_HOME": str(home)}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def result_of(source: Path, out: Path) -> Path:
    """The one result of a source in a folder of results."""
    stem = f"{safe_stem(source.name)}{MARK}"
    found = [path for path in out.iterdir() if path.stem == stem and path.suffix in RESULTS]
    assert len(found) == 1, f"{source.name}: {sorted(path.name for path in out.iterdir())}"
    return found[0]


def report_of(result: Path) -> dict[str, Any]:
    """The report beside a result."""
    report: dict[str, Any] = json.loads(result.with_suffix(".report.json").read_text())
    return report


def failures_in(report: dict[str, Any]) -> list[str]:
    """Checks of a report that did not pass, as sentences."""
    return [f"{check['name']}: {check['detail']}" for check in report["checks"] if not check["passed"]]


def left_running(home: Path) -> list[str]:
    """Command lines of processes that work for this SAKUGA_HOME."""
    running = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SAKUGA_HOME") == str(home) and process.pid != os.getpid():
                running.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return running


@dataclass(frozen=True)
class Made:
    """What the engine made: the encoded chunks and the plan they follow."""

    info: MediaInfo
    plan: Plan
    chunks: tuple[Path, ...]
    took: tuple[ChunkResult, ...]

    def pictures(self) -> Iterator[av.VideoFrame]:
        for chunk in self.chunks:
            with av.open(str(chunk)) as container:
                yield from container.decode(video=0)

    def samples(self) -> list[bytes]:
        """The samples of every frame."""
        return [frame.to_ndarray().tobytes() for frame in self.pictures()]


def make_chunks(source: Path, folder: Path, spec: EnhanceSpec, upscaler: Upscaler | None = None) -> Made:
    """Enhance all chunks of a progressive source, without a flow; with an upscaler in place of the spec's."""
    folder.mkdir()
    settings = Settings()
    found = probe(source, settings.limits)
    track = progressive_track(found.info.video, found.packets)
    plan = make_plan(found.info, found.packets, track, spec, settings.limits)
    paths, took = [], []
    for chunk in plan.chunks:
        path = folder / f"{chunk.index:04}.mp4"
        done = enhance_chunk(
            source, found.info, found.packets, plan, chunk, spec, path, settings=settings, upscaler=upscaler
        )
        assert done.frames == chunk.frames
        paths.append(path)
        took.append(done)
    return Made(found.info, plan, tuple(paths), tuple(took))


def sound(path: Path) -> tuple[NDArray[np.float32], float, int]:
    """Samples of the first sound track as one channel, when they begin in seconds, and their rate."""
    blocks = []
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=stream.rate)
        frames = list(container.decode(stream))
        begin = float(frames[0].time or 0)
        for frame in frames:
            frame.pts = None
            blocks += [part.to_ndarray().ravel() for part in resampler.resample(frame)]
    return np.concatenate(blocks), begin, int(stream.rate)
