"""What the server of a test farm is told before workers start: the same as any farm's."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient

ROOT = Path(__file__).parents[2]
INSTALL = "import asyncio; from deployments.install import install; print(asyncio.run(install()))"
INSTALL_SECONDS = 200


def deploy(client: SyncPrefectClient, environment: Mapping[str, str]) -> None:
    """Install pools, deployments, blocks and automations; schedules rest, as nothing is to run unasked."""
    done = subprocess.run(
        [sys.executable, "-c", INSTALL],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for deployment in client.read_deployments():
        if deployment.schedules:
            client.pause_deployment(deployment.id)
