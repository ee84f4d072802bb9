from inspect import unwrap
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.logging import disable_run_logger

from blocks import S3Store
from flows.enhance import enhance
from flows.watch import WatchOptions, watch_folder
from sakuga.media.ref import MediaRef, file_digest
from tasks.ledger import NAME
from tasks.scan import Scan
from tests.blocks.outages import new_bucket
from tests.clips import make_clip

pytestmark = pytest.mark.usefixtures("prefect_server", "sakuga_home")

OPTIONS = WatchOptions(settle_seconds=0, deployment="enhance/watched-store")


@pytest.fixture
def store(prefect_server: None, s3_endpoint: str) -> S3Store:
    del prefect_server
    enhance.to_deployment("watched-store").apply()  # type: ignore[union-attr]
    # blocks are kept in memory for a while, so each test has its own
    store = new_bucket(s3_endpoint, f"watched-{uuid4().hex}")
    store.save(store.bucket)
    return store


def _block(store: S3Store) -> str:
    return f"sakuga-s3-store/{store._block_document_name}"


def _scan(store: S3Store, prefix: str) -> Scan:
    with disable_run_logger():
        return unwrap(watch_folder.fn)(prefix, store=_block(store), options=OPTIONS)  # type: ignore[no-any-return]


def test_videos_under_a_prefix_are_started_once_as_references(
    store: S3Store, tmp_path: Path, sakuga_home: Path
) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=5, size=(48, 40))
    store.put(clip, "in/sub/a.mp4")
    store.put(clip, "in/copy.mp4")
    store.put(clip, "other/a.mp4")
    store.write("in/bad.mp4", b"no video" * 99)
    found = _scan(store, "/in/")
    assert (found.files, found.started, found.refused, found.known) == (3, 1, 1, 1)
    with get_client(sync_client=True) as client:
        run = max(client.read_flow_runs(), key=lambda run: str(run.created))
    digest, size = file_digest(clip)
    assert MediaRef.model_validate(run.parameters["source"]) == MediaRef(
        uri="in/copy.mp4", sha256=digest, size=size
    )
    assert run.parameters["store"] == _block(store)
    assert b"was not enhanced" in (store.read("in/bad.mp4.sakuga-error.txt") or b"")
    assert store.stat(f"in/{NAME}")
    scratch = sakuga_home / "scratch"
    left = {path.relative_to(scratch) for path in scratch.rglob("*") if path.is_file()}
    assert {path.parts[0] for path in left} == {"sources"}
    assert Path("sources", digest) in left, "the run on this machine would fetch it again"
    again = _scan(store, "in")
    assert (again.started, again.refused, again.known) == (0, 0, 3)


def test_in_the_root_of_a_store_what_sakuga_keeps_there_does_not_count(
    store: S3Store, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "a.mp4", frames=4, size=(48, 40))
    for key in ("chunks/ab/1.mp4", "jobs/1/source.mp4", "results/1/x.mp4", "b.mp4"):
        store.put(clip, key)
    assert _scan(store, "").files == 1
