"""Faults one by one: each job ends right, with the frames of a quiet run, and leaves nothing behind."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.farm import faults
from tests.farm.farm import BUCKET, Farm
from tests.farm.jobs import SETTLED_SECONDS, Job, Ledger, parts_begun, settled
from tests.farm.workload import CHUNKS, damage, digests
from tests.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.farm, pytest.mark.timeout(600)]

NewFilm = Callable[[], Path]
DRAW = random.Random(7)
AWAY_SECONDS = 20.0
GONE_SECONDS = 180.0
"""The automation looks for 90 s of silence; the rest is for a server on a busy computer."""


def done_right(
    farm: Farm, job: Job, ledger: Ledger, quiet: list[str], *, interrupted: int, killed: bool = True
) -> None:
    """The job is done, its frames are right, no chunk was made twice and nothing is left."""
    state = job.run().state
    assert state
    assert state.is_completed(), job.story()
    assert digests(job.result) == quiet
    assert ledger.twice() == [], job.story()
    assert parts_begun(job) <= CHUNKS + interrupted, job.story()
    assert settled(farm, job, killed=killed) == [], job.story()


def test_two_jobs_outlive_a_network_process_a_child_a_worker_and_a_cancelled_child(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    with Ledger(farm) as ledger:
        jobs = [Job(farm, new_film()), Job(farm, new_film())]
        faults.kill_helper(farm, jobs[0], DRAW)
        faults.kill_child(farm, jobs[0], DRAW)
        faults.kill_worker(farm, jobs[1], DRAW)
        faults.cancel_child(farm, jobs[1], DRAW)
        for job in jobs:
            job.wait()
        for job in jobs:
            done_right(farm, job, ledger, quiet, interrupted=4)
    assert set(ledger.workers.values()) <= {"gpu-1", "gpu-2"}


def test_a_killed_job_is_retried_and_takes_over_what_is_done(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    with Ledger(farm) as ledger:
        job = Job(farm, new_film())
        faults.kill_parent(farm, job, DRAW)
        job.wait()
        done_right(farm, job, ledger, quiet, interrupted=2)


def test_a_server_that_restarts_a_network_that_is_cut_and_a_folder_that_is_away_are_waited_for(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    with Ledger(farm) as ledger:
        job = Job(farm, new_film())
        faults.restart_server(farm, job, DRAW)
        faults.cut_network(farm, job, DRAW)
        faults.busy_machine(farm, job, DRAW)
        with farm.store_away():
            time.sleep(AWAY_SECONDS)
            assert not farm.store.exists(), "something was written below the missing mount"
        job.wait()
        done_right(farm, job, ledger, quiet, interrupted=0, killed=False)


def test_a_machine_that_is_gone_is_seen_by_its_heartbeats_while_another_job_waits_for_its_bucket(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    farm.start_storage()
    with Ledger(farm) as ledger:
        gone, other = Job(farm, new_film()), Job(farm, new_film(), store=BUCKET)
        faults.kill_machine(farm, gone, DRAW)
        began = time.monotonic()
        faults.busy_machine(farm, other, DRAW)
        farm.storage.set("cut")
        time.sleep(AWAY_SECONDS)
        farm.storage.set("forward")
        wait_for(lambda: crashed(gone), GONE_SECONDS - (time.monotonic() - began), "it is seen", gone.story)
        for job in (gone, other):
            job.wait()
        for job in (gone, other):
            done_right(farm, job, ledger, quiet, interrupted=1)


def crashed(job: Job) -> list[str]:
    """Children of a job that were given up for want of heartbeats."""
    states = [run.state for run in job.children() if run.state and run.state.is_crashed()]
    return [state.message for state in states if state.message and "heartbeat" in state.message]


def test_a_cancelled_job_stops_within_half_a_minute_and_a_retry_makes_only_the_rest(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    with Ledger(farm) as ledger:
        job = Job(farm, new_film())
        wait_for(lambda: ledger.published, faults.BUSY_SECONDS, "a chunk is done", job.story)
        faults.busy_machine(farm, job, DRAW)
        job.cancel()
        began = time.monotonic()
        wait_for(lambda: not farm.working(), SETTLED_SECONDS, "all work has stopped", job.story)
        assert settled(farm, job, killed=False) == [], job.story()
        state = job.wait(max(1, SETTLED_SECONDS - (time.monotonic() - began)))
        assert state.is_cancelled()
        assert not job.result.exists()
        done = len(ledger.published)
        assert 0 < done < CHUNKS
        job.retry()
        wait_for(lambda: not (job.run().state or state).is_final(), 30, "the job is tried again")
        job.wait()
        done_right(farm, job, ledger, quiet, interrupted=2, killed=False)


def test_a_damaged_source_fails_with_one_clear_sentence_and_stops_all_work(
    farm: Farm, film: Path, tmp_path: Path
) -> None:
    job = Job(farm, damage(film, tmp_path / "damaged.mp4"))
    state = job.wait()
    assert state.is_failed(), job.story()
    assert state.message
    assert "does not decode; use --salvage" in state.message
    assert "Traceback" not in state.message
    wait_for(lambda: not farm.working(), SETTLED_SECONDS, "all work has stopped", job.story)
    assert not job.living()
    assert not job.result.exists()
