import os
from fractions import Fraction
from pathlib import Path

import pytest

from app.inputs import Item, check_single_output, find_inputs, place_of
from app.options import read_spec, spec_parameters
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import OptionError
from tasks.destination import MAX_STEM, choose_destination, safe_stem


def _choose(source: Path, output: str | None = None, *, overwrite: bool = False) -> Path:
    chosen = choose_destination(source, source.name, "mp4", output, in_store=False, overwrite=overwrite)
    assert chosen.folder
    return chosen.folder / chosen.name


def test_every_field_of_the_spec_has_a_flag() -> None:
    assert [parameter.name for parameter in spec_parameters()] == list(EnhanceSpec.model_fields)


def test_flags_that_are_not_given_keep_their_defaults() -> None:
    assert read_spec(dict.fromkeys(EnhanceSpec.model_fields)) == EnhanceSpec()


def test_flags_are_read_as_what_they_mean() -> None:
    spec = read_spec({"scale": "3/2", "fps": "30000/1001", "quality": "20", "salvage": True, "height": None})
    assert (spec.scale, spec.fps) == (Fraction(3, 2), Fraction(30000, 1001))
    assert (spec.quality, spec.salvage) == (20, True)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"scale": "9"}, "--scale"),
        ({"scale": "1/0"}, "denominator"),
        ({"fps": "abc"}, "--fps"),
        ({"quality": "99"}, "--quality"),
        ({"bit_depth": "12"}, "--bit-depth"),
        ({"preset": "a b; rm"}, "--preset"),
        ({"device": "gpu"}, "--device: 'gpu' .*cpu, cuda:0, mps"),
        ({"codec": "av1", "container": "mov"}, "do not fit together"),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence_that_names_it(given: dict[str, str], named: str) -> None:
    with pytest.raises(OptionError, match=named) as caught:
        read_spec(given)
    assert "\n" not in str(caught.value)


def test_the_container_follows_the_name_of_the_result() -> None:
    assert read_spec({}, ".mkv").container == "mkv"
    assert read_spec({"codec": "prores"}).container == "mov"
    assert read_spec({"container": "mp4"}, ".mkv").container == "mp4"


def test_a_result_goes_beside_its_source_or_where_it_is_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "a.b.avi"
    source.write_bytes(b"")
    assert _choose(source) == tmp_path / "a.b.sakuga.mp4"
    assert _choose(source, str(tmp_path / "new" / "x.mp4")) == tmp_path / "new" / "x.mp4"
    assert _choose(source, str(tmp_path / "folder")) == tmp_path / "folder" / "a.b.sakuga.mp4"
    (tmp_path / "looks.mp4").mkdir()
    assert _choose(source, str(tmp_path / "looks.mp4")) == tmp_path / "looks.mp4" / "a.b.sakuga.mp4"


def test_a_result_never_takes_the_place_of_its_source_or_of_another_file(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"source")
    (tmp_path / "link.mp4").symlink_to(source)
    for name in ("a.mp4", "link.mp4"):
        with pytest.raises(OptionError, match="over its source"):
            _choose(source, str(tmp_path / name), overwrite=True)
    (tmp_path / "a.sakuga.mp4").write_bytes(b"other")
    with pytest.raises(OptionError, match="already exists"):
        _choose(source)
    assert _choose(source, overwrite=True) == tmp_path / "a.sakuga.mp4"
    with pytest.raises(OptionError, match="does not fit"):
        _choose(source, str(tmp_path / "a.webm"))


@pytest.mark.parametrize(
    "place", ["file.txt/x.mp4", "file.txt/deep/er/", "x" * 300 + ".mp4", "x" * 240 + ".mp4", "locked/x.mp4"]
)
def test_a_place_that_nothing_can_be_written_to_is_refused_before_any_work(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.mp4"
    for file in (source, tmp_path / "file.txt"):
        file.write_bytes(b"")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    if os.access(locked, os.W_OK):
        # the superuser may write everywhere
        monkeypatch.setattr(os, "access", lambda path, _: path != locked)
    with pytest.raises(OptionError, match=r"Nothing can be written|too long"):
        _choose(source, f"{tmp_path}/{place}")


@pytest.mark.parametrize(
    "name", ["a\nb.mp4", "..", ".mp4", "\x1b[31m.mkv", "x" * 250 + ".mp4", "作" * 100 + ".mp4", "a\\b.mp4"]
)
def test_any_name_of_a_source_gives_a_plain_name_of_a_result(name: str) -> None:
    stem = safe_stem(name)
    assert stem.isprintable()
    assert 0 < len(stem.encode()) <= MAX_STEM
    assert not set(stem) & set("/\\")
    assert stem.strip(".") == stem or stem.strip(".")


def test_a_folder_stands_for_its_videos_without_our_own_results(tmp_path: Path) -> None:
    for name in ("b.mkv", "a.mp4", "a.sakuga.mp4", "c.sakuga.FAILED-CHECK.mp4", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "season 1").mkdir()
    (tmp_path / "season 1" / "e1.mov").write_bytes(b"")
    assert [item.path.name for item in find_inputs([tmp_path], recursive=False)] == ["a.mp4", "b.mkv"]
    deep = find_inputs([tmp_path, tmp_path / "a.mp4"], recursive=True)
    assert [item.path.name for item in deep][:3] == ["a.mp4", "b.mkv", "e1.mov"]
    assert place_of(deep[2], "out") == "out/season 1/"
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match="no video"):
        find_inputs([tmp_path / "empty"], recursive=True)


def test_one_file_cannot_be_the_result_of_two_sources(tmp_path: Path) -> None:
    items = [Item(tmp_path / "a.mp4"), Item(tmp_path / "b.mp4")]
    with pytest.raises(OptionError, match="one file"):
        check_single_output(items, "out.mp4")
    check_single_output(items, "out/")
    check_single_output(items[:1], "out.mp4")
