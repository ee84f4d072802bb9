"""Files of any kind, heard from an exact time on."""

import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sakuga.episode.channels import CHANNELS
from sakuga.episode.listen import listen, padded, sound_index, sound_problem
from sakuga.episode.mix import mix
from sakuga.episode.sound import scene_sound
from sakuga.episode.wav import RATE, Samples
from sakuga.errors import InputError, UnreadableMediaError, UnsafeMediaError
from sakuga.media.ffmpeg import ffmpeg_path, file_url
from sakuga.media.probe import probe
from tests.assets import ASSETS, asset_files
from tests.episode.sounds import (
    SETTINGS,
    burst,
    decoded,
    episode,
    footage,
    form,
    lag,
    noise,
    repeated,
    scene_file,
    stored,
    tone,
    write_clip,
    write_sound,
)

TICK = RATE // 1000
"""A millisecond, to which some containers round the times of their packets."""

CLIPS_WITH_SOUND = [
    path
    for path in asset_files("video")
    if path.name
    in (
        "anamorphic_sar4x3_2audio_ac3-5.1.mp4",
        "bbb_2audio_2subs_chapters.mkv",
        "bbb_telecined_480i_dvd.mpg",
        "big_buck_bunny_0_30.webm",
        "bigbuckbunny_720p_5.1.mp4",
        "chaplin_bw_mp3audio.mp4",
        "nasa_13013.mp4",
        "phone_vfr_rot180.mp4",
    )
]


def whole(path: Path, count: int = 10**7) -> Samples:
    return np.concatenate(list(listen(path, "stereo", count=count, limits=SETTINGS.limits)))


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mp3", "libmp3lame", 44100),
        ("a.mp3", "libmp3lame", 48000),
        ("a.opus", "libopus", 48000),
        ("a.m4a", "aac", 44100),
        ("a.flac", "flac", 44100),
        ("a.wav", "pcm_s16le", 22050),
    ],
)
def test_music_begins_and_ends_where_it_did_before_it_was_encoded(
    name: str, codec: str, rate: int, tmp_path: Path
) -> None:
    path = write_sound(tmp_path / name, repeated(burst(3, 1.5, rate), 2), rate=rate, codec=codec)
    found = whole(path)
    assert len(found) == 3 * RATE
    assert lag(found, burst(3, 1.5)) == 0


