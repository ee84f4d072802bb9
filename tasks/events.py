"""Events that tell other programs what happens to videos; docs/watching.md has their grammar.

    sakuga.video.arrived     a run was started for a video, or another program asks for one
    sakuga.video.enhanced    a result is where it belongs
    sakuga.video.failed      a run ended without one

The resource of all three is `sakuga.video.<first 12 digits of the SHA-256>`. Prefect adds the flow run that
an event comes from as a related resource. Events are best effort: no job waits for one or fails over one.
"""

import logging
import threading
from contextvars import copy_context
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from prefect.events import emit_event

from sakuga.errors import SakugaError

ARRIVED, ENHANCED, FAILED = (f"sakuga.video.{end}" for end in ("arrived", "enhanced", "failed"))

WATCH, RUN = "watch", "run"
"""Origins: a folder watch that has started the run itself, and a run that tells its outcome."""

TIMEOUT = 2.0
"""Seconds that a job gives to one event: handing it over takes no request, so this is for odd cases."""

MAX_TEXT = 2000
"""Characters of a message in an event; a server refuses events that are too large."""

_logger = logging.getLogger("sakuga.events")


def video_arrived(source: str, sha256: str, *, run: str, run_name: str, asked: str) -> None:
    """Say that a watch has started a run for a video.

    Args:
        source: path, or address in a store.
        sha256: digest of its content.
        run: id of the flow run.
        run_name: name of the flow run.
        asked: what makes the request unique; two watchers that start the same give one event.
    """
    payload = {"source": source, "sha256": sha256, "flow_run_id": run, "flow_run_name": run_name}
    _emit(ARRIVED, source, sha256, WATCH, payload, asked=asked)


def video_enhanced(source: str, sha256: str, places: dict[str, Any], seconds: float) -> None:
    """Say that a result is where it belongs.

    Args:
        source: what was enhanced: path, or address in a store.
        sha256: digest of its content.
        places: where the files of the result are, as `publish` returns them.
        seconds: wall time of the run.
    """
    payload = {
        "source": source,
        "sha256": sha256,
        "result": str(places.get("result", "")),
        "report": str(places.get("report", "")),
        "seconds": round(seconds, 3),
    }
    _emit(ENHANCED, source, sha256, RUN, payload)


def video_failed(source: str, sha256: str | None, error: BaseException, seconds: float) -> None:
    """Say that a run ended without a result.

    Args:
        source: what was to be enhanced: path, or address in a store.
        sha256: digest of its content, None where the run did not get to it.
        error: what went wrong.
        seconds: wall time of the run.
    """
    payload = {
        "source": source,
        "sha256": sha256,
        "error": type(error).__name__,
        "message": str(error)[:MAX_TEXT],
        "retryable": isinstance(error, SakugaError) and error.retryable,
        "seconds": round(seconds, 3),
    }
    _emit(FAILED, source, sha256, RUN, payload)


def _emit(
    event: str,
    source: str,
    sha256: str | None,
    origin: str,
    payload: dict[str, Any],
    asked: str | None = None,
) -> None:
    resource = {
        "prefect.resource.id": f"sakuga.video.{sha256[:12] if sha256 else 'unknown'}",
        "prefect.resource.name": source.rsplit("/", 1)[-1] or source or "video",
        "sakuga.source": source,
        "sakuga.origin": origin,
    }
    id_ = uuid5(NAMESPACE_URL, f"{event}:{asked}") if asked else None

    def send() -> None:
        try:
            emit_event(event, resource, payload=payload, id=id_)
        except Exception as error:
            _logger.warning("The event %s was not sent: %s", event, error)

    # the context says which flow run the event belongs to
    thread = threading.Thread(target=copy_context().run, args=(send,), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
