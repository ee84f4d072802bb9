"""A job's sign of life: workers that see none for a while stop."""

import contextvars
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.logging import get_run_logger

from blocks.stores import MediaStore
from tasks.handover import write_lease
from tasks.retry import patiently
from tasks.shared import Lease

PARTS = 6
"""Renewals within the time after which workers stop."""

STOP = 5.0
"""Seconds that the end of a job waits for a renewal that is under way."""


@contextmanager
def keep_lease(store: MediaStore, job: str, run_count: int, lease_seconds: float) -> Iterator[None]:
    """Renew the lease of a job from a thread of its own, whatever the job waits for meanwhile.

    A store that is away is tried again with the next renewal: workers wait as the job does.

    Raises:
        StoreError: the first lease could not be written.
    """
    ended = threading.Event()
    logger = get_run_logger()
    patiently(lambda: write_lease(store, job, Lease(count=0, run_count=run_count)))
    renew = contextvars.copy_context().run
    thread = threading.Thread(
        target=renew,
        args=(_renew, store, job, run_count, lease_seconds / PARTS, ended, logger),
        name="lease",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(STOP)


def _renew(
    store: MediaStore,
    job: str,
    run_count: int,
    period: float,
    ended: threading.Event,
    logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]",
) -> None:
    count, told = 1, False
    while not ended.wait(period):
        try:
            write_lease(store, job, Lease(count=count, run_count=run_count))
        except Exception as error:
            # whatever it is, the job lives: its workers are not to stop for it
            if not told:
                logger.warning("The sign of life for the workers could not be renewed: %s", error)
            told = True
        else:
            count, told = count + 1, False
