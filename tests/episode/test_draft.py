"""A first file of an episode, and the look at all that a file names."""

import random
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.episode.draft import DraftClip, draft_clip, draft_episode, natural, title_of
from sakuga.episode.load import parse_episode, read_episode
from sakuga.episode.places import located
from sakuga.episode.review import Review, review
from sakuga.episode.spec import EpisodeSpec
from sakuga.errors import CancelledError, OptionError
from sakuga.media.info import MediaInfo
from sakuga.media.probe import probe
from sakuga.settings import Limits
from tests.clips import make_clip

LIMITS = Limits()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of a second at 24, one of two seconds at 30 and another size, and what is no clip."""
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "scene 2.mp4", frames=24, size=(48, 40))
    make_clip(folder / "scene 10.mp4", frames=24, size=(48, 40), audio_seconds=1)
    make_clip(folder / "-odd 'name'\n\".mp4", frames=60, size=(64, 48), rate=Fraction(30))
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module")
def info(folder: Path) -> MediaInfo:
    return probe(folder / "scene 2.mp4", LIMITS).info


def look(folder: Path, text: str) -> Review:
    path = folder / "looked at.yaml"
    path.write_text(text)
    try:
        return review(read_episode(path), LIMITS)
    finally:
        path.unlink()


def said(found: Review) -> list[str]:
    return [f"{one.line}: {one.where}: {one.message}" for one in found.problems]


def test_a_draft_is_a_valid_file_of_all_clips(folder: Path) -> None:
    paths = sorted(folder.glob("*.mp4"), key=lambda path: natural(path.name))
    text = draft_episode([draft_clip(path, folder, LIMITS) for path in paths], "my_folder")
    found = look(folder, text)
    assert (found.problems, found.notes) == ((), ())
    spec = parse_episode(text, Path("e.yaml")).spec
    assert spec is not None
    assert [scene.clip for scene in spec.scenes] == ["-odd 'name'\n\".mp4", "scene 2.mp4", "scene 10.mp4"]
    assert [scene.title for scene in spec.scenes] == ["-odd 'name' \"", "Scene 2", "Scene 10"]
    assert spec.names == ("odd-name", "scene-2", "scene-10")
    assert spec.title == "My folder"
    assert "# left out: broken.mp4: " in text
    assert found.form is not None
    assert found.timeline is not None
    assert (found.form.size, found.form.rate) == ((48, 40), Fraction(24))
    assert found.timeline.frames == 2 * 24 + 24 + 24


def test_what_a_draft_offers_in_its_comments_can_be_used(info: MediaInfo) -> None:
    text = draft_episode([DraftClip("scene 2.mp4", info)], "x")
    offered = [re.sub(r"^( *)# ", r"\1", line) for line in text[text.index("# soundtrack") :].splitlines()]
    used = text[: text.index("# soundtrack")] + "\n".join(offered).replace("NAME", "scene-1")
    used = "\n".join(line for line in used.splitlines() if not line.startswith("Size and frame"))
    file = parse_episode(used.replace("id: scene-2", "id: scene-1"), Path("e.yaml"))
    assert file.spec is not None, file.problems
    assert file.spec.soundtrack.music[0].loop
    assert file.spec.credits is not None
    assert (file.spec.output.width, file.spec.output.fps) == (1280, Fraction(24))


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), unique=True, min_size=1
    )
)
def test_any_names_make_a_valid_draft(info: MediaInfo, names: list[str]) -> None:
    text = draft_episode([DraftClip(name, info) for name in names], names[0])
    spec = parse_episode(text, Path("e.yaml")).spec
    assert spec is not None
    assert [scene.clip for scene in spec.scenes] == names


def test_names_are_sorted_as_people_count() -> None:
    names = ["1 a.mp4", "2 b.mp4", "10 a.mp4", "Scene 2.mp4", "scene 3b.mp4", "scene 10.mp4", "²x.mp4"]
    shuffled = random.Random(1).sample(names, len(names))
    assert sorted(shuffled, key=natural) == names


@pytest.mark.parametrize(
    ("stem", "title"),
    [
        ("03_the-chase", "The chase"),
        ("03", "03"),
        ("clip.final.v2", "Clip final v2"),
        ("10 - Ende", "Ende"),
        ("東京_夜", "東京 夜"),
        ("a\x1b[2J\nb", "A [2J b"),
        ("  ", ""),
    ],
)
def test_titles_come_from_names(stem: str, title: str) -> None:
    assert title_of(stem) == title


def test_a_draft_of_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match="None of the clips can be used: it is empty"):
        draft_episode([DraftClip("a.mp4", "it is empty.")], "x")


def test_a_name_that_is_not_unicode_is_left_out(tmp_path: Path, info: MediaInfo) -> None:
    bad = draft_clip(tmp_path / "a\udcff.mp4", tmp_path, LIMITS)
    text = draft_episode([bad, DraftClip("b.mp4", info)], "x")
    assert "left out: a?.mp4: its name is not UTF-8" in text
    assert text.encode()


def test_all_files_that_are_missing_are_named_at_once(folder: Path) -> None:
    found = look(
        folder,
        "scenes:\n"
        "  - clip: scene2.mp4\n"
        "    subtitles: words.srt\n"
        "    titles: [{text: A, font: none.ttf}]\n"
        "  - clip: broken.mp4\n"
        "  - clip: elsewhere/a.mp4\n"
        "    fit: full\n"
        "  - clip: .\n"
        "soundtrack:\n"
        "  library: moods\n"
        "  music: [{file: m.mp3}]\n"
        "  effects: [{file: x.wav}]\n",
    )
    wanted = [
        (2, "did you mean 'scene 2.mp4'?"),
        (3, "words.srt"),
        (4, "none.ttf"),
        (5, "not a video"),
        (6, "no folder"),
        (7, "did you mean `fill`?"),
        (8, "is a folder"),
        (10, "moods"),
        (11, "m.mp3"),
        (12, "x.wav"),
    ]
    lines = said(found)
    assert len(lines) == len(wanted), lines
    assert all(
        one.startswith(f"{line}: ") and words in one for (line, words), one in zip(wanted, lines, strict=True)
    )


def test_clips_that_are_missing_may_be_left_out_by_choice(folder: Path) -> None:
    found = look(folder, "on_missing: skip\nscenes:\n  - clip: gone.mp4\n  - clip: scene 2.mp4\n")
    assert found.problems == ()
    assert [note.line for note in found.notes] == [3]
    assert found.timeline is None


def test_a_transition_longer_than_its_clips_is_found(folder: Path) -> None:
    found = look(
        folder,
        "transition: {kind: crossfade, seconds: 2}\nscenes:\n  - clip: scene 2.mp4\n  - clip: scene 10.mp4\n"
        "    start: 5\n    end: 6\n",
    )
    assert [line.split(":")[0] for line in said(found)] == ["3", "4"]
    assert found.timeline is None


def test_a_rate_that_no_container_holds_is_found(folder: Path) -> None:
    text = "scenes:\n  - clip: scene 2.mp4\noutput:\n  fps: 24.123456789123456789/1\n"
    found = look(folder, text.replace("/1", ""))
    assert any("No container can hold" in line and line.startswith("3: output") for line in said(found))


def test_times_that_are_hardly_meant_are_noted(folder: Path) -> None:
    found = look(
        folder,
        "scenes:\n  - clip: scene 2.mp4\n    end: 9\n    titles: [{text: A, at: 4}]\n    marks: {late: 3}\n"
        "soundtrack:\n  effects: []\noutput: {cover: 2}\n",
    )
    assert found.problems == ()
    assert [note.line for note in found.notes] == [3, 4, 5, 8]
    assert found.timeline is not None


def test_a_store_s_address_is_not_looked_at(folder: Path) -> None:
    found = look(folder, "scenes:\n  - clip: s3://bucket/a.mp4\n  - clip: scene 2.mp4\n")
    assert found.problems == ()
    assert [note.line for note in found.notes] == [2]


def test_paths_begin_where_the_file_is(folder: Path) -> None:
    spec = EpisodeSpec.model_validate(
        {
            "scenes": [
                {"clip": "scene 2.mp4"},
                {"clip": "s3://b/k"},
                {"clip": "key/in store.mp4"},
                {"clip": "/x"},
            ],
            "soundtrack": {"library": "lib", "music": [{"mood": "calm"}, {"file": "m.mp3"}]},
        }
    )
    whole = located(spec, folder)
    here = str(folder / "scene 2.mp4")
    assert [scene.clip for scene in whole.scenes] == [
        here,
        "s3://b/k",
        str(folder / "key/in store.mp4"),
        "/x",
    ]
    assert (whole.soundtrack.library, whole.soundtrack.music[1].file) == (
        str(folder / "lib"),
        str(folder / "m.mp3"),
    )
    assert whole.soundtrack.music[0].file is None
    in_store = located(spec, folder, in_store=True)
    assert [scene.clip for scene in in_store.scenes][:3] == [here, "s3://b/k", "key/in store.mp4"]


def test_hundreds_of_scenes_are_looked_at_and_can_be_stopped(folder: Path) -> None:
    polls: list[int] = []
    path = folder / "many.yaml"
    path.write_text("scenes:\n" + "  - clip: scene 2.mp4\n" * 400)
    file = read_episode(path)
    path.unlink()
    found = review(file, LIMITS, lambda: polls.append(1))
    assert found.timeline is not None
    assert found.timeline.frames == 400 * 24
    assert len(polls) == 400

    def stop() -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        review(file, LIMITS, stop)


def test_what_enhance_makes_of_the_clips_counts(folder: Path) -> None:
    text = "scenes:\n  - clip: scene 2.mp4\n  - clip: scene 10.mp4\nenhance: {scale: 3/2, fps: 48}\n"
    found = look(folder, text)
    assert found.form is not None
    assert found.timeline is not None
    assert (found.form.size, found.form.rate) == ((72, 60), Fraction(48))
    assert found.timeline.frames == 2 * 48
    found = look(folder, text.replace("scale: 3/2", "height: 20"))
    assert [line.split(":")[0] for line in said(found)] == ["2", "3"]
    assert "A height of 20 is not possible" in said(found)[0]


def test_a_playlist_or_text_is_no_music(folder: Path) -> None:
    (folder / "list.m3u").write_text("#EXTM3U\nhttp://example.com/a.mp3\n")
    found = look(folder, "scenes:\n  - clip: scene 2.mp4\nsoundtrack:\n  music:\n    - file: list.m3u\n")
    assert len(said(found)) == 1
    assert "list.m3u" in said(found)[0]


def test_keys_in_a_store_are_not_looked_at(folder: Path) -> None:
    path = folder / "store.yaml"
    path.write_text("scenes:\n  - clip: season/1.mp4\n  - clip: scene 2.mp4\n  - clip: /gone/a.mp4\n")
    file = read_episode(path)
    path.unlink()
    assert [one.line for one in review(file, LIMITS).problems] == [2, 4]
    found = review(file, LIMITS, in_store=True)
    assert [one.line for one in found.problems] == [4]
    assert [note.line for note in found.notes] == [2]
