"""Bad input of episodes, all of it in one place: a clear error before any work, or the right result.

The first half is refused, the second half is made. What a file can say wrong is tested value by value in
`tests/episode/test_load.py`, what `check` says of clips and other files in `tests/episode/test_draft.py`.
"""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import ImageFont
from typer.testing import CliRunner

from app.cli import cli
from flows.episode import EpisodeOutcome, episode
from sakuga.episode.spec import Scene
from sakuga.episode.wav import RATE
from sakuga.errors import DamagedMediaError, OptionError, SakugaError, UnreadableMediaError
from sakuga.media.probe import probe
from sakuga.settings import Settings
from tests.clips import decoded_lumas, decoded_times, make_clip, numbered, read_number
from tests.episode.any_plan import BY_NAME, shown
from tests.episode.sounds import burst, decoded, lag, noise, repeated, tone, write_clip, write_sound

pytestmark = pytest.mark.usefixtures("prefect_server", "sakuga_home")

FAST = "output: {preset: ultrafast, quality: 12}\n"
SIZE = (48, 40)
FRAMES = 12
IN_SYNC = 48
"""Samples: a millisecond, by which resampling and coding may move the middle of a burst."""

MANY = 200
TWO = "scenes:\n  - clip: one.mp4\n  - clip: two.mp4\n"


