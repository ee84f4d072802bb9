"""Faults one by one: each job ends right, with the frames of a quiet run, and leaves nothing behind."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.farm import faults
from tests.farm.farm import BUCKET, Farm
from tests.farm.jobs import SETTLED_SECONDS, Job, Ledger, chunks_begun, settled
from tests.farm.processes import wait_for
from tests.farm.soak import Soak, random_faults
from tests.farm.workload import CHUNKS, damage, digests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

NewFilm = Callable[[], Path]
DRAW = random.Random(7)
SEED = 1


def done_right(farm: Farm, job: Job, ledger: Ledger, quiet: list[str], *, interrupted: int) -> None:
    """The job is done, its frames are right, no chunk was made twice and nothing is left."""
    state = job.run().state
    assert state
    assert state.is_completed(), job.story()
    assert digests(job.result) == quiet
    assert ledger.twice() == [], job.story()
    assert chunks_begun(job) <= CHUNKS + interrupted, job.story()
    assert settled(farm, job) == [], job.story()


def test_two_jobs_survive_the_loss_of_a_network_process_and_of_a_child(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    with Ledger(farm) as ledger:
        jobs = [Job(farm, new_film()), Job(farm, new_film())]
        faults.kill_helper(farm, jobs[0], DRAW)
        faults.kill_child(farm, jobs[0], DRAW)
        for job in jobs:
            job.wait()
            done_right(farm, job, ledger, quiet, interrupted=2)


def test_a_killed_worker_and_a_cancelled_child_are_replaced(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    with Ledger(farm) as ledger:
        job = Job(farm, new_film())
        faults.kill_worker(farm, job, DRAW)
        faults.cancel_child(farm, job, DRAW)
        job.wait()
        done_right(farm, job, ledger, quiet, interrupted=2)
    assert all(len(workers) == 1 for workers in ledger.workers.values())


def test_a_killed_job_is_retried_and_takes_over_what_is_done(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    with Ledger(farm) as ledger:
        job = Job(farm, new_film())
        faults.kill_parent(farm, job, DRAW)
        job.wait()
        done_right(farm, job, ledger, quiet, interrupted=2)


def test_a_server_that_restarts_and_a_network_that_is_cut_are_waited_for(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    with Ledger(farm) as ledger:
        job = Job(farm, new_film())
        faults.restart_server(farm, job, DRAW)
        faults.cut_network(farm, job, DRAW)
        job.wait()
        done_right(farm, job, ledger, quiet, interrupted=0)


def test_a_folder_that_is_away_is_waited_for(farm: Farm, new_film: NewFilm, quiet: list[str]) -> None:
    with Ledger(farm) as ledger:
        job = Job(farm, new_film())
        faults.busy_machine(farm, job, DRAW)
        with farm.store_away():
            time.sleep(20)
            assert not list(farm.folder.glob("store/*")), "something was written below the missing mount"
        job.wait()
        done_right(farm, job, ledger, quiet, interrupted=0)


def test_a_bucket_that_is_away_is_waited_for(farm: Farm, new_film: NewFilm, quiet: list[str]) -> None:
    farm.start_storage()
    job = Job(farm, new_film(), store=BUCKET)
    faults.busy_machine(farm, job, DRAW)
    farm.storage.set("cut")
    time.sleep(20)
    farm.storage.set("forward")
    job.wait()
    with Ledger(farm) as ledger:
        done_right(farm, job, ledger, quiet, interrupted=0)


def test_a_cancelled_job_stops_within_half_a_minute_and_a_retry_makes_only_the_rest(
    farm: Farm, new_film: NewFilm, quiet: list[str]
) -> None:
    with Ledger(farm) as ledger:
        job = Job(farm, new_film())
        wait_for(lambda: ledger.published, 90, "a chunk is done", job.story)
        faults.busy_machine(farm, job, DRAW)
        job.cancel()
        began = time.monotonic()
        wait_for(lambda: not farm.working(), SETTLED_SECONDS, "all work has stopped", job.story)
        state = job.wait(max(1, SETTLED_SECONDS - (time.monotonic() - began)))
        assert state.is_cancelled()
        assert not job.result.exists()
        done = len(ledger.published)
        assert 0 < done < CHUNKS
        job.retry()
        wait_for(lambda: not (job.run().state or state).is_final(), 30, "the job is tried again")
        job.wait()
        done_right(farm, job, ledger, quiet, interrupted=2)


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


def test_faults_at_random_lose_nothing(farm: Farm, film: Path, quiet: list[str]) -> None:
    soak = Soak(farm, film, quiet, random.Random(SEED))
    soak.round(jobs=2, faults=random_faults(soak.draw))
    assert soak.totals.clean, soak.totals
