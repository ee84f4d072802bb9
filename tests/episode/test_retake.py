"""Another clip for a scene, and nothing else."""

import json
import stat
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sakuga.episode.load import load_episode, parse_episode
from sakuga.episode.quoting import in_quotes, scalar
from sakuga.episode.retake import replaced, retake_file, scene_number
from sakuga.episode.spec import EpisodeSpec, Scene, Take
from sakuga.errors import DiskFullError, OptionError
from tests.media.disks import SmallDisk, small_disk

__all__ = ["small_disk"]

names = st.text(min_size=1, max_size=30).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)


def written(folder: Path, text: str, name: str = "episode.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_only_the_clip_changes_and_the_old_one_is_kept(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "# my episode\n\ntitle:   Odd  spaces   # kept\nscenes:\n"
        "- clip: old one.mp4   # the best so far\n  start:   1.50\n\n"
        "-   id: second\n    clip: 'b.mp4'\n    marks: {x: 1}\n"
        "output: {fps: 24}   # end\n",
    )
    assert retake_file(path, "scene-1", "takes/new one.mp4", "Her hand\nshakes: no") == (
        (0, "scene-1", "old one.mp4", "takes/new one.mp4")
    )
    assert path.read_text() == (
        "# my episode\n\ntitle:   Odd  spaces   # kept\nscenes:\n"
        "- clip: takes/new one.mp4   # the best so far\n  takes:\n    - clip: old one.mp4\n"
        '      notes: "Her hand\\nshakes: no"\n  start:   1.50\n\n'
        "-   id: second\n    clip: 'b.mp4'\n    marks: {x: 1}\n"
        "output: {fps: 24}   # end\n"
    )


def test_the_history_grows_at_its_end(tmp_path: Path) -> None:
    path = written(tmp_path, "scenes:\n  - id: a\n    clip: 0.mp4\n    fit: fill\n")
    for number in range(1, 4):
        retake_file(path, "a", f"{number}.mp4", "worse" if number == 2 else "")
    scene = load_episode(path).scenes[0]
    assert (scene.clip, scene.fit) == ("3.mp4", "fill")
    assert scene.takes == (Take(clip="0.mp4"), Take(clip="1.mp4", notes="worse"), Take(clip="2.mp4"))


