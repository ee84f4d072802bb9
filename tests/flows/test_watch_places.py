import os
import shutil
from pathlib import Path

import pytest

from sakuga.errors import OptionError, StoreError
from tasks.places import Place, is_ours, sidecar_of

PATTERNS = ["*.mp4", "*.MKV"]


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_a_listing_holds_videos_and_leaves_out_what_is_hidden_or_ours(tmp_path: Path) -> None:
    _touch(tmp_path, "a.mp4", "B.MP4", "sub/c.mkv", "notes.txt", ".hidden.mp4", ".cache/d.mp4")
    _touch(
        tmp_path,
        "a.sakuga.mp4",
        "a.sakuga.FAILED-CHECK.mp4",
        "a.sakuga.frames/1.mp4",
        "sub/.sakuga-part-1.mp4",
    )
    _touch(tmp_path, "sub/c.mkv.sakuga-error.txt")
    listing = Place(str(tmp_path), None).listing(PATTERNS, recursive=True)
    assert set(listing.files) == {"a.mp4", "B.MP4", "sub/c.mkv"}
    assert listing.sidecars == {"sub/c.mkv.sakuga-error.txt"}
    assert listing.files["a.mp4"] == (5, (tmp_path / "a.mp4").stat().st_mtime_ns)


def test_a_pattern_for_everything_still_leaves_out_what_is_ours(tmp_path: Path) -> None:
    _touch(tmp_path, "a.mp4", "a.sakuga.mp4", "a.sakuga.report.json", "a.sakuga.poster.jpg")
    _touch(tmp_path, "a.mp4.sakuga-error.txt")
    assert set(Place(str(tmp_path), None).listing(["*"], recursive=True).files) == {"a.mp4"}


def test_without_recursion_folders_below_do_not_count(tmp_path: Path) -> None:
    _touch(tmp_path, "a.mp4", "sub/c.mp4")
    assert set(Place(str(tmp_path), None).listing(PATTERNS, recursive=False).files) == {"a.mp4"}


def test_links_count_and_neither_loops_nor_broken_links_matter(tmp_path: Path) -> None:
    _touch(tmp_path, "a.mp4")
    (tmp_path / "b.mp4").symlink_to(tmp_path / "a.mp4")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert set(Place(str(tmp_path), None).listing(PATTERNS, recursive=True).files) == {"a.mp4", "b.mp4"}


def test_names_that_cannot_be_worked_with_are_left_out(tmp_path: Path) -> None:
    _touch(tmp_path, "good.mp4", "line\nbreak.mp4", "back\\slash.mp4")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")).write_bytes(b"x")
    assert set(Place(str(tmp_path), None).listing(PATTERNS, recursive=True).files) == {"good.mp4"}


def test_a_folder_that_is_not_there_or_goes_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no folder of this machine"):
        Place(str(tmp_path / "nothing"), None)
    (tmp_path / "in").mkdir()
    place = Place(str(tmp_path / "in"), None)
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(StoreError, match="cannot be re"):
        place.listing(PATTERNS, recursive=True)


@pytest.mark.parametrize(
    "name", ["a.mp4", "sub/a.mp4", "x" * 251 + ".mp4", "sub/" + "\N{CJK RADICAL REPEAT}" * 83 + ".mp4"]
)
def test_the_name_of_a_sidecar_fits_a_file_system_and_is_ours(name: str, tmp_path: Path) -> None:
    sidecar = sidecar_of(name)
    assert is_ours(sidecar)
    assert sidecar.rpartition("/")[0] == name.rpartition("/")[0]
    _touch(tmp_path, sidecar)


def test_long_names_that_begin_alike_have_sidecars_of_their_own() -> None:
    assert sidecar_of("x" * 250 + "1.mp4") != sidecar_of("x" * 250 + "2.mp4")
