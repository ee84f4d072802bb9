import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blocks import LocalFolderStore
from blocks.files import store_error
from blocks.stores import MediaStore
from sakuga.errors import DiskFullError, SakugaError, StoreAwayError, StoreError
from sakuga.media.ref import MediaRef, file_digest
from tests.blocks.outages import Outage, bucket_at, refusing_service

pytestmark = pytest.mark.slow


def _uses(store: MediaStore, folder: Path, ref: MediaRef) -> list[Callable[[], object]]:
    """Every operation on a store; `ref` is in it, and so is `local.bin` in `folder`."""
    file = folder / "local.bin"
    return [
        lambda: store.put(file, "new/put.bin"),
        lambda: store.put(file, "new/once.bin", overwrite=False),
        lambda: store.share(file, MediaRef(uri="new/share.bin", sha256=ref.sha256, size=ref.size)),
        lambda: store.write("new/write.json", b"{}"),
        lambda: store.read(ref.uri),
        lambda: store.read("nothing"),
        lambda: store.stat(ref.uri),
        lambda: store.exists(ref),
        lambda: store.touch(ref.uri),
        lambda: store.remove("nothing"),
        lambda: list(store.files()),
        lambda: list(store.files("nothing/here")),
        lambda: store.fetch(ref, folder / "out" / os.urandom(4).hex()),
    ]


def _error(use: Callable[[], object]) -> SakugaError | None:
    try:
        use()
    except SakugaError as error:
        return error
    return None


def _errors(uses: list[Callable[[], object]]) -> list[SakugaError | None]:
    """What each operation raises; all at the same time, for each waits and tries again inside boto3."""
    with ThreadPoolExecutor(len(uses)) as pool:
        return list(pool.map(_error, uses))


def test_a_store_that_is_away_says_so_for_every_operation_and_works_when_it_is_back(
    outage: Outage, tmp_path: Path
) -> None:
    (tmp_path / "local.bin").write_bytes(b"frames" * 1000)
    ref = outage.store.put(tmp_path / "local.bin", "here.bin")
    uses = _uses(outage.store, tmp_path, ref)
    outage.go()
    errors = _errors(uses)
    outage.back()
    assert [type(error) for error in errors] == [StoreAwayError] * len(uses)
    assert list((tmp_path / "out").iterdir()) == []
    assert {stored.key for stored in outage.store.files()} == {"here.bin"}
    assert _errors(uses) == [None] * len(uses)
    new = {"new/put.bin", "new/once.bin", "new/share.bin", "new/write.json"}
    assert {stored.key for stored in outage.store.files()} == {"here.bin"} | new


def test_a_file_is_kept_where_it_was_while_the_store_that_it_moves_to_is_away(
    outage: Outage, tmp_path: Path
) -> None:
    (tmp_path / "local.bin").write_bytes(b"frames")
    outage.go()
    assert isinstance(
        _error(lambda: outage.store.put(tmp_path / "local.bin", "a", move=True)), StoreAwayError
    )
    outage.back()
    assert (tmp_path / "local.bin").read_bytes() == b"frames"


def test_a_folder_that_was_never_prepared_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "local.bin").write_bytes(b"frames")
    store = LocalFolderStore(root=tmp_path / "mnt" / "store")
    digest, size = file_digest(tmp_path / "local.bin")
    uses = _uses(store, tmp_path, MediaRef(uri="here.bin", sha256=digest, size=size))
    assert {type(_error(use)) for use in [*uses, lambda: store.sweep("a", datetime.now(UTC))]} == {
        StoreAwayError
    }
    assert not (tmp_path / "mnt").exists()


def test_a_folder_that_people_made_is_a_store_without_a_marker(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    LocalFolderStore(root=tmp_path / "out").write("a/b.json", b"{}")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_a_service_that_fails_is_away_and_one_that_refuses_is_not() -> None:
    expected = {400: False, 401: False, 403: False, 404: False, 429: True, 500: True, 501: False, 503: True}
    with refusing_service() as endpoint:
        stores = [bucket_at(endpoint, f"bucket-{status}") for status in expected]
        for errors in (
            _errors([store.prepare for store in stores]),
            _errors([lambda store=store: store.write("a.json", b"{}") for store in stores]),  # type: ignore[misc]
        ):
            assert all(isinstance(error, StoreError) for error in errors)
            assert [isinstance(error, StoreAwayError) for error in errors] == list(expected.values())


def test_a_service_whose_name_is_not_known_is_away() -> None:
    assert isinstance(_error(bucket_at("http://sakuga.invalid:9000").prepare), StoreAwayError)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EIO, StoreAwayError),
        (errno.ESTALE, StoreAwayError),
        (errno.ENOTCONN, StoreAwayError),
        (errno.EHOSTDOWN, StoreAwayError),
        (errno.ETIMEDOUT, StoreAwayError),
        (errno.EACCES, StoreError),
        (errno.EROFS, StoreError),
        (errno.ENOENT, StoreError),
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
    ],
)
def test_what_a_mounted_folder_answers_is_told_apart(number: int, kind: type[SakugaError]) -> None:
    assert type(store_error(OSError(number, os.strerror(number)), Path("a"))) is kind
