"""Time to plan a film of two hours from its packets."""

import tempfile
import time
from pathlib import Path

from benchmarks.clips import looped
from benchmarks.machine import table, verdict
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.settings import load_settings

SECONDS = 7200
BOUND = 10.0


def measure() -> str:
    """Seconds from the file to the plan, no frame decoded."""
    limits = load_settings().limits
    with tempfile.TemporaryDirectory() as name:
        source = looped(Path(name), seconds=SECONDS)
        begun = time.monotonic()
        found = probe(source, limits)
        probed = time.monotonic()
        track = progressive_track(found.info.video, found.packets)
        plan = make_plan(found.info, found.packets, track, EnhanceSpec(), limits)
        planned = time.monotonic()
    whole = planned - begun
    rows = [
        ("probe and index of packets", f"{probed - begun:.2f} s", "", ""),
        ("plan", f"{planned - probed:.2f} s", "", ""),
        ("together", f"**{whole:.2f} s**", f"{BOUND:g} s", verdict(whole, BOUND)),
    ]
    return table((f"{len(plan.times)} frames", "measured", "bound", "under it"), rows)
