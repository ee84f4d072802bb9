import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sakuga.errors import InputError
from sakuga.settings import Limits
from tests.training.folders import write_clip, write_pictures
from training.sources import CLIP_SHRINK, NEAR, find_sources, held_out, perceptual_hash

LIMITS = Limits()


def test_every_picture_is_found_and_some_are_kept_out_of_training(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 12)
    found = find_sources(tmp_path, LIMITS)
    assert {source.name for source in found.used} == {f"pictures/{path.name}" for path in paths}
    assert found.training
    assert found.held_out
    assert {source.digest for source in found.training}.isdisjoint(source.digest for source in found.held_out)


def test_what_is_kept_out_is_decided_by_the_content_alone(tmp_path: Path) -> None:
    write_pictures(tmp_path / "here", 12)
    before = {source.digest for source in find_sources(tmp_path / "here", LIMITS).held_out}
    for number, path in enumerate(sorted((tmp_path / "here").iterdir())):
        (tmp_path / "there").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "there" / f"{90 - number}.png")
    write_pictures(tmp_path / "there" / "more", 14)
    after = {source.digest for source in find_sources(tmp_path / "there", LIMITS).held_out}
    assert before <= after


def test_about_a_quarter_of_all_digests_is_kept_out() -> None:
    kept = sum(held_out(f"{first:02x}" + "0" * 62) for first in range(256))
    assert kept == 64


def test_frames_of_clips_are_taken_at_a_smaller_size(tmp_path: Path) -> None:
    write_pictures(tmp_path, 12)
    write_clip(tmp_path / "clip.mkv")
    found = find_sources(tmp_path, LIMITS)
    frames = [source for source in found.used if source.name.startswith("clip.mkv frame ")]
    assert frames
    assert {source.still.size for source in frames} == {(448 // CLIP_SHRINK, 400 // CLIP_SHRINK)}
    assert len({source.held_out for source in frames}) == 1


def test_what_does_not_read_is_named_with_the_reason(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 12)
    (tmp_path / "torn.png").write_bytes(paths[0].read_bytes()[:2000])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.mp4").touch()
    lines: list[str] = []
    found = find_sources(tmp_path, LIMITS, lines.append)
    assert {name for name, _ in found.unreadable} == {"torn.png", "text.jpg", "empty.mp4"}
    assert len(found.used) == 12
    assert all(any(name in line for line in lines) for name in ("torn.png", "text.jpg", "empty.mp4"))


def test_a_picture_that_shows_what_another_shows_is_left_out(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 12)
    Image.open(paths[3]).resize((300, 300)).save(tmp_path / "again.jpg", quality=80)
    found = find_sources(tmp_path, LIMITS)
    assert found.duplicates == (("drawing 3.png", "again.jpg"),)


def test_transparent_pictures_are_seen_over_white(tmp_path: Path) -> None:
    write_pictures(tmp_path, 12)
    pixels = np.zeros((200, 200, 4), np.uint8)
    pixels[:, 100:] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    (half,) = (source for source in find_sources(tmp_path, LIMITS).used if source.name == "half.png")
    assert half.still.luma[:, :90] == pytest.approx(1)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InputError, match="holds no pictures or clips"):
        find_sources(tmp_path, LIMITS)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        find_sources(tmp_path / "nowhere", LIMITS)


def test_a_folder_of_one_picture_many_times_is_refused(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path, 1)
    for number in range(20):
        shutil.copy(path, tmp_path / f"copy {number}.png")
    with pytest.raises(InputError, match="20 show the same as others"):
        find_sources(tmp_path, LIMITS)


def test_a_folder_of_tiny_pictures_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, 5, size=64)
    with pytest.raises(InputError, match="5 are smaller than 192"):
        find_sources(tmp_path, LIMITS)


def test_a_folder_of_damaged_files_is_refused(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nbut then nothing")
    with pytest.raises(InputError, match="3 do not read"):
        find_sources(tmp_path, LIMITS)


def test_hashes_are_near_for_a_picture_at_another_size_and_brightness(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path, 1)
    luma = np.asarray(Image.open(path).convert("L"), np.float32) / np.float32(255)
    small = np.asarray(Image.open(path).convert("L").resize((90, 90)), np.float32) / np.float32(255)
    other = np.rot90(luma).copy()
    assert (
        perceptual_hash(luma) ^ perceptual_hash(small * np.float32(0.8) + np.float32(0.1))
    ).bit_count() <= NEAR
    assert (perceptual_hash(luma) ^ perceptual_hash(other)).bit_count() > NEAR
