from pathlib import Path

import pytest

from blocks.stores import LocalFolderStore
from sakuga.errors import StoreError
from tasks.publish import all_or_none


def test_what_was_published_is_taken_back_when_a_later_file_cannot_be(tmp_path: Path) -> None:
    poster, report = tmp_path / "poster.jpg", tmp_path / "report.json"
    poster.write_bytes(b"new poster")
    report.write_bytes(b"new report")
    (tmp_path / "out").mkdir()
    store = LocalFolderStore(root=tmp_path / "out")
    store.put(report, "a.report.json")
    (tmp_path / "out" / "a.mp4").mkdir()
    with pytest.raises(StoreError):
        _publish(store, {"a.poster.jpg": poster, "a.report.json": report, "a.mp4": report})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mp4", "a.report.json"]


def _publish(store: LocalFolderStore, files: dict[str, Path]) -> None:
    with all_or_none(store) as put:
        for key, file in files.items():
            put(file, key)
