import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import flow

from sakuga.errors import (
    CancelledError,
    DamagedMediaError,
    OptionError,
    SakugaError,
    StoreAwayError,
    StoreError,
)
from sakuga.media.ref import MediaRef
from tasks.cache import ChunkCache, ChunkRecord
from tasks.channel import Channel, current_channel, open_channel
from tasks.retry import RETRIES, patiently, step
from tests.blocks.outages import Outage, Unmounted

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]

PATIENCE = 30.0
"""Seconds a store is waited for in these tests; none is away for as long."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def patience(seconds: float) -> None:
        monkeypatch.setenv("SAKUGA_FARM__PATIENCE", str(seconds))

    patience(PATIENCE)
    return patience


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


@pytest.mark.parametrize("error", [StoreError("gone"), StoreAwayError("away")])
def test_a_job_that_was_told_to_stop_tries_nothing_again(error: SakugaError) -> None:
    assert _attempts(error, cancel=True) == 1


def _leave_for_a_while(outage: Outage) -> threading.Timer:
    outage.go()
    back = threading.Timer(outage.noticed, outage.back)
    back.start()
    return back


def test_a_step_whose_store_leaves_in_the_middle_goes_on_when_it_is_back_and_says_so_once(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    outage.store.write("count", b"1")
    absences: list[threading.Timer] = []

    @step("add one")
    def add() -> bytes:
        before = int(outage.store.read("count") or b"0")
        if not absences:
            absences.append(_leave_for_a_while(outage))
        outage.store.write("count", str(before + 1).encode())
        return outage.store.read("count") or b""

    @flow(persist_result=False)
    def job() -> bytes:
        return add()

    with open_channel(Channel()) as channel:
        assert job() == b"2"
        assert channel.error is None
    absences[0].join()
    messages = {record.message for record in caplog.records}
    assert len([message for message in messages if "is waited for" in message]) == 1
    assert len([message for message in messages if "answers again" in message]) == 1
    assert not [message for message in messages if "Retry" in message]


def test_a_store_that_stays_away_ends_the_job_after_the_time_that_was_set(
    tmp_path: Path, patience: Callable[[float], None]
) -> None:
    patience(1.5)
    outage = Unmounted(tmp_path / "store")
    outage.go()
    began = time.monotonic()

    @step("write")
    def write() -> None:
        patiently(lambda: outage.store.write("a", b""))

    @flow(persist_result=False)
    def job() -> None:
        write()

    with open_channel(Channel()) as channel:
        with pytest.raises(StoreAwayError):
            job()
        assert isinstance(channel.error, StoreAwayError)
    # neither the step nor Prefect begins the wait anew
    assert 1.5 <= time.monotonic() - began < 3.0


def test_who_waits_for_a_store_stops_when_the_job_is_told_to(tmp_path: Path) -> None:
    outage = Unmounted(tmp_path / "store")
    outage.go()
    with open_channel(Channel()) as channel:
        threading.Timer(0.5, channel.cancel).start()
        began = time.monotonic()
        with pytest.raises(CancelledError):
            patiently(lambda: outage.store.read("a"))
        assert time.monotonic() - began < 2


def test_a_wrong_key_to_a_store_is_not_waited_for() -> None:
    calls = 0

    def refuse() -> None:
        nonlocal calls
        calls += 1
        raise StoreError("Access denied.")

    with pytest.raises(StoreError):
        patiently(refuse)
    assert calls == 1


def test_a_finished_chunk_is_kept_when_its_store_is_back(outage: Outage, tmp_path: Path) -> None:
    file = tmp_path / "chunk-0.mp4"
    file.write_bytes(b"frames" * 1000)
    back = _leave_for_a_while(outage)
    kept = ChunkCache(outage.store).keep(_record("a" * 64), file)
    back.join()
    assert ChunkCache(outage.store).find("a" * 64) == kept
    assert not file.exists()


def test_a_chunk_in_a_folder_that_is_away_is_waited_for_and_not_taken_for_damaged(tmp_path: Path) -> None:
    outage = Unmounted(tmp_path / "store")
    file = tmp_path / "chunk-0.mp4"
    file.write_bytes(b"frames")
    cache = ChunkCache(outage.store)
    kept = cache.keep(_record("a" * 64), file)
    outage.go()
    for use in (lambda: cache.find("a" * 64), lambda: cache.file(kept, tmp_path)):
        with pytest.raises(StoreAwayError):
            use()
    outage.back()
    assert cache.file(kept, tmp_path).read_bytes() == b"frames"


def _record(key: str) -> ChunkRecord:
    ref = MediaRef(uri="x.mp4", sha256="0" * 64, size=0)
    return ChunkRecord(key=key, ref=ref, frames=1, computed=1, reused=0, concealed=0, seconds={})
