"""Episodes of which every file is in a store, and their own file too."""

import json
from pathlib import Path

import pytest
from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

from blocks import LocalFolderStore
from blocks.stores import MediaStore
from flows.episode import episode
from sakuga.episode.spec import EpisodeSpec
from sakuga.errors import LimitError, OptionError, UnreadableMediaError
from sakuga.media.probe import probe
from sakuga.settings import Settings
from tests.blocks.outages import new_bucket
from tests.clips import make_clip
from tests.episode.sounds import tone, write_sound

pytestmark = pytest.mark.usefixtures("prefect_server", "sakuga_home")

SIZE = (64, 48)
FRAMES = 24
SEGMENTS = 3
"""The title's frames and the rest of the first scene, and the second scene."""

YAML = """
title: From afar
scenes:
  - clip: clips/first one.mp4
    titles: [{text: Hi, seconds: 0.5, fade: 0, font: ../fonts/our own.ttf}]
    subtitles: words.en.srt
  - clip: clips/second.mp4
soundtrack:
  library: ../music
  music: [{mood: calm}, {file: ../music/fast.wav, start: 1}]
  effects: [{file: "knock's.wav", at: 0.5}]
output: {preset: ultrafast}
"""
WORDS = "1\n00:00:00,100 --> 00:00:00,900\nHello\n"


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A folder with an episode, and the fonts and the music of its series beside it."""
    show = tmp_path / "show"
    for name in ("one/clips", "fonts", "music/slow"):
        (show / name).mkdir(parents=True)
    for name in ("first one", "second"):
        make_clip(show / f"one/clips/{name}.mp4", frames=FRAMES, size=SIZE, audio_seconds=1)
    (show / "one/pilot.yaml").write_text(YAML)
    (show / "one/words.en.srt").write_text(WORDS)
    font = ImageFont.load_default(20)
    assert isinstance(font, FreeTypeFont)
    (show / "fonts/our own.ttf").write_bytes(font.font_bytes)
    (show / "music/moods.yaml").write_text("slow/dawn.wav: [calm]\nunused.wav: [odd]\n")
    for name, pitch in (("music/slow/dawn", 220), ("music/fast", 660), ("one/knock's", 90)):
        write_sound(show / f"{name}.wav", tone(1, pitch))
    return show


def folder_store(folder: Path) -> tuple[MediaStore, str]:
    store = LocalFolderStore(root=folder)
    store.prepare()
    store.save("shows", overwrite=True)
    return store, "sakuga-local-folder-store/shows"


def s3_store(endpoint: str) -> tuple[MediaStore, str]:
    store = new_bucket(endpoint, "shows", "ours/")
    store.save("shows", overwrite=True)
    return store, "sakuga-s3-store/shows"


@pytest.fixture(autouse=True)
def fresh_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of other tests have the same names."""
    monkeypatch.setattr("tasks.job._BLOCKS", {})


def languages(result: Path) -> list[str | None]:
    """Of the tracks of subtitles."""
    return [each.language for each in probe(result, Settings().limits).info.subtitles]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_everything_of_an_episode_may_be_in_a_store(
    kind: str, show: Path, tmp_path: Path, sakuga_home: Path, s3_endpoint: str
) -> None:
    store, block = folder_store(tmp_path / "store") if kind == "folder" else s3_store(s3_endpoint)
    for file in show.rglob("*"):
        if file.is_file():
            store.put(file, f"series/{file.relative_to(show).as_posix()}")
    name = "series/one/pilot.yaml"
    outcome = episode(name if kind == "folder" else f"s3://shows/ours/{name}", store=block)
    assert store.exists(outcome.ref)
    assert (outcome.work.segments, outcome.work.sounds, outcome.frames) == (SEGMENTS, 2, 2 * FRAMES)
    report = json.loads(store.read(outcome.ref.uri.replace(".mp4", ".report.json")) or b"")
    assert [scene["clip"] for scene in report["scenes"]] == ["first one.mp4", "second.mp4"]
    assert {path.name for path in (sakuga_home / "scratch").iterdir()} <= {"sources"}

    # the same content at another place, with the result in a folder of this machine
    again = episode(str(show / "one/pilot.yaml"), store=block, output=f"{tmp_path}/out/")
    assert again.result == str(tmp_path / "out/pilot.sakuga.mp4")
    assert (again.work.cached, again.work.cached_sounds) == (SEGMENTS, 2)
    assert (
        languages(Path(again.result)) == languages(store.fetch(outcome.ref, tmp_path / "got.mp4")) == ["eng"]
    )


