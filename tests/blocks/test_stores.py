import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from blocks import LocalFolderStore, S3Store
from blocks.stores import MediaStore
from sakuga.errors import OptionError, StoreAwayError, StoreError
from sakuga.media.ref import TEMPORARY, MediaRef, file_digest
from tests.blocks.outages import bucket_at, new_bucket


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    if request.param == "folder":
        folder = LocalFolderStore(root=tmp_path / "store")
        folder.prepare()
        return folder
    return _bucket(
        request.getfixturevalue("s3_endpoint"), tmp_path.name.lower().replace("_", "-")[:60].strip("-")
    )


def _bucket(endpoint: str, name: str) -> S3Store:
    return new_bucket(endpoint, f"b-{abs(hash(name))}", "media/")


def _file(folder: Path, content: bytes = b"frames" * 1000) -> Path:
    path = folder / "local.bin"
    path.write_bytes(content)
    return path


def test_what_is_put_is_fetched_again_bit_for_bit(store: MediaStore, tmp_path: Path) -> None:
    file = _file(tmp_path)
    ref = store.put(file, "a/b: '%d'/clip one.mp4")
    assert ref == MediaRef(uri="a/b: '%d'/clip one.mp4", sha256=file_digest(file)[0], size=6000)
    assert store.exists(ref)
    assert store.fetch(ref, tmp_path / "new" / "back.bin").read_bytes() == file.read_bytes()
    assert file.exists()
    assert store.read(ref.uri) == file.read_bytes()


def test_a_moved_file_is_gone_from_where_it_was(store: MediaStore, tmp_path: Path) -> None:
    file = _file(tmp_path)
    ref = store.put(file, "moved.bin", move=True)
    assert not file.exists()
    assert store.exists(ref)


def test_a_key_that_is_taken_stays_as_it_is_without_overwrite(store: MediaStore, tmp_path: Path) -> None:
    first = store.put(_file(tmp_path, b"first"), "taken.bin", overwrite=False)
    again = _file(tmp_path, b"second")
    with pytest.raises(OptionError, match="already exists"):
        store.put(again, "taken.bin", overwrite=False, move=True)
    assert again.read_bytes() == b"second"
    assert store.fetch(first, tmp_path / "back").read_bytes() == b"first"
    store.put(again, "taken.bin")
    assert store.stat("taken.bin").size == len(b"second")  # type: ignore[union-attr]


def test_a_file_that_changed_in_the_store_is_not_fetched(store: MediaStore, tmp_path: Path) -> None:
    ref = store.put(_file(tmp_path, b"as it was"), "changing.bin")
    store.put(_file(tmp_path, b"otherwise"), "changing.bin")
    target = tmp_path / "out" / "back.bin"
    with pytest.raises(StoreError, match="not the file it should be"):
        store.fetch(ref, target)
    assert list(target.parent.iterdir()) == []


def test_a_missing_file_is_no_file(store: MediaStore, tmp_path: Path) -> None:
    ref = store.put(_file(tmp_path), "here.bin")
    store.remove("here.bin")
    store.remove("here.bin")
    store.touch("here.bin")
    assert store.stat("here.bin") is None
    assert store.read("here.bin") is None
    assert not store.exists(ref)
    with pytest.raises(StoreError):
        store.fetch(ref, tmp_path / "back.bin")


def test_files_are_listed_below_a_prefix(store: MediaStore, tmp_path: Path) -> None:
    for key in ("chunks/aa/1.mp4", "chunks/ab/2.mp4", "chunksx/3.mp4", "top.mp4"):
        store.put(_file(tmp_path), key)
    assert {file.key for file in store.files("chunks")} == {"chunks/aa/1.mp4", "chunks/ab/2.mp4"}
    assert len(list(store.files())) == 4
    assert all(file.size == 6000 for file in store.files())
    assert list(store.files("nothing/here")) == []


def test_touching_makes_a_file_used_now(store: MediaStore, tmp_path: Path) -> None:
    ref = store.put(_file(tmp_path), "old.bin")
    if path := store.local_path("old.bin"):
        os.utime(path, (1, 1))
    store.touch("old.bin")
    stored = store.stat("old.bin")
    assert stored
    assert datetime.now(UTC) - stored.used < timedelta(minutes=1)
    assert store.fetch(ref, tmp_path / "back").stat().st_size == 6000


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../up", "a/../../up", "a//b", "a/", "./a", "a\\b", "a\nb", "a\x00b", "x" * 1001,
     "n" * 256, f"a/{TEMPORARY}1"],
)  # fmt: skip
def test_a_key_that_is_no_plain_relative_path_is_refused(store: MediaStore, tmp_path: Path, key: str) -> None:
    file = _file(tmp_path)
    for use in (store.stat, store.remove, store.touch, store.location, lambda k: store.put(file, k)):
        with pytest.raises(OptionError, match="not a name in a media store"):
            use(key)


