"""Episodes whose segments go over a work pool, with a real server; with real workers see `tests/farm`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.episode import EpisodeOutcome, episode
from flows.segments import episode_segments
from sakuga.episode.spec import EpisodeSpec
from sakuga.errors import CancelledError, FarmError
from tasks.channel import Channel, open_channel
from tests.flows.chunk_pool import Pool, meanwhile
from tests.flows.episode_sharing import SEGMENTS, make_show
from tests.processes import kill, marked, wait_for

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    made = Pool(tmp_path, episode_segments)
    monkeypatch.setenv("SAKUGA_HOME", str(made.home))
    monkeypatch.setenv("SAKUGA_FARM__SEGMENTS_DEPLOYMENT", f"episode-segments/{made.name}")
    monkeypatch.setattr("flows.pool.API_PERIOD", 1.0)
    monkeypatch.setattr("flows.pool.TAKEN_PERIOD", 1.0)
    monkeypatch.setattr("flows.dispatch.END_SECONDS", 2.0)
    try:
        yield made
    finally:
        kill(marked(made.mark))


@pytest.fixture
def spec(tmp_path: Path) -> EpisodeSpec:
    return make_show(tmp_path / "show")


def run(spec: EpisodeSpec, output: Path, channel: Channel | None = None) -> EpisodeOutcome:
    with open_channel(channel or Channel()):
        return episode(spec, output=str(output), dispatch="pool")


def test_a_missing_deployment_for_segments_is_named_before_anything_is_shared(
    pool: Pool, spec: EpisodeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAKUGA_FARM__SEGMENTS_DEPLOYMENT", "episode-segments/missing")
    with pytest.raises(FarmError, match="episode-segments/missing"):
        run(spec, tmp_path / "out.mp4")
    assert pool.shared_files() == []


@pytest.mark.slow
@pytest.mark.parametrize("online", [False, True])
def test_an_episode_whose_units_nobody_takes_makes_its_segments_itself_and_leaves_nothing(
    pool: Pool, spec: EpisodeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, online: bool
) -> None:
    # as on a machine whose only worker, with a limit of 1, has taken the episode's own run
    monkeypatch.setattr("flows.pool_own.ALONE", 3.0)
    if online:
        pool.heartbeat("cpu-7")
    made = run(spec, tmp_path / "out.mp4")
    assert (made.work.segments, made.work.cached) == (SEGMENTS, 0)
    assert {run.state_name for run in pool.runs()} == ({"Cancelled"} if online else set())
    assert pool.shared_files() == []
    assert run(spec, tmp_path / "again.mp4").work.cached == SEGMENTS


@pytest.mark.slow
def test_an_episode_that_is_stopped_while_it_waits_takes_its_units_back(
    pool: Pool, spec: EpisodeSpec, tmp_path: Path
) -> None:
    channel = Channel()
    pool.heartbeat("cpu-7")

    def act() -> None:
        wait_for(pool.runs, 60, "a unit is handed out")
        channel.cancel()

    with meanwhile(channel, act), pytest.raises(CancelledError):
        run(spec, tmp_path / "out.mp4", channel)
    assert [run.state_name for run in pool.runs()] == ["Cancelled"]
    assert pool.shared_files() == []
