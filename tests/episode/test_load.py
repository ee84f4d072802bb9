"""What is said of an episode's file: everything that is wrong, where it is, and what would be right."""

import json
from fractions import Fraction
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakuga.episode.load import MAX_BYTES, EpisodeFile, load_episode, parse_episode, read_episode
from sakuga.episode.spec import EpisodeSpec, Scene, Transition
from sakuga.episode.tree import Places
from sakuga.errors import OptionError

YAML, JSON = Path("/nowhere/episode.yaml"), Path("/nowhere/episode.json")
KINDS = ["cut", "crossfade", "fade-black", "wipe"]


def read(text: str, path: Path = YAML) -> EpisodeFile:
    return parse_episode(dedent(text).lstrip("\n") if path == YAML else text, path)


def spec_of(text: str, path: Path = YAML) -> EpisodeSpec:
    file = read(text, path)
    assert file.spec is not None, file.problems
    return file.spec


def said(text: str, path: Path = YAML) -> list[str]:
    """Problems as `line: where: message`."""
    file = read(text, path)
    assert file.spec is None
    return [f"{one.line}: {one.where}: {one.message}" for one in file.problems]


def test_a_whole_file_is_read_as_it_is_meant() -> None:
    spec = spec_of(
        """
        title: The "first" one
        transition: {kind: crossfade, seconds: 0.1}
        scenes:
          - clip: 'a b.mp4'
            start: 1:02.5
            end: 1:05
            speed: 30000/1001
            gain: -3.5
            mute: yes
            marks: {bang: .5}
            transition:
              kind: cut
          - {clip: "new\\nline.mp4", id: 2nd, titles: [{text: 2026, at: 1}]}
        output: {fps: 23.976, bit_depth: 10, width: 640, height: 360}
        """.replace("30000/1001", "3/2")
    )
    assert spec.title == 'The "first" one'
    assert spec.transition == Transition(kind="crossfade", seconds=Fraction(1, 10))
    first, second = spec.scenes
    assert (first.start, first.end, first.speed) == (Fraction(125, 2), Fraction(65), Fraction(3, 2))
    assert (first.gain, first.mute, first.marks) == (-3.5, True, {"bang": Fraction(1, 2)})
    assert (second.clip, second.id, second.titles[0].text) == ("new\nline.mp4", "2nd", "2026")
    assert (spec.output.fps, spec.output.bit_depth) == (Fraction(23976, 1000), "10")


@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=20).filter(
                lambda text: text.encode("utf-8", "ignore").decode() == text
            ),
            st.decimals(min_value=0, max_value=100, places=7),
            st.fractions(min_value=Fraction(1, 10), max_value=10, max_denominator=999),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_json_is_read_exactly(rows: list[tuple[str, object, Fraction]]) -> None:
    scenes = ",".join(
        f'{{"clip": {json.dumps(clip)}, "start": {start}, "speed": "{speed}"}}' for clip, start, speed in rows
    )
    spec = spec_of(f'{{"scenes": [{scenes}]}}', JSON)
    wanted = [Scene(clip=clip, start=Fraction(str(start)), speed=speed) for clip, start, speed in rows]
    assert list(spec.scenes) == wanted


def test_what_a_specification_writes_is_read_back() -> None:
    spec = EpisodeSpec(scenes=(Scene(clip="a", start=Fraction(1, 3), marks={"x": Fraction(7, 9)}),))
    assert spec_of(spec.model_dump_json(), JSON) == spec
    assert spec_of(spec.model_dump_json(), YAML) == spec


