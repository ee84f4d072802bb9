"""A real farm: started, asked, disturbed, ended."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.sync.client import connect

from app.farm_machine import worker_members
from tests.clips import make_clip
from tests.processes import free_port, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.farm]

UP_WITHIN = 180.0
"""Seconds until all of a farm is up: three processes import Prefect at once on two busy cores."""
ENDED_WITHIN = 15.0
GONE_WITHIN = 20.0
"""Seconds from a kill of the farm to the end of its last process: eight for workers, three for the server."""
DONE_WITHIN = 240.0
CONNECTIONS = 150
"""More than the hundred requests that Prefect takes at a time on SQLite."""
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def _clean_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**kept, "SAKUGA_HOME": str(home), "PREFECT_HOME": str(home / "other-prefect")}


class Up:
    """A `sakuga farm up` with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        home.mkdir(exist_ok=True)
        self.output = home / "output.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "app.cli", "farm", "up", "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_clean_environment(home),
            )
        self.api = f"http://127.0.0.1:{self.port}/api"
        try:
            wait_for(
                lambda: "Ctrl-C ends" in self.said() or self._over(), UP_WITHIN, "the farm is up", self.said
            )
            assert not self._over(), self.said()
        except AssertionError:
            self.end()
            raise

    def said(self) -> str:
        return self.output.read_text()

    def _over(self) -> bool:
        return self.process.poll() is not None

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ask(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - whatever the API answers
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.api}{path}", data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def start_run(self, **parameters: object) -> str:
        deployment = self.ask("/deployments/name/enhance/enhance-video")["id"]
        body = {"parameters": parameters}
        return str(self.ask(f"/deployments/{deployment}/create_flow_run", body)["id"])

    def state(self, run: str) -> str:
        return str(self.ask(f"/flow_runs/{run}")["state"]["type"])

    def story(self, run: str) -> str:
        """The run's state and its log, for a test that fails."""
        log = self.ask("/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})
        lines = [self.ask(f"/flow_runs/{run}")["state"]["message"] or "", *(one["message"] for one in log)]
        return "\n".join(lines)

    def online(self, pool: str) -> list[str]:
        workers = self.ask(f"/work_pools/{pool}/workers/filter", {})
        return [worker["name"] for worker in workers if worker["status"] == "ONLINE"]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**_clean_environment(self.home), "PREFECT_API_URL": self.api}
        return subprocess.run(
            [sys.executable, "-P", "-m", "app.cli", "farm", *words],
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
        )

    def end(self) -> None:
        if not self._over():
            self.process.send_signal(signal.SIGINT)
            self.process.wait(ENDED_WITHIN + 10)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    up = Up(tmp_path_factory.mktemp("farm") / "home")
    yield up
    up.end()


def _refusal(farm: Up, **parameters: object) -> str:
    with pytest.raises(urllib.error.HTTPError) as refused:
        farm.start_run(**parameters)
    assert refused.value.code == 409
    return str(json.load(refused.value)["detail"])


def test_a_run_over_http_is_done_by_the_workers_of_the_farm(farm: Up, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=24, size=(48, 40))
    run = farm.start_run(source=str(clip), spec={"preset": "ultrafast"})
    wait_for(lambda: farm.state(run) in ENDS, DONE_WITHIN, "the run ends")
    assert farm.state(run) == "COMPLETED", farm.story(run)
    assert (tmp_path / "clip.sakuga.mp4").exists()
    children = farm.ask("/flow_runs/filter", {"flow_runs": {"tags": {"all_": [f"sakuga-job:{run}"]}}})
    assert [child["state"]["name"] for child in children] == ["Completed"]
    assert {"sakuga", "chunks"} <= set(children[0]["tags"])


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"spec": {"quality": 99}}, "spec.quality"),
        ({"spec": {"scale": ["2"]}}, "spec.scale"),
        ({"spec": {"codec": "vp9"}}, "spec.codec"),
        ({"spec": {"fps": {}}}, "spec.fps"),
        ({"spec": {"qualty": 9}}, "qualty"),
        ({"overwrit": True}, "overwrit"),
        ({"source": 7}, "source"),
        ({"dispatch": "everywhere"}, "dispatch"),
    ],
)
def test_the_api_refuses_a_wrong_parameter_and_names_it(
    farm: Up, wrong: dict[str, object], name: str
) -> None:
    assert name in _refusal(farm, **{"source": "clip.mp4", **wrong})


@pytest.mark.parametrize(
    ("deployment", "first", "last"),
    [("enhance/enhance-video", "Source", "spec"), ("watch-folder/watch-folder", "Folder", "options")],
)
def test_a_form_has_titles_and_its_long_groups_at_the_end(
    farm: Up, deployment: str, first: str, last: str
) -> None:
    fields = farm.ask(f"/deployments/name/{deployment}")["parameter_openapi_schema"]["properties"]
    in_order = sorted(fields, key=lambda name: int(fields[name]["position"]))
    assert fields[in_order[0]]["title"] == first
    assert in_order[-1] == last
    assert all(name != field["title"] for name, field in fields.items())
    choices = [choice for field in fields.values() for choice in field.get("anyOf", ()) if "type" in choice]
    assert "Empty" in [choice["title"] for choice in choices]