def film(path: Path, first: int = 0, frames: int = FRAMES) -> Path:
    """A clip without sound, whose frames say `first`, `first + 1`, ..."""
    return make_clip(
        path,
        frames=frames,
        size=SIZE,
        draw=lambda number, width, height: numbered(first + number, width, height),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three clips."""
    folder = tmp_path / "season"
    folder.mkdir()
    for number, name in enumerate(("one", "two", "three")):
        film(folder / f"{name}.mp4", 100 * number)
    return folder


def make(folder: Path, text: str) -> EpisodeOutcome:
    """Make the episode that a text says."""
    (folder / "e.yaml").write_text(text + FAST)
    return episode(str(folder / "e.yaml"))


def frames_of(outcome: EpisodeOutcome) -> list[int]:
    """What all frames of a result say."""
    return [read_number(luma) for luma in decoded_lumas(Path(outcome.result))]


def refused(folder: Path, home: Path, text: str, kind: type[SakugaError], words: str) -> None:
    """It is refused before any work, and nothing is left."""
    (folder / "e.yaml").write_text(text + FAST)
    before = sorted(folder.rglob("*"))
    with pytest.raises(kind, match=words):
        episode(str(folder / "e.yaml"))
    assert sorted(folder.rglob("*")) == before
    assert not list((home / "scratch").glob("*"))
    assert not [path for path in (home / "store").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param("title: A\nscenes: []\n", 2, "is empty", id="an empty list"),
        pytest.param("title: A\n", 1, "scenes", id="no list"),
        pytest.param(TWO + "transition: {kind: wobble}\n", 4, "crossfade", id="an unknown transition"),
        pytest.param(TWO + "    start: -1\n", 4, "negative", id="a negative start"),
        pytest.param(TWO + "    end: -1\n", 4, "after", id="a negative end"),
        pytest.param(TWO + "    marks: {a: -1}\n", 4, "negative", id="a negative mark"),
        pytest.param(TWO + "    titles: [{text: A, at: -1}]\n", 4, "negative", id="a negative title"),
        pytest.param(TWO + "    speed: -1\n", 4, "1/10", id="a negative speed"),
        pytest.param(
            TWO + "transition: {kind: wipe, seconds: -1}\n", 4, "more than 0", id="a negative length"
        ),
        pytest.param(
            TWO + "soundtrack: {music: [{file: a.wav, start: -1}]}\n", 4, "negative", id="negative music"
        ),
        pytest.param(
            TWO + "soundtrack: {effects: [{file: a.wav, at: -1}]}\n", 4, "negative", id="a negative effect"
        ),
        pytest.param(
            TWO + "credits: {lines: [A], seconds: -1}\n", 4, "more than 0", id="credits of negative length"
        ),
        pytest.param(TWO + "output: {cover: -1}\n", 4, "negative", id="a negative cover"),
    ],
)
def test_what_the_file_says_wrong_is_told_with_its_line(
    folder: Path, sakuga_home: Path, text: str, line: int, words: str
) -> None:
    file = folder / "e.yaml"
    file.write_text(text)
    before = sorted(folder.rglob("*"))
    said = CliRunner().invoke(cli, ["episode", "make", str(file)])
    assert said.exit_code == OptionError.exit_code
    assert f"e.yaml:{line}:" in said.output.replace("\n", "")
    assert words in said.output
    assert sorted(folder.rglob("*")) == before
    assert not sakuga_home.exists()


def test_a_transition_longer_than_its_clips_is_refused(folder: Path, sakuga_home: Path) -> None:
    text = TWO + "transition: {kind: crossfade, seconds: 0.6}\n"
    refused(folder, sakuga_home, text, OptionError, r"'scene-1' has 12 frames.*'scene-2' has 12 frames")


def test_two_transitions_longer_than_the_clip_between_them_are_refused(
    folder: Path, sakuga_home: Path
) -> None:
    text = TWO + "  - clip: three.mp4\ntransition: {kind: wipe, seconds: 0.3}\n"
    refused(
        folder, sakuga_home, text, OptionError, "'scene-2' has 12 frames, and its transitions take 7 and 7"
    )


def test_a_scene_that_begins_after_its_clip_is_refused(folder: Path, sakuga_home: Path) -> None:
    refused(folder, sakuga_home, TWO + "    start: 0.5\n", OptionError, "'scene-2' begins at 0.5 s")


def sound_alone(path: Path) -> None:
    write_sound(path, tone(1), codec="aac")


def broken_off(path: Path) -> None:
    film(path)
    path.write_bytes(path.read_bytes()[:500])


def no_video(path: Path) -> None:
    path.write_bytes(b"\xff\xfe no video at all" * 100)


@pytest.mark.parametrize("spoil", [sound_alone, broken_off, no_video, lambda path: path.write_bytes(b"")])
def test_a_clip_without_video_or_a_broken_one_in_the_middle_is_refused(
    folder: Path, sakuga_home: Path, spoil: Callable[[Path], None]
) -> None:
    (folder / "two.mp4").unlink()
    spoil(folder / "two.mp4")
    text = TWO + "  - clip: three.mp4\n"
    refused(folder, sakuga_home, text, UnreadableMediaError, "scene 'scene-2' cannot be used: .*two.mp4")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("    titles: [{text: A, font: none.ttf}]\n", "none.ttf", id="font"),
        pytest.param("credits: {lines: [A], font: none.ttf}\n", "none.ttf", id="font of the credits"),
        pytest.param("soundtrack: {music: [{file: none.wav}]}\n", "none.wav", id="music"),
        pytest.param("soundtrack: {effects: [{file: none.wav}]}\n", "none.wav", id="effect"),
        pytest.param("soundtrack: {library: none, music: [{mood: calm}]}\n", "none", id="library"),
        pytest.param("    subtitles: none.srt\n", "none.srt", id="subtitles"),
    ],
)
def test_a_missing_font_or_music_file_is_refused(
    folder: Path, sakuga_home: Path, text: str, name: str
) -> None:
    refused(folder, sakuga_home, TWO + text, SakugaError, name)


def damaged(path: Path) -> None:
    """Spoil packets in the middle of a clip; its header still says that all is well."""
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    middle = start + (len(data) - start) // 3
    data[middle : middle + 300] = b"\xff" * 300
    path.write_bytes(data)


@pytest.mark.parametrize("size", [SIZE, (64, 48)], ids=["copied", "coded"])
def test_a_clip_that_breaks_off_when_it_is_decoded_is_named_and_no_episode_is_left(
    folder: Path, sakuga_home: Path, size: tuple[int, int]
) -> None:
    width, height = size
    text = TWO + f"on_missing: skip\noutput: {{width: {width}, height: {height}, preset: ultrafast}}\n"
    (folder / "e.yaml").write_text(text)
    film(folder / "two.mp4", 100, 48)
    damaged(folder / "two.mp4")
    with pytest.raises(DamagedMediaError, match=r"two\.mp4 .*replace this clip with a whole one"):
        episode(str(folder / "e.yaml"))
    assert not list(folder.glob("*.sakuga.*"))
    assert not list((sakuga_home / "scratch").iterdir())
    film(folder / "two.mp4", 100, 48)
    outcome = episode(str(folder / "e.yaml"))
    assert frames_of(outcome) == [*range(12), *range(100, 148)]


@pytest.mark.parametrize(
    ("kind", "shown"), [("cut", [7, 107]), ("crossfade", None)], ids=["cut", "crossfade"]
)
def test_two_clips_of_one_frame_are_an_episode(folder: Path, kind: str, shown: list[int] | None) -> None:
    film(folder / "one.mp4", 7, 1)
    film(folder / "two.mp4", 107, 1)
    outcome = make(folder, TWO + f"transition: {{kind: {kind}, seconds: 0.04}}\n")
    assert outcome.frames == len(decoded_lumas(Path(outcome.result))) == (2 if shown else 1)
    assert shown is None or frames_of(outcome) == shown


def test_clips_of_different_sample_rates_are_heard_in_time(folder: Path) -> None:
    rates = [8000, 22050, 44100, 48000, 96000]
    at = Fraction(1, 2)
    for number, rate in enumerate(rates):
        wave = repeated(burst(1, float(at), rate), 1 + number % 2)
        write_clip(folder / f"{rate}.mov", wave, frames=24, rate=rate)
    scenes = "".join(f"  - clip: {rate}.mov\n" for rate in rates)
    heard = decoded(Path(make(folder, f"scenes:\n{scenes}").result))
    for number in range(len(rates)):
        own = heard[number * RATE : (number + 1) * RATE]
        assert abs(lag(own, burst(1, float(at)))) <= IN_SYNC


def test_clips_of_a_variable_rate_show_the_right_frame_at_every_time(folder: Path) -> None:
    clip = BY_NAME["phone.mkv"]
    clip.write(folder)
    scene = Scene(clip=clip.name)
    rate = Fraction(30000, 1001)
    text = f"scenes:\n  - clip: {clip.name}\n  - clip: {clip.name}\n"
    (folder / "e.yaml").write_text(text + f"output: {{fps: {rate}, preset: ultrafast, quality: 12}}\n")
    outcome = episode(str(folder / "e.yaml"))
    half = outcome.frames // 2
    due = [shown(scene, number, rate) for number in range(half)]
    assert frames_of(outcome) == due * 2
    assert decoded_times(Path(outcome.result)) == [number / rate for number in range(2 * half)]
    heard = decoded(Path(outcome.result))
    second = heard[round(half / rate * RATE) :]
    assert clip.at is not None
    assert abs(lag(second, burst(1, float(clip.at)))) <= IN_SYNC


def test_names_may_hold_anything(tmp_path: Path) -> None:
    folder = tmp_path / "-season: '1' %d\n#"
    folder.mkdir()
    names = ["-y.mp4", 'it\'s "so".mp4', "two\nlines.mp4", "%03d a:b.mp4", "[x]*?.mp4"]
    for number, name in enumerate(names):
        film(folder / name, 100 * number)
    write_sound(folder / "-my 'music'\n.wav", noise(1, channels=2))
    font = ImageFont.load_default(10)
    assert isinstance(font, ImageFont.FreeTypeFont)
    (folder / "-it's\na font.ttf").write_bytes(font.font_bytes)
    (folder / '-the "words"\n.srt').write_text("1\n00:00:00,000 --> 00:00:00,400\nHello\n")
    scenes: list[dict[str, object]] = [{"clip": name} for name in names]
    scenes[0]["titles"] = [
        {"text": "A", "font": "-it's\na font.ttf", "at": "1/4", "seconds": "1/8", "fade": 0}
    ]
    scenes[1]["subtitles"] = '-the "words"\n.srt'
    spec = {
        "title": '-\'A "title"\n%d',
        "scenes": scenes,
        "soundtrack": {"music": [{"file": "-my 'music'\n.wav", "loop": True}]},
        "output": {"preset": "ultrafast", "quality": 12},
    }
    file = folder / "-an 'episode'\n.json"
    file.write_text(json.dumps(spec))
    outcome = episode(str(file))
    assert Path(outcome.result).parent == folder
    seen = frames_of(outcome)
    assert [seen[number * FRAMES] for number in range(len(names))] == [0, 100, 200, 300, 400]
    assert probe(Path(outcome.result), Settings().limits).info.subtitles
    assert json.loads(Path(outcome.report).read_text())["passed"]


@pytest.mark.slow
def test_hundreds_of_scenes_are_an_episode(folder: Path) -> None:
    scenes = "".join(
        f"  - clip: {('one', 'two', 'three')[number % 3]}.mp4\n    end: 1/12\n" for number in range(MANY)
    )
    outcome = make(folder, f"scenes:\n{scenes}")
    assert (outcome.scenes, outcome.frames) == (MANY, 2 * MANY)
    firsts = [0, 1, 100, 101, 200, 201]
    assert frames_of(outcome) == [firsts[number % 6] for number in range(2 * MANY)]
