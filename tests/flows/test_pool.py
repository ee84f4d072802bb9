"""Jobs over a work pool, with a real server, and with a real worker where one is needed."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort
from prefect.runtime import flow_run
from prefect.states import AwaitingRetry, Completed, Running

from flows.enhance import Outcome, enhance
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import CancelledError, FarmError
from tasks.channel import Channel, open_channel
from tasks.handover import write_report
from tasks.job import open_store
from tasks.shared import UnitReport
from tests.clips import decoded_lumas
from tests.flows.chunk_pool import Pool, meanwhile
from tests.flows.sharing import CHUNKS, SPEC, quartered_clip
from tests.processes import kill, marked, wait_for

pytestmark = pytest.mark.usefixtures("prefect_server")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    made = Pool(tmp_path)
    monkeypatch.setenv("SAKUGA_HOME", str(made.home))
    monkeypatch.setenv("SAKUGA_FARM__DEPLOYMENT", f"enhance-chunks/{made.name}")
    monkeypatch.setattr("flows.pool.API_PERIOD", 1.0)
    try:
        yield made
    finally:
        kill(marked(made.mark))


def run(clip: Path, channel: Channel | None = None, spec: EnhanceSpec = SPEC, **more: Any) -> Outcome:  # noqa: ANN401 - passed on
    with open_channel(channel or Channel()):
        outcome: Outcome = enhance(str(clip), spec, **more)
    return outcome


def test_a_deployment_that_is_not_there_is_named_before_anything_is_shared(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAKUGA_FARM__DEPLOYMENT", "enhance-chunks/missing")
    with pytest.raises(FarmError, match="enhance-chunks/missing"):
        run(quartered_clip(tmp_path / "clip.mp4"), dispatch="pool")
    assert pool.shared_files() == []


def test_a_job_without_workers_says_so_waits_and_can_be_stopped(pool: Pool, tmp_path: Path) -> None:
    said: list[str] = []

    def hear(kind: str, facts: dict[str, Any]) -> None:
        if kind == "stage":
            said.append(facts["stage"])
        if facts.get("stage") == "waiting":
            channel.cancel()

    channel = Channel(hear)
    with pytest.raises(CancelledError):
        run(quartered_clip(tmp_path / "clip.mp4"), channel, dispatch="pool")
    assert said[-1] == "waiting"
    assert pool.runs() == []
    assert pool.shared_files() == []


@pytest.mark.slow
def test_a_chunk_that_one_worker_fails_again_and_again_is_given_out_until_another_has_tried(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAKUGA_FARM__TRIES", "2")
    monkeypatch.setattr("flows.pool_trust.REST", 0.1)
    channel = Channel()

    def act() -> None:
        for worker in ("bad", "good"):
            pool.heartbeat(worker)
        for worker in ("bad", "bad", "bad", "good"):
            pool.crash(wait_for(lambda: pool.waiting("clip.mp4 chunk 0"), 30, "it is given out")[0], worker)

    with meanwhile(channel, act), pytest.raises(FarmError, match="exit code 1") as raised:
        run(quartered_clip(tmp_path / "clip.mp4"), channel, dispatch="pool")
    assert "worker bad, good; 4 of its runs failed" in raised.value.__notes__[0]


@pytest.mark.slow
def test_chunks_that_another_job_has_made_meanwhile_are_taken_and_not_given_out(
    pool: Pool, tmp_path: Path
) -> None:
    clip, waits = quartered_clip(tmp_path / "clip.mp4"), threading.Event()

    def hear(_: str, facts: dict[str, Any]) -> None:
        if facts.get("stage") == "waiting":
            waits.set()

    channel = Channel(hear)

    def act() -> None:
        assert waits.wait(30)
        other = run(clip, output=str(tmp_path / "other.mp4"))
        assert other.cached_chunks == 0
        pool.heartbeat("gpu-7")

    with meanwhile(channel, act):
        made = run(clip, channel, dispatch="pool", output=str(tmp_path / "pool.mp4"))
    assert (made.chunks, pool.runs()) == (CHUNKS, [])


@pytest.mark.slow
def test_a_chunk_that_its_run_says_is_done_and_the_store_does_not_have_is_given_out_again(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.pool_units.VISIBLE", 1.0)
    clip, channel = quartered_clip(tmp_path / "clip.mp4"), Channel()

    def act() -> None:
        pool.heartbeat("gpu-7")
        first = wait_for(lambda: pool.waiting("clip.mp4 chunk 0"), 30, "it is given out")[0]
        report = UnitReport(
            unit=first.parameters["unit"],
            worker="gpu-7",
            end="done",
            done=(0,),
            failed={},
            frames=6,
            seconds=1,
        )
        assert write_report(open_store(None), first.parameters["job"], report)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(first.id, Completed(), force=True)
        wait_for(lambda: pool.waiting("clip.mp4 chunk 0"), 30, "it is given out again")
        run(clip, output=str(tmp_path / "other.mp4"))

    with meanwhile(channel, act):
        made = run(clip, channel, dispatch="pool", output=str(tmp_path / "pool.mp4"))
    assert made.chunks == CHUNKS


def test_a_run_whose_later_try_works_already_leaves_everything_to_it(pool: Pool, tmp_path: Path) -> None:
    own: list[UUID] = []
    tried_again: list[State[Any]] = [AwaitingRetry(), Running()]

    def hear(_: str, facts: dict[str, Any]) -> None:
        if facts.get("stage") == "waiting":
            own.append(UUID(flow_run.id))
            with get_client(sync_client=True) as client:
                for state in tried_again:
                    client.set_flow_run_state(own[0], state, force=True)

    with pytest.raises(Abort):
        run(quartered_clip(tmp_path / "clip.mp4"), Channel(hear), dispatch="pool")
    with get_client(sync_client=True) as client:
        now = client.read_flow_run(own[0]).state
    assert now
    assert now.is_running()
    assert pool.shared_files() != []


def test_a_pool_that_is_removed_meanwhile_ends_the_job_with_a_sentence(pool: Pool, tmp_path: Path) -> None:
    def hear(_: str, facts: dict[str, Any]) -> None:
        if facts.get("stage") == "waiting":
            with get_client(sync_client=True) as client:
                client.delete_work_pool(pool.name)

    with pytest.raises(FarmError, match="not on Prefect's server any more"):
        run(quartered_clip(tmp_path / "clip.mp4"), Channel(hear), dispatch="pool")


@pytest.mark.slow
@pytest.mark.farm
def test_a_pool_makes_the_frames_that_one_process_makes_and_leaves_nothing(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = quartered_clip(tmp_path / "clip.mp4")
    chunks: dict[int, dict[str, Any]] = {}

    def hear(kind: str, facts: dict[str, Any]) -> None:
        if kind == "chunk":
            chunks[facts["chunk"]] = facts

    pool.start_worker("--limit", "1")
    made = run(clip, Channel(hear), dispatch="pool", output=str(tmp_path / "pool.mp4"))

    assert (made.chunks, made.cached_chunks) == (CHUNKS, 0)
    assert sorted(chunks) == list(range(CHUNKS))
    assert {facts["worker"] for facts in chunks.values()} == {"gpu-7"}
    states = {child.name: child.state_name for child in pool.runs()}
    assert set(states.values()) == {"Completed"}, states
    assert "clip.mp4 chunk 0" in states
    assert len(states) < CHUNKS, "after the first chunk the rest is one unit"
    assert pool.shared_files() == []

    again = run(clip, dispatch="pool", output=str(tmp_path / "again.mp4"))
    assert (again.cached_chunks, len(pool.runs())) == (CHUNKS, len(states))

    monkeypatch.setenv("SAKUGA_HOME", str(tmp_path / "other"))
    quiet = run(clip, output=str(tmp_path / "local.mp4"))
    assert quiet.cached_chunks == 0
    for one, other in zip(decoded_lumas(Path(made.result)), decoded_lumas(Path(quiet.result)), strict=True):
        assert (one == other).all()
