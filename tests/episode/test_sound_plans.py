"""Clips to sound track: what is heard when, for episodes of any plan."""

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.episode.mix import mix
from sakuga.episode.sound import scene_sound
from sakuga.episode.spec import EpisodeSpec
from sakuga.episode.timeline import lay_out, timing_problems
from sakuga.episode.wav import RATE
from tests.episode.sounds import (
    SETTINGS,
    burst,
    decoded,
    footage,
    form,
    lag,
    measured,
    noise,
    repeated,
    tone,
    voice,
    write_clip,
    write_sound,
)

RATES = [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)]
BURST = Fraction(7, 10)
"""Seconds of the clip at which it bursts."""


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    def transition() -> dict[str, Any]:
        kind = draw(st.sampled_from(["cut", "crossfade", "fade-black", "wipe"]))
        return {
            "kind": kind,
            "seconds": draw(st.fractions(Fraction(1, 20), Fraction(1, 4), max_denominator=30)),
        }

    def scene() -> dict[str, Any]:
        start = draw(st.fractions(0, Fraction(2, 5), max_denominator=1000))
        end = draw(st.none() | st.fractions(Fraction(4, 5), 1, max_denominator=1000))
        return {"clip": "a.mov", "start": start, "end": end, "transition": transition()}

    return {
        "scenes": [scene() for _ in range(draw(st.integers(1, 6)))],
        "credits": draw(st.none() | st.just({"lines": ["A name"], "seconds": 1})),
        "output": {"container": draw(st.sampled_from(["mp4", "mkv"])), "loudness": -20},
    }


@pytest.mark.slow
@settings(max_examples=25)
@given(plan=plans(), rate=st.sampled_from(RATES))
def test_every_scene_of_any_plan_is_in_sync(plan: dict[str, Any], rate: Fraction) -> None:
    spec = EpisodeSpec.model_validate(plan)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wave = repeated(burst(1, float(BURST)) + noise(1, 1e-4), 2)
        clip = write_clip(folder / "a.mov", wave, frames=24)
        durations = [Fraction(1)] * len(spec.scenes)
        if timing_problems(spec, durations, rate):
            return
        timeline = lay_out(spec, durations, rate)
        sounds = []
        for number, scene in enumerate(spec.scenes):
            said = scene.model_dump(exclude={"clip"})
            output = folder / f"scene-{number}.wav"
            sounds.append(scene_sound(footage(clip, rate, **said), form(rate), "stereo", output, SETTINGS))
        made = mix(spec, timeline, sounds, folder / "out.bin", folder, SETTINGS)
        found = decoded(made.path)
    assert made.samples == round(timeline.duration * RATE)
    assert made.samples <= len(found) < made.samples + 1024
    for scene, placed in zip(spec.scenes, timeline.scenes, strict=True):
        # Only its middle 40 ms: what is around them may be shared with the next scene.
        middle = timeline.time(placed.first) + BURST + Fraction(3, 100) - scene.start
        first = round((middle - Fraction(1, 50)) * RATE)
        if (
            not placed.before / rate
            < middle - timeline.time(placed.first)
            < (placed.frames - placed.after) / rate
        ):
            continue
        expected = burst(1, float(Fraction(1, 2) - Fraction(1, 100)))[RATE // 2 : RATE // 2 + RATE // 25]
        assert abs(lag(found[first : first + RATE // 25], expected)) <= 1


def test_music_is_ducked_under_what_is_said_in_a_clip(tmp_path: Path) -> None:
    """From the clips on: speech is found, and the music under it is 15 dB lower than in the pause."""
    wave = voice(6, [(2, 4)]) + noise(6, 0.0005)
    clip = write_clip(tmp_path / "a.mp4", repeated(wave, 2), frames=144, codec="aac")
    sound = scene_sound(footage(clip), form(), "stereo", tmp_path / "scene.wav", SETTINGS)
    music = write_sound(tmp_path / "m.wav", repeated(tone(6, 9000, 0.1), 2))
    cue = {"file": str(music), "duck": 15, "fade_in": 0, "fade_out": 0}
    spec = EpisodeSpec.model_validate(
        {"scenes": [{"clip": "a.mp4"}], "soundtrack": {"music": [cue]}, "output": {"loudness": -23}}
    )
    timeline = lay_out(spec, [Fraction(6)], Fraction(24))
    made = mix(spec, timeline, [sound], tmp_path / "mix.mp4", tmp_path, SETTINGS)
    assert made.linear
    found = decoded(made.path)[:, 0]

    def music_level(first: float, last: float) -> float:
        part = found[int(first * RATE) : int(last * RATE)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)))) / len(part)
        place = round(9000 * len(part) / RATE)
        return float(20 * np.log10(spectrum[place - 3 : place + 4].max()))

    pause, under, after = music_level(0.2, 1.5), music_level(2.1, 3.7), music_level(4.9, 5.9)
    assert pause - under == pytest.approx(15, abs=0.5)
    assert after == pytest.approx(pause, abs=0.5)
    assert measured(made.path)[0] == pytest.approx(-23, abs=0.5)
