"""Folders that the farm watches: one schedule of the deployment `watch-folder` for each."""

import hashlib
from datetime import timedelta
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from sakuga.errors import FarmError, OptionError

DEPLOYMENT = "watch-folder/watch-folder"


def watch_slug(folder: str, store: str | None) -> str:
    """Name of the schedule of a folder; the same folder has the same one."""
    digest = hashlib.sha256(f"{store}:{folder}".encode()).hexdigest()
    return f"watch-{digest[:12]}"


async def watch(client: PrefectClient, every: float, **parameters: Any) -> None:  # noqa: ANN401 - the flow's own
    """Watch a folder from now on, or change how it is watched.

    Args:
        client: of the farm's server.
        every: seconds between two looks.
        parameters: of the flow `watch-folder`; those that are None are left out.

    Raises:
        FarmError: the server has no such deployment.
        OptionError: it refuses the parameters.
    """
    slug = watch_slug(parameters["folder"], parameters.get("store"))
    deployment = await _deployment(client)
    schedule = IntervalSchedule(interval=timedelta(seconds=every))
    given = {name: value for name, value in parameters.items() if value is not None}
    try:
        for found in deployment.schedules:
            if found.slug == slug:
                await client.update_deployment_schedule(
                    deployment.id, found.id, active=True, schedule=schedule, parameters=given
                )
                return
        wanted = DeploymentScheduleCreate(schedule=schedule, active=True, slug=slug, parameters=given)
        await client.create_deployment_schedules(deployment.id, [wanted])
    except PrefectHTTPStatusError as error:
        raise OptionError(f"The server refused to watch: {error.response.text[:300]}") from error


async def unwatch(client: PrefectClient, folder: str, store: str | None) -> bool:
    """Watch a folder no longer; False where it was not watched."""
    deployment = await _deployment(client)
    slug = watch_slug(folder, store)
    found = [schedule for schedule in deployment.schedules if schedule.slug == slug]
    for schedule in found:
        await client.delete_deployment_schedule(deployment.id, schedule.id)
    return bool(found)


async def _deployment(client: PrefectClient) -> Any:  # noqa: ANN401 - Prefect's own response
    try:
        return await client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound as error:
        raise FarmError(f"The server has no deployment {DEPLOYMENT}; run `sakuga farm install`.") from error
