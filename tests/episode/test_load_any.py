"""Whatever a file of an episode holds, it is understood or told of; nothing else happens."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sakuga.episode.load import EpisodeFile, parse_episode
from sakuga.episode.spec import (
    Credits,
    Cue,
    Effect,
    EpisodeOutput,
    EpisodeSpec,
    Scene,
    Soundtrack,
    Title,
    Transition,
)

YAML, JSON = Path("/nowhere/episode.yaml"), Path("/nowhere/episode.json")
GOOD = """\
title: An episode   # with a comment
transition: {kind: crossfade, seconds: 0.5}
scenes:
  - clip: "one: 1.mp4"
    id: one
    start: 1:02.5
    titles:
      - {text: "Words", at: 1}
    marks: {bang: 2}
  - clip: 'two.mp4'
    notes: |
      Many
      lines
soundtrack:
  library: moods
  music: [{mood: calm, scene: one}]
  effects:
    - {file: x.wav, scene: one, mark: bang}
output: {width: 640, height: 360, fps: 30000/1001}
"""
MODELS = (EpisodeSpec, Scene, Title, Transition, Cue, Effect, Soundtrack, EpisodeOutput, Credits)
KEYS = sorted({name for model in MODELS for name in model.model_fields} | {"colour ", "x", ""})
FRAGMENTS = [
    "\t",
    ":",
    "- ",
    "#",
    '"',
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a",
    "*a",
    "!x",
    "|",
    ">",
    "?",
    "\n",
    " ",
    "-1",
]

words = st.sampled_from(
    ["0", "-1", "0.5", "1/0", "a.mp4", "one", "bang", "cut", "#fff", "true", "1:30", "1e9999", ""]
)
scalars = (
    words
    | st.none()
    | st.booleans()
    | st.integers(-5, 5000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


def well_told(file: EpisodeFile) -> None:
    """Either it is an episode, or there is a problem, each within the text and in one printable line."""
    assert (file.spec is None) == bool(file.problems)
    lines = file.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in file.problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert str(problem).isprintable()
        assert problem.message.endswith((".", "?", "...")), problem.message


@given(st.dictionaries(st.sampled_from(KEYS), data, max_size=6) | data)
def test_any_data_is_understood_or_told_of(given_data: object) -> None:
    text = json.dumps(given_data, ensure_ascii=False)
    file = parse_episode(text, JSON)
    well_told(file)
    if file.spec is not None:
        assert parse_episode(file.spec.model_dump_json(), JSON).spec == file.spec


@given(st.text(alphabet=st.sampled_from(list("abc:-#\"'{}[],&*!|>?\n\r\t 01/\\%@`é\U0001f600")), max_size=60))
def test_any_text_is_understood_or_told_of(text: str) -> None:
    well_told(parse_episode(text, YAML))
    well_told(parse_episode(text, JSON))


@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(FRAGMENTS) | st.just("")),
        min_size=1,
        max_size=3,
    )
)
def test_a_good_file_with_slips_is_understood_or_told_of(slips: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for place, length, fragment in slips:
        text = text[:place] + fragment + text[place + length :]
    well_told(parse_episode(text, YAML))


def test_the_good_file_is_good() -> None:
    assert parse_episode(GOOD, YAML).problems == ()


@given(st.sampled_from(["scenes", "titles", "music", "output", "transition"]), data)
def test_one_wrong_part_leaves_the_others_readable(key: str, wrong: object) -> None:
    whole: dict[str, Any] = {
        "scenes": [{"clip": "a.mp4", "titles": [{"text": "A"}]}, {"clip": "b.mp4"}],
        "soundtrack": {"music": [{"file": "m.mp3"}]},
        "output": {"width": 640, "height": 360},
        "transition": {"kind": "cut"},
    }
    holder = whole["scenes"][0] if key == "titles" else whole["soundtrack"] if key == "music" else whole
    holder[key] = wrong
    file = parse_episode(json.dumps(whole), JSON)
    well_told(file)
    assert file.readable is not None
    if key != "scenes":
        assert [scene.clip for scene in file.readable.scenes] == ["a.mp4", "b.mp4"]