def test_all_files_that_are_missing_in_a_store_are_named_at_once(tmp_path: Path, sakuga_home: Path) -> None:
    _, block = folder_store(tmp_path / "store")
    spec = EpisodeSpec.model_validate(
        {
            "scenes": [
                {"clip": "no clip.mp4", "titles": [{"text": "A", "font": "no.ttf"}], "subtitles": "no.srt"},
                {"clip": "no clip.mp4", "subtitles": "../../../../etc/passwd"},
            ],
            "credits": {"lines": ["B"], "font": "/no/such.ttf"},
            "soundtrack": {
                "library": "s3://elsewhere/music",
                "music": [{"file": "no.flac"}, {"mood": "calm"}],
                "effects": [{"file": "no.wav"}],
            },
        }
    )
    with pytest.raises(UnreadableMediaError) as told:
        episode(spec, store=block)
    for part in (
        "The font of scene 1 (scene-1), title 1 cannot be used: There is no 'no.ttf', neither",
        "The subtitles of scene 1 (scene-1) cannot be used: There is no 'no.srt', neither",
        "The subtitles of scene 2 (scene-2) cannot be used: '../../../../etc/passwd' is not a name in a",
        "The font of credits cannot be used: there is no file '/no/such.ttf'",
        "The library of soundtrack cannot be used: 's3://elsewhere/music/moods.yaml' is not in the store",
        "The file of music 1 cannot be used: There is no 'no.flac', neither",
        "The file of effect 1 cannot be used: There is no 'no.wav', neither",
        "The clip of the scene 'scene-2' cannot be used: There is no 'no clip.mp4', neither",
    ):
        assert part in str(told.value)
    assert not (sakuga_home / "scratch/sources").exists()


def test_names_in_an_episode_of_a_store_begin_at_its_place_and_stay_in_the_store(tmp_path: Path) -> None:
    store, block = folder_store(tmp_path / "store")
    (tmp_path / "secret.mp4").write_bytes(b"")
    store.write("one/pilot.json", json.dumps({"scenes": [{"clip": "../../secret.mp4"}]}).encode())
    with pytest.raises(UnreadableMediaError, match=r"'\.\./secret\.mp4' is not a name in a media store"):
        episode("one/pilot.json", store=block)
    with pytest.raises(OptionError, match="is not a name in a media store"):
        episode("../secret.mp4", store=block)


def test_what_is_wrong_in_an_episode_of_a_store_is_told_by_its_key(
    tmp_path: Path, s3_endpoint: str, show: Path
) -> None:
    store, block = s3_store(s3_endpoint)
    store.write("bad/pilot.yaml", YAML.replace("seconds: 0.5", "seconds: 0.5, colour: red").encode())
    with pytest.raises(OptionError, match=r"^bad/pilot\.yaml:5:"):
        episode("bad/pilot.yaml", store=block)
    store.write("bad/words.srt", b"no words")
    store.put(show / "one/clips/second.mp4", "bad/clip.mp4")
    spec = EpisodeSpec.model_validate({"scenes": [{"clip": "bad/clip.mp4", "subtitles": "bad/words.srt"}]})
    with pytest.raises(OptionError, match=r"^bad/words\.srt holds no subtitles"):
        episode(spec, store=block)
    store.write("bad/huge.yaml", b" " * (4 * 2**20 + 1))
    with pytest.raises(LimitError, match=r"'huge\.yaml' has 4194305 bytes"):
        episode("bad/huge.yaml", store=block)
    assert not list(tmp_path.glob("home/scratch/run-*"))
