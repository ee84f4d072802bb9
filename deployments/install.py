"""Everything that a farm needs on Prefect's server, put there; again and again without doubling anything."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from pydantic import BaseModel

from blocks import register_blocks
from deployments.automations import install_automations
from deployments.forms import finish_form
from deployments.pools import install_pools
from deployments.schedules import keep_schedules, schedules_of
from sakuga.errors import FarmError

PREFECT_FILE = Path(__file__).parent.parent / "prefect.yaml"
TAG = "sakuga"
"""Every deployment of the farm has it, and so have their runs."""

DEPLOY_TIMEOUT = 180.0
"""Seconds that all deployments together may take: each imports its flow once."""


class Installed(BaseModel):
    """What an install has found to do."""

    pools: list[str]
    blocks: list[str]
    deployments: list[str]
    automations: list[str]


async def check_server(client: PrefectClient) -> str:
    """Version of the server.

    Raises:
        FarmError: it does not answer, refuses us, or is no Prefect server.
    """
    address = str(client.api_url)
    try:
        response = await client._client.get("/admin/version", timeout=10)
    except httpx.HTTPError as error:
        raise FarmError(
            f"Prefect's server {address} does not answer ({type(error).__name__}); "
            "start one with `sakuga farm up`, or set PREFECT_API_URL to the right address."
        ) from error
    if response.status_code in (401, 403):
        raise FarmError(f"Prefect's server {address} wants a password: set PREFECT_API_AUTH_STRING.")
    try:
        version = response.json() if response.status_code == 200 else None
    except ValueError:
        version = None
    if not isinstance(version, str):
        raise FarmError(
            f"{address} is not the API of a Prefect server; the address ends with /api, "
            "such as http://127.0.0.1:4200/api."
        )
    return version


async def server_version() -> str:
    """Version of the configured server; raises what `check_server` raises."""
    async with get_client() as client:
        return await check_server(client)


async def install() -> Installed:
    """Put pools, block types, deployments and automations on the configured server.

    What is there already is brought up to date; what an operator has changed (limits and templates of pools,
    schedules of their own, automations that are switched off) stays.

    Raises:
        FarmError: the server does not answer, or refuses something.
    """
    async with get_client() as client:
        await check_server(client)
        try:
            pools = await install_pools(client)
            slugs = await asyncio.to_thread(register_blocks)
            before = schedules_of(await _deployments(client))
            _deploy()
            deployments = await _deployments(client)
            await keep_schedules(client, before, schedules_of(deployments))
            await _finish_forms(client, deployments)
            automations = await install_automations(client)
        except httpx.HTTPError as error:
            raise FarmError(f"Prefect's server {client.api_url} refused: {error}") from error
    names = sorted(deployment.name for deployment in deployments)
    return Installed(pools=pools, blocks=slugs, deployments=names, automations=automations)


async def _deployments(client: PrefectClient) -> list[DeploymentResponse]:
    return [one for one in await client.read_deployments(limit=200) if TAG in one.tags]


async def _finish_forms(client: PrefectClient, deployments: list[DeploymentResponse]) -> None:
    for deployment in deployments:
        schema = finish_form(dict(deployment.parameter_openapi_schema or {}))
        if schema != deployment.parameter_openapi_schema:
            await client.request(
                "PATCH",
                "/deployments/{id}",
                path_params={"id": deployment.id},
                json={"parameter_openapi_schema": schema},
            )


def _deploy() -> None:
    """Deploy all of prefect.yaml, by Prefect's own command."""
    command = [sys.executable, "-P", "-m", "prefect", "--no-prompt", "deploy", "--all"]
    try:
        done = subprocess.run(
            [*command, "--prefect-file", str(PREFECT_FILE)],
            cwd=PREFECT_FILE.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEPLOY_TIMEOUT,
            env={**os.environ, "COLUMNS": "200"},
        )
    except subprocess.TimeoutExpired as error:
        raise FarmError(f"Deploying took longer than {DEPLOY_TIMEOUT:.0f} s; try again.") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise FarmError(f"Deploying {PREFECT_FILE.name} failed: {lines[-1].strip()}")
