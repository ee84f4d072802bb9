"""The sign of life of a job."""

from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from blocks.stores import LocalFolderStore, MediaStore
from flows.pool_lease import keep_lease
from tasks.handover import read_lease, write_lease
from tasks.shared import Lease
from tests.processes import wait_for

JOB = "0123456789abcdef"


def test_a_lease_is_renewed_whatever_went_wrong_with_the_renewal_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def write(store: MediaStore, job: str, lease: Lease) -> None:
        tries.append(lease.count)
        if len(tries) in (2, 3):
            raise RuntimeError("a mistake of a driver")
        write_lease(store, job, lease)

    monkeypatch.setattr("flows.pool_lease.write_lease", write)
    store = LocalFolderStore(root=tmp_path)
    with disable_run_logger(), keep_lease(store, JOB, run_count=1, lease_seconds=0.3):
        wait_for(lambda: (lease := read_lease(store, JOB)) and lease.count, 10, "the lease is renewed")
    assert tries[:4] == [0, 1, 1, 1]
