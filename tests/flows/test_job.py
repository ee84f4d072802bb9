from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.packets import PacketIndex
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.settings import Limits
from tasks.job import Found, Planned, load_planned, save_planned
from tests.clips import make_clip


@pytest.mark.parametrize(
    ("name", "codec"),
    [("clip.mp4", "libx264"), ("clip.avi", "libx264"), ("clip.mpg", "mpeg2video"), ("clip.webm", "libvpx")],
)
def test_what_a_job_planned_is_read_back_whole(tmp_path: Path, name: str, codec: str) -> None:
    clip = make_clip(tmp_path / name, codec=codec, rate=Fraction(25))
    limits, spec = Limits(), EnhanceSpec()
    probed = probe(clip, limits)
    track = progressive_track(probed.info.video, probed.packets)
    plan = make_plan(probed.info, probed.packets, track, spec, limits)
    found = Found(info=probed.info, reason="", truncated=None, lost_frames=0)

    save_planned(Planned(found, probed.packets, plan), tmp_path)
    read = load_planned(tmp_path)

    assert (read.plan, read.found) == (plan, found)
    for field in fields(PacketIndex):
        was, now = getattr(probed.packets, field.name), getattr(read.packets, field.name)
        assert np.array_equal(was, now) if isinstance(was, np.ndarray) else was == now, field.name
