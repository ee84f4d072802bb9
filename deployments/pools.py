"""The two work pools of a farm."""

from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

CPU, GPU = "cpu", "gpu"
POOLS = {
    CPU: "Plans, joins and publishes videos, watches folders, cleans up.",
    GPU: "Makes chunks: one worker for each GPU, one run at a time.",
}
"""Names of the pools, and what the UI says about them."""


async def install_pools(client: PrefectClient) -> list[str]:
    """Make the pools that are missing, of type process; others keep their type, template and limit.

    Returns:
        Names of the pools that were made.
    """
    made = []
    for name, description in POOLS.items():
        try:
            pool = await client.read_work_pool(name)
        except ObjectNotFound:
            template: dict[str, Any] = ProcessWorker.get_default_base_job_template()
            await client.create_work_pool(
                WorkPoolCreate(
                    name=name,
                    description=description,
                    type=ProcessWorker.type,
                    base_job_template=template,
                )
            )
            made.append(name)
        else:
            if not pool.description:
                await client.update_work_pool(name, WorkPoolUpdate(description=description))
    return made
