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

JOBS, SEGMENTS, UPKEEP = "default", "segments", "upkeep"
QUEUES = {JOBS: (8, 3), SEGMENTS: (8, 2), UPKEEP: (4, 1)}
"""Runs at a time and priority of the CPU pool's queues: jobs, which mostly wait for their chunks or segments;
segments of episodes, which must not wait for the jobs that wait for them; and watches and the clean-up, which
must not wait for jobs. Its workers have no limit of their own: Prefect 3.8 ends a
worker with one when a run of it is retried before its place is free."""


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
    await _install_queues(client, new=CPU in made)
    return made


async def _install_queues(client: PrefectClient, *, new: bool) -> None:
    """Make the CPU pool's queues; those of a pool that is not `new` keep what an operator has chosen."""
    for name, (limit, priority) in QUEUES.items():
        try:
            queue = await client.read_work_queue_by_name(name, CPU)
        except ObjectNotFound:
            await client.create_work_queue(
                name, concurrency_limit=limit, priority=priority, work_pool_name=CPU
            )
        else:
            if new:
                await client.update_work_queue(queue.id, concurrency_limit=limit, priority=priority)
