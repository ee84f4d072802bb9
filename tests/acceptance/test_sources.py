from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.acceptance.jobs import FAST, failures_in, report_of, result_of, sakuga
from tests.clips import decoded_lumas, decoded_times, make_clip, numbered, read_number

FRAMES = 24
MILLISECOND = Fraction(1, 1000)
TIMES_IN_MILLISECONDS = [0, 40, 90, 110, 200, 233, 250, 400, 410, 500, 590, 600]


def with_sound_at(source: Path, path: Path, offset: Fraction) -> Path:
    """A copy of a clip whose sound starts `offset` seconds later than it did."""
    with av.open(str(source)) as before, av.open(str(path), "w") as after:
        copies = {stream.index: after.add_stream_from_template(stream) for stream in before.streams}
        for packet in before.demux():
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue
            if packet.stream.type == "audio":
                packet.pts += int(offset / packet.time_base)
                packet.dts += int(offset / packet.time_base)
            packet.stream = copies[packet.stream.index]
            after.mux(packet)
    return path


def sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def starts(path: Path) -> tuple[Fraction, Fraction]:
    """When picture and sound begin, in seconds, as a player counts."""
    with av.open(str(path)) as container:
        sound = next(frame for frame in container.decode(audio=0))
        assert sound.pts is not None
        return decoded_times(path)[0], Fraction(sound.pts) * Fraction(sound.time_base or 1)


@pytest.mark.slow
@pytest.mark.parametrize("source_kind", ["mp4", "mkv"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_variable_rate_keeps_its_times(
    tmp_path: Path, home: Path, source_kind: str, container: str
) -> None:
    source = make_clip(
        tmp_path / f"vfr.{source_kind}",
        frames=len(TIMES_IN_MILLISECONDS),
        times=TIMES_IN_MILLISECONDS,
        time_base=MILLISECOND,
        options={"bf": "0"},
    )
    done = sakuga("enhance", source, "-o", tmp_path / "out", *FAST, "--container", container, home=home)
    assert done.code == 0, done.said
    before, after = decoded_times(source), decoded_times(result_of(source, tmp_path / "out"))
    assert after == before


@pytest.mark.slow
@pytest.mark.parametrize("offset", [Fraction(-1, 4), Fraction(3, 10)], ids=["earlier", "later"])
def test_sound_keeps_its_offset_and_its_bits(tmp_path: Path, home: Path, offset: Fraction) -> None:
    plain = make_clip(tmp_path / "plain.mp4", frames=FRAMES, audio_seconds=1)
    late = with_sound_at(plain, tmp_path / "late.mp4", Fraction(1))
    source = with_sound_at(late, tmp_path / "source.mp4", offset - 1)
    done = sakuga("enhance", source, "-o", tmp_path / "out", *FAST, home=home)
    assert done.code == 0, done.said
    result = result_of(source, tmp_path / "out")
    before, after = starts(source), starts(result)
    assert abs((after[1] - after[0]) - (before[1] - before[0])) <= 2 * MILLISECOND
    assert sound_packets(result) == sound_packets(source)


def turned(degrees: int) -> Callable[[av.VideoStream], None]:
    return lambda stream: stream.set_display_rotation(degrees)


def wide(stream: av.VideoStream) -> None:
    stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
    stream.sample_aspect_ratio = Fraction(4, 3)


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotated_clip_comes_out_upright(tmp_path: Path, home: Path, degrees: int) -> None:
    source = make_clip(tmp_path / "turned.mp4", frames=FRAMES, prepare=turned(degrees))
    stored = probe(source, Limits()).info.video
    assert stored.rotation
    done = sakuga("enhance", source, "-o", tmp_path, *FAST, home=home)
    assert done.code == 0, done.said
    result = result_of(source, tmp_path)
    video = probe(result, Limits()).info.video
    assert video.rotation == 0
    upright = np.rot90(decoded_lumas(source)[5], -stored.rotation // 90)
    assert (video.height, video.width) == (2 * upright.shape[0], 2 * upright.shape[1])
    back = decoded_lumas(result)[5][::2, ::2].astype(int)
    assert np.abs(back - upright).mean() < 12
    assert np.abs(back - upright[::-1, ::-1]).mean() > 24


@pytest.mark.slow
def test_pixels_that_are_not_square_become_square(tmp_path: Path, home: Path) -> None:
    source = make_clip(tmp_path / "wide.mp4", frames=FRAMES, prepare=wide)
    done = sakuga("enhance", source, "-o", tmp_path, *FAST, home=home)
    assert done.code == 0, done.said
    video = probe(result_of(source, tmp_path), Limits()).info.video
    assert video.sar == 1
    assert (video.width, video.height) == (256, 128)


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "60000/1001", "45000/1499"])
def test_every_frame_of_a_constant_rate_comes_once_at_its_time(tmp_path: Path, home: Path, rate: str) -> None:
    exact = Fraction(rate)
    source = make_clip(tmp_path / "clip.mp4", frames=FRAMES, rate=exact, audio_seconds=1)
    done = sakuga("enhance", source, "-o", tmp_path, *FAST, "--chunk-seconds", "0.4", home=home)
    assert done.code == 0, done.said
    result = result_of(source, tmp_path)
    assert decoded_times(result) == [number / exact for number in range(FRAMES)]
    assert [read_number(luma) for luma in decoded_lumas(result)] == list(range(FRAMES))
    assert failures_in(report_of(result)) == []


def test_the_numbers_of_frames_can_be_read() -> None:
    assert read_number(numbered(1234, 96, 64)[..., 0]) == 1234
