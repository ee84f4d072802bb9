"""How many more runs of a job a pool is given."""

import time
from uuid import uuid4

from prefect.client.schemas.objects import StateType

from flows.pool_api import Pool
from flows.pool_room import EACH, Room
from flows.pool_trust import Trust
from flows.pool_units import InFlight
from tasks.sizing import Speeds

WORKERS = ("cpu-0", "cpu-1", "cpu-2")
FRAMES = dict.fromkeys(range(10), 100)


def room(*, one_by_one: bool, speeds: Speeds | None = None) -> Room:
    return Room(FRAMES, speeds or Speeds(), Trust(4), one_by_one)


def pool(*workers: str) -> Pool:
    return Pool("pool", "process", len(workers), frozenset(workers))


def unit(worker: str | None, state: StateType = StateType.RUNNING) -> InFlight:
    return InFlight("1-1", uuid4(), [0, 1], deadline=60, worker=worker, state=state)


def test_workers_that_take_one_run_each_are_all_given_one_at_once() -> None:
    given = room(one_by_one=False)
    assert given.free(pool(*WORKERS), []) == len(WORKERS)
    assert given.free(pool(*WORKERS), [unit("cpu-0")]) == len(WORKERS) - 1
    assert given.free(pool(*WORKERS), [unit(None, StateType.SCHEDULED)] * 3) == 0


def test_workers_that_take_whatever_they_are_offered_are_offered_one_unit_until_it_is_taken() -> None:
    given = room(one_by_one=True)
    assert given.free(pool(*WORKERS), []) == 1
    assert given.free(pool(*WORKERS), [unit(None, StateType.SCHEDULED)]) == 0
    assert given.free(pool(*WORKERS), [unit("cpu-0", StateType.PENDING)]) == 1
    assert given.free(pool(*WORKERS), [unit(name) for name in WORKERS]) == 0, "each has one"
    assert given.free(pool(), []) == 0


def test_a_worker_that_takes_all_does_not_get_the_work_of_one_that_takes_nothing_for_ever() -> None:
    given, units = room(one_by_one=True), [unit("cpu-0")]
    while given.free(pool("cpu-0", "cpu-1"), units) > 0:
        units.append(unit("cpu-0"))
    assert len(units) == EACH * 2


def test_a_worker_that_is_almost_done_gets_its_next_unit() -> None:
    speeds = Speeds()
    speeds.note("cpu-0", 100, 5.0)
    given, now = room(one_by_one=True, speeds=speeds), unit("cpu-0")
    now.left = [0]
    assert given.free(pool("cpu-0"), [now]) == 1, "five seconds of work"
    now.left = [0, 1, 2, 3]
    assert given.free(pool("cpu-0"), [now]) == 0
    now.mark = time.monotonic() - 4
    assert 300 <= given.frames_left(now) < 400
