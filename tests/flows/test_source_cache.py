import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from blocks import LocalFolderStore, S3Store
from sakuga.errors import StoreError
from sakuga.media.ref import MediaRef
from tasks.scratch import run_folder
from tasks.source_cache import FETCHING, clean_sources, local_source, stored_source
from tests.blocks.outages import new_bucket

pytestmark = pytest.mark.usefixtures("sakuga_home")

SIZE = 100_000


@pytest.fixture
def bucket(s3_endpoint: str) -> S3Store:
    return new_bucket(s3_endpoint, "fetched")


def _put(store: S3Store | LocalFolderStore, tmp_path: Path, name: str) -> MediaRef:
    file = tmp_path / name
    file.write_bytes(os.urandom(SIZE))
    return store.put(file, f"sources/{name}")


@pytest.fixture
def root(sakuga_home: Path) -> Path:
    return sakuga_home / "scratch"


def _kept(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "sources").iterdir())


def test_a_source_is_fetched_once_for_all_runs_of_a_machine(
    bucket: S3Store, tmp_path: Path, root: Path
) -> None:
    ref = _put(bucket, tmp_path, "clip.mkv")
    with run_folder(root) as folder:
        first = local_source(bucket, ref, folder, "clip.mkv")
        assert first == folder / "source.mkv"
        # only its size can be looked at any more: fetching it would give something else
        bucket._client.put_object(Bucket=bucket.bucket, Key=ref.uri, Body=b"x" * SIZE)
        with run_folder(root) as other:
            second = local_source(bucket, ref, other, "clip.mkv")
            assert hashlib.sha256(second.read_bytes()).hexdigest() == ref.sha256
    assert _kept(root) == sorted([ref.sha256, f"{ref.sha256}.json"])


def test_runs_that_need_the_same_source_at_once_wait_for_one_of_them_to_fetch_it(
    bucket: S3Store, tmp_path: Path, root: Path
) -> None:
    ref = _put(bucket, tmp_path, "clip.mp4")
    fetched, lock = [], threading.Lock()

    class Counting(S3Store):
        _block_type_name = "Counting"
        _block_type_slug = "counting"

        def _copy_to(self, key: str, target: Path) -> None:
            with lock:
                fetched.append(key)
            time.sleep(0.5)
            super()._copy_to(key, target)

    store = Counting(**bucket.model_dump(exclude={"block_type_slug"}))
    digests = []

    def use() -> None:
        with run_folder(root) as folder:
            path = local_source(store, ref, folder, "clip.mp4")
            digests.append(hashlib.sha256(path.read_bytes()).hexdigest())

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [ref.sha256] * 4
    assert len(fetched) == 1


def test_a_fetched_source_that_was_changed_on_disk_is_fetched_again(
    bucket: S3Store, tmp_path: Path, root: Path
) -> None:
    ref = _put(bucket, tmp_path, "clip.mp4")
    with run_folder(root) as folder:
        local_source(bucket, ref, folder, "clip.mp4")
    (root / "sources" / ref.sha256).write_bytes(b"y" * SIZE)
    with run_folder(root) as folder:
        path = local_source(bucket, ref, folder, "clip.mp4")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == ref.sha256


def test_what_does_not_fit_goes_the_longest_unused_first_and_nothing_in_use(
    bucket: S3Store, tmp_path: Path, root: Path
) -> None:
    refs = [_put(bucket, tmp_path, f"clip{number}.mp4") for number in range(3)]
    with run_folder(root) as folder:
        (folder / "a").mkdir()
        used = local_source(bucket, refs[0], folder / "a", "clip.mp4")
        for ref in refs[1:]:
            with run_folder(root) as other:
                local_source(bucket, ref, other, "clip.mp4")
        for age, ref in enumerate(refs):
            os.utime(root / "sources" / f"{ref.sha256}.json", (age, age))
        assert clean_sources(root, 2 * SIZE) == (1, SIZE)
        assert refs[1].sha256 not in _kept(root)
        assert clean_sources(root, 0) == (1, SIZE)
        assert hashlib.sha256(used.read_bytes()).hexdigest() == refs[0].sha256
    assert clean_sources(root, 0) == (1, SIZE)
    assert _kept(root) == []


