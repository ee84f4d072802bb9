"""Schedules that an operator has made or switched off, kept over a new deployment, which drops them."""

from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse

Schedules = dict[UUID, list[DeploymentSchedule]]
"""Schedules of each deployment, by its id."""


def schedules_of(deployments: list[DeploymentResponse]) -> Schedules:
    """All schedules as they are now."""
    return {deployment.id: list(deployment.schedules) for deployment in deployments}


async def keep_schedules(client: PrefectClient, before: Schedules, after: Schedules) -> None:
    """Make again what was there before and is not now; what is there is on or off as it was before."""
    for deployment, schedules in before.items():
        now = {_key(schedule): schedule for schedule in after.get(deployment, [])}
        for old in schedules:
            new = now.get(_key(old))
            if new is None:
                again = DeploymentScheduleCreate(
                    schedule=old.schedule, active=old.active, slug=old.slug, parameters=old.parameters
                )
                await client.create_deployment_schedules(deployment, [again])
            elif new.active != old.active:
                await client.update_deployment_schedule(deployment, new.id, active=old.active)


def _key(schedule: DeploymentSchedule) -> str:
    return schedule.slug or f"{schedule.schedule!r} {schedule.parameters!r}"
