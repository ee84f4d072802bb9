"""Runs as Prefect's server knows them now."""

from collections.abc import Iterable
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun

from sakuga.errors import FarmError

PAGE = 200
"""Runs in one request, which is what the server allows."""


def read_runs(ids: Iterable[UUID]) -> dict[str, FlowRun]:
    """Runs by their ids; those that the server does not know are left out.

    Raises:
        FarmError: Prefect's server does not answer.
    """
    wanted = list(ids)
    found: dict[str, FlowRun] = {}
    try:
        with get_client(sync_client=True) as client:
            for start in range(0, len(wanted), PAGE):
                page = FlowRunFilterId(any_=wanted[start : start + PAGE])
                runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=page), limit=PAGE)
                found.update((str(run.id), run) for run in runs)
    except httpx.HTTPError as error:
        raise FarmError(f"Prefect's server does not answer: {error}.") from error
    return found
