"""The sound of a scene: in sync to the sample, exactly as long as its frames, at the common loudness."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sakuga.episode.channels import CHANNELS
from sakuga.episode.sound import SceneSound, scene_sound
from sakuga.episode.spec import Layout
from sakuga.episode.wav import RATE, Samples
from sakuga.errors import CancelledError
from tests.episode.sounds import (
    FPS,
    SETTINGS,
    burst,
    footage,
    form,
    lag,
    largest_step,
    level,
    measured,
    noise,
    repeated,
    stored,
    tone,
    voice,
    write_clip,
)

SPEEDS = [Fraction(speed) for speed in ("1/10", "1/4", "1/2", "9/10", "3/2", "2", "5", "10")]

RESAMPLED = 1
"""Samples that a sound may be moved by: its first one is put at the nearest one of 48 kHz."""

TO_THE_FRAME = int(RATE / FPS)
"""Changing the tempo keeps within one frame of the picture, ..."""

TO_THE_TEMPO = RATE // 100
"""... or, where that is more, within 10 ms of the clip: pieces of it are joined where they fit."""

LOUDNESS = 0.5
"""LU, the tolerance of EBU R128."""


def made(
    path: Path, tmp_path: Path, layout: Layout = "stereo", rate: Fraction = FPS, **scene: object
) -> SceneSound:
    return scene_sound(footage(path, rate, **scene), form(rate), layout, tmp_path / "scene.wav", SETTINGS)


def expected(at: Fraction, samples: int) -> Samples:
    """What a burst at a time is, in a scene of so many samples."""
    return burst(samples / RATE, float(at))


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels", "off"),
    [
        ("a.mov", "pcm_s16le", 48000, 2, 0),
        ("a.mov", "pcm_s16le", 44100, 1, RESAMPLED),
        ("a.mov", "pcm_s16le", 48000, 6, 0),
        ("a.mp4", "aac", 48000, 2, 0),
        ("a.mp4", "aac", 44100, 1, RESAMPLED),
        ("a.mp4", "aac", 48000, 6, 0),
        ("a.mkv", "flac", 48000, 2, 0),
        ("a.mkv", "flac", 44100, 6, RESAMPLED),
        ("a.mkv", "pcm_s16le", 22050, 2, RESAMPLED),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_a_burst_at_a_frame_is_heard_at_that_frame(
    name: str, codec: str, rate: int, channels: int, off: int, layout: Layout, tmp_path: Path
) -> None:
    at = Fraction(31, 24)
    wave = repeated(burst(2, float(at), rate), channels)
    sound = made(write_clip(tmp_path / name, wave, rate=rate, codec=codec), tmp_path, layout)
    found = stored(sound.path)
    assert found.shape == (2 * RATE, len(CHANNELS[layout]))
    assert abs(lag(found, expected(at, sound.samples))) <= off


@pytest.mark.parametrize("name", ["a.mov", "a.mkv", "a.mp4"])
@pytest.mark.parametrize(
    ("sound_after", "picture_after"), [(Fraction(1, 2), Fraction(0)), (Fraction(0), Fraction(1, 2))]
)
@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 3)])
def test_streams_that_begin_apart_stay_in_sync(
    name: str, sound_after: Fraction, picture_after: Fraction, start: Fraction, tmp_path: Path
) -> None:
    """The burst is heard at 1.25 s on the container's clock, whenever its streams begin."""
    at = Fraction(5, 4)
    codec = "aac" if name == "a.mp4" else "pcm_s16le"
    wave = repeated(burst(2, float(at - sound_after)), 2)
    path = write_clip(
        tmp_path / name, wave, codec=codec, sound_after=sound_after, picture_after=picture_after
    )
    sound = made(path, tmp_path, start=start)
    assert lag(stored(sound.path), expected(at - picture_after - start, sound.samples)) == 0


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_faster_scene_keeps_sync_and_pitch(speed: Fraction, tmp_path: Path) -> None:
    at, seconds = Fraction(3, 2), 4
    wave = tone(seconds, 1000, 0.001) + burst(seconds, float(at))
    path = write_clip(tmp_path / "a.mov", repeated(wave, 2), frames=24 * seconds)
    sound = made(path, tmp_path, speed=speed)
    found = stored(sound.path)
    power = np.square(found[:, 0], dtype=np.float64)
    power[power < power.max() / 100] = 0
    middle = float(power @ np.arange(len(power)) / power.sum())
    late = middle - float((at + Fraction(3, 100)) / speed * RATE)
    assert abs(late) <= max(TO_THE_FRAME, float(TO_THE_TEMPO / speed))
    tail = found[int(sound.samples * 0.6) :, 0]
    pitch = np.argmax(np.abs(np.fft.rfft(tail * np.hanning(len(tail))))) * RATE / len(tail)
    assert pitch == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(25), Fraction(12)])