def test_installing_again_doubles_nothing_and_keeps_what_an_operator_made(farm: Up) -> None:
    deployment = farm.ask("/deployments/name/watch-folder/watch-folder")["id"]
    schedule = {"schedule": {"interval": 600}, "active": True, "parameters": {"folder": "/mine"}}
    farm.ask(f"/deployments/{deployment}/schedules", [schedule])
    before = _everything(farm)
    done = farm.command("install")
    assert done.returncode == 0, done.stderr
    assert _everything(farm) == before
    assert {"folder": "/mine"} in [each["parameters"] for each in _schedules(farm)]


def _schedules(farm: Up) -> list[dict[str, Any]]:
    found = farm.ask("/deployments/name/watch-folder/watch-folder")["schedules"]
    assert isinstance(found, list)
    return found


def _everything(farm: Up) -> list[object]:
    return [
        sorted(pool["name"] for pool in farm.ask("/work_pools/filter", {})),
        sorted(deployment["name"] for deployment in farm.ask("/deployments/filter", {})),
        sorted(automation["name"] for automation in farm.ask("/automations/filter", {})),
        len(_schedules(farm)),
    ]


def test_status_names_the_workers(farm: Up) -> None:
    wait_for(lambda: bool(farm.online("cpu") and farm.online("gpu")), UP_WITHIN, "workers are online")
    done = farm.command("status")
    assert done.returncode == 0, done.stderr
    assert farm.online("gpu")[0] in done.stdout
    assert "1 worker online" in done.stdout
    # the nights of the clean-up are planned already
    assert "scheduled" not in done.stdout


def test_the_server_answers_while_many_workers_hold_connections(farm: Up) -> None:
    with ExitStack() as connections:
        for _ in range(CONNECTIONS):
            connections.enter_context(connect(f"{farm.api.replace('http', 'ws')}/events/in"))
        assert farm.ask("/health") is True


def test_a_second_farm_of_the_same_home_is_refused(farm: Up) -> None:
    done = farm.command("up", "--port", str(free_port()))
    assert done.returncode == 1
    assert "is running already" in done.stderr


@pytest.mark.parametrize("name", ["", "two words", "../up", "-n"])
def test_what_cannot_be_the_name_of_a_machine_is_refused(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "app.cli", "farm", "join", f"--name={name}", "http://127.0.0.1:1/api"],
        capture_output=True,
        text=True,
        env=_clean_environment(tmp_path),
        timeout=60,
    )
    assert done.returncode == 1
    assert "no name for a machine" in done.stderr


def test_workers_are_called_after_their_machine() -> None:
    names = [worker.name for worker in worker_members(1, 2, {"CUDA_VISIBLE_DEVICES": ""}, "box-7")]
    assert [name.startswith(("box-7-cpu-", "box-7-gpu-")) for name in names] == [True] * 3
    assert len(set(names)) == 3


def test_a_port_that_is_taken_is_refused(farm: Up, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "app.cli", "farm", "up", "--port", str(farm.port)],
        capture_output=True,
        text=True,
        env=_clean_environment(tmp_path),
        timeout=60,
    )
    assert done.returncode == 1
    assert f"Port {farm.port}" in done.stderr
    assert "--port" in done.stderr


def test_a_worker_that_is_killed_is_started_again(farm: Up) -> None:
    workers = [
        one for one in farm.processes() if "gpu" in one.cmdline() and "farm_child" not in str(one.cmdline())
    ]
    workers[0].kill()
    wait_for(lambda: "starting it again" in farm.said(), 10, "its end is noticed")

    def back() -> bool:
        return any("gpu" in one.cmdline() and one.pid != workers[0].pid for one in farm.processes())

    wait_for(back, 20, "it is started again")


def test_a_signal_ends_everything_and_running_runs_say_so(farm: Up, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=2000, size=(320, 240))
    spec = {"scale": "4", "preset": "veryslow", "reuse": "off"}
    run = farm.start_run(source=str(clip), spec=spec)
    wait_for(lambda: farm.state(run) == "RUNNING", DONE_WITHIN, "the run begins")
    members = farm.processes()
    began = time.monotonic()
    farm.process.send_signal(signal.SIGTERM)
    assert farm.process.wait(ENDED_WITHIN + 10) == 0
    assert time.monotonic() - began < ENDED_WITHIN
    # the last of them is reaped by init, which a busy machine keeps waiting
    assert psutil.wait_procs(members, 5)[1] == []
    log = next((farm.home / "farm" / "logs").glob("*-cpu-0.log")).read_text()
    assert "Finished in state Crashed('Execution was aborted by a termination signal.')" in log


def test_nothing_survives_a_kill_of_the_farm(tmp_path: Path) -> None:
    farm = Up(tmp_path / "home")
    clip = make_clip(tmp_path / "clip.mp4", frames=2000, size=(320, 240))
    run = farm.start_run(source=str(clip), dispatch="local", spec={"scale": "4", "preset": "veryslow"})
    wait_for(lambda: farm.state(run) == "RUNNING", DONE_WITHIN, "the run begins")
    members = farm.processes()
    farm.process.kill()
    farm.process.wait()
    assert psutil.wait_procs(members, GONE_WITHIN)[1] == []
