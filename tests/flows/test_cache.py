import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from blocks import LocalFolderStore
from sakuga.media.ref import TEMPORARY, MediaRef
from tasks.cache import SAFE_AGE, ChunkCache, ChunkRecord, prune
from tasks.scratch import keys_in_use, note_keys, run_folder

DAY = timedelta(days=1)
SIZE = 1000


@pytest.fixture
def store(tmp_path: Path) -> LocalFolderStore:
    store = LocalFolderStore(root=tmp_path / "store")
    store.prepare()
    return store


def _keep(store: LocalFolderStore, folder: Path, number: int, age: timedelta = timedelta()) -> str:
    key = f"{number:064x}"
    file = folder / f"{number}.mp4"
    file.write_bytes(bytes([number]) * SIZE)
    record = ChunkRecord(
        key=key,
        ref=MediaRef(uri="x.mp4", sha256="0" * 64, size=0),
        frames=1,
        computed=1,
        reused=0,
        concealed=0,
        seconds={"decode": 0.5},
    )
    ChunkCache(store).keep(record, file)
    for stored in list(store.files("chunks")):
        if key in stored.key:
            then = time.time() - age.total_seconds()
            os.utime(store.root / stored.key, (then, then))
    return key


def test_a_kept_chunk_is_found_whole(store: LocalFolderStore, tmp_path: Path) -> None:
    key = _keep(store, tmp_path, 1)
    record = ChunkCache(store).find(key)
    assert record
    assert record.ref.size == SIZE
    assert record.seconds == {"decode": 0.5}
    assert ChunkCache(store).file(record, tmp_path).read_bytes() == b"\x01" * SIZE
    assert ChunkCache(store).find("f" * 64) is None


def test_finding_a_chunk_makes_it_used_now(store: LocalFolderStore, tmp_path: Path) -> None:
    key = _keep(store, tmp_path, 1, age=30 * DAY)
    ChunkCache(store).find(key)
    assert prune(store, max_bytes=0, max_age=DAY).removed == 0


def test_old_chunks_are_removed_and_young_ones_kept(store: LocalFolderStore, tmp_path: Path) -> None:
    old, young = _keep(store, tmp_path, 1, age=3 * DAY), _keep(store, tmp_path, 2, age=DAY)
    pruned = prune(store, max_bytes=10**9, max_age=2 * DAY)
    assert (pruned.removed, pruned.left) == (1, 1)
    assert ChunkCache(store).find(old) is None
    assert ChunkCache(store).find(young)


def test_the_longest_unused_go_first_when_there_are_too_many(store: LocalFolderStore, tmp_path: Path) -> None:
    keys = [_keep(store, tmp_path, number, age=number * DAY) for number in range(1, 5)]
    pruned = prune(store, max_bytes=3 * SIZE, max_age=100 * DAY)
    assert pruned.left_bytes <= 3 * SIZE
    assert [bool(ChunkCache(store).find(key)) for key in keys] == [True, True, False, False]


def test_a_chunk_of_the_last_hour_stays_whatever_is_asked(store: LocalFolderStore, tmp_path: Path) -> None:
    _keep(store, tmp_path, 1, age=SAFE_AGE / 2)
    _keep(store, tmp_path, 2, age=SAFE_AGE * 2)
    assert prune(store, max_bytes=0, max_age=timedelta(), all_=True).left == 1


def test_what_killed_writers_left_is_removed_when_it_is_old(store: LocalFolderStore, tmp_path: Path) -> None:
    _keep(store, tmp_path, 1)
    old, young = (store.root / "chunks" / "00" / f"{TEMPORARY}{age}" for age in ("old", "young"))
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (1, 1))
    prune(store, max_bytes=10**9, max_age=DAY)
    assert not old.exists()
    assert young.exists()


def test_a_chunk_that_a_living_run_needs_stays(store: LocalFolderStore, tmp_path: Path) -> None:
    key = _keep(store, tmp_path, 1, age=100 * DAY)
    with run_folder(tmp_path / "scratch") as folder:
        note_keys(folder, [key])
        used = keys_in_use(tmp_path / "scratch")
        assert prune(store, max_bytes=0, max_age=DAY, in_use=used).removed == 0
    gone = keys_in_use(tmp_path / "scratch")
    assert prune(store, max_bytes=0, max_age=DAY, in_use=gone).removed == 1
