"""Waiting for Prefect's server before a run ends: a run whose end nobody hears counts as crashed."""

import time
from collections.abc import Callable

from prefect.client.orchestration import get_client
from prefect.logging import get_run_logger

PERIOD = 2.0
"""Seconds between two questions."""

TIMEOUT = 5.0
"""Seconds to wait for an answer."""


def await_server(patience: float, enough: Callable[[], bool] = lambda: False) -> bool:
    """Wait until Prefect's server answers, and return whether it does.

    Args:
        patience: seconds to wait at most.
        enough: asked before each wait; True ends it.
    """
    until, told = time.monotonic() + patience, False
    while not _answers():
        if enough() or time.monotonic() > until:
            return False
        if not told:
            get_run_logger().warning(
                "Prefect's server does not answer; it is waited for, %.0f s at most", patience
            )
            told = True
        time.sleep(PERIOD)
    return True


def _answers() -> bool:
    # a client of its own: one that was connected once tries again for a minute by itself
    try:
        with get_client(sync_client=True, httpx_settings={"timeout": TIMEOUT}) as client:
            return client.api_healthcheck() is None
    except Exception:
        return False
