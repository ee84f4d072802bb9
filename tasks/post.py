"""Artifacts that are sent from a thread of their own: a server that is away keeps no job waiting."""

import contextvars
import logging
import re
import threading
import time
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.runtime import flow_run

LOG = logging.getLogger("sakuga.artifacts")

TIMEOUT = 20.0
"""Seconds that one request may take."""

IDLE = 15.0
"""Seconds without anything to send after which the thread ends; the next thing begins another."""

LONGEST_KEY = 80


class Post:
    """One artifact of the run that this is made in: made once, then brought up to date in its place.

    What is shown while an older state is still being sent replaces it, so the newest arrives and the queue is
    one long. Outside a flow run nothing is sent. No method raises, whatever the server does.
    """

    def __init__(self, kind: str, key: str) -> None:
        self._kind, self._key = kind, key
        self._run = flow_run.id
        self._context = contextvars.copy_context()
        self._changed = threading.Condition()
        self._newest: tuple[Any, str] | None = None
        self._busy = self._sending = False
        self._id: UUID | None = None
        self._warned = False

    def show(self, data: Any, description: str = "") -> None:  # noqa: ANN401 - whatever JSON can hold
        """Have this shown soon."""
        if self._run is None:
            return
        with self._changed:
            self._newest = (data, description)
            if not self._busy:
                self._busy = True
                threading.Thread(
                    target=self._context.copy().run, args=(self._work,), name="sakuga-post", daemon=True
                ).start()
            self._changed.notify_all()

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until the newest has arrived, or was given up, for so many seconds at most; whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: self._newest is None and not self._sending, seconds)

    def _work(self) -> None:
        try:
            with get_client(httpx_settings={"timeout": TIMEOUT}, sync_client=True) as client:
                while (newest := self._take()) is not None:
                    self._try(client, *newest)
        except Exception as error:
            self._complain(error)
            with self._changed:
                self._newest = None
                self._busy = self._sending = False
                self._changed.notify_all()

    def _take(self) -> tuple[Any, str] | None:
        """The newest, once there is one; None after a while without, and then the thread is at its end."""
        with self._changed:
            self._sending = False
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._newest is not None, IDLE):
                self._busy = False
                return None
            newest, self._newest = self._newest, None
            self._sending = True
            return newest

    def _try(self, client: SyncPrefectClient, data: Any, description: str) -> None:  # noqa: ANN401 - see show
        try:
            if self._id is None:
                made = client.create_artifact(
                    ArtifactCreate(
                        key=self._key,
                        type=self._kind,
                        data=data,
                        description=description,
                        flow_run_id=UUID(self._run),
                    )
                )
                self._id = made.id
            else:
                client.update_artifact(self._id, ArtifactUpdate(data=data, description=description))
        except Exception as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            LOG.warning("What the job shows in Prefect is not up to date: %s", error)


def flush_all(posts: list[Post], seconds: float) -> None:
    """Wait until all have arrived, for so many seconds at most together."""
    deadline = time.monotonic() + seconds
    for post in posts:
        post.flush(max(0.0, deadline - time.monotonic()))


def artifact_key(kind: str, name: str) -> str:
    """`report-clip-mp4`: artifacts of one key are a history, so a video has its own."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{kind}-{plain[:LONGEST_KEY].strip('-') or 'video'}"
