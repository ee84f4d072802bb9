"""What is heard is where it is, as loud as it is, and no later than it is."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.episode.hearing import SPAN, Track, excerpt, hear, lateness
from sakuga.episode.loudness import measure
from sakuga.episode.wav import RATE, Samples
from sakuga.settings import Limits
from tests.episode.sounds import measured, noise, repeated, tone, write_clip, write_sound

SINE = 0.5
METER = 0.1
"""LU and dB by which two ways through the same meter may differ: its output has one digit."""

QUANTIZED = 1e-4
"""16 bits keep a sample to 1.5e-5 of full scale, a level to a little more."""


@given(st.integers(-4000, 4000), st.integers(0, 2**16))
def test_lateness_is_told_to_the_sample(late: int, seed: int) -> None:
    reach = 5000
    wave = noise(0.5, 0.1, seed)[:, 0]
    heard = wave[reach - late : len(wave) - reach - late]
    found, likeness = lateness(heard, wave)
    assert found == late
    assert likeness == pytest.approx(1, abs=1e-3)


def test_lateness_does_not_depend_on_the_level() -> None:
    wave = noise(0.5, 0.1)[:, 0]
    found, likeness = lateness(0.01 * wave[5000 - 70 : -5070], wave)
    assert (found, round(likeness, 2)) == (70, 1.0)


def test_another_sound_is_not_alike() -> None:
    assert lateness(noise(0.3, seed=1)[:, 0], noise(0.5, seed=2)[:, 0])[1] < 0.2


def test_silence_is_like_nothing() -> None:
    assert lateness(np.zeros(1000, np.float32), noise(0.1)[:, 0])[1] == 0
    assert lateness(noise(0.1)[:1000, 0], np.zeros(4800, np.float32))[1] == 0


def test_a_steady_tone_is_not_late() -> None:
    wave = tone(1, 1000)[:, 0]
    assert lateness(wave[4800:-4800], wave)[0] == 0


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_loudness_and_peak_are_those_of_the_meter(tmp_path: Path, channels: int) -> None:
    path = write_sound(tmp_path / "a.wav", noise(4, 0.05, channels=channels))
    heard = hear(Track(path, 0, Fraction(0), Limits()), 4 * RATE)
    loudness, peak = measured(path)
    assert heard.integrated == pytest.approx(loudness, abs=METER)
    assert heard.true_peak == pytest.approx(peak, abs=METER)
    assert heard.short_term[-1] == pytest.approx(loudness, abs=METER)


def test_the_course_of_loudness_begins_at_once(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(5, 0.05))
    short = hear(Track(path, 0, Fraction(0), Limits()), 5 * RATE).short_term
    assert len(short) == 50
    # the first 400 ms are not a whole block yet
    assert np.ptp(short[3:]) < 1


@pytest.mark.parametrize("seed", range(3))
def test_the_course_of_loudness_goes_down_in_silence(tmp_path: Path, seed: int) -> None:
    # after most such bursts ebur128 says that silence is not a number
    bursts = noise(4, 0.2, seed, channels=2) * (np.arange(4 * RATE) % (RATE // 2) < RATE // 10)[:, None]
    wave = np.concatenate([bursts, np.zeros((5 * RATE, 2), np.float32), noise(1, channels=2)])
    path = write_sound(tmp_path / "a.wav", wave)
    short = hear(Track(path, 0, Fraction(0), Limits()), 10 * RATE).short_term
    assert np.isfinite(short).all()
    assert short[75:90].max() < -100
    assert short[-1] > -40


def test_a_sine_has_the_level_of_a_sine(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", repeated(tone(2, 1000, SINE), 2))
    heard = hear(Track(path, 0, Fraction(0), Limits()), 2 * RATE)
    assert len(heard.level) == len(heard.peak) == 2 * RATE // SPAN
    assert heard.level == pytest.approx(SINE / np.sqrt(2), abs=QUANTIZED)
    assert heard.peak == pytest.approx(SINE, abs=QUANTIZED)
    assert (heard.first, heard.last, heard.gaps) == (0, 2 * RATE, ())


def test_sound_shorter_than_the_meter_needs_has_no_loudness(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(0.3))
    heard = hear(Track(path, 0, Fraction(0), Limits()), RATE)
    assert heard.integrated is None
    assert heard.true_peak > -20


def test_what_fills_up_the_last_packet_makes_a_short_episode_no_softer(tmp_path: Path) -> None:
    wave = noise(0.5, 0.1, channels=2)
    path = write_sound(tmp_path / "a.wav", np.pad(wave, ((0, 600), (0, 0))))
    heard = hear(Track(path, 0, Fraction(0), Limits()), len(wave))
    assert heard.integrated == pytest.approx(measure([wave], "stereo").integrated, abs=METER)
    assert heard.last == len(wave) + 600


def test_sound_counts_from_the_first_frame_of_the_picture(tmp_path: Path) -> None:
    late = Fraction(1, 2)
    clip = write_clip(tmp_path / "a.mov", noise(1, 0.1), sound_after=late)
    heard = hear(Track(clip, 1, Fraction(0), Limits()), 2 * RATE)
    assert (heard.first, heard.last) == (RATE // 2, RATE // 2 + RATE)
    assert heard.level[:25] == pytest.approx(0)
    assert heard.level[25:] == pytest.approx(0.1, rel=0.2)
    early = hear(Track(clip, 1, late, Limits()), RATE)
    assert (early.first, early.last, early.gaps) == (0, RATE, ())


def test_an_excerpt_is_the_moment_that_was_asked_for(tmp_path: Path) -> None:
    wave: Samples = noise(6, 0.1, channels=2)
    path = write_sound(tmp_path / "a.mov", wave, codec="pcm_s16le")
    for first, last in ((0, 100), (4 * RATE + 17, 5 * RATE), (6 * RATE - 10, 6 * RATE)):
        found = excerpt(Track(path, 0, Fraction(0), Limits()), (first, last))
        assert found == pytest.approx(wave[first:last].mean(axis=1), abs=QUANTIZED)


def test_an_excerpt_is_silent_where_nothing_is(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", noise(1, 0.1))
    around = excerpt(Track(path, 0, Fraction(0), Limits()), (-100, RATE + 100))
    assert not around[:100].any()
    assert not around[-100:].any()
    assert around[100:-100].all()