def test_everything_that_is_wrong_is_said_at_once_with_its_line() -> None:
    found = said(
        """
        titel: Wrong
        scenes:
          - clip: a.mp4
            speed: 20
            fit: full
          - file: b.mp4
            gain: loud
          - clip: c.mp4
            start: 5
            end: 4
            transition: {kind: disolve, seconds: soon}
            colour: red
          - clip: d.mp4
            id: my scene
            start: -1
        soundtrack:
          music:
            - file: m.mp3
              scene: nowhere
            - {mood: calm}
          effects:
            - {file: x.wav, scene: scene-1, mark: bang}
        output:
          width: 641
          height: 360
          codec: av1
          container: mov
        """
    )
    wanted = [
        (1, "there is no `titel`; did you mean `title`?"),
        (4, "scene 1, speed: must be from 1/10 to 10; it is '20'."),
        (5, "scene 1, fit: must be one of `fit`, `fill` or `stretch`, not 'full'; did you mean `fill`?"),
        (6, "did you mean `clip`?"),
        (7, "scene 2, gain: must be a number, not 'loud'."),
        (11, "transition, kind: must be one of"),
        (11, "a time in seconds, such as 2.5"),
        (12, "there is no `colour`"),
        (10, "`end` must be after `start`"),
        (14, "is no name here"),
        (19, "there is no scene 'nowhere'; the scenes are 'scene-1'"),
        (20, "a mood needs the soundtrack's `library`"),
        (22, "the scene 'scene-1' has no mark 'bang'"),
        (24, "must be a multiple of 2; it is '641'"),
    ]
    missing = [
        (line, part)
        for line, part in wanted
        if not any(one.startswith(f"{line}: ") and part in one for one in found)
    ]
    assert missing == [], "\n".join(found)


