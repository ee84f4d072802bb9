"""What a job shared with its workers, when it ends while a worker's machine is gone."""

import uuid
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType

from flows.chunks import enhance_chunks
from flows.dispatch import clear_shared
from sakuga.settings import load_settings
from tasks.job import Job, open_store
from tasks.shared import JOBS, TAG
from tests.flows.sharing import planned_and_shared, quartered_clip

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "sakuga_home")]


@pytest.fixture
def job_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def shared(tmp_path: Path, job_id: str) -> Job:
    folder = tmp_path / "plan"
    folder.mkdir()
    return planned_and_shared(str(quartered_clip(tmp_path / "in" / "my film.mp4")), folder, job_id)[0]


@pytest.mark.parametrize("made", [True, False])
def test_it_goes_once_all_chunks_are_made_though_a_run_seems_to_be_alive(
    shared: Job, job_id: str, made: bool
) -> None:
    with get_client(sync_client=True) as client:
        parameters = {"job": job_id, "chunks": [0], "unit": "1-1"}
        client.create_flow_run(
            enhance_chunks,
            parameters=parameters,
            tags=[TAG + job_id],
            state=State(type=StateType.RUNNING),
        )
    clear_shared(shared, job_id, load_settings().farm, made=made)
    left = list(open_store(None).files(f"{JOBS}/{job_id}"))
    assert bool(left) is not made
