"""What the name of a source means."""

from pathlib import Path

import pytest
from prefect import flow

from blocks import LocalFolderStore, S3Store
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import LimitError, OptionError, UnreadableMediaError
from sakuga.media.ref import MediaRef, file_digest
from tasks.destination import choose_destination
from tasks.job import Source
from tasks.planning import plan_job
from tasks.source import Named, fetch_source, find_source
from tests.blocks.outages import new_bucket

pytestmark = pytest.mark.usefixtures("prefect_server", "sakuga_home", "bucket")

STORE = "sakuga-s3-store/sources-by-name"
CONTENT = b"frames" * 1000


@pytest.fixture
def bucket(s3_endpoint: str, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    del prefect_server
    monkeypatch.setattr("tasks.job._BLOCKS", {})
    store = new_bucket(s3_endpoint, "films", "/ours/")
    store.save(STORE.split("/")[1], overwrite=True)
    store._client.put_object(Bucket="films", Key="ours/in/a clip.mkv", Body=CONTENT)
    return store


@pytest.mark.parametrize("source", ["in/a clip.mkv", "s3://films/ours/in/a clip.mkv"])
def test_a_file_of_the_store_is_named_by_its_key_or_its_address(source: str, tmp_path: Path) -> None:
    named = find_source(source, STORE)
    assert named == Named(key="in/a clip.mkv", size=len(CONTENT))
    place = choose_destination(named.path, named.name, "mp4", None, in_store=True, overwrite=False)
    assert (place.prefix, place.name) == ("results", "a clip.sakuga.mp4")

    @flow(name="fetch", persist_result=False)
    def fetched() -> Source:
        return fetch_source(named, STORE, tmp_path)

    got = fetched()
    assert got.path == tmp_path / "source.mkv"
    assert got.ref == MediaRef(uri=named.key, sha256=got.sha256, size=got.size)
    assert (got.sha256, got.size) == file_digest(got.path)
    assert got.path.read_bytes() == CONTENT


def test_what_our_own_upload_noted_is_known_before_it_is_fetched(bucket: S3Store, tmp_path: Path) -> None:
    file = tmp_path / "clip.mkv"
    file.write_bytes(CONTENT)
    ref = bucket.put(file, "in/ours.mkv")
    assert bucket.known("in/ours.mkv") == ref
    assert bucket.known("in/a clip.mkv") is None
    assert bucket.known("in/none.mkv") is None


def test_a_file_of_this_machine_comes_before_one_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    assert find_source("in/a clip.mkv", STORE).key == "in/a clip.mkv"
    (tmp_path / "in/a clip.mkv").write_bytes(b"")
    assert find_source("in/a clip.mkv", STORE) == Named(path=tmp_path / "in/a clip.mkv")
    assert find_source("missing.mkv", None) == Named(path=tmp_path / "missing.mkv")
    assert find_source(str(tmp_path / "missing.mkv"), STORE) == Named(path=tmp_path / "missing.mkv")


def test_a_folder_store_has_keys_too(prefect_server: None, tmp_path: Path) -> None:
    del prefect_server
    store = LocalFolderStore(root=tmp_path / "store")
    store.prepare()
    store.write("in/clip.mkv", CONTENT)
    store.save("folder-by-name", overwrite=True)
    assert find_source("in/clip.mkv", "sakuga-local-folder-store/folder-by-name").key == "in/clip.mkv"


@pytest.mark.parametrize(
    ("source", "store", "error", "said"),
    [
        ("s3://films/ours/in/a clip.mkv", None, OptionError, "name the store's block"),
        ("s3://other/ours/in/a clip.mkv", STORE, OptionError, "not in the store"),
        ("s3://films/theirs/clip.mkv", STORE, OptionError, "not in the store"),
        ("s3://films/ours/../theirs/clip.mkv", STORE, OptionError, "relative path"),
        ("s3://films/ours/", STORE, OptionError, "relative path"),
        ("https://example.com/clip.mkv", STORE, OptionError, "not in the store"),
        ("../theirs/clip.mkv", STORE, OptionError, "relative path"),
        ("in/none.mkv", STORE, UnreadableMediaError, "neither on this machine nor in the store"),
        ("s3://films/ours/none.mkv", STORE, UnreadableMediaError, "s3://films/ours/none.mkv"),
        (MediaRef(uri="../x.mkv", sha256="a" * 64, size=1), STORE, OptionError, "relative path"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_the_reason(
    source: str | MediaRef, store: str | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        find_source(source, store)


def test_what_is_larger_than_allowed_is_refused_before_it_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAKUGA_LIMITS__MAX_FILE_BYTES", str(len(CONTENT) - 1))
    with pytest.raises(LimitError, match="6000 bytes"):
        find_source("in/a clip.mkv", STORE)


def test_a_stored_file_that_is_no_video_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMediaError, match=r"^a clip\.mkv is not a video"):
        planned(find_source("in/a clip.mkv", STORE), tmp_path)


@flow(name="plan", persist_result=False)
def planned(named: Named, folder: Path) -> None:
    """Fetch and plan, as a job does."""
    plan_job(fetch_source(named, STORE, folder), EnhanceSpec(), STORE, folder)
