"""What is made of units that came to no good end."""

from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from flows.pool_units import VISIBLE, InFlight, adopted, blame, error_of
from sakuga.errors import (
    DamagedMediaError,
    DeviceError,
    FarmError,
    OutOfMemoryError,
    SakugaError,
    StoreAwayError,
    SubprocessError,
)
from tasks.shared import End, Failure, UnitReport

CRASHED: State[Any] = State(type=StateType.CRASHED, name="Crashed", message="exit code -9")
FAILED: State[Any] = State(type=StateType.FAILED, name="Failed")


def unit(*left: int, made: int = 0, adopted: bool = False) -> InFlight:
    return InFlight("1-1", uuid4(), list(left), deadline=60, made=made, adopted=adopted)


def report(end: End, failure: Failure | None = None, failed: dict[int, Failure] | None = None) -> UnitReport:
    return UnitReport(
        unit="1-1",
        worker="gpu-0",
        end=end,
        done=(),
        failed=failed or {},
        failure=failure,
        frames=0,
        seconds=0,
    )


def failure(kind: type[SakugaError], message: str = "It went wrong.") -> Failure:
    return Failure(error=kind.__name__, message=message, retryable=kind.retryable)


def test_a_living_run_of_an_earlier_try_goes_on_with_what_is_still_wanted_of_it() -> None:
    given = {"unit": "1-3", "segments": [2, 3, 4], "deadline": 90}
    run = FlowRun(flow_id=uuid4(), parameters=given, state=State(type=StateType.RUNNING))
    goes_on = adopted(run, {3: None, 4: None}, "segments")
    assert goes_on
    assert (goes_on.name, goes_on.left, goes_on.deadline) == ("1-3", [3, 4], 90)
    assert goes_on.state == StateType.RUNNING
    assert adopted(run, {3: None}) is None, "it is not one that makes chunks"


def test_a_run_that_died_is_blamed_on_the_first_chunk_that_it_left() -> None:
    found = blame(unit(4, 5, 6), None, CRASHED)
    assert list(found) == [4]
    assert found[4].retryable
    assert "exit code -9" in found[4].message


def test_a_run_that_left_nothing_is_blamed_for_nothing() -> None:
    assert blame(unit(), None, CRASHED) == {}


@pytest.mark.parametrize("kind", [StateType.CANCELLED, StateType.CANCELLING])
def test_a_run_that_somebody_stopped_is_blamed_for_nothing_even_when_it_could_not_say_so(
    kind: StateType,
) -> None:
    assert blame(unit(4, 5), None, State(type=kind)) == {}


def test_a_chunk_that_was_finished_and_is_not_seen_is_waited_for_and_then_counts() -> None:
    now = unit(4, 5)
    said = report("failed").model_copy(update={"done": (4,)})
    assert now.may_show_up(said), "a network drive may show it later"
    assert not now.may_show_up(report("failed"))
    assert not now.may_show_up(None)
    assert now.ended
    now.ended -= VISIBLE
    assert not now.may_show_up(said)
    assert "the store does not have it" in blame(now, said, FAILED)[4].message


def test_chunks_that_failed_are_blamed_themselves_unless_they_were_finished_after_all() -> None:
    broken = failure(DeviceError)
    found = blame(unit(4, 6), report("failed", failed={5: broken, 6: broken}), FAILED)
    assert found == {6: broken}


def test_a_failure_of_the_whole_unit_is_blamed_on_its_first_chunk() -> None:
    away = failure(StoreAwayError)
    assert blame(unit(4, 5), report("failed", failure=away), FAILED) == {4: away}


@pytest.mark.parametrize(
    ("end", "adopted", "counts"),
    [
        ("cancelled", False, False),
        ("orphaned", True, False),
        ("orphaned", False, True),
        ("failed", False, True),
    ],
)
def test_an_end_that_is_nobodys_fault_counts_against_no_chunk(end: End, adopted: bool, counts: bool) -> None:
    assert bool(blame(unit(4, adopted=adopted), report(end), FAILED)) == counts


def test_a_deadline_counts_only_when_nothing_was_made_within_it_and_another_device_may_not_hang() -> None:
    assert blame(unit(4, made=3), report("deadline"), FAILED) == {}
    found = blame(unit(4), report("deadline"), FAILED)[4]
    assert found.retryable
    assert "SAKUGA_FARM__DEADLINE" in found.message


@pytest.mark.parametrize("kind", [DamagedMediaError, OutOfMemoryError, SubprocessError, FarmError])
def test_the_job_fails_with_the_error_that_its_worker_met(kind: type[SakugaError]) -> None:
    error = error_of(7, failure(kind), ["gpu-0", "gpu-3", "gpu-0"])
    assert type(error) is kind
    assert "It went wrong" in str(error)
    assert "chunk 7" in error.__notes__[0]
    assert "gpu-0, gpu-3; 3 of its runs failed" in error.__notes__[0]


@pytest.mark.parametrize("name", ["RuntimeError", "SakugaErrors", "ClassVar", "__name__"])
def test_an_error_that_is_not_ours_becomes_one_of_the_farm(name: str) -> None:
    error = error_of(7, Failure(error=name, message="boom", retryable=False), ["gpu-0"])
    assert type(error) is FarmError
    assert f"{name}: boom" in str(error)


def test_a_run_is_overdue_by_the_time_that_its_state_allows() -> None:
    now = unit(1)
    assert not now.overdue(pending=0), "a run that no worker has taken may wait for ever"
    now.see(StateType.PENDING)
    assert not now.overdue(pending=60)
    assert now.overdue(pending=-1)
    now.see(StateType.RUNNING)
    assert not now.overdue(pending=-1)
    now.since -= 60 + 61
    assert now.overdue(pending=60)


def test_a_run_is_not_overdue_for_a_time_in_which_the_server_was_away() -> None:
    now = unit(1)
    now.see(StateType.PENDING)
    now.since -= 300
    now.see(StateType.PENDING, 280)
    assert not now.overdue(pending=60)
    now.since -= 300
    assert now.overdue(pending=60)
