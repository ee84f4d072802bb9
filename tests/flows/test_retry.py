import pytest
from prefect import flow

from sakuga.errors import CancelledError, DamagedMediaError, OptionError, SakugaError, StoreError
from tasks.channel import Channel, current_channel, open_channel
from tasks.retry import RETRIES, step

pytestmark = pytest.mark.usefixtures("prefect_server")


def _attempts(error: SakugaError | Exception, succeed_at: int = 100, *, cancel: bool = False) -> int:
    """How often a step is tried that fails with this error until its `succeed_at`-th attempt."""
    attempts = 0

    @step("try")
    def attempt() -> None:
        nonlocal attempts
        attempts += 1
        if cancel:
            current_channel().cancel()
        if attempts < succeed_at:
            raise error

    patient = attempt.with_options(retry_delay_seconds=0)

    @flow
    def job() -> None:
        patient()

    with open_channel(Channel()):
        job(return_state=True)
    return attempts


def test_what_may_go_away_is_tried_again() -> None:
    assert _attempts(StoreError("gone for a moment"), succeed_at=3) == 3
    assert _attempts(StoreError("gone for good")) == 1 + RETRIES


@pytest.mark.parametrize(
    "error", [OptionError("no"), DamagedMediaError("broken"), CancelledError("stop"), ValueError("a mistake")]
)
def test_what_cannot_get_better_is_not_tried_again(error: Exception) -> None:
    assert _attempts(error) == 1


def test_a_job_that_was_told_to_stop_tries_nothing_again() -> None:
    assert _attempts(StoreError("gone"), cancel=True) == 1
