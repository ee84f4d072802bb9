"""Music by its mood, from a library."""

from pathlib import Path

import pytest

from sakuga.episode.moods import MOODS, music_files, read_moods, soundtrack_problems
from sakuga.episode.spec import Soundtrack
from sakuga.errors import OptionError
from tests.episode.sounds import SETTINGS, tone, write_sound


def library(folder: Path, text: str) -> Path:
    (folder / MOODS).write_text(text)
    return folder


def soundtrack(folder: Path, *moods: str) -> Soundtrack:
    return Soundtrack.model_validate({"library": str(folder), "music": [{"mood": mood} for mood in moods]})


def test_cues_of_a_mood_go_round_its_files_in_natural_order(tmp_path: Path) -> None:
    library(tmp_path, "10.flac: [calm]\n2.flac: [calm, sad]\n1.flac: sad\n")
    files = music_files(soundtrack(tmp_path, "calm", "sad", "calm", "calm", "sad"))
    assert [path.name for path in files] == ["2.flac", "1.flac", "10.flac", "2.flac", "2.flac"]


def test_the_order_of_the_page_does_not_matter(tmp_path: Path) -> None:
    chosen = []
    for text in ("b.wav: [a]\na.wav: [a]\n", "a.wav: [a]\nb.wav: [a]\n"):
        library(tmp_path, text)
        chosen.append(music_files(soundtrack(tmp_path, "a", "a", "a")))
    assert chosen[0] == chosen[1]


def test_names_may_be_in_folders_and_hold_anything_that_is_printed(tmp_path: Path) -> None:
    library(tmp_path, "\"it's a 'song'.wav\": [calm]\nfolder/-x %d.wav: [wild]\n")
    assert read_moods(tmp_path) == {"calm": ("it's a 'song'.wav",), "wild": ("folder/-x %d.wav",)}


@pytest.mark.parametrize("name", ["../a.wav", "/etc/passwd", "a/../../b.wav", '"a\\nb.wav"', "''"])
def test_a_name_that_leads_out_of_the_library_is_refused(name: str, tmp_path: Path) -> None:
    library(tmp_path, f"{name}: [calm]\n")
    with pytest.raises(OptionError, match="not the name of a file in the library"):
        read_moods(tmp_path)


@pytest.mark.parametrize("text", ["[1, 2", "- a.wav\n", "a.wav: [[calm]]\n", "", "\x00", "[" * 5000])
def test_a_page_that_is_no_list_of_moods_is_refused(text: str, tmp_path: Path) -> None:
    library(tmp_path, text)
    with pytest.raises(OptionError, match="moods"):
        read_moods(tmp_path)


def test_what_is_missing_is_told_by_its_place(tmp_path: Path) -> None:
    library(tmp_path, "gone.wav: [calm]\nhere.wav: [wild]\n")
    write_sound(tmp_path / "here.wav", tone(0.1))
    problems = soundtrack_problems(soundtrack(tmp_path, "calm", "wild", "sad"), SETTINGS.limits)
    assert set(problems) == {("soundtrack", "music", 0, "mood"), ("soundtrack", "music", 2, "mood")}
    assert "gone.wav" in problems["soundtrack", "music", 0, "mood"]
    assert "calm, wild" in problems["soundtrack", "music", 2, "mood"]


def test_a_library_without_its_page_is_told(tmp_path: Path) -> None:
    problems = soundtrack_problems(soundtrack(tmp_path, "calm"), SETTINGS.limits)
    assert list(problems) == [("soundtrack", "library")]
    assert MOODS in problems["soundtrack", "library"]
