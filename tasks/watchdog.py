"""What stops a worker's run whose work nobody waits for any more, or that has nobody over it."""

import contextvars
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import ObjectNotFound

from blocks.stores import MediaStore
from tasks.channel import Channel
from tasks.handover import read_lease
from tasks.shared import End

Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]

TICK = 0.5
"""Seconds between two looks at the clock and at the parent process."""

ASK_PERIOD = 10.0
"""Seconds between two questions to Prefect's server, and between two looks at the lease at most."""

ASK_TIMEOUT = 10.0
"""Seconds to wait for an answer of Prefect's server; none is no reason to stop."""

TERM_AFTER, KILL_AFTER = 45.0, 90.0
"""Seconds after which a run that was told to stop and does not is ended from outside its own code."""


@dataclass(frozen=True)
class Stop:
    """Why a run was told to stop."""

    end: End
    reason: str


@dataclass(frozen=True)
class Pace:
    """How often a watchdog looks, in seconds.

    `own_process` says that a worker started this process for this run alone: it may be killed, and is to
    end with its worker.
    """

    tick: float = TICK
    ask: float = ASK_PERIOD
    term: float = TERM_AFTER
    kill: float = KILL_AFTER
    own_process: bool = False


class Watchdog:
    """Watches one unit of work and stops its channel when going on is pointless.

    That is so when its deadline has passed, when its job's run has ended or is being cancelled, when the
    job's lease has not changed for too long by this machine's own clock, when its own run was cancelled or
    has been given up, and when the worker that started this process is gone. A server or a store that does
    not answer is no reason by itself.
    """

    def __init__(
        self,
        channel: Channel,
        store: MediaStore,
        job: str,
        *,
        own: UUID | None,
        deadline: float,
        lease_seconds: float,
        logger: Logger,
        pace: Pace | None = None,
    ) -> None:
        self._channel, self._store, self._job, self._own = channel, store, job, own
        self._deadline, self._lease_seconds = deadline, lease_seconds
        self._logger, self._pace = logger, pace or Pace()
        self._began = self._alive = time.monotonic()
        self._parent = os.getppid()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self.stop: Stop | None = None
        """Why the run was told to stop, None while it was not."""

    def __enter__(self) -> Self:
        for target in (self._look, self._ask, self._read):
            # what Prefect's settings are for this run is in the context
            run = contextvars.copy_context().run
            threading.Thread(
                target=run, args=(target,), name=f"watchdog{target.__name__}", daemon=True
            ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def _look(self) -> None:
        """What needs nobody's answer; the only one of the threads that nothing can hold up."""
        while not self._ended.is_set():
            now = time.monotonic()
            if self._pace.own_process and os.getppid() != self._parent:
                _mute()
                self._end("failed", "The worker that started this run is gone.")
            if now - self._began > self._deadline:
                self._end("deadline", f"The unit was not done within {self._deadline:g} seconds.")
            if now - self._alive > self._lease_seconds:
                self._end("orphaned", f"The job gave no sign of life for {self._lease_seconds:g} seconds.")
            if self.stop:
                self._insist()
                return
            self._ended.wait(self._pace.tick)

    def _insist(self) -> None:
        """End a process that does not stop by itself: it may wait for a store, or hang in a driver."""
        if not self._pace.own_process or self._ended.wait(self._pace.term):
            return
        self._warn("The run does not stop; it is ended now.")
        os.kill(os.getpid(), signal.SIGTERM)
        if not self._ended.wait(self._pace.kill - self._pace.term):
            # a worker starts each run in a process group of its own
            whole = os.getpgrp() == os.getpid()
            (os.killpg if whole else os.kill)(os.getpid(), signal.SIGKILL)

    def _ask(self) -> None:
        """What Prefect's server says of the job's run and of this one."""
        questions: list[tuple[UUID, Callable[[State], None]]] = []
        with suppress(ValueError):
            questions.append((UUID(self._job), self._judge_job))
        if self._own:
            questions.append((self._own, self._judge_own))
        while not self._ended.wait(self._pace.ask) and not self.stop:
            try:
                with get_client(sync_client=True, httpx_settings={"timeout": ASK_TIMEOUT}) as client:
                    for run, judge in questions:
                        if state := client.read_flow_run(run).state:
                            judge(state)
            except ObjectNotFound:
                self._end("orphaned", "The job's run is not on Prefect's server any more.")
            except Exception as error:
                self._tell_once("server", f"Prefect's server does not answer: {error}")
            else:
                self._told.discard("server")

    def _judge_job(self, state: State) -> None:
        if state.is_final() or state.type == StateType.CANCELLING:
            self._end("orphaned", f"The job's run is {state.name}.")

    def _judge_own(self, state: State) -> None:
        if state.is_final() or state.type == StateType.CANCELLING:
            self._end("cancelled", f"This run is {state.name}.")

    def _read(self) -> None:
        """The job's lease; a store that does not answer is the same as one without a change."""
        last = None
        period = min(self._pace.ask, self._lease_seconds / 6)
        while not self._ended.is_set() and not self.stop:
            try:
                lease = read_lease(self._store, self._job)
            except Exception as error:
                self._tell_once("store", f"The sign of life of the job cannot be read: {error}")
            else:
                self._told.discard("store")
                if lease != last:
                    last, self._alive = lease, time.monotonic()
            self._ended.wait(period)

    def _end(self, end: End, reason: str) -> None:
        with self._lock:
            if self.stop or self._ended.is_set():
                return
            self.stop = Stop(end, reason)
        self._channel.cancel()
        self._warn(f"Stopping: {reason}")

    def _tell_once(self, what: str, message: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._warn(f"{message}; the work goes on")

    def _warn(self, message: str) -> None:
        # a console whose reader is gone makes an exit of it, which would end the watchdog
        with suppress(Exception, SystemExit):
            self._logger.warning("%s", message)


def _mute() -> None:
    """Let what is printed from now on go nowhere: the worker that read it is gone."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for output in (1, 2):
            os.dup2(nowhere, output)
        os.close(nowhere)
