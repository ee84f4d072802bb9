"""The hot path alone: one chunk of a clip, without Prefect, checks and previews."""

import time
from dataclasses import dataclass
from pathlib import Path

from sakuga.enhance.chunk import ChunkResult, enhance_chunk
from sakuga.enhance.plan import Plan
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.probe import Probed, probe
from sakuga.media.timing import progressive_track
from sakuga.settings import load_settings


@dataclass(frozen=True)
class Work:
    """A clip that is one chunk, and its plan."""

    source: Path
    spec: EnhanceSpec
    found: Probed
    plan: Plan

    @property
    def frames(self) -> int:
        """Frames of the result."""
        return len(self.plan.times)


def plan_work(source: Path, spec: EnhanceSpec) -> Work:
    """Plan a clip as one chunk.

    Raises:
        ValueError: it is more than one.
    """
    limits = load_settings().limits
    found = probe(source, limits)
    track = progressive_track(found.info.video, found.packets)
    plan = make_plan(found.info, found.packets, track, spec, limits)
    if len(plan.chunks) != 1:
        raise ValueError(f"{source.name} is {len(plan.chunks)} chunks; choose a longer chunk_seconds")
    return Work(source, spec, found, plan)


def run_work(work: Work, output: Path) -> tuple[ChunkResult, float]:
    """Make the chunk; what it counted, and its seconds."""
    begun = time.monotonic()
    result = enhance_chunk(
        work.source,
        work.found.info,
        work.found.packets,
        work.plan,
        work.plan.chunks[0],
        work.spec,
        output,
        settings=load_settings(),
    )
    return result, time.monotonic() - begun
