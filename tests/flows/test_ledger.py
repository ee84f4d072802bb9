import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from blocks.stores import LocalFolderStore
from sakuga.errors import StoreError
from tasks.ledger import DAMAGED, NAME, Asked, Ledger, SeenFile

FILE = SeenFile(size=3, changed=7, sha256="a" * 64)
STARTED = Asked(name="a.mp4", attempt=1, outcome="started", run="1", run_name="enhance a")
FAILED = STARTED.model_copy(update={"outcome": "failed"})
DONE = STARTED.model_copy(update={"outcome": "done"})
SECOND = STARTED.model_copy(update={"attempt": 2})


@pytest.fixture
def store(tmp_path: Path) -> LocalFolderStore:
    return LocalFolderStore(root=tmp_path)


def test_what_was_saved_is_read_again(store: LocalFolderStore) -> None:
    ledger = Ledger(store)
    ledger.see("sub/a.mp4", FILE)
    ledger.note("key", STARTED)
    assert ledger.save()
    again = Ledger(store)
    assert (again.files, again.asked) == ({"sub/a.mp4": FILE}, {"key": STARTED})


def test_nothing_is_written_when_nothing_is_new(store: LocalFolderStore, tmp_path: Path) -> None:
    ledger = Ledger(store)
    assert not ledger.save()
    assert not (tmp_path / NAME).exists()
    ledger.see("a.mp4", FILE)
    ledger.save()
    before = (tmp_path / NAME).stat().st_mtime_ns
    same = Ledger(store)
    same.see("a.mp4", FILE)
    same.forget("never there")
    assert not same.save()
    assert (tmp_path / NAME).stat().st_mtime_ns == before


def test_two_watchers_keep_what_the_other_has_found_out(store: LocalFolderStore) -> None:
    one, other = Ledger(store), Ledger(store)
    one.see("a.mp4", FILE)
    one.note("a", STARTED)
    other.see("b.mp4", FILE)
    other.note("b", STARTED)
    one.save()
    other.save()
    found = Ledger(store)
    assert set(found.files) == {"a.mp4", "b.mp4"}
    assert set(found.asked) == {"a", "b"}


def test_watchers_that_write_at_the_same_time_lose_nothing(store: LocalFolderStore) -> None:
    def write(number: int) -> None:
        ledger = Ledger(store)
        ledger.see(f"{number}.mp4", FILE)
        ledger.save()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert len(Ledger(store).files) == 40


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (DONE, STARTED, DONE),
        (STARTED, DONE, DONE),
        (FAILED, DONE, DONE),
        (FAILED, STARTED, FAILED),
        (DONE, SECOND, SECOND),
        (SECOND, FAILED, SECOND),
    ],
)
def test_of_two_notes_the_one_that_knows_more_stays(
    store: LocalFolderStore, first: Asked, second: Asked, kept: Asked
) -> None:
    one, other = Ledger(store), Ledger(store)
    one.note("key", first)
    other.note("key", second)
    one.save()
    other.save()
    assert Ledger(store).asked["key"] == kept


def test_a_forgotten_file_is_gone_and_its_content_stays_known(store: LocalFolderStore) -> None:
    ledger = Ledger(store)
    ledger.see("a.mp4", FILE)
    ledger.note("key", DONE)
    ledger.save()
    ledger.forget("a.mp4")
    assert ledger.save()
    again = Ledger(store)
    assert (again.files, again.asked) == ({}, {"key": DONE})


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\x00", b'{"version": 9}', b'{"files": {"a": 1}, "asked": {}}']
)
def test_a_damaged_ledger_is_set_aside_with_a_warning(
    store: LocalFolderStore, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).write_bytes(content)
    with caplog.at_level(logging.WARNING, "sakuga.watch"):
        ledger = Ledger(store)
    assert ledger.files == {}
    assert "damaged" in caplog.text
    assert (tmp_path / DAMAGED).read_bytes() == content
    ledger.see("a.mp4", FILE)
    ledger.save()
    assert json.loads((tmp_path / NAME).read_text())["version"] == 1


def test_a_ledger_below_a_prefix_lies_there(store: LocalFolderStore, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    ledger = Ledger(store, "in")
    ledger.see("a.mp4", FILE)
    ledger.save()
    assert (tmp_path / "in" / NAME).exists()


@pytest.mark.skipif(not Path("/proc/sys/fs").is_dir(), reason="needs a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_to_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match="cannot be read or written"):
        Ledger(LocalFolderStore(root=Path("/proc/sys/fs")))


def test_a_folder_keeps_its_mark_when_it_is_moved_or_its_ledger_is_lost(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    mark = Ledger(LocalFolderStore(root=tmp_path / "one")).place
    (tmp_path / "one" / NAME).write_bytes(b"{")
    (tmp_path / "one").rename(tmp_path / "moved")
    assert Ledger(LocalFolderStore(root=tmp_path / "moved")).place == mark
    assert Ledger(LocalFolderStore(root=tmp_path / "two")).place != mark
