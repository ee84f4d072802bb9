"""Right episodes of every kind pass, and what was asked for is no fault."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sakuga.episode.wav import Samples
from tests.clips import Rgb, numbered
from tests.episode.finished import Finished, finish, muxed, write_aac
from tests.episode.sounds import decoded, noise, tone, voice

TWO: list[dict[str, Any]] = [{"title": "One"}, {"title": "Two"}]
FADES = ["crossfade", "fade-black", "fade-white", "wipe", "slide", "zoom"]
CUT = {"transition": {"kind": "cut"}}


def faults(episode: Finished, path: Path | None = None) -> list[tuple[str, str, str]]:
    return [(one.name, one.value, one.detail) for one in episode.audit(path).checks if not one.passed]


def black_first(number: int, width: int, height: int) -> Rgb:
    return numbered(number, width, height) * np.uint8(number >= 16)


def still_first(number: int, width: int, height: int) -> Rgb:
    return numbered(max(0, number - 24), width, height)


@pytest.mark.parametrize(
    ("spec", "clips"),
    [
        pytest.param({"output": {"layout": "5.1", "loudness": -23}}, TWO, id="5.1", marks=pytest.mark.slow),
        pytest.param({"output": {"layout": "mono", "loudness": -23}}, TWO, id="mono"),
        pytest.param({"output": {"container": "mkv"}}, TWO, id="mkv"),
        pytest.param({}, [{"wave": None}, {"mute": True}], id="silent"),
        pytest.param(
            {}, [{"wave": tone(2)}, {"wave": tone(2, 880)}], id="steady tones", marks=pytest.mark.slow
        ),
        pytest.param(
            {"output": {"loudness": -5}}, [{"wave": voice(2, [(0, 2)])}], id="limited", marks=pytest.mark.slow
        ),
        pytest.param({**CUT}, [{"end": "1/24"}, {"end": "1/24"}], id="two frames"),
        pytest.param(
            {}, [{"wave": noise(0.3, channels=2)}, {"wave": None}], id="short sound", marks=pytest.mark.slow
        ),
        pytest.param({}, [{"speed": "2"}, {"speed": "1/2"}], id="speeds", marks=pytest.mark.slow),
        pytest.param(
            {}, [{"start": "1/3", "end": "3/2"}, {"start": "1"}], id="parts", marks=pytest.mark.slow
        ),
        pytest.param({}, [{"placeholder": True}, {}], id="placeholder"),
        pytest.param({}, [{"draw": black_first}, {"draw": still_first}], id="black and still clips"),
    ],
)
def test_right_episodes_pass(tmp_path: Path, spec: dict[str, Any], clips: list[dict[str, Any]]) -> None:
    assert faults(finish(tmp_path, spec, clips)) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", FADES)
def test_transitions_of_a_second_are_no_fault(tmp_path: Path, kind: str) -> None:
    spec = {
        "transition": {"kind": kind, "seconds": "1"},
        "credits": {"lines": ["Name"] * 30, "seconds": "2"},
    }
    assert faults(finish(tmp_path, spec, TWO)) == []


@pytest.mark.slow
def test_prores_passes(tmp_path: Path) -> None:
    assert faults(finish(tmp_path, {"output": {"container": "mov", "codec": "prores"}}, TWO)) == []


@pytest.mark.slow
def test_titles_are_no_fault_and_their_absence_is_one(tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    words = {"text": "SAKUGA\nSAKUGA", "at": "1/2", "seconds": "1", "fade": "0", "size": 0.3}
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    titled = finish(tmp_path / "with", {**CUT}, [{"titles": [words]}, {}])
    plain = finish(tmp_path / "without", {**CUT}, [{}, {}])
    assert faults(titled) == []
    assert {name for name, _, _ in faults(titled, plain.result)} == {"Frames beside cuts"}


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_cover_that_is_missing_is_found(tmp_path: Path, container: str) -> None:
    right = finish(tmp_path, {**CUT, "output": {"container": container, "cover": "1"}}, [{"wave": None}])
    assert faults(right) == []
    bare = muxed(tmp_path / f"bare.{container}", right.result, right.result, right.timeline.chapters)
    assert "Cover" in {name for name, _, _ in faults(right, bare)}


def test_black_where_the_clip_is_not_is_found_beside_black_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "dark").mkdir()
    (tmp_path / "bright").mkdir()
    dark = finish(tmp_path / "dark", {**CUT}, [{"draw": black_first}, {}])
    bright = finish(tmp_path / "bright", {**CUT}, [{"draw": numbered}, {}])
    assert "Black frames not asked for" not in {name for name, _, _ in faults(dark)}
    found = {name: detail for name, _, detail in faults(bright, dark.result)}
    assert "frames 0-15," in found["Black frames not asked for"]


@pytest.mark.slow
def test_a_standstill_that_the_clip_does_not_have_is_found(tmp_path: Path) -> None:
    (tmp_path / "still").mkdir()
    (tmp_path / "moving").mkdir()
    still = finish(tmp_path / "still", {**CUT}, [{"draw": still_first}, {}])
    moving = finish(tmp_path / "moving", {**CUT}, [{"draw": numbered}, {}])
    assert faults(still) == []
    assert "Frozen frames not asked for" in {name for name, _, _ in faults(moving, still.result)}


def test_a_mix_that_is_late_itself_is_found_by_the_clips(tmp_path: Path) -> None:
    right = finish(tmp_path, {**CUT}, TWO)

    def later(wave: Samples) -> Samples:
        return np.concatenate([np.zeros((9600, 2), np.float32), wave[:-9600]])

    late = right.damaged(tmp_path / "late.mp4", sound=later)
    track = write_aac(tmp_path / "mix.mp4", later(decoded(right.result)))
    assert right.mixed is not None
    same = replace(right, mixed=right.mixed.model_copy(update={"path": track}))
    assert {name for name, _, _ in faults(same, late)} == {"Sound in time with the clips"}


@pytest.mark.slow
def test_a_silent_result_of_a_mix_that_is_not_is_found(tmp_path: Path) -> None:
    right = finish(tmp_path, {**CUT}, TWO)
    silent = right.damaged(tmp_path / "silent.mp4", sound=np.zeros_like)
    assert {"Loudness", "Sound as mixed", "Sound in time with the mix"} <= {
        name for name, _, _ in faults(right, silent)
    }
