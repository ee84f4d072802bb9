from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import CancelledError
from sakuga.media.packets import PacketIndex
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.settings import Limits
from tasks.channel import open_channel
from tasks.chunk import enhance_chunk
from tasks.episode import EpisodeJob, make_segment, make_sound
from tasks.job import Found, Job, Planned, Source, load_planned, save_planned
from tasks.progress import Progress
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
    found = Found(info=probed.info, reason="", chosen="", truncated=None, lost_frames=0)

    save_planned(Planned(found, probed.packets, plan), tmp_path)
    read = load_planned(tmp_path)

    assert (read.plan, read.found) == (plan, found)
    for field in fields(PacketIndex):
        was, now = getattr(probed.packets, field.name), getattr(read.packets, field.name)
        assert np.array_equal(was, now) if isinstance(was, np.ndarray) else was == now, field.name


GONE = Path("gone")
PARTS: dict[str, Callable[[], object]] = {
    "chunk": lambda: enhance_chunk.fn(
        Job(
            source=Source(path=GONE / "clip.mp4", name="clip.mp4", sha256="0" * 64, size=1),
            spec=EnhanceSpec(),
            folder=GONE,
            store=None,
        ),
        0,
        Progress("enhance", 1),
    ),
    "segment": lambda: make_segment.fn(EpisodeJob(folder=GONE, store=None), 0, Progress("render", 1)),
    "sound": lambda: make_sound.fn(EpisodeJob(folder=GONE, store=None), 0),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_job_that_has_been_stopped_needs_nothing_of_its_folder(part: str) -> None:
    with open_channel() as channel:
        channel.cancel()
        with pytest.raises(CancelledError):
            PARTS[part]()
        assert channel.error is None
