"""The one retry policy: which errors are tried again, how often and when."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from sakuga.errors import SakugaError
from tasks.channel import current_channel

RETRIES = 3
FIRST_DELAY = 1.0
"""Seconds before the first retry; each further one waits twice as long, and up to half as long again."""

JITTER = 0.5

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
    except SakugaError as error:
        return error.retryable
    except Exception:
        return False
    return False


def step(name: str, run_name: str | None = None) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task under the retry policy.

    Prefect caches and persists nothing: what is worth keeping is a file, kept in a store by its content.
    """
    return task(  # type: ignore[return-value, call-overload, no-any-return, unused-ignore]
        name=name,
        task_run_name=run_name or name,
        retries=RETRIES,
        retry_delay_seconds=exponential_backoff(FIRST_DELAY),
        retry_jitter_factor=JITTER,
        retry_condition_fn=retry_condition,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