def test_a_wrong_value_does_not_make_others_look_wrong() -> None:
    assert said(
        """
        scenes:
          - clip: a.mp4
            id: one
            marks: {bang: soon}
            titles: [{text: Hello, fade: much, seconds: 0.5}]
          - clip: [b.mp4]
            id: two
        soundtrack:
          library: [music]
          music: [{mood: calm, scene: two}]
          effects: [{file: x.wav, scene: one, mark: bang}]
        """
    ) == [
        "4: scene 1 (one), marks, bang: must be a time in seconds, such as 2.5 or 7/2, "
        "or as 1:30 or 1:02:03.5, not 'soon'.",
        "5: scene 1 (one), title 1, fade: must be a time in seconds, such as 2.5 or 7/2, "
        "or as 1:30 or 1:02:03.5, not 'much'.",
        "6: scene 2 (two), clip: must be text, not a list; put text in quotes.",
        "9: soundtrack, library: must be text, not a list; put text in quotes.",
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("- a.mp4\n", 1, "`key: value` lines"),
        ("just words\n", 1, "`key: value` lines"),
        ("title: x\n", 1, "`scenes` is missing"),
        ("scenes: []\n", 1, "one at least"),
        ("scenes:\n", 1, "there is nothing here"),
        ("scenes:\n  - a.mp4\n", 2, "such as `clip: a.mp4`"),
        ("scenes:\n  - clip: a\n\tstart: 1\n", 3, "a tab"),
        ("scenes:\n\t- clip: a\n", 2, "a tab"),
        ("scenes:\n  - clip: a\n    clip: b\n", 3, "`clip` is already on line 2"),
        ("title: a: b\nscenes:\n  - clip: a\n", 1, "a `:` stands where none can be"),
        ("scenes:\n  - clip: a\n   start: 1\n", 3, "does not fit"),
        ('scenes:\n  - clip: "a\n    start: 1\n', 2, "never closed"),
        ("scenes: [{clip: a}\ntitle: x\n", 2, "closing bracket of the one on line 1"),
        ('scenes:\n  - clip: "C:\\movies\\a.mp4"\n', 2, "begins an escape"),
        ("scenes:\n  - clip: @a\n", 2, "`@` cannot begin a value"),
        ("scenes:\n  - clip: a\n  - *a\n", 3, "an alias"),
        ("scenes:\n  - &a {clip: a}\n", 2, "an anchor"),
        ("scenes:\n  - clip: !!python/object:os.system a\n", 2, "a tag"),
        ("scenes:\n  - clip: a\n---\nscenes: []\n", 3, "a second document"),
        ("scenes:\n  - clip: a\n    titles: [{text: a, colour: #fff}]\n", 3, "put colours in quotes"),
        ("scenes:\n  - clip: a\n    titles:\n      - text: a\n        colour: #fff\n", 5, "begins a comment"),
        ("scenes:\n  - clip: a\n    speed: 1e999999999\n", 3, "no number that can be meant"),
        ("scenes:\n  - clip: a\n    start: ' .1E99999 '\n", 3, "no number that can be meant"),
        (f"scenes:\n  - clip: a\n    start: {'9' * 5000}\n", 3, "a time in seconds"),
        ("scenes:\n  - title: a\n", 2, "`clip` is missing: path of a video"),
        ("scenes:\n  - clip: a\n    transition: crossfade\n", 3, "such as `kind: crossfade`"),
        ("scenes:\n  - clip: a\n    marks: [1]\n", 3, "such as `name: 2.5`"),
        ("scenes:\n  - clip: a\n    start: 1/0\n", 3, "denominator"),
        ("scenes:\n  - clip: a\nfps: 24\n", 3, "it belongs in `output`"),
        ("scenes:\n  - clip: a\n    titles: {text: a}\n", 3, "must be a list"),
        ("scenes:\n  - clip: a\n    mute: maybe\n", 3, "true or false"),
        ("scenes:\n  - clip: a\noutput: {quality: 17.5}\n", 3, "a whole number"),
        ("scenes:\n  - clip: ''\n", 2, "must not be empty"),
        (f"scenes:\n  - clip: a\n    notes: {'x' * 2001}\n", 3, "2001 characters; at most 2000"),
        ("scenes:\n  - clip: a\x07b\n", 2, "U+0007"),
        ("? [a, b]\n: c\n", 1, "a key must be one word"),
        ("[" * 40, 1, "levels within each other"),
    ],
)
def test_a_bad_file_is_told_of_at_its_line(text: str, line: int, words: str) -> None:
    file = parse_episode(text, YAML)
    assert file.spec is None
    found = [f"{one.line}: {one.message}" for one in file.problems]
    assert any(one.startswith(f"{line}: ") and words in one for one in found), found


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "empty"),
        ('{"scenes": [\n{"clip": "a"},\n]}', 3, "nothing after it"),
        ('{"scenes": [\n{"clip": "a"}\n', 3, "before its last bracket"),
        ('{"scenes": [\n{"clip": "a",\n"clip": "b"}]}', 3, "already on line 2"),
        ('{"scenes": [\n{"clip": \'a\'}]}', 2, "in JSON"),
        ('{"scenes": [\n{clip: "a"}]}', 2, 'a key is put in "..."'),
        ('{"scenes": [\n{"clip": "a"} // first\n]}', 2, "missing before this"),
        ('{"scenes": [\n// first\n{"clip": "a"}]}', 2, "no comments"),
        ('{"scenes": [\n{"clip": "a', 2, "closing quote"),
        ('{"scenes": [\n{"clip": "\\ud800"}]}', 2, "surrogate"),
        ('{"scenes": [\n{"clip" "a"}]}', 2, "a `:` is missing"),
        ('{"scenes": [\n{"clip": "a", "gain": NaN}]}', 2, "cannot begin a value"),
        ('{"scenes": [{"clip": "a"}]}\n}', 2, "goes on after its end"),
        ("[" * 100_000, 1, "levels within each other"),
    ],
)
def test_bad_json_is_told_of_at_its_line(text: str, line: int, words: str) -> None:
    found = said(text, JSON)
    assert any(one.startswith(f"{line}: ") and words in one for one in found), found


def test_json_may_be_indented_with_tabs() -> None:
    assert spec_of('{\n\t"scenes": [\n\t\t{"clip": "a"}\n\t]\n}', JSON).scenes == (Scene(clip="a"),)


def test_a_bomb_of_aliases_is_refused_without_being_unfolded() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    file = parse_episode("\n".join(lines), YAML)
    assert file.spec is None
    assert sum("an alias" in one.message for one in file.problems) == 118


def test_a_file_that_is_nothing_but_aliases_is_given_up_early() -> None:
    file = parse_episode("scenes: [" + "*a, " * 500_000 + "]", YAML)
    assert [one.message for one in file.problems] == ["there are more than 1000 anchors, aliases and tags."]


