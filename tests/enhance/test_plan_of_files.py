from fractions import Fraction
from pathlib import Path

import pytest

from sakuga.enhance.plan import Plan
from sakuga.enhance.planner import make_plan
from sakuga.enhance.spec import EnhanceSpec
from sakuga.media.packets import PacketIndex
from sakuga.media.probe import probe
from sakuga.media.timing import progressive_track
from sakuga.settings import Limits
from tests.assets import ASSETS
from tests.clips import make_clip

STANDARD = [Fraction(r) for r in ("24000/1001", "24", "25", "30000/1001", "60")]
VIDEO = ASSETS / "video"


def planned(path: Path, spec: EnhanceSpec) -> tuple[Plan, PacketIndex, Fraction]:
    probed = probe(path, Limits())
    track = progressive_track(probed.info.video, probed.packets)
    return make_plan(probed.info, probed.packets, track, spec, Limits()), probed.packets, probed.info.start


@pytest.mark.parametrize(
    ("rate", "suffix"),
    # Matroska's milliseconds do not tell an odd rate from its neighbours in a short clip.
    [(rate, "mp4") for rate in (*STANDARD, Fraction(45000, 1499))] + [(rate, "mkv") for rate in STANDARD],
)
def test_frames_are_planned_at_the_exact_times_of_their_rate(
    tmp_path: Path, rate: Fraction, suffix: str
) -> None:
    clip = make_clip(tmp_path / f"clip.{suffix}", frames=48, rate=rate)
    plan, _, _ = planned(clip, EnhanceSpec(chunk_seconds=0.5))
    assert plan.frame_rate == rate
    assert [plan.time(j) - plan.time(0) for j in range(48)] == [j / rate for j in range(48)]
    assert plan.left == tuple(range(48))


def test_chunks_of_a_file_start_at_its_keyframes(tmp_path: Path) -> None:
    options = {"g": "10", "keyint_min": "10", "sc_threshold": "0", "bf": "2"}
    clip = make_clip(tmp_path / "clip.mp4", frames=60, options=options)
    plan, _, _ = planned(clip, EnhanceSpec(chunk_seconds=1))
    assert [chunk.first for chunk in plan.chunks] == [0, 20, 40]


def test_a_variable_rate_file_keeps_its_times_and_is_resampled_when_asked(tmp_path: Path) -> None:
    times = [0, 33, 67, 300, 333, 400, 900, 933]
    clip = make_clip(
        tmp_path / "clip.mkv", frames=8, times=times, time_base=Fraction(1, 1000), options={"bf": "0"}
    )
    kept, _, _ = planned(clip, EnhanceSpec())
    assert kept.frame_rate is None
    assert [kept.time(j) for j in range(8)] == [Fraction(time, 1000) for time in times]
    plan, _, _ = planned(clip, EnhanceSpec(fps=Fraction(30), interpolation="nearest"))
    shown = [plan.left.index(k) for k in range(8)]
    assert shown == [round(Fraction(time, 1000) * 30) for time in times]


def test_a_picture_that_starts_after_its_sound_starts_as_much_later_in_the_plan(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "late.mkv",
        frames=24,
        times=list(range(12, 36)),
        time_base=Fraction(1, 24),
        audio_seconds=2,
        options={"bf": "0"},
    )
    plan, packets, start = planned(clip, EnhanceSpec(fps=Fraction(60)))
    assert plan.time(0) == int(packets.pts[0]) * packets.time_base - start
    assert plan.time(0) >= Fraction(1, 2)


@pytest.mark.skipif(not VIDEO.is_dir(), reason="the clips are not here")
@pytest.mark.parametrize("fps", [None, Fraction(24), Fraction(60)])
def test_every_real_clip_is_planned_to_its_end(fps: Fraction | None) -> None:
    for path in sorted(VIDEO.iterdir()):
        plan, packets, start = planned(path, EnhanceSpec(fps=fps, tonemap=True, chunk_seconds=2))
        end = packets.end * packets.time_base - start
        longest = max(1 / (plan.frame_rate or Fraction(1000)), packets.time_base)
        assert abs(plan.end * plan.time_base - end) <= longest, path.name
        assert plan.time(0) >= 0
        assert sum(chunk.frames for chunk in plan.chunks) == len(plan.times)
