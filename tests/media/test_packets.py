from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sakuga.errors import LimitError
from sakuga.media.probe import probe
from sakuga.media.rates import constant_rate
from sakuga.settings import Limits
from tests.clips import make_clip

LIMITS = Limits()
OPEN_GOP = "open-gop=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0"
KINDS: dict[str, Mapping[str, Any]] = {
    "h264.mp4": {"options": {"bf": "3", "g": "12"}},
    "open.mkv": {"options": {"x264-params": OPEN_GOP}},
    "h264.avi": {"options": {"bf": "3", "g": "12"}},
    "xvid.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "h264.ts": {"options": {"g": "12"}},
    "mpeg1.mpg": {"codec": "mpeg1video", "rate": Fraction(25)},
    "mpeg2.mpg": {"codec": "mpeg2video", "rate": Fraction(25), "options": {"bf": "2"}},
    "alt.webm": {
        "codec": "libvpx",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "arnr-maxframes": "7"},
    },
    "alt-vp9.webm": {
        "codec": "libvpx-vp9",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "5"},
    },
    "hevc.mp4": {
        "codec": "libx265",
        "pix_fmt": "yuv420p10le",
        "options": {"x265-params": "log-level=none:keyint=12:open-gop=1"},
    },
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "g": "12"}},
    "drawn.gif": {"codec": "gif", "pix_fmt": "rgb8", "rate": Fraction(10)},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "flash.flv": {"codec": "flv", "rate": Fraction(25)},
    "wmv.asf": {"codec": "wmv2", "rate": Fraction(25)},
}
FRAMES = 40


@pytest.mark.parametrize("name", KINDS)
def test_packets_tell_every_frame_and_its_time(tmp_path: Path, name: str) -> None:
    clip = make_clip(tmp_path / name, frames=FRAMES, **KINDS[name])
    found = probe(clip, LIMITS)
    with av.open(str(clip)) as container:
        stamps = sorted(frame.pts for frame in container.decode(video=0) if frame.pts is not None)
    assert found.packets.pts.tolist() == stamps
    assert len(found.packets) == FRAMES
    assert found.info.video.constant_rate
    assert found.info.video.frame_rate == KINDS[name].get("rate", Fraction(24))
    assert found.packets.keyframe[0]


def test_frames_that_an_edit_list_hides_are_not_counted(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mp4", frames=36, options={"g": "12", "bf": "0"})
    cut = tmp_path / "cut.mp4"
    with av.open(str(whole)) as old, av.open(str(cut), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                shift = int(Fraction(5, 24) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = stream
                new.mux(packet)
    found = probe(cut, LIMITS)
    with av.open(str(cut)) as container:
        shown = [frame.pts for frame in container.decode(video=0)]
    assert found.packets.pts.tolist() == shown
    assert len(found.packets) == 31


def test_frames_before_the_first_keyframe_are_left_out(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mkv", frames=48, options={"x264-params": OPEN_GOP})
    cut = tmp_path / "cut.mkv"
    with av.open(str(whole)) as old, av.open(str(cut), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        keys = 0
        for packet in old.demux(video=0):
            keys += packet.is_keyframe
            if packet.dts is not None and keys >= 2:
                packet.stream = stream
                new.mux(packet)
    found = probe(cut, LIMITS)
    with av.open(str(cut)) as container:
        shown = [frame.pts for frame in container.decode(video=0)]
    assert found.packets.pts.tolist() == shown
    assert found.packets.keyframe[0]


def test_more_frames_than_the_limit_are_refused_while_reading(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", frames=30)
    with pytest.raises(LimitError, match="more than 29 frames"):
        probe(clip, Limits(max_frames=29))


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25), Fraction(120)])
@pytest.mark.parametrize("floor", [True, False])
def test_times_in_milliseconds_stand_for_the_exact_rate(rate: Fraction, floor: bool) -> None:
    exact = [7 + k * 1000 / rate for k in range(500)]
    pts = np.array([int(time) if floor else round(time) for time in exact], np.int64)
    assert constant_rate(pts, Fraction(1, 1000), []) == rate


def test_a_rate_that_no_list_has_is_found_from_the_times() -> None:
    pts = np.array([round(k * 1000 / Fraction(17)) for k in range(500)], np.int64)
    assert constant_rate(pts, Fraction(1, 1000), []) == 17


def test_a_missing_frame_makes_the_rate_vary() -> None:
    pts = np.array([k * 512 for k in range(100) if k != 50], np.int64)
    assert constant_rate(pts, Fraction(1, 12800), [Fraction(25)]) is None