def test_room_is_made_before_a_source_is_fetched(
    bucket: S3Store, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAKUGA_FARM__SOURCE_BYTES", str(SIZE + 1))
    refs = [_put(bucket, tmp_path, f"clip{number}.mp4") for number in range(2)]
    for ref in refs:
        with run_folder(root) as folder:
            local_source(bucket, ref, folder, "clip.mp4")
    assert _kept(root) == sorted([refs[1].sha256, f"{refs[1].sha256}.json"])


KILLED = """
import os, signal, sys
from pathlib import Path
from blocks import LocalFolderStore
from sakuga.media.ref import MediaRef
from tasks.source_cache import local_source

class Dies(LocalFolderStore):
    def local_path(self, key):
        return None

    def _copy_to(self, key, target):
        target.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

store = Dies(root=sys.argv[1])
local_source(store, MediaRef.model_validate_json(sys.argv[2]), Path(sys.argv[3]), "clip.mp4")
"""


def test_what_a_killed_run_left_of_a_fetch_is_removed(tmp_path: Path, root: Path) -> None:
    store = LocalFolderStore(root=tmp_path / "store")
    store.prepare()
    ref = _put(store, tmp_path, "clip.mp4")
    subprocess.run([sys.executable, "-c", KILLED, store.root, ref.model_dump_json(), tmp_path], check=False)
    assert any(name.endswith(FETCHING) for name in _kept(root))
    clean_sources(root, SIZE)
    assert _kept(root) == []


def test_a_file_of_a_folder_store_is_read_through_once_and_again_when_it_has_changed(
    tmp_path: Path, root: Path
) -> None:
    store = LocalFolderStore(root=tmp_path / "store")
    store.prepare()
    ref = _put(store, tmp_path, "clip.mp4")
    path = local_source(store, ref, tmp_path, "clip.mp4")
    assert path == store.local_path(ref.uri)
    before = path.stat()
    assert local_source(store, ref, tmp_path, "clip.mp4") == path
    # the same size and time, so the note alone vouches for it: it was not read through again
    path.write_bytes(b"z" * SIZE)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert local_source(store, ref, tmp_path, "clip.mp4") == path
    os.utime(path)
    with pytest.raises(StoreError, match="not the file it should be"):
        local_source(store, ref, tmp_path, "clip.mp4")
    assert clean_sources(root, 0) == (0, 0)
    path.unlink()
    clean_sources(root, 0)
    assert _kept(root) == []


def test_a_source_that_is_not_in_the_store_is_a_clear_error(bucket: S3Store, tmp_path: Path) -> None:
    gone = MediaRef(uri="sources/gone.mp4", sha256="0" * 64, size=SIZE)
    with pytest.raises(StoreError, match="not there"):
        local_source(bucket, gone, tmp_path, "gone.mp4")


def test_a_file_that_others_uploaded_is_fetched_once_under_the_digest_that_it_has(
    bucket: S3Store, root: Path
) -> None:
    content = os.urandom(SIZE)
    bucket._client.put_object(Bucket=bucket.bucket, Key="in/clip.mkv", Body=content)
    with run_folder(root) as folder:
        path, ref = stored_source(bucket, "in/clip.mkv", folder, "clip.mkv")
        assert path == folder / "source.mkv"
        assert path.read_bytes() == content
        assert ref == MediaRef(uri="in/clip.mkv", sha256=hashlib.sha256(content).hexdigest(), size=SIZE)
    mark = (root / "sources" / ref.sha256).stat().st_ino
    with run_folder(root) as folder:
        assert stored_source(bucket, "in/clip.mkv", folder, "clip.mkv")[1] == ref
        assert (folder / "source.mkv").stat().st_ino == mark
    bucket._client.put_object(Bucket=bucket.bucket, Key="in/clip.mkv", Body=b"x" * SIZE)
    with run_folder(root) as folder:
        # only its size can be looked at any more: fetching it would give something else
        assert local_source(bucket, ref, folder, "clip.mkv").read_bytes() == content


def test_a_file_of_the_store_that_was_replaced_is_fetched_anew(bucket: S3Store, root: Path) -> None:
    refs = []
    for size in (SIZE, SIZE + 1):
        bucket._client.put_object(Bucket=bucket.bucket, Key="in/clip.mkv", Body=os.urandom(size))
        with run_folder(root) as folder:
            path, ref = stored_source(bucket, "in/clip.mkv", folder, "clip.mkv")
            assert hashlib.sha256(path.read_bytes()).hexdigest() == ref.sha256
        refs.append(ref)
    assert refs[0].sha256 != refs[1].sha256
    assert clean_sources(root, 0)[0] == len(refs)
    assert _kept(root) == []


def test_nothing_is_left_of_a_file_that_cannot_be_fetched(
    bucket: S3Store, tmp_path: Path, root: Path
) -> None:
    with pytest.raises(StoreError, match="not there any more"):
        stored_source(bucket, "in/gone.mkv", tmp_path, "gone.mkv")
    assert _kept(root) == []
