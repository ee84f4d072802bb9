"""The sound of an episode: places, joins, ducking, loops, and the loudness that was asked for."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sakuga.episode.channels import CHANNELS
from sakuga.episode.mix import Mixed, mix
from sakuga.episode.sound import RAMP, SceneSound
from sakuga.episode.spec import EpisodeSpec, Layout
from sakuga.episode.timeline import Timeline
from sakuga.episode.wav import RATE, Samples, open_wav
from sakuga.errors import CancelledError, ContractError, OptionError
from tests.episode.sounds import (
    FPS,
    SETTINGS,
    burst,
    decoded,
    episode,
    lag,
    largest_step,
    level,
    measured,
    noise,
    repeated,
    scene_file,
    tone,
    voice,
    write_sound,
)

LOUDNESS = 0.5
"""LU, the tolerance of EBU R128."""

EXACT: dict[str, Any] = {"container": "mkv"}
"""MKV has FLAC, which keeps every sample as it was mixed."""

SAMPLE = 2e-4
"""A 24-bit step, after gain."""


def mixed(
    plan: tuple[EpisodeSpec, Timeline], waves: list[Samples], tmp_path: Path, speech: tuple[Any, ...] = ()
) -> Mixed:
    spec, timeline = plan
    sounds = [
        scene_file(tmp_path / f"scene-{number}.wav", wave, speech[number] if speech else ())
        for number, wave in enumerate(waves)
    ]
    return mixed_of(spec, timeline, sounds, tmp_path)


def mixed_of(spec: EpisodeSpec, timeline: Timeline, sounds: list[SceneSound], tmp_path: Path) -> Mixed:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    made = mix(spec, timeline, sounds, tmp_path / "sound.out", scratch, SETTINGS)
    assert list(scratch.iterdir()) == []
    return made


def heard(made: Mixed) -> Samples:
    """The mix before its gain."""
    return (decoded(made.path) / 10 ** (made.gain / 20)).astype(np.float32)


def quiet(seconds: float, channels: int = 2) -> Samples:
    """A scene that says nothing but has a loudness: faint noise."""
    return noise(seconds, 0.001, channels=channels)


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize("rate", [FPS, Fraction(30000, 1001)])
def test_the_mix_is_exactly_as_long_as_the_picture(
    container: str, layout: Layout, rate: Fraction, tmp_path: Path
) -> None:
    plan = episode(
        2, 1, rate, transition={"kind": "crossfade"}, output={"container": container, "layout": layout}
    )
    frames = plan[1].scenes[0].frames
    samples = round(frames * RATE / rate)
    wave = noise(samples / RATE, 0.05, channels=len(CHANNELS[layout]))
    made = mixed(plan, [wave, wave], tmp_path)
    assert made.samples == round(plan[1].frames * RATE / rate)
    assert made.codec == ("flac" if container == "mkv" else "aac")
    found = decoded(made.path)
    assert found.shape[1] == len(CHANNELS[layout])
    if container == "mkv":
        assert len(found) == made.samples
    else:
        # AAC has packets of 1024 samples; the file says where in the last one the end is.
        with av.open(str(made.path)) as file:
            (stream,) = file.streams.audio
            assert (stream.start_time, stream.duration) == (0, made.samples)
            assert stream.time_base == Fraction(1, RATE)
        assert made.samples <= len(found) < made.samples + 1024


def test_beside_prores_sound_is_not_compressed(tmp_path: Path) -> None:
    plan = episode(1, 1, output={"container": "mov", "codec": "prores"})
    made = mixed(plan, [noise(1, channels=2)], tmp_path)
    assert made.codec == "pcm_s24le"
    assert len(decoded(made.path)) == RATE


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_every_scene_is_heard_at_its_frame(container: str, tmp_path: Path) -> None:
    plan = episode(40, 1, Fraction(30000, 1001), output={"container": container})
    frames = plan[1].scenes[0].frames
    wave = burst(frames * 1001 / 30000, 0.5) + noise(frames * 1001 / 30000, 1e-4)
    made = mixed(plan, [repeated(wave, 2)] * 40, tmp_path)
    found = decoded(made.path)
    for placed in plan[1].scenes:
        first = round(placed.first * 1001 / 30000 * RATE)
        assert lag(found[first : first + len(wave)], wave) == 0


@pytest.mark.parametrize("target", [-14.0, -23.0, -16.0])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_the_mix_has_the_loudness_and_the_true_peak_that_were_asked_for(
    target: float, container: str, tmp_path: Path
) -> None:
    plan = episode(2, 4, output={"loudness": target, "container": container})
    wave = repeated(voice(4, [(0.2, 3.8)]), 2)
    made = mixed(plan, [wave, wave], tmp_path)
    loudness, peak = measured(made.path)
    assert loudness == pytest.approx(target, abs=LOUDNESS)
    assert peak <= -1.0
    assert made.loudness == pytest.approx(loudness, abs=0.1)
    assert made.true_peak == pytest.approx(peak, abs=0.1)


def test_one_gain_is_all_where_peaks_allow_it(tmp_path: Path) -> None:
    wave = noise(4, 0.05, channels=2)
    made = mixed(episode(1, 4, output={"loudness": -23.0, **EXACT}), [wave], tmp_path)
    assert made.linear
    assert made.notes == ()
    inner = slice(RAMP, -RAMP)
    assert np.abs(heard(made)[inner] - wave[inner]).max() < SAMPLE


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_where_peaks_are_too_high_they_are_limited_and_a_note_says_so(container: str, tmp_path: Path) -> None:
    wave = noise(6, 0.02, channels=2)
    wave[::4801] = 0.9
    made = mixed(episode(1, 6, output={"loudness": -16.0, "container": container}), [wave], tmp_path)
    assert not made.linear
    assert any("limited" in note for note in made.notes)
    loudness, peak = measured(made.path)
    assert loudness == pytest.approx(-16, abs=LOUDNESS)
    assert peak <= -1.0


def test_a_loudness_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    wave = np.zeros((4 * RATE, 2), np.float32)
    wave[::2400] = 0.9
    made = mixed(episode(1, 4, output={"loudness": -5.0, "true_peak": -9.0}), [wave], tmp_path)
    assert any("ask for a lower loudness" in note for note in made.notes)
    assert measured(made.path)[1] <= -9


def test_what_the_encoder_takes_away_is_not_blamed_on_the_true_peak(tmp_path: Path) -> None:
    # AAC leaves most of a tone out that nobody hears
    waves = [repeated(tone(2, 23_500, 0.05), 2)]
    for container, told in (("mp4", [True]), ("mkv", [])):
        made = mixed(episode(1, 2, output={"loudness": -8.0, "container": container}), waves, tmp_path)
        assert ["encoder changes" in note for note in made.notes if "place of -8 LUFS" in note] == told


def test_a_silent_episode_is_silent_and_says_so(tmp_path: Path) -> None:
    made = mixed(episode(1, 1), [np.zeros((RATE, 2), np.float32)], tmp_path)
    assert made.loudness is None
    assert any("silent" in note for note in made.notes)
    assert not decoded(made.path).any()


@pytest.mark.parametrize("kind", ["cut", "crossfade", "fade-black"])
def test_joins_do_not_click(kind: str, tmp_path: Path) -> None:
    """Tones that are cut at their crests: a hard join would be a step of their whole height."""
    time = np.arange(RATE) / RATE
    waves = [
        repeated((0.4 * np.cos(2 * np.pi * f * (time - end))).astype(np.float32)[:, None], 2)
        for f, end in ((200, 0), (310, 1), (150, 0.5))
    ]
    plan = episode(3, 1, transition={"kind": kind, "seconds": "1/4"}, output=EXACT)
    found = heard(mixed(plan, waves, tmp_path))
    # two of the steepest may be heard at once; a ramp of 5 ms adds its own slope
    allowed = sum(sorted(largest_step(wave) for wave in waves)[1:]) + 0.4 * np.pi / 2 / RAMP
    assert largest_step(np.concatenate([np.zeros((1, 2), np.float32), found])) <= allowed


def test_a_crossfade_keeps_the_power(tmp_path: Path) -> None:
    plan = episode(2, 4, transition={"kind": "crossfade", "seconds": 2}, output=EXACT)
    waves = [noise(4, 0.05, seed=seed, channels=2) for seed in (1, 2)]
    found = heard(mixed(plan, waves, tmp_path))
    for first in range(2 * RATE, 4 * RATE, RATE // 4):
        assert level(found[first : first + RATE // 4]) == pytest.approx(level(waves[0]), abs=0.5)


def music(path: Path, seconds: float = 8, frequency: float = 3000) -> Path:
    return write_sound(path, repeated(tone(seconds, frequency, 0.25), 2))


def bright(wave: Samples, frequency: float = 3000) -> float:
    """Level of one tone in dB."""
    channel = wave[:, 0] * np.hanning(len(wave))
    place = round(frequency * len(wave) / RATE)
    near = np.abs(np.fft.rfft(channel))[place - 3 : place + 4]
    return float(20 * np.log10(near.max() / len(wave) * 4 + 1e-12))


def test_music_goes_down_under_speech_and_comes_back(tmp_path: Path) -> None:
    path = music(tmp_path / "music.wav", 10)
    cue = {"file": str(path), "duck": 12, "gain": -6, "fade_in": 0, "fade_out": 0}
    plan = episode(2, 5, soundtrack={"music": [cue]}, output=EXACT)
    speech = (((2 * RATE, 4 * RATE),), ())
    found = heard(mixed(plan, [quiet(5), quiet(5)], tmp_path, speech))
    before, under, after = (
        bright(found[int(a * RATE) : int(b * RATE)]) for a, b in ((0.5, 1.5), (2.1, 3.9), (5, 9))
    )
    assert before - under == pytest.approx(12, abs=0.3)
    assert after == pytest.approx(before, abs=0.3)


def test_music_does_not_pump_between_words(tmp_path: Path) -> None:
    path = music(tmp_path / "music.wav", 5)
    cue = {"file": str(path), "duck": 12, "fade_in": 0, "fade_out": 0}
    plan = episode(1, 5, soundtrack={"music": [cue]}, output=EXACT)
    words = ((RATE, 2 * RATE), (RATE * 5 // 2, RATE * 7 // 2))
    found = heard(mixed(plan, [quiet(5)], tmp_path, (words,)))
    pause = bright(found[int(2.1 * RATE) : int(2.4 * RATE)])
    assert pause == pytest.approx(bright(found[int(1.1 * RATE) : int(1.4 * RATE)]), abs=0.3)


def test_music_is_as_loud_as_asked_for_beside_the_scenes(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "music.wav", noise(4, 0.3, channels=2))
    cue = {"file": str(path), "gain": -5, "duck": 0, "fade_in": 0, "fade_out": 0, "start": 4}
    plan = episode(2, 4, soundtrack={"music": [cue]}, output=EXACT)
    scene = noise(4, 0.03, seed=3, channels=2)
    write_sound(tmp_path / "scene.wav", scene)
    scene *= 10 ** ((-23 - measured(tmp_path / "scene.wav")[0]) / 20)
    found = heard(mixed(plan, [scene, quiet(4) * 0], tmp_path))
    assert level(found[5 * RATE : 7 * RATE]) - level(found[RATE : 3 * RATE]) == pytest.approx(-5, abs=0.3)


def test_a_cue_begins_ends_and_fades_where_it_says(tmp_path: Path) -> None:
    path = music(tmp_path / "music.wav", 8)
    cue = {"file": str(path), "scene": "scene-2", "start": 1, "end": 4, "fade_in": 1, "fade_out": 1}
    plan = episode(2, 5, soundtrack={"music": [cue]}, output=EXACT)
    silent = np.zeros((5 * RATE, 2), np.float32)
    found = heard(mixed(plan, [silent, silent], tmp_path))
    assert not found[: 6 * RATE].any()
    assert not found[9 * RATE :].any()
    steady = level(found[int(7.2 * RATE) : int(7.8 * RATE)])
    for middle in (6.5, 8.5):
        part = found[int((middle - 0.02) * RATE) : int((middle + 0.02) * RATE)]
        assert level(part) == pytest.approx(steady - 3, abs=0.3)


def test_music_begins_at_its_offset(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "music.flac", repeated(burst(6, 3.5), 2), codec="flac")
    cue = {"file": str(path), "offset": "5/4", "start": "1/2", "fade_in": 0, "fade_out": 0, "duck": 0}
    plan = episode(1, 4, soundtrack={"music": [cue]}, output=EXACT)
    found = heard(mixed(plan, [np.zeros((4 * RATE, 2), np.float32)], tmp_path))
    assert lag(found, burst(4, 2.75)) == 0


@pytest.mark.parametrize(("frequency", "natural"), [(440.0, True), (440.5, False)])
def test_a_loop_has_no_click_and_keeps_its_beat(frequency: float, natural: bool, tmp_path: Path) -> None:
    crests = 0.2 * np.cos(2 * np.pi * frequency * np.arange(RATE) / RATE)
    wave = np.asarray(crests[:, None] + burst(1, 0.4) / 4, np.float32)
    path = write_sound(tmp_path / "music.wav", repeated(wave, 2))
    cue = {"file": str(path), "loop": True, "fade_in": 0, "fade_out": 0, "duck": 0}
    plan = episode(1, 5, soundtrack={"music": [cue]}, output=EXACT)
    found = heard(mixed(plan, [np.zeros((5 * RATE, 2), np.float32)], tmp_path))
    once = found[RATE : 2 * RATE]
    for turn in (2, 3):
        assert np.abs(found[turn * RATE : (turn + 1) * RATE] - once).max() < SAMPLE
    inner, near = found[RATE * 3 // 2 : RATE * 7 // 2], found[2 * RATE - 960 : 2 * RATE + 960]
    slope = largest_step(wave[:4800])
    assert largest_step(near) <= slope * (1.02 if natural else 1) + (not natural) * 0.2 * np.pi / 2 / RAMP
    seam = found[2 * RATE - 48 : 2 * RATE + 48]
    assert bool(level(seam) > level(inner) - 3) == natural


def test_music_may_go_on_under_the_credits(tmp_path: Path) -> None:
    cue = {"file": str(music(tmp_path / "music.wav", 2)), "loop": True, "fade_out": 0}
    credits = {"lines": ["A name"], "seconds": 2}
    plan = episode(1, 1, credits=credits, soundtrack={"music": [cue]}, output=EXACT)
    found = heard(mixed(plan, [quiet(1)], tmp_path))
    assert len(found) == 3 * RATE
    assert level(found[-RATE:]) > -40


def test_an_effect_is_heard_at_its_mark_to_the_sample(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "knock.wav", burst(0.5, 0.1))
    scenes = [{"clip": "a.mp4"}, {"clip": "b.mp4", "marks": {"door": "7/8"}}]
    effect = {"file": str(path), "scene": "scene-2", "mark": "door", "at": "1/8"}
    spec, timeline = episode(2, 3, soundtrack={"effects": []}, output=EXACT)
    spec = EpisodeSpec.model_validate(
        {**spec.model_dump(), "scenes": scenes, "soundtrack": {"effects": [effect]}}
    )
    silent = np.zeros((3 * RATE, 2), np.float32)
    found = heard(mixed((spec, timeline), [silent, silent], tmp_path))
    assert lag(found, burst(6, 4.1)) == 0


def test_what_would_begin_after_the_end_is_left_out_and_told(tmp_path: Path) -> None:
    path = str(music(tmp_path / "music.wav", 1))
    sounds = {"music": [{"file": path, "start": 3}], "effects": [{"file": path, "at": 4}]}
    made = mixed(episode(1, 2, soundtrack=sounds, output=EXACT), [quiet(2)], tmp_path)
    assert sum("after the episode's end" in note for note in made.notes) == 2


def test_all_files_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("words")
    sounds = {
        "music": [{"file": str(tmp_path / "one.flac")}, {"file": str(text)}],
        "effects": [{"file": str(tmp_path / "two.wav")}],
    }
    plan = episode(1, 1, soundtrack=sounds)
    with pytest.raises(OptionError) as raised:
        mixed(plan, [quiet(1)], tmp_path)
    for name in ("one.flac", "text.wav", "two.wav"):
        assert name in str(raised.value)


def test_music_that_ends_before_its_offset_is_refused(tmp_path: Path) -> None:
    cue = {"file": str(music(tmp_path / "music.wav", 2)), "offset": 3}
    with pytest.raises(OptionError, match=r"ends at 2\.00 s, before its offset of 3 s"):
        mixed(episode(1, 1, soundtrack={"music": [cue]}), [quiet(1)], tmp_path)


def test_a_scene_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="planned were 48000"):
        mixed(episode(1, 1), [quiet(0.9)], tmp_path)


def test_a_stopped_mix_leaves_nothing(tmp_path: Path) -> None:
    spec, timeline = episode(1, 2)
    sounds = [scene_file(tmp_path / "scene.wav", quiet(2))]
    with pytest.raises(CancelledError):
        mix(spec, timeline, sounds, tmp_path / "out.mp4", tmp_path, SETTINGS, cancelled=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.wav"]


def test_the_same_mix_is_the_same_file(tmp_path: Path) -> None:
    plan = episode(2, 2, transition={"kind": "crossfade"})
    waves = [noise(2, 0.05, seed=seed, channels=2) for seed in (1, 2)]
    first = mixed(plan, waves, tmp_path).path.read_bytes()
    assert mixed(plan, waves, tmp_path).path.read_bytes() == first


def test_a_file_of_samples_reads_as_it_was_written(tmp_path: Path) -> None:
    wave = noise(1, channels=6)
    sound = scene_file(tmp_path / "a.wav", wave)
    assert np.array_equal(open_wav(sound.path).read(100, 200), wave[100:200])
    assert not open_wav(sound.path).read(-10, 0).any()
    assert np.abs(decoded(sound.path) - wave).max() == 0


def test_what_is_cut_by_the_end_of_the_episode_goes_in_time(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "long.wav", repeated(tone(5, 200, 0.5), 2))
    sounds = {"effects": [{"file": str(path), "at": 1}], "music": [{"file": str(path), "fade_out": 0}]}
    found = heard(
        mixed(episode(1, 2, soundtrack=sounds, output=EXACT), [np.zeros((2 * RATE, 2), np.float32)], tmp_path)
    )
    ends = np.concatenate([found[-RATE // 10 :], np.zeros((1, 2), np.float32)])
    assert largest_step(ends) <= largest_step(found[RATE * 3 // 2 : RATE * 18 // 10]) + 0.2 * np.pi / 2 / RAMP


def test_a_knock_is_not_turned_up_to_the_loudness_of_speech(tmp_path: Path) -> None:
    knock = np.zeros((RATE, 1), np.float32)
    knock[1000:1020] = 0.5
    path = write_sound(tmp_path / "knock.wav", knock)
    sounds = {"effects": [{"file": str(path)}]}
    silent = np.zeros((2 * RATE, 2), np.float32)
    found = heard(mixed(episode(1, 2, soundtrack=sounds, output=EXACT), [silent], tmp_path))
    assert np.abs(found).max() <= 10 ** (-3 / 20)


def test_music_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "empty.wav", np.zeros((0, 2), np.float32))
    with pytest.raises(OptionError, match=r"empty\.wav"):
        mixed(episode(1, 1, soundtrack={"music": [{"file": str(path)}]}), [quiet(1)], tmp_path)


def test_progress_goes_up_to_the_end(tmp_path: Path) -> None:
    spec, timeline = episode(1, 4)
    told: list[float] = []
    sounds = [scene_file(tmp_path / "scene.wav", noise(4, 0.05, channels=2))]
    mix(spec, timeline, sounds, tmp_path / "out.mp4", tmp_path, SETTINGS, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 2
