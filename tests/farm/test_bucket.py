"""A farm whose machines share nothing but a bucket: sources, chunks and results pass through it alone."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

import httpx
import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.s3 import S3Store
from sakuga.media.ref import file_digest
from tasks.ledger import NAME, Entries
from tasks.shared import JOBS
from tasks.source_cache import FOLDER
from tests.farm.farm import BUCKET, Farm
from tests.farm.faults import GPUS, PARENTS
from tests.farm.jobs import PARENT, Job, Run, settled, start
from tests.farm.workload import SPEC, another_film, digests, make_film

pytestmark = [pytest.mark.slow, pytest.mark.farm, pytest.mark.timeout(600)]

MACHINES = (PARENTS, *GPUS)
WATCH = "watch-folder/watch-folder"
LINK = re.compile(r"\]\((https?://[^)]+)\)")
ENDINGS = (
    ".mp4",
    ".report.json",
    ".report.md",
    ".poster.jpg",
    ".contact-sheet.png",
    ".before-after.png",
)


@pytest.fixture
def bucket(farm: Farm) -> S3Store:
    """The bucket, as every machine loads it."""
    farm.start_storage()
    with temporary_settings({PREFECT_API_URL: farm.url}):
        store = S3Store.load(BUCKET.split("/")[1])
    assert isinstance(store, S3Store)
    return store


def upload(store: S3Store, file: Path, key: str) -> str:
    """Put a file into the bucket as any other program does, and return its address."""
    store._client.upload_file(str(file), store.bucket, key)
    return f"s3://{store.bucket}/{key}"


def fetches(farm: Farm, key: str) -> int:
    """How often a file was asked of the bucket, by its own log."""
    log = (farm.folder / "logs" / "s3.log").read_text(errors="replace")
    return log.count(f'"GET /farm/{key} HTTP')


def keys(store: S3Store, prefix: str) -> set[str]:
    """Keys below a prefix."""
    return {file.key for file in store.files(prefix)}


def links(farm: Farm, job: Job) -> list[str]:
    """Links in the artifacts of a job."""
    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[job.id]))
    found = farm.client.read_artifacts(artifact_filter=wanted)
    return [link for artifact in found for link in LINK.findall(str(artifact.data))]


def holders(farm: Farm, film: Path) -> list[str]:
    """Machines that keep a film as they fetched it."""
    digest = file_digest(film)[0]
    return [name for name in MACHINES if (scratch(farm, name) / FOLDER / digest).exists()]


def scratch(farm: Farm, machine: str) -> Path:
    """Where a machine keeps temporary files."""
    return farm.folder / "machines" / machine / "sakuga" / "scratch"


def ledger(store: S3Store) -> Entries:
    """What the watch of `drop` knows."""
    content = store.read(f"drop/{NAME}")
    assert content
    return Entries.model_validate_json(content)


def drop(store: S3Store, folder: Path) -> Path:
    """Put a film of two chunks, and a file that is none, under the watched prefix."""
    film = another_film(make_film(folder / "two.mp4", chunks=2), folder / "dropped.mp4")
    bad = folder / "bad.mp4"
    bad.write_bytes(b"no video" * 100)
    for file in (film, bad):
        upload(store, file, f"drop/{file.name}")
    return film


def check_links(farm: Farm, store: S3Store, job: Run) -> None:
    """The links in the artifacts open without a key, and are the results."""
    found = links(farm, job)
    assert len(found) == len(("result", "poster", "contact sheet", "before and after"))
    sizes = {file.key: file.size for file in store.files("results")}
    for link in found:
        answer = httpx.get(link)
        assert answer.status_code == httpx.codes.OK, link
        assert len(answer.content) == sizes[unquote(urlsplit(link).path).removeprefix("/farm/")]


def test_a_job_and_a_watch_on_machines_that_share_only_a_bucket_need_nothing_else(
    farm: Farm, bucket: S3Store, new_film: Callable[[], Path], quiet: list[str], tmp_path: Path
) -> None:
    film, dropped = new_film(), drop(bucket, tmp_path)
    key, spec = f"in/{film.name}", SPEC.model_dump(mode="json")
    watching = {"folder": "drop", "store": BUCKET, "spec": spec, "options": {"settle_seconds": 0}}
    watch = start(farm, WATCH, **watching)
    job = start(farm, PARENT, source=upload(bucket, film, key), spec=spec, store=BUCKET)

    watch.completed()
    assert b"was not enhanced" in (bucket.read("drop/bad.mp4.sakuga-error.txt") or b"")
    [asked] = [asked for asked in ledger(bucket).asked.values() if asked.run]
    watched = Run(farm, UUID(asked.run))

    job.completed()
    assert job.run().name == f"enhance {film.name} (2x) from farm"
    [result] = [found for found in keys(bucket, "results") if found.endswith(f"/{film.stem}.sakuga.mp4")]
    stem = result.removesuffix(".mp4")
    assert keys(bucket, result.rpartition("/")[0]) == {f"{stem}{ending}" for ending in ENDINGS}
    bucket.download(result, tmp_path / "result.mp4")
    assert digests(tmp_path / "result.mp4") == quiet
    check_links(farm, bucket, job)
    assert len(job.children()) > len(GPUS), "no machine had two units: its cache is not proved"

    watched.completed()
    assert watched.children(), "no chunk of it was made on the pool"
    assert [found for found in keys(bucket, "results") if found.endswith("/dropped.sakuga.mp4")]
    for source, place in ((film, key), (dropped, "drop/dropped.mp4")):
        # those of the CPU pool: the watch and the run that it started are two runs of one machine
        assert PARENTS in holders(farm, source)
        assert fetches(farm, place) == len(holders(farm, source)) > 1, "a machine fetched it twice"
    start(farm, WATCH, **watching).completed()
    assert {asked.outcome for asked in ledger(bucket).asked.values()} == {"done", "failed"}

    for ended in (job, watched):
        assert settled(farm, ended, killed=False) == []
        assert keys(bucket, f"{JOBS}/{ended.id}") == set()
    for machine in MACHINES:
        assert [path.name for path in scratch(farm, machine).iterdir()] == [FOLDER]
