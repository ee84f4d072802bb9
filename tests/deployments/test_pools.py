"""What an install puts on a server for its work pools."""

import asyncio

import pytest
from prefect.client.orchestration import get_client

from deployments.pools import CPU, GPU, JOBS, QUEUES, SEGMENTS, UPKEEP, install_pools

pytestmark = [pytest.mark.slow, pytest.mark.farm, pytest.mark.usefixtures("prefect_server")]


def test_upkeep_does_not_wait_for_jobs_and_an_operators_limits_stay() -> None:
    async def run() -> None:
        async with get_client() as client:
            assert await install_pools(client) == [CPU, GPU]
            jobs = await client.read_work_queue_by_name(JOBS, CPU)
            segments = await client.read_work_queue_by_name(SEGMENTS, CPU)
            upkeep = await client.read_work_queue_by_name(UPKEEP, CPU)
            assert (jobs.concurrency_limit, jobs.priority) == QUEUES[JOBS]
            assert (segments.concurrency_limit, segments.priority) == QUEUES[SEGMENTS]
            assert (upkeep.concurrency_limit, upkeep.priority) == QUEUES[UPKEEP]
            await client.update_work_queue(jobs.id, concurrency_limit=30)
            assert await install_pools(client) == []
            assert (await client.read_work_queue_by_name(JOBS, CPU)).concurrency_limit == 30

    asyncio.run(run())
