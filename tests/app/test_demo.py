from pathlib import Path

import av
import numpy as np

from app.demo import results
from app.demo_art import SHOTS, drawing
from app.demo_clip import SUBTITLES, make_demo_clip, tune
from tests.clips import decoded_lumas, decoded_times

SIZE = (128, 72)


def test_the_clip_has_a_picture_a_tune_and_subtitles(tmp_path: Path) -> None:
    clip = make_demo_clip(tmp_path / "new" / "clip.mkv", size=SIZE, seconds=2)
    with av.open(str(clip)) as container:
        kinds = [stream.type for stream in container.streams]
        lines = [bytes(packet).decode() for packet in container.demux(subtitles=0) if packet.size]
    assert kinds == ["video", "audio", "subtitle"]
    assert lines == [line for _, _, line in SUBTITLES]
    assert len(decoded_times(clip)) == 48


def test_drawings_are_held_for_as_many_frames_as_asked(tmp_path: Path) -> None:
    clip = make_demo_clip(tmp_path / "clip.mkv", size=SIZE, seconds=1, hold=3, crf=0, sound=False)
    lumas = decoded_lumas(clip)
    changes = [
        number for number in range(1, len(lumas)) if not np.array_equal(lumas[number], lumas[number - 1])
    ]
    assert changes == list(range(3, 24, 3))


def test_every_shot_is_drawn_and_the_cartoon_repeats() -> None:
    starts = [sum(length for _, length in SHOTS[:number]) for number in range(len(SHOTS))]
    pictures = [drawing(start + 0.5, SIZE) for start in starts]
    assert all(picture.shape == (72, 128, 3) and picture.std() > 20 for picture in pictures)
    assert np.array_equal(drawing(0.5, SIZE), drawing(0.5 + sum(length for _, length in SHOTS), SIZE))


def test_the_tune_is_stereo_and_does_not_clip() -> None:
    wave = tune(6)
    assert wave.shape == (2, 6 * 44100)
    assert 0.1 < np.abs(wave).max() < 1


def test_the_demo_names_only_what_is_there(tmp_path: Path) -> None:
    source = tmp_path / "clip.mkv"
    names = ("clip.sakuga.mp4", "clip.sakuga.report.json", "clip.sakuga.before-after.png", "other.sakuga.mp4")
    for name in names:
        (tmp_path / name).touch()
    found = results(source, tmp_path)
    assert [(name, path.name) for name, path in found] == [
        ("Before", "clip.mkv"),
        ("After", "clip.sakuga.mp4"),
        ("Report", "clip.sakuga.report.json"),
        ("Before/after", "clip.sakuga.before-after.png"),
    ]