def test_a_clip_is_entered_late_as_exactly_as_from_its_beginning(tmp_path: Path) -> None:
    """Beyond a minute the file is not read from its beginning."""
    wave = repeated(noise(75, 0.05) + burst(75, 70.5), 2)
    path = write_clip(tmp_path / "a.mp4", wave, frames=24, codec="aac")
    info = probe(path, SETTINGS.limits).info
    late, early = (
        np.concatenate(
            list(
                listen(
                    path,
                    "stereo",
                    count=RATE,
                    limits=SETTINGS.limits,
                    index=sound_index(info),
                    origin=origin,
                )
            )
        )
        for origin in (Fraction(70), Fraction(70) - 60 * 2)
    )
    assert lag(late, burst(1, 0.5)) == 0
    assert not early.any()
    direct = whole(path)[70 * RATE : 71 * RATE]
    assert np.abs(late - direct).max() < 1e-5


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("mkv", "flac")])
def test_channels_keep_their_order(container: str, codec: str, tmp_path: Path) -> None:
    """A tone of its own in each channel, through a clip and through a mix."""
    tones = [400, 600, 800, 60, 1200, 1400]
    wave = np.concatenate([tone(2, pitch, 0.1) for pitch in tones], axis=1)
    clip = write_clip(tmp_path / f"a.{container}", wave, codec=codec)
    sound = scene_sound(footage(clip), form(), "5.1", tmp_path / "scene.wav", SETTINGS)
    spec, timeline = episode(1, 2, output={"container": container, "layout": "5.1"})
    made = mix(spec, timeline, [sound], tmp_path / "mix.out", tmp_path, SETTINGS)
    found = decoded(made.path)[RATE // 2 : RATE * 3 // 2]
    heard = np.argmax(np.abs(np.fft.rfft(found, axis=0)), axis=0)
    assert heard.tolist() == tones
    assert len(CHANNELS["5.1"]) == found.shape[1]


@pytest.mark.parametrize("path", CLIPS_WITH_SOUND, ids=lambda path: path.stem)
def test_real_clips_are_heard_as_ffmpeg_plays_them(path: Path, tmp_path: Path) -> None:
    """ffmpeg's own program puts the sound on the picture's clock, by other code than this."""
    one = footage(path, end=Fraction(4))
    found = stored(scene_sound(one, form(), "stereo", tmp_path / "scene.wav", SETTINGS).path)
    index, start = sound_index(one.info), one.info.video.start
    argv = [str(ffmpeg_path(SETTINGS)), "-nostdin", "-loglevel", "error", "-copyts", "-i", file_url(path)]
    fill = f"aresample={RATE}:async=1:first_pts={round(start * RATE)}"
    argv += ["-map", f"0:{index}", "-af", fill, "-ac", "2", "-t", str(float(start) + 4), "-f", "f32le", "-"]
    said = subprocess.run(argv, capture_output=True, check=True).stdout
    reference = np.frombuffer(said, np.float32).reshape(-1, 2)[: len(found)]
    assert abs(lag(found, reference)) <= TICK


def test_the_real_clips_are_where_they_are_looked_for() -> None:
    if not (ASSETS / "video").is_dir():
        pytest.skip("no assets here")
    assert len(CLIPS_WITH_SOUND) == 8


Work = Callable[[], object]


def scene_work(seconds: int, folder: Path) -> Work:
    wave = np.tile(repeated(noise(10, 0.05), 2), (seconds // 10, 1))
    one = footage(write_clip(folder / "a.mov", wave, frames=seconds * 24), speed=Fraction(11, 10))
    return lambda: scene_sound(one, form(), "stereo", folder / "scene.wav", SETTINGS)


def mix_work(seconds: int, folder: Path) -> Work:
    cue = {"file": str(write_sound(folder / "m.wav", repeated(tone(seconds, 300, 0.1), 2))), "loop": True}
    sound = scene_file(folder / "s.wav", noise(10, 0.05, channels=2), ((RATE, 3 * RATE),))
    count = seconds // 10
    spec, timeline = episode(count, 10, soundtrack={"music": [cue]}, output={"loudness": -8})
    return lambda: mix(spec, timeline, [sound] * count, folder / "mix.mp4", folder, SETTINGS)


@pytest.mark.slow
@pytest.mark.parametrize("prepared", [scene_work, mix_work])
def test_memory_does_not_grow_with_length(prepared: Callable[[int, Path], Work], tmp_path: Path) -> None:
    peaks: list[int] = []
    for seconds in (10, 10, 30):
        folder = tmp_path / str(len(peaks))
        folder.mkdir()
        work = prepared(seconds, folder)
        tracemalloc.start()
        work()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1]


def test_what_is_no_sound_is_told(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "mute.mp4", None)
    text = tmp_path / "text.mp3"
    text.write_bytes(b"words " * 1000)
    assert "no sound" in (sound_problem(clip, SETTINGS.limits) or "")
    assert "no sound" in (sound_problem(text, SETTINGS.limits) or "")
    for name in ("x" * 5000, "a\0b"):
        assert "cannot be opened" in (sound_problem(Path(name), SETTINGS.limits) or "")
    assert "There is no file" in (sound_problem(tmp_path / "gone.wav", SETTINGS.limits) or "")
    assert sound_problem(write_sound(tmp_path / "a.wav", tone(0.1)), SETTINGS.limits) is None
    for path in (clip, text):
        with pytest.raises(InputError):
            whole(path)


def bare_wav(path: Path, channels: int, rate: int) -> Path:
    data = bytes(range(256)) * 100
    head = struct.pack("<IHHIIHH", 16, 1, channels, rate, 2 * rate * channels % 2**32, 2 * channels, 16)
    head = b"WAVEfmt " + head + b"data" + struct.pack("<I", len(data))
    path.write_bytes(b"RIFF" + struct.pack("<I", len(head) + len(data)) + head + data)
    return path


@pytest.mark.parametrize(("channels", "rate"), [(1, 1), (1, 7919), (1, 768_000), (63, 48_000)])
def test_odd_sound_is_heard(channels: int, rate: int, tmp_path: Path) -> None:
    found = whole(bare_wav(tmp_path / "a.wav", channels, rate), RATE)
    samples = 12_800 // channels * RATE / rate
    assert len(found) == pytest.approx(min(RATE, samples), rel=0.01)
    assert found.any()


@pytest.mark.parametrize(("channels", "rate"), [(200, 48_000), (1, 0), (1, 2**32 - 1)])
def test_impossible_sound_is_refused(channels: int, rate: int, tmp_path: Path) -> None:
    with pytest.raises(UnreadableMediaError):
        whole(bare_wav(tmp_path / "a.wav", channels, rate))


def test_a_list_of_other_files_is_no_music(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_text("#EXTM3U\nfile:///etc/passwd\n")
    assert "playlist" in (sound_problem(path, SETTINGS.limits) or "")
    with pytest.raises(UnsafeMediaError):
        whole(path)


def test_a_folder_is_no_music(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMediaError):
        whole(tmp_path)


def test_padding_gives_exactly_what_is_asked_for() -> None:
    for count in (0, 1, 1000, 200_000):
        blocks = list(padded(iter([noise(0.01), noise(0.01)]), count, "mono"))
        assert sum(map(len, blocks)) == count


def test_a_stream_may_change_its_rate_and_channels(tmp_path: Path) -> None:
    parts = [
        write_sound(tmp_path / "a.aac", repeated(tone(1, 440, 0.1, 44100), 2), rate=44100, codec="aac"),
        write_sound(tmp_path / "b.aac", tone(1, 880, 0.1), codec="aac"),
    ]
    path = tmp_path / "both.aac"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = whole(path)
    for first, pitch in ((0.4, 440), (1.4, 880)):
        second = found[int(first * RATE) : int(first * RATE) + RATE // 2, 0]
        heard = np.argmax(np.abs(np.fft.rfft(second * np.hanning(len(second))))) * 2
        assert heard == pytest.approx(pitch, abs=2)


@pytest.mark.parametrize("name", ["a.ts", "a.flv", "a.mpg", "a.nut"])
def test_containers_with_clocks_of_their_own_stay_in_sync(name: str, tmp_path: Path) -> None:
    codec = {"a.mpg": "mp2", "a.nut": "pcm_s16le"}.get(name, "aac")
    clip = write_clip(tmp_path / name, repeated(burst(2, 1.25), 2), codec=codec)
    sound = scene_sound(footage(clip), form(), "stereo", tmp_path / "scene.wav", SETTINGS)
    assert abs(lag(stored(sound.path), burst(2, 1.25))) <= TICK