@pytest.mark.parametrize("end", [None, Fraction(17, 10), Fraction(1, 100)])
def test_sound_is_exactly_as_long_as_the_frames(rate: Fraction, end: Fraction | None, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", tone(2))
    one = footage(path, rate, end=end)
    sound = scene_sound(one, form(rate), "stereo", tmp_path / "scene.wav", SETTINGS)
    assert sound.samples == len(stored(sound.path)) == int(one.frames * RATE / rate + Fraction(1, 2))


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_moment_at_another_speed_is_as_long_as_its_frame(speed: Fraction, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", tone(1), frames=24)
    sound = made(path, tmp_path, speed=speed, end=Fraction(3, 80))
    assert sound.samples == len(stored(sound.path))
    assert np.abs(stored(sound.path)).max() > 0.01


def test_nothing_is_heard_after_the_out_point_and_it_does_not_click(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", tone(2, 440, 0.5))
    sound = made(path, tmp_path, layout="mono", start=Fraction(1, 4), end=Fraction(1, 4) + Fraction(86, 100))
    found = stored(sound.path)
    last = round(0.86 * RATE)
    assert len(found) > last
    assert not found[last:].any()
    assert np.abs(found[last - RATE // 10 : last]).max() > 0
    steady = largest_step(found[: RATE // 2])
    assert largest_step(found) <= steady * 1.01


@pytest.mark.parametrize("mute", [True, False])
def test_a_scene_without_sound_is_silent(mute: bool, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", tone(2) if mute else None, codec="aac")
    sound = made(path, tmp_path, mute=mute)
    assert sound.loudness is None
    assert stored(sound.path).shape == (2 * RATE, 2)
    assert not stored(sound.path).any()


def test_a_placeholder_is_silent_and_its_file_is_not_opened(tmp_path: Path) -> None:
    one = footage(write_clip(tmp_path / "a.mp4", None)).model_copy(
        update={"path": tmp_path / "gone.mp4", "placeholder": True}
    )
    sound = scene_sound(one, form(), "stereo", tmp_path / "scene.wav", SETTINGS)
    assert stored(sound.path).shape == (2 * RATE, 2)


@pytest.mark.parametrize("amount", [0.5, 0.05, 0.02])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_scenes_come_to_one_loudness(amount: float, layout: Layout, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", noise(2, amount / 4, channels=2))
    sound = made(path, tmp_path, layout)
    loudness, peak = measured(sound.path)
    assert loudness == pytest.approx(-23, abs=LOUDNESS)
    assert sound.loudness == pytest.approx(loudness, abs=LOUDNESS)
    assert sound.peak == pytest.approx(peak, abs=0.2)


def test_a_scene_of_one_frame_comes_to_the_same_loudness(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", tone(2, 1000, 0.02))
    short = made(path, tmp_path, end=Fraction(1, 24))
    short_level = level(stored(short.path))
    assert short.samples == RATE // 24
    assert short_level == pytest.approx(level(stored(made(path, tmp_path).path)), abs=LOUDNESS)


def test_a_scene_has_its_own_gain(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", noise(2, 0.05, channels=2))
    assert measured(made(path, tmp_path, gain=-6.0).path)[0] == pytest.approx(-29, abs=LOUDNESS)


def test_noise_is_not_turned_up_without_end(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", noise(2, 10 ** (-65 / 20)), codec="pcm_f32le")
    assert made(path, tmp_path).gain == 30


def test_samples_that_are_no_numbers_do_no_harm(tmp_path: Path) -> None:
    wave = tone(2)
    wave[1000:1010] = np.nan
    wave[2000:2010] = np.inf
    found = stored(made(write_clip(tmp_path / "a.mkv", wave, codec="pcm_f32le"), tmp_path).path)
    assert np.isfinite(found).all()
    assert level(found) > -60


def test_what_follows_a_damaged_part_is_in_time(tmp_path: Path) -> None:
    at = Fraction(3, 2)
    wave = repeated(burst(2, float(at)), 2) + noise(2, 0.001, channels=2)
    path = write_clip(tmp_path / "a.mkv", wave, codec="flac")
    data = bytearray(path.read_bytes())
    place = len(data) * 6 // 10
    data[place : place + 300] = bytes(300)
    path.write_bytes(data)
    sound = made(path, tmp_path)
    assert abs(lag(stored(sound.path), expected(at, sound.samples))) <= RATE // 1000


@pytest.mark.parametrize(
    "name", ["a b.mov", "it's.mov", 'say "so".mov', "two\nlines.mov", "-dash.mov", "%d.mov"]
)
def test_any_name_is_a_name(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "plain.mov", tone(2)).rename(tmp_path / name)
    assert made(path, tmp_path).samples == 2 * RATE


def test_a_stopped_scene_leaves_nothing(tmp_path: Path) -> None:
    one = footage(write_clip(tmp_path / "a.mov", tone(2)))
    with pytest.raises(CancelledError):
        scene_sound(one, form(), "stereo", tmp_path / "scene.wav", SETTINGS, cancelled=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mov"]


def test_speech_is_found_where_it_is(tmp_path: Path) -> None:
    spans = [(0.5, 1.5), (3.0, 4.5)]
    wave = voice(6, spans) + noise(6, 0.002)
    sound = made(write_clip(tmp_path / "a.mov", wave, frames=144), tmp_path)
    assert len(sound.speech) == 2
    for (first, last), (begin, end) in zip(sound.speech, spans, strict=True):
        # within a syllable
        assert first / RATE == pytest.approx(begin, abs=0.125)
        assert last / RATE == pytest.approx(end, abs=0.125)


@pytest.mark.parametrize(
    "wave", [noise(3, 0.1), tone(3, 800), tone(3, 60, 0.5), np.zeros((3 * RATE, 1), np.float32)]
)
def test_what_is_always_there_is_no_speech(wave: Samples, tmp_path: Path) -> None:
    assert made(write_clip(tmp_path / "a.mov", wave, frames=72), tmp_path).speech == ()
