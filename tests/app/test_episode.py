"""`sakuga episode` as people type it."""

import json
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from app import episode_schema
from app.cli import cli
from sakuga.episode.load import load_episode
from tests.clips import make_clip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips of awkward names."""
    folder = tmp_path_factory.mktemp("my season")
    for name in ("2 b.mp4", "10 it's.mp4", '-1 "a"\n.mp4'):
        make_clip(folder / name, frames=12, size=(48, 40))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    for clip in made.iterdir():
        (tmp_path / clip.name).write_bytes(clip.read_bytes())
    return tmp_path


def sakuga(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["episode", *map(str, arguments)])


def test_one_command_leads_from_a_folder_to_a_valid_file(folder: Path) -> None:
    (folder / "notes.mp4").write_text("no video")
    written = sakuga("new", folder)
    assert written.exit_code == 0, written.output
    assert "left out: notes.mp4: it is not a video" in written.output
    file = folder / "episode.yaml"
    assert [scene.clip for scene in load_episode(file).scenes] == ["2 b.mp4", "10 it's.mp4", '-1 "a"\n.mp4']
    checked = sakuga("check", file)
    assert checked.exit_code == 0, checked.output
    assert checked.stdout == (
        f"{file} is in order: 3 scenes, 48x40, 24 fps, 0:01.500 (36 frames), 3 chapters.\n"
    )


def test_a_file_elsewhere_finds_its_clips(folder: Path) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    file = folder / "deep" / "er" / "-e.yaml"
    assert sakuga("new", folder, "-o", file).exit_code == 0
    assert load_episode(file).scenes[0].clip == "../../2 b.mp4"
    assert sakuga("check", "--", file).exit_code == 0


def test_a_file_far_away_has_whole_paths(folder: Path) -> None:
    far = folder / "a" / "b" / "c"
    far.mkdir(parents=True)
    assert sakuga("new", folder, "-o", far).exit_code == 0
    assert load_episode(far / "episode.yaml").scenes[0].clip == str(folder / "2 b.mp4")


def test_a_file_that_is_there_is_kept(folder: Path) -> None:
    file = folder / "episode.yaml"
    file.write_text("mine")
    refused = sakuga("new", folder)
    assert (refused.exit_code, file.read_text()) == (2, "mine")
    assert "--overwrite" in refused.output
    assert sakuga("new", folder, "--overwrite").exit_code == 0
    assert len(load_episode(file).scenes) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["new", "empty"], "no video"),
        (["new", "missing"], "not a folder"),
        (["new", "empty/..", "-o", "x.txt"], "must end with .yaml"),
        (["new", "empty/..", "-o", "no/where.yaml"], "There is no folder"),
        (["check", "missing.yaml"], "No such file"),
        (["check", "empty"], "not a file"),
        (["retake", "missing.yaml", "1", "--with", "2 b.mp4"], "No such file"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    before = sorted(folder.rglob("*"))
    refused = sakuga(*arguments)
    assert refused.exit_code == 2
    assert words in refused.output
    assert sorted(folder.rglob("*")) == before


def test_all_problems_are_shown_with_file_and_line(folder: Path) -> None:
    file = folder / "bad.yaml"
    file.write_text("scenes:\n  - clip: 2 b.mp4\n    speed: fast\n  - clip: gone.mp4\n")
    checked = sakuga("check", file)
    assert checked.exit_code == 2
    lines = checked.stderr.splitlines()
    assert lines[0].startswith(f"{file}:3:5: scene 1, speed: must be a number, such as 2")
    assert lines[1].startswith(f"{file}:4:5: scene 2, clip: there is no file ")
    assert lines[2] == "2 problems; nothing can be made of it yet."
    facts = json.loads(sakuga("check", file, "--json").stdout)
    assert [(one["line"], one["column"]) for one in facts["problems"]] == [(3, 5), (4, 5)]
    assert facts["ok"] is False


def test_a_model_that_there_is_not_is_told_of(folder: Path) -> None:
    file = folder / "e.yaml"
    file.write_text("scenes:\n  - clip: 2 b.mp4\nenhance:\n  model: no-such\n")
    checked = sakuga("check", file)
    assert checked.exit_code == 2
    assert checked.stderr.startswith(f"{file}:4:3: enhance, model: ")


def test_what_an_episode_will_be_is_told_as_json(folder: Path) -> None:
    file = folder / "e.json"
    file.write_text('{"scenes": [{"clip": "2 b.mp4", "title": "A"}], "output": {"fps": "30000/1001"}}')
    facts = json.loads(sakuga("check", file, "--json").stdout)
    assert (facts["ok"], facts["width"], facts["fps"], facts["frames"]) == (True, 48, "30000/1001", 15)
    assert [one["title"] for one in facts["chapters"]] == ["A"]


def test_a_retake_keeps_the_file_and_the_history(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sakuga("new", folder)
    file = folder / "episode.yaml"
    before = file.read_text()
    (folder / "more").mkdir()
    make_clip(folder / "more" / "-new take.mp4", frames=12, size=(48, 40))
    monkeypatch.chdir(folder / "more")
    done = sakuga("retake", file, "2-b", "--with", "-new take.mp4", "--notes", "sharper")
    assert done.exit_code == 0, done.output
    scene = load_episode(file).scenes[0]
    assert (scene.clip, scene.takes[0].clip, scene.takes[0].notes) == (
        "more/-new take.mp4",
        "2 b.mp4",
        "sharper",
    )
    after = [line for line in file.read_text().splitlines() if line not in before.splitlines()]
    assert len(after) == 4
    assert sakuga("check", file).exit_code == 0


def test_a_retake_that_cannot_be_used_changes_nothing(folder: Path) -> None:
    sakuga("new", folder)
    file = folder / "episode.yaml"
    file.write_text(file.read_text().replace("id: 2-b\n", "id: 2-b\n    start: 0.25\n"))
    before = file.read_bytes()
    make_clip(folder / "short.mp4", frames=2, size=(48, 40))
    (folder / "broken.mp4").write_text("no video")
    assert b"start: 0.25" in before
    for scene, clip, words in (
        ("2-b", "short.mp4", "begins at 0.25 s of its clip"),
        ("2-b", "broken.mp4", "is not a video"),
        ("2-b", "gone.mp4", "There is no file"),
        ("2-b", "2 b.mp4", "already"),
        ("2b", "short.mp4", "did you mean '2-b'?"),
        ("nine", "short.mp4", "its scenes are 2-b, it-s, 1-a"),
    ):
        refused = sakuga("retake", file, scene, "--with", folder / clip)
        assert refused.exit_code == 2, refused.output
        assert words in refused.stderr
        assert file.read_bytes() == before


def test_the_schema_is_that_of_the_code() -> None:
    written = (ROOT / episode_schema.FILE).read_text()
    assert written == episode_schema.episode_schema(), "run `python -m app.reference`"


def test_the_schema_takes_what_people_write(folder: Path) -> None:
    sakuga("new", folder)
    jsonschema = import_module("jsonschema")  # it says nothing of its types
    schema = json.loads(episode_schema.episode_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema)
    good = """
        scenes:
          - {clip: a, start: 1.5, end: "1:30", speed: 3/2, titles: [{text: x, at: 0.25}], marks: {b: 2}}
        output: {fps: 30000/1001, bit_depth: 10, cover: 3}
        """
    for text in (good, (folder / "episode.yaml").read_text()):
        assert list(checker.iter_errors(yaml.safe_load(text))) == []
    for wrong in ("scenes: []", "scenes: [{clip: a, fit: x}]", "scenes: [{clip: a, start: soon}]", "{}"):
        assert list(checker.iter_errors(yaml.safe_load(wrong)))


def test_check_says_what_it_can_of_an_episode_whose_files_are_in_a_store(folder: Path) -> None:
    file = folder / "e.yaml"
    file.write_text(
        "scenes:\n"
        "  - clip: 2 b.mp4\n"
        "    subtitles: words/b.srt\n"
        "    titles: [{text: A, font: s3://bucket/own.ttf}, {text: B, font: /no/such.ttf}]\n"
        "soundtrack:\n"
        "  library: music\n"
        "  music: [{mood: calm}, {file: music/a.flac}]\n"
        "  effects: [{file: sounds/knock.wav}]\n"
    )
    alone = json.loads(sakuga("check", "--json", file).stdout)
    assert [one["line"] for one in alone["problems"]] == [3, 4, 6, 7, 8]
    found = json.loads(sakuga("check", "--json", "--store", "sakuga-s3-store/films", file).stdout)
    assert [one["where"] for one in found["problems"]] == ["scene 1, title 2, font"]
    notes = [
        note["line"] for note in found["notes"] if "is in a store and was not looked at" in note["message"]
    ]
    assert notes == [3, 4, 6, 7, 8]


def test_check_asks_no_store_for_the_file_itself() -> None:
    for name, flags in (("s3://bucket/e.yaml", []), ("e.yaml", ["--store", "sakuga-s3-store/films"])):
        refused = sakuga("check", *flags, name)
        assert refused.exit_code == 2
        assert f"There is no file '{name}' on this machine, and `check` asks no store" in refused.output


def test_an_address_needs_its_store() -> None:
    refused = sakuga("make", "s3://bucket/e.yaml")
    assert refused.exit_code == 2
    assert "name its block too, with --store" in refused.output