@pytest.mark.parametrize(
    "scene",
    [
        "  - clip: a.mp4",
        "  - clip: a.mp4\n",
        "  - clip: a.mp4   # why\n    takes: []\n",
        '  - clip: "a.mp4"\n    takes:\n    - clip: z.mp4\n    # a comment\n    fit: fill\n',
        "  - clip: a.mp4\n    takes:\n     -\n      clip: z.mp4\n      notes: >-\n       l\n       words\n",
        "  - clip: a.mp4\n    takes:\n    - clip: z.mp4\n      notes: |\n        long\n\n\n    fit: fill\n",
        "  - clip: a.mp4\n    takes: [{clip: z.mp4}]\n",
        "  - clip: a.mp4\n    takes: [\n      {clip: z.mp4},   # first\n    ]\n",
        "  - {clip: a.mp4, fit: fill}\n",
        "  - {fit: fill, clip: a.mp4}\n",
        "  - {clip: a.mp4, takes: [{clip: z.mp4}, {clip: y.mp4}], fit: fill}\n",
        "  - {\n    clip: a.mp4,\n    fit: fill\n    }\n",
        "  - fit: fill\n    clip: >-\n      a.mp4\n    gain: 3\n",
        "  - clip: |-\n      a.mp4\n",
        "  -\n    clip: 'a.mp4'\n",
        '  - "clip": a.mp4\n',
        "  - clip:\n      a.mp4\n    fit: fill\n",
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_scenes_may_be_written_in_any_way(tmp_path: Path, scene: str, line_end: str) -> None:
    text = f"scenes:\n  - clip: first.mp4\n{scene}".replace("\n", line_end)
    path = written(tmp_path, text)
    before = load_episode(path)
    retake_file(path, "2", "new: #1.mp4", "note")
    after = load_episode(path)
    old = before.scenes[1]
    takes = (*old.takes, Take(clip="a.mp4", notes="note"))
    assert after.scenes == (before.scenes[0], old.model_copy(update={"clip": "new: #1.mp4", "takes": takes}))
    assert (b"\r\n" in path.read_bytes()) == (line_end == "\r\n")
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(line_end.encode())


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("takes", [(), (Take(clip="z"),), (Take(clip="z"), Take(clip="y", notes="n"))])
def test_json_stays_json(tmp_path: Path, indent: int | None, takes: tuple[Take, ...]) -> None:
    scenes = (Scene(clip="x"), Scene(clip="a", id="it", takes=takes, gain=1))
    path = written(tmp_path, EpisodeSpec(scenes=scenes).model_dump_json(indent=indent), "episode.json")
    retake_file(path, "it", 'q"uote\n.mp4')
    wanted = scenes[1].model_copy(update={"clip": 'q"uote\n.mp4', "takes": (*takes, Take(clip="a"))})
    assert load_episode(path).scenes == (scenes[0], wanted)


@given(text=names)
def test_any_text_is_read_back_as_it_was_written(text: str) -> None:
    for kind, words in (("yaml", scalar(text)), ("yaml", in_quotes(text)), ("json", in_quotes(text))):
        clip = f'"clip": {words}'
        whole = f'{{"scenes": [{{{clip}}}]}}' if kind == "json" else f"scenes:\n  - {clip}\n"
        spec = parse_episode(whole, Path(f"/e.{kind}")).spec
        assert spec is not None
        assert spec.scenes[0].clip == text


takes = st.builds(Take, clip=names, notes=st.just("") | names)
scenes = st.builds(
    Scene,
    clip=names,
    id=st.none(),
    title=st.none() | names,
    notes=st.just("") | names,
    takes=st.lists(takes, max_size=2).map(tuple),
    marks=st.dictionaries(st.sampled_from(["a", "b"]), st.just(Fraction(1, 2)), max_size=2),
)


@settings(max_examples=50)
@given(
    scenes=st.lists(scenes, min_size=1, max_size=3),
    kind=st.sampled_from(["json", "indented", "block", "flow", "mixed"]),
    width=st.sampled_from([20, 80]),
    clip=names.map(lambda name: f"new {name}"),
    notes=st.just("") | names,
    data=st.data(),
)
def test_files_that_other_programs_wrote_are_changed_as_well(
    tmp_path_factory: pytest.TempPathFactory,
    scenes: list[Scene],
    kind: str,
    width: int,
    clip: str,
    notes: str,
    data: st.DataObject,
) -> None:
    spec = EpisodeSpec(scenes=tuple(scenes))
    plain = spec.model_dump(mode="json", exclude_defaults=data.draw(st.booleans()))
    if kind in ("json", "indented"):
        text = json.dumps(plain, indent=None if kind == "json" else 4)
    else:
        flow = {"block": False, "flow": True, "mixed": None}[kind]
        text = yaml.safe_dump(plain, default_flow_style=flow, width=width, allow_unicode=True)
    suffix = "json" if kind in ("json", "indented") else "yaml"
    path = written(tmp_path_factory.mktemp("retake"), text, f"e.{suffix}")
    number = data.draw(st.integers(0, len(scenes) - 1))
    # not `spec`: what line breaks of Unicode become is between those programs and YAML
    before = load_episode(path)
    retake_file(path, f"scene-{number + 1}", clip, notes)
    assert load_episode(path) == replaced(before, number, clip, notes)


def test_what_cannot_be_done_changes_nothing(tmp_path: Path) -> None:
    text = "scenes:\n  - clip: a.mp4\n    id: one\n"
    path = written(tmp_path, text)
    for scene, clip, words in [
        ("two", "b.mp4", "no scene 'two'; its scenes are one"),
        ("one", "a.mp4", "already"),
    ]:
        with pytest.raises(OptionError, match=words):
            retake_file(path, scene, clip)
    bad = written(tmp_path, text + "    fit: x\n", "bad.yaml")
    with pytest.raises(OptionError, match=r":4:5: scene 1 \(one\), fit"):
        retake_file(bad, "one", "b.mp4")
    assert path.read_text() == text
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bad.yaml", "episode.yaml"]


def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    real = written(tmp_path, "\ufeffscenes:\n  - clip: a.mp4\n", "real.yaml")
    real.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(real)
    retake_file(link, "1", "b.mp4")
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert real.read_bytes().startswith(b"\xef\xbb\xbfscenes:")
    assert load_episode(real).scenes[0].clip == "b.mp4"


def test_a_name_wins_over_a_number() -> None:
    spec = EpisodeSpec(scenes=(Scene(clip="a"), Scene(clip="b", id="1"), Scene(clip="c")))
    assert [scene_number(spec, one) for one in ("1", "2", "3", "scene-3")] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    "text",
    [
        "1e5",
        "0x1f",
        "1.5",
        "007",
        "2026-11-21",
        "yes",
        "NULL",
        ".inf",
        "~",
        "-a",
        "a: b",
        "a #b",
        " a",
        "a ",
        "",
    ],
)
def test_text_that_others_take_for_something_else_is_in_quotes(text: str) -> None:
    assert scalar(text) == f'"{text}"'
    assert yaml.safe_load(scalar(text)) == text


@pytest.mark.parametrize("text", ["2-b", "scene 10.mp4", "../up/a.mp4", "12 monkeys", "a_b"])
def test_simple_text_is_left_as_it_is(text: str) -> None:
    assert scalar(text) == text
    assert yaml.safe_load(text) == text


def test_a_full_disk_leaves_the_file_as_it_was(small_disk: SmallDisk) -> None:
    folder = small_disk(64)
    path = written(folder, "scenes:\n  - clip: a.mp4\n" + "# a long comment\n" * 1000)
    before = path.read_bytes()
    (folder / "filler").write_bytes(b"x" * 44_000)
    with pytest.raises(DiskFullError):
        retake_file(path, "1", "b.mp4", "x" * 2000)
    assert path.read_bytes() == before
    assert sorted(one.name for one in folder.iterdir()) == ["episode.yaml", "filler"]
