"""Watching and events against a real server: what two watchers do, and what its automations do."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter

from flows.enhance import enhance
from tasks.watching import TAG
from tests.clips import decoded_lumas, make_clip
from tests.flows.watch_server import ROOT, program, running_server
from tests.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.farm]

CLIPS = 8
PROGRAM_SECONDS = 120
EVENT_SECONDS = 30.0
"""From an event to the run that an automation starts for it, on a busy machine."""

WATCH = """
import sys
from flows.watch import WatchOptions, watch_folder
from sakuga.enhance.spec import EnhanceSpec
options = WatchOptions(settle_seconds=0.5, deployment="enhance/watched")
print(watch_folder(sys.argv[1], spec=EnhanceSpec(model="lanczos", preset="ultrafast"), options=options))
"""
TELL = """
import sys
from prefect import flow
from tasks.events import video_arrived, video_enhanced
@flow
def tell():
    video_arrived(sys.argv[1], "b" * 64, run="1", run_name="x", asked=sys.argv[1])
    video_enhanced(sys.argv[1], "b" * 64, {"result": "r.mp4", "report": "r.json"}, 2.5)
tell()
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with running_server(tmp_path_factory.mktemp("server")) as environment:
        made = enhance.to_deployment("watched")
        assert isinstance(made, RunnerDeployment)
        deployment = made.apply()
        trigger = _documented_trigger()
        trigger.set_deployment_id(deployment)  # type: ignore[arg-type]
        Automation.model_validate(trigger.as_automation().model_dump()).create()
        yield environment


def _documented_trigger() -> DeploymentEventTrigger:
    """The trigger that a farm's deployment has for videos which other programs tell of."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    (video,) = (each for each in deployments if each["name"] == "enhance-video")
    (trigger,) = video["triggers"]
    return DeploymentEventTrigger.model_validate(trigger)


def _runs(source: str) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=200)
    return [run for run in runs if str(run.parameters.get("source", "")).startswith(source)]


def _events(name: str) -> list[dict[str, Any]]:
    wanted = EventFilter(event=EventNameFilter(name=[name]), occurred=EventOccurredFilter())
    with get_client(sync_client=True) as client:
        body = {"filter": wanted.model_dump(mode="json"), "limit": 50}
        answer = client._client.post("/events/filter", json=body)
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


def _finish(process: "subprocess.Popen[str]") -> str:
    output = process.communicate(timeout=PROGRAM_SECONDS)[0]
    assert process.returncode == 0, output
    return output


def test_two_watchers_of_one_folder_start_each_video_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    for number in range(CLIPS):
        make_clip(tmp_path / f"{number}.mp4", frames=4 + number, size=(48, 40))
    watchers = [program(WATCH, environment, str(tmp_path)) for _ in range(2)]
    outputs = [_finish(watcher) for watcher in watchers]
    runs = _runs(str(tmp_path))
    assert sorted(Path(run.parameters["source"]).name for run in runs) == [f"{n}.mp4" for n in range(CLIPS)]
    assert all(TAG in run.tags for run in runs)
    assert f"known={CLIPS} " in _finish(program(WATCH, environment, str(tmp_path))), outputs


def test_a_watched_video_is_enhanced_and_its_result_is_not_watched(
    environment: dict[str, str], tmp_path: Path
) -> None:
    make_clip(tmp_path / "clip.mp4", frames=6, size=(48, 40))
    _finish(program(WATCH, environment, str(tmp_path)))
    (run,) = _runs(str(tmp_path))
    # what a worker starts for a run
    subprocess.run(
        [sys.executable, "-m", "prefect.engine", str(run.id)],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=PROGRAM_SECONDS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    assert len(decoded_lumas(tmp_path / "clip.sakuga.mp4")) == 6
    said = _finish(program(WATCH, environment, str(tmp_path)))
    assert "done=1" in said
    assert "started=0" in said
    assert len(_runs(str(tmp_path))) == 1


def test_an_event_of_another_program_starts_a_run_and_one_of_a_watch_does_not(
    environment: dict[str, str], tmp_path: Path
) -> None:
    ours, theirs = f"{tmp_path}/ours.mp4", f"{tmp_path}/theirs.mp4"
    _finish(program(TELL, environment, ours))
    subprocess.run(
        [
            *(sys.executable, "-m", "prefect", "event", "emit", "sakuga.video.arrived"),
            *("--resource-id", "sakuga.video.request", "--payload"),
            f'{{"source": "{theirs}", "spec": {{"height": 720}}}}',
        ],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=PROGRAM_SECONDS,
        capture_output=True,
    )
    (run,) = wait_for(lambda: _runs(theirs), EVENT_SECONDS, "a run was started")
    assert run.parameters["spec"] == {"height": 720}
    wait_for(lambda: len(_events("sakuga.video.arrived")) >= 2, EVENT_SECONDS, "both events arrived")
    assert _runs(ours) == []


def test_an_event_says_what_happened_and_to_which_run_it_belongs(
    environment: dict[str, str], tmp_path: Path
) -> None:
    source = f"{tmp_path}/told.mp4"
    _finish(program(TELL, environment, source))

    def told() -> list[dict[str, Any]]:
        return [e for e in _events("sakuga.video.enhanced") if e["payload"]["source"] == source]

    (event,) = wait_for(told, EVENT_SECONDS, "the event arrived")
    assert event["resource"] == {
        "prefect.resource.id": f"sakuga.video.{'b' * 12}",
        "prefect.resource.name": "told.mp4",
        "sakuga.source": source,
        "sakuga.origin": "run",
    }
    assert event["payload"] == {
        "source": source,
        "sha256": "b" * 64,
        "result": "r.mp4",
        "report": "r.json",
        "seconds": 2.5,
    }
    assert any(each.get("prefect.resource.role") == "flow-run" for each in event["related"])
