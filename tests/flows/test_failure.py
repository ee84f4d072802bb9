import logging
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from sakuga.errors import CancelledError, QualityError
from tasks.failure import said_plainly

pytestmark = pytest.mark.usefixtures("prefect_server")
RUNS: list[UUID] = []


@flow(persist_result=False)
@said_plainly
def job(kind: str, number: int = 2) -> int:
    RUNS.append(UUID(flow_run.id))
    if kind == "fails":
        error = QualityError("The result failed a check.")
        error.add_note("It happened in chunk 3.")
        raise error
    if kind == "stops":
        raise CancelledError("Stopped.")
    if kind == "breaks":
        raise ZeroDivisionError("a mistake")
    return number


def message() -> str:
    """What the last run's state says."""
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(RUNS[-1]).state
    assert state is not None
    return state.message or ""


def test_a_run_that_fails_on_purpose_says_one_sentence_and_raises_its_error() -> None:
    with pytest.raises(QualityError, match="failed a check") as raised:
        job("fails")
    assert raised.value.__notes__ == ["It happened in chunk 3."]
    assert message() == "The result failed a check. It happened in chunk 3."


def test_other_ends_are_as_they_were() -> None:
    assert job("works") == 2
    with pytest.raises(CancelledError):
        job("stops")
    with pytest.raises(ZeroDivisionError):
        job("breaks")
    assert "a mistake" in message()


def test_a_run_of_a_worker_that_was_told_to_stop_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))
    state = job("stops", return_state=True)
    assert state.is_cancelled()
    assert message() == "Stopped."


def test_parameters_are_those_of_the_body() -> None:
    assert job("works", number=7) == 7
    assert set(job.parameters.properties) == {"kind", "number"}
    assert job.parameters.required == ["kind"]


def test_what_a_run_has_said_of_its_failure_is_not_followed_by_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(QualityError):
        job("fails")
    logger = logging.getLogger("prefect.flow_runs")
    logger.addHandler(caplog.handler)
    for error in (QualityError("on purpose"), ZeroDivisionError("a mistake")):
        logger.error("Engine execution exited with unexpected exception", exc_info=error)
    logger.removeHandler(caplog.handler)
    assert {type(record.exc_info[1]) for record in caplog.records if record.exc_info} == {ZeroDivisionError}