def test_nothing_in_a_message_steers_a_terminal() -> None:
    found = parse_episode('{"\\u001b[2J": 1, "scenes": [{"clip": "a", "fit": "\\u001b[31m"}]}', JSON)
    assert len(found.problems) == 2
    assert all(str(one).isprintable() for one in found.problems)


def test_hundreds_of_scenes_each_keep_their_line() -> None:
    count = 2000
    text = "scenes:\n" + "".join(f"  - clip: {n}.mp4\n    speed: {n}\n" for n in range(count))
    lines = [one.line for one in parse_episode(text, YAML).problems]
    assert lines == [2 * n + 3 for n in range(count) if not 1 <= n <= 10]
    more = "scenes:\n" + "  - clip: a\n" * 2001
    assert ["2001 of them; at most 2000" in one for one in said(more)] == [True]


def test_files_that_are_no_text_of_an_episode_are_refused(tmp_path: Path) -> None:
    large, latin, folder = tmp_path / "large.yaml", tmp_path / "latin.yaml", tmp_path / "folder.yaml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    latin.write_bytes("title: a\nscenes:\n  - clip: ä.mp4\n".encode("latin-1"))
    folder.mkdir()
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"\0\0\0 ftypisom\xff")
    for path, words in [
        (large, "larger than"),
        (latin, "not UTF-8 in line 3"),
        (video, "is no text; give the YAML or JSON file"),
        (folder, "not a file"),
        (Path("/dev/zero"), "not a file"),
        (tmp_path / "missing.yaml", "No such file"),
        (tmp_path / ("x" * 300), "too long"),
        (tmp_path / "a\0b", "null"),
    ]:
        with pytest.raises(OptionError, match=words):
            read_episode(path)


def test_marks_at_the_beginning_and_windows_lines_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "-odd 'name'\n.yaml"
    path.write_bytes(b"\xef\xbb\xbfscenes:\r\n  - clip: a.mp4\r\n    fit: x\r\n")
    assert [(one.line, one.column) for one in read_episode(path).problems] == [(3, 5)]
    path.write_bytes(b"\xef\xbb\xbfscenes:\r\n  - clip: a.mp4\r\n")
    assert load_episode(path).scenes == (Scene(clip="a.mp4"),)


def test_loading_a_wrong_file_names_each_problem_on_a_line(tmp_path: Path) -> None:
    path = tmp_path / "episode.yaml"
    path.write_text("scenes:\n  - clip: a\n    fit: x\n    speed: 0\n")
    with pytest.raises(OptionError) as caught:
        load_episode(path)
    lines = str(caught.value).splitlines()
    assert [line.startswith(f"{path}:{number}:5: scene 1, ") for number, line in enumerate(lines, 3)] == [
        True
    ] * 2


@given(st.text(alphabet="ab\r\n", max_size=40))
def test_places_are_those_of_an_editor(text: str) -> None:
    places = Places(text)
    lines = text.replace("\r\n", " \n").replace("\r", "\n").split("\n")
    for index in range(len(text)):
        line, column = places(index)
        # the two characters of one line end are on the line that they end
        assert 1 <= column <= len(lines[line - 1]) + 1
        before = text[:index].replace("\r\n", "\n").replace("\r", "\n").count("\n")
        assert line == before + 1 or text[index - 1 : index + 1] == "\r\n"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("scenes: []\n" + "".join(f"k{number}: 1\n" for number in range(2001)), YAML),
        ('{"scenes": [' + "0," * 200_000 + "0]}", JSON),
        ('{"scenes": [' + "0," * 200_000 + "0]}", YAML),
    ],
    ids=["keys", "json", "yaml"],
)
def test_a_file_of_far_too_much_is_given_up_with_one_problem(text: str, path: Path) -> None:
    (problem,) = parse_episode(text, path).problems
    assert "more than" in problem.message


def test_a_file_with_too_much_that_is_wrong_is_told_of_in_part() -> None:
    file = parse_episode("scenes: [" + "0," * 6000 + "0]", YAML)
    assert (len(file.problems), file.readable, file.spec) == (5000, None, None)