def test_a_reference_from_outside_cannot_leave_the_store(store: MediaStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    sha256, size = file_digest(tmp_path / "secret")
    with pytest.raises(OptionError):
        store.fetch(MediaRef(uri="../secret", sha256=sha256, size=size), tmp_path / "out")


def test_writers_of_the_same_key_do_not_mix(store: MediaStore, tmp_path: Path) -> None:
    contents = [bytes([n]) * 200_000 for n in range(4)]
    files = [tmp_path / f"{n}.bin" for n in range(4)]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    writers = [threading.Thread(target=store.put, args=(file, "same.bin")) for file in files]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    store._copy_to("same.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() in contents
    assert len(list(store.files())) == 1


def test_a_service_that_is_gone_is_an_error_that_a_retry_can_help(tmp_path: Path) -> None:
    with pytest.raises(StoreAwayError) as caught:
        bucket_at("http://127.0.0.1:9").put(_file(tmp_path), "a.bin")
    assert caught.value.retryable


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = LocalFolderStore(root=tmp_path / "file" / "store")
    for use in (store.prepare, lambda: store.put(_file(tmp_path), "a.bin")):
        with pytest.raises(StoreError) as caught:
            use()
        assert not isinstance(caught.value, StoreAwayError)


def test_a_failed_write_leaves_no_part_behind(tmp_path: Path) -> None:
    store = LocalFolderStore(root=tmp_path / "store")
    (tmp_path / "store" / "a.bin").mkdir(parents=True)
    with pytest.raises(StoreError):
        store.put(_file(tmp_path), "a.bin", move=True)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["a.bin"]
    assert (tmp_path / "local.bin").exists()


def test_secrets_do_not_show(s3_endpoint: str) -> None:
    assert "secret" not in repr(_bucket(s3_endpoint, "secrets").secret_key)


def test_small_content_is_written_and_replaced(store: MediaStore) -> None:
    store.write("jobs/a/lease.json", b"1")
    store.write("jobs/a/lease.json", b"22")
    store.write("jobs/a/nothing", b"")
    assert store.read("jobs/a/lease.json") == b"22"
    assert store.read("jobs/a/nothing") == b""
    assert {file.key for file in store.files("jobs")} == {"jobs/a/lease.json", "jobs/a/nothing"}


def test_what_is_shared_is_fetched_again_and_stays_where_it_is(store: MediaStore, tmp_path: Path) -> None:
    file = _file(tmp_path)
    sha256, size = file_digest(file)
    ref = MediaRef(uri="jobs/a/source.mp4", sha256=sha256, size=size)
    assert store.share(file, ref) == store.share(file, ref) == ref
    store.write("jobs/a/source.mp4", b"damaged")
    store.share(file, ref)
    assert file.read_bytes() == b"frames" * 1000
    assert store.fetch(ref, tmp_path / "back.bin").read_bytes() == file.read_bytes()
    assert [stored.key for stored in store.files()] == ["jobs/a/source.mp4"]


def test_a_file_is_shared_without_a_copy_where_the_disk_allows_it(tmp_path: Path) -> None:
    store = LocalFolderStore(root=tmp_path / "store")
    store.prepare()
    file = _file(tmp_path)
    (tmp_path / "link.bin").symlink_to(file)
    sha256, size = file_digest(file)
    store.share(tmp_path / "link.bin", MediaRef(uri="a/source.bin", sha256=sha256, size=size))
    assert (tmp_path / "store" / "a" / "source.bin").samefile(file)
    store.remove("a/source.bin")
    assert file.exists()


def test_a_shared_file_that_is_not_what_was_said_is_not_stored(tmp_path: Path) -> None:
    store = LocalFolderStore(root=tmp_path / "store")
    store.prepare()
    with pytest.raises(StoreError, match="not written whole"):
        store.share(_file(tmp_path), MediaRef(uri="a.bin", sha256="0" * 64, size=1))
    assert list(store.files()) == []


def test_the_same_content_may_be_put_twice_without_overwrite(store: MediaStore, tmp_path: Path) -> None:
    first = store.put(_file(tmp_path), "result.mp4", overwrite=False)
    assert store.put(_file(tmp_path), "result.mp4", overwrite=False, move=True) == first
    assert not (tmp_path / "local.bin").exists()


def test_a_link_to_a_bucket_works_for_who_has_no_key(s3_endpoint: str, tmp_path: Path) -> None:
    bucket = _bucket(s3_endpoint, "links")
    bucket.put(_file(tmp_path, b"a picture"), "a b/poster.jpg")
    link = bucket.link("a b/poster.jpg", timedelta(days=100))
    seconds = parse_qs(urlsplit(link).query)["X-Amz-Expires"]
    assert seconds == [str(7 * 24 * 3600)]
    with urlopen(link, timeout=10) as answer:
        assert answer.read() == b"a picture"
        assert answer.headers["Content-Type"] == "image/jpeg"
    bucket.touch("a b/poster.jpg")
    with urlopen(link, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "image/jpeg"


def test_a_link_into_a_folder_is_the_path(tmp_path: Path) -> None:
    store = LocalFolderStore(root=tmp_path)
    assert store.link("a/b.mp4", timedelta(hours=1)) == str(tmp_path / "a" / "b.mp4")


def test_a_bucket_that_does_not_exist_is_an_error_and_no_missing_file(
    s3_endpoint: str, tmp_path: Path
) -> None:
    bucket = _bucket(s3_endpoint, "there").model_copy(update={"bucket": "not-there"})
    ref = MediaRef(uri="a.bin", sha256="0" * 64, size=1)
    uses = (bucket.prepare, lambda: bucket.read("a"), lambda: bucket.stat("a"), lambda: bucket.exists(ref))
    for use in (*uses, lambda: bucket.write("a", b""), lambda: bucket.put(_file(tmp_path), "a")):
        with pytest.raises(StoreError) as caught:
            use()
        assert not isinstance(caught.value, StoreAwayError)
