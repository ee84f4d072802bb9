"""An episode whose segments two machines make, one of which loses its run in the middle of a segment."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.episode import episode
from sakuga.episode.spec import EpisodeSpec
from tests.clips import Draw, make_clip
from tests.farm.farm import STORE, Farm
from tests.farm.faults import PARENTS, run_of
from tests.farm.jobs import Job, Ledger, parts_begun, settled, start
from tests.farm.workload import digests, draw
from tests.processes import kill, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.farm, pytest.mark.timeout(600)]

EPISODE = "episode/episode"
OTHER = "cpu-2"
SCENES = 4
SEGMENTS = 2 * SCENES - 1
SECONDS = 3.0
BEGIN_SECONDS = 90.0
"""Until a run is at work: it takes ten seconds to start, many more on a busy computer."""


def numbered_from(first: int) -> Draw:
    """Frames that differ from those of other clips."""
    return lambda number, width, height: draw(first + number, width, height)


@pytest.fixture
def spec(tmp_path: Path) -> EpisodeSpec:
    """An episode of clips that are in another size than it, so that every segment is encoded."""
    clips = [tmp_path / f"clip {number}.mp4" for number in range(SCENES)]
    for number, clip in enumerate(clips):
        make_clip(
            clip,
            frames=round(24 * SECONDS),
            size=(320, 180),
            audio_seconds=SECONDS,
            draw=numbered_from(100 * number),
            options={"preset": "ultrafast"},
        )
    return EpisodeSpec.model_validate(
        {
            "title": "Far and wide",
            "transition": {"kind": "crossfade", "seconds": 0.5},
            "scenes": [{"clip": str(clip)} for clip in clips],
            "output": {"width": 640, "height": 360, "preset": "ultrafast"},
        }
    )


@pytest.fixture
def two_machines(farm: Farm) -> Iterator[Farm]:
    """Machines that make one segment at a time; the first one has a place for the episode's own run too."""
    farm.stop(PARENTS)
    farm.start_worker(PARENTS, limit=2)
    yield farm
    for machine in (PARENTS, OTHER):
        if farm.runs(machine):
            farm.stop(machine)


def at_work(farm: Farm, job: Job) -> list[psutil.Process]:
    """Processes of runs that are in the middle of a segment."""
    children = {str(run.id) for run in job.living()}
    busy = [
        machine
        for machine in (PARENTS, OTHER)
        if any((farm.folder / "machines" / machine).glob("sakuga/scratch/run-*/.segment-*.part"))
    ]
    return [engine for machine in busy for engine in farm.engines(machine) if run_of(engine) in children]


def test_two_machines_make_the_episode_of_one_and_a_killed_run_costs_its_segment_alone(
    two_machines: Farm, spec: EpisodeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm, result = two_machines, two_machines.results / "far and wide.mp4"
    with Ledger(farm) as ledger:
        job = start(
            farm,
            EPISODE,
            episode=spec.model_dump(mode="json"),
            output=str(result),
            store=STORE,
            dispatch="pool",
        )
        wait_for(lambda: job.run().start_time, BEGIN_SECONDS, "the episode begins", job.story)
        farm.start_worker(OTHER)
        kill(wait_for(lambda: at_work(farm, job), BEGIN_SECONDS, "a segment is begun", job.story)[:1])
        job.completed()
        assert settled(farm, job, killed=True) == [], job.story()
    assert ledger.twice() == [], job.story()
    assert parts_begun(job, "segment") <= SEGMENTS + 1, job.story()
    assert {worker for worker in ledger.workers.values() if worker} == {PARENTS, OTHER}, job.story()
    states = sorted(str(run.state_name) for run in job.children())
    assert states.count("Crashed") == 1, states

    monkeypatch.setenv("SAKUGA_HOME", str(tmp_path / "alone"))
    with temporary_settings({PREFECT_API_URL: farm.url}):
        alone = episode(spec, output=str(tmp_path / "alone.mp4"))
    assert alone.work.cached == 0
    assert digests(Path(alone.result)) == digests(result)
