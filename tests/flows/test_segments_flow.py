"""Segments of an episode that units make on another machine, from what was shared with it."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.exceptions import CancelledRun

from flows.episode import episode
from flows.segments import episode_segments
from sakuga.episode.spec import EpisodeSpec
from sakuga.errors import FarmError, OptionError, SakugaError, StoreError
from tasks.cache import PartCache
from tasks.channel import Channel, open_channel
from tasks.episode import EpisodeJob, SegmentRecord, load_plan
from tasks.handover import read_report, read_shared, remove_job
from tasks.job import open_store
from tasks.scratch import noted_keys
from tasks.shared import SharedEpisode, UnitReport
from tests.blocks.outages import new_bucket
from tests.clips import decoded_lumas
from tests.flows.episode_sharing import SEGMENTS, changed, make_show, planned_and_shared

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "sakuga_home")]

STORE = "sakuga-s3-store/segments"


@pytest.fixture
def job_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def spec(tmp_path: Path) -> EpisodeSpec:
    return make_show(tmp_path / "show")


@pytest.fixture
def plan_folder(tmp_path: Path) -> Path:
    (tmp_path / "plan").mkdir()
    return tmp_path / "plan"


@pytest.fixture
def no_leftovers(sakuga_home: Path) -> Iterator[None]:
    yield
    assert list((sakuga_home / "scratch").glob("run-*")) == []


def records(job: EpisodeJob) -> list[SegmentRecord]:
    """Finished segments of an episode, in order."""
    cache = PartCache(open_store(job.store), SegmentRecord)
    found = [cache.find(key) for key in noted_keys(job.folder)[:SEGMENTS]]
    return [record for record in found if record]


@pytest.mark.usefixtures("no_leftovers")
def test_units_without_any_file_of_the_episodes_machine_make_the_frames_that_it_would_make(
    spec: EpisodeSpec, plan_folder: Path, job_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the second clip is missing: a placeholder travels too
    (tmp_path / "show/two.mp4").unlink()
    spec = changed(spec, on_missing="placeholder")
    spec = changed(spec, scenes=[{**scene, "end": 1} for scene in spec.model_dump(mode="json")["scenes"]])
    job = planned_and_shared(spec, plan_folder, job_id)
    assert len(load_plan(job.folder).timeline.segments) == SEGMENTS
    away = tmp_path / "away"
    (tmp_path / "show").rename(away)

    first = episode_segments(job=job_id, segments=[6, 1, 4], unit="u1")
    second = episode_segments(job=job_id, segments=list(range(SEGMENTS)), unit="u2")
    assert isinstance(first, UnitReport)
    assert isinstance(second, UnitReport)
    assert (first.end, first.done) == ("done", (1, 4, 6))
    assert (second.end, second.done) == ("done", tuple(range(SEGMENTS)))
    assert first.frames + second.frames == load_plan(job.folder).timeline.frames
    assert read_report(open_store(None), job_id, "u2") == second
    assert all(record.worker and record.elapsed > 0 and record.tries == 1 for record in records(job))

    away.rename(tmp_path / "show")
    spread = episode(spec, output=str(tmp_path / "spread.mp4"))
    assert spread.work.cached == SEGMENTS
    monkeypatch.setenv("SAKUGA_STORE", str(tmp_path / "other"))
    alone = episode(spec, output=str(tmp_path / "alone.mp4"))
    assert alone.work.cached == 0
    ours, theirs = decoded_lumas(Path(spread.result)), decoded_lumas(Path(alone.result))
    assert len(ours) == len(theirs) == spread.frames
    assert all((one == other).all() for one, other in zip(ours, theirs, strict=True))


def test_only_what_a_units_segments_show_is_fetched_and_what_is_in_the_store_is_not_stored_again(
    spec: EpisodeSpec, plan_folder: Path, job_id: str, s3_endpoint: str, tmp_path: Path, sakuga_home: Path
) -> None:
    bucket = new_bucket(s3_endpoint, "segments")
    bucket.save("segments", overwrite=True)
    ref = bucket.put(tmp_path / "show/one.mp4", "clips/one.mp4")
    scenes = [{**scene, "titles": []} for scene in spec.model_dump(mode="json")["scenes"]]
    scenes[0]["clip"] = "clips/one.mp4"
    spec = changed(spec, scenes=scenes, credits=None)
    job = planned_and_shared(spec, plan_folder, job_id, STORE, segments=[0, 1, 2])
    shared = read_shared(bucket, job_id, SharedEpisode)
    digests = {footage.path.name: footage.digest for footage in load_plan(job.folder).footages}
    assert shared.clips[ref.sha256].ref == ref
    assert digests["two.mp4"] in shared.clips
    assert digests["three.mp4"] not in shared.clips, "no segment that is to be made shows it"
    names = sorted(file.key.rsplit("/", 1)[-1] for file in bucket.files(f"jobs/{job_id}"))
    assert names == sorted([f"{digests['two.mp4']}.mp4", "job.json", "plan.zip"])

    shutil.rmtree(sakuga_home / "scratch")
    episode_segments(job=job_id, segments=[2], unit="u1", store=STORE)
    fetched = {path.name for path in (sakuga_home / "scratch/sources").iterdir() if "." not in path.name}
    assert fetched == {digests["two.mp4"]}
    # a later try shares only what it needs itself, and a run of the earlier one may begin after that
    planned_and_shared(spec, plan_folder, job_id, STORE, segments=[4])
    late = episode_segments(job=job_id, segments=[2], unit="u2", store=STORE)
    assert isinstance(late, UnitReport)
    assert (late.end, late.frames) == ("done", 0)
    remove_job(bucket, job_id)
    assert list(bucket.files("jobs")) == []


@pytest.mark.usefixtures("no_leftovers")
def test_a_unit_that_cannot_make_what_is_asked_says_so_and_makes_nothing(
    spec: EpisodeSpec, plan_folder: Path, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned_and_shared(spec, plan_folder, job_id)
    store = open_store(None)
    with pytest.raises(OptionError, match="none with number 7"):
        episode_segments(job=job_id, segments=[SEGMENTS], unit="unknown")
    with monkeypatch.context() as patch:
        patch.setattr("sakuga.episode.key.ENGINE_VERSION", "another")
        with pytest.raises(FarmError, match="bring it up to date"):
            episode_segments(job=job_id, segments=[0], unit="old")
    report = read_report(store, job_id, "old")
    assert report is not None
    assert report.failure is not None
    assert report.failure.retryable, "another machine may be up to date"

    [clip] = [file.key for file in store.files(f"jobs/{job_id}/files") if file.key.endswith("mp4")][:1]
    path = store.local_path(clip)
    assert path is not None
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not the file it should be"):
        episode_segments(job=job_id, segments=list(range(SEGMENTS)), unit="damaged")
    remove_job(store, job_id)
    with pytest.raises(SakugaError, match="it has ended"):
        episode_segments(job=job_id, segments=[0], unit="late")
    assert list(store.files("jobs")) == []


@pytest.mark.usefixtures("no_leftovers")
def test_a_unit_of_segments_that_is_told_to_stop_says_what_is_done(
    spec: EpisodeSpec, plan_folder: Path, job_id: str
) -> None:
    planned_and_shared(spec, plan_folder, job_id)
    frames = 18

    def listen(kind: str, facts: dict[str, int]) -> None:
        if kind == "progress" and facts["done"] >= frames:
            channel.cancel()

    channel = Channel(listen)
    with open_channel(channel), pytest.raises(CancelledRun):
        episode_segments(job=job_id, segments=[6, 0, 1, 2, 3, 4, 5], unit="u1")
    report = read_report(open_store(None), job_id, "u1")
    assert report is not None
    assert report.end == "cancelled"
    assert 6 in report.done
    assert len(report.done) < SEGMENTS
