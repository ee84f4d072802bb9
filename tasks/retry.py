"""The one retry policy: which errors are tried again, how often and when."""

import time
from collections.abc import Callable
from functools import wraps
from logging import Logger, LoggerAdapter
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger
from prefect.tasks import exponential_backoff

from sakuga.errors import SakugaError, StoreAwayError
from sakuga.settings import load_settings
from tasks.channel import current_channel

RETRIES = 3
FIRST_DELAY = 1.0
"""Seconds before the first retry; each further one waits twice as long, and up to half as long again."""

JITTER = 0.5

LONGEST_WAIT = 15.0
"""Seconds between two tries at most while a store is away; the first waits are shorter."""

LONGEST_SILENCE = 60.0
"""Seconds of one try that count as waiting at most: a step may have worked for long before its store left."""

P = ParamSpec("P")
R = TypeVar("R")


def retry_condition(task: "Task[..., Any]", run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed step may succeed when it is tried again; a job that was told to stop tries nothing.

    This has to stay a plain function: Prefect never retries for other callables.
    """
    del task, run
    if current_channel().cancelled():
        return False
    try:
        state.result()
    except StoreAwayError:
        # it was waited for inside the step, where a log line and a request to stop are at hand
        return False
    except SakugaError as error:
        return error.retryable
    except Exception:
        return False
    return False


def patiently(call: Callable[[], R]) -> R:
    """What `call` returns; while its store is away it is called again, for `farm.patience` seconds.

    Calls inside calls do not wait twice: what was waited for once is raised.

    Raises:
        StoreAwayError: the store stayed away.
        CancelledError: the job was told to stop meanwhile.
    """
    waited, delay, tries = 0.0, FIRST_DELAY, 0
    while True:
        began = time.monotonic()
        try:
            value = call()
        except StoreAwayError as error:
            patience = load_settings().farm.patience
            if tries:
                waited += min(time.monotonic() - began, LONGEST_SILENCE)
            if error.waited or waited >= patience:
                error.waited = True
                raise
            if not tries:
                _logger().warning("%s It is waited for, %.0f s at most.", error, patience)
            tries += 1
            delay = min(delay, patience - waited)
            current_channel().wait(delay)
            waited, delay = waited + delay, min(2 * delay, LONGEST_WAIT)
        else:
            if tries:
                _logger().info("The store answers again, after %.0f s.", waited)
            return value


def step(name: str, run_name: str | None = None) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task under the retry policy.

    Prefect caches and persists nothing: what is worth keeping is a file, kept in a store by its content.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        @wraps(function)
        def patient(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return patiently(lambda: function(*args, **kwargs))
            except StoreAwayError as error:
                # the job ends: every other step of it would wait as long for nothing
                current_channel().fail(error)
                raise

        return task(  # type: ignore[return-value, call-overload, no-any-return, unused-ignore]
            patient,
            name=name,
            task_run_name=run_name or name,
            retries=RETRIES,
            retry_delay_seconds=exponential_backoff(FIRST_DELAY),
            retry_jitter_factor=JITTER,
            retry_condition_fn=retry_condition,
            cache_policy=NO_CACHE,
            persist_result=False,
        )

    return decorate


def _logger() -> "Logger | LoggerAdapter[Logger]":
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("sakuga")
