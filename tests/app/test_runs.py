"""`sakuga jobs` against a real server, without workers: what needs those is in test_runs_live.py."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL
from typer.testing import CliRunner, Result

from app.cli import cli
from app.runs_read import Run, sentence, short_ids
from app.runs_server import Server, refusal
from sakuga.enhance.spec import EnhanceSpec
from tests.clips import make_clip

pytestmark = pytest.mark.slow

LISTED_WITHIN = 4.0
"""Half a second alone; importing Prefect, which must not happen, takes two more, and machines are busy."""

SCHEMA = {
    "type": "object",
    "properties": {"source": {"type": "string"}, "spec": {"type": "object"}, "dispatch": {"type": "string"}},
    "required": ["source"],
}


@pytest.fixture(scope="module")
def server(prefect_server: None) -> str:
    """Address of a real server."""
    del prefect_server
    return str(PREFECT_API_URL.value())


@pytest.fixture
def deployment(server: str) -> str:
    """A deployment that takes runs, and that no worker looks after."""
    with httpx.Client(base_url=server) as client:
        flow = client.post("/flows/", json={"name": "enhance"}).json()["id"]
        client.post("/work_pools/", json={"name": "idle", "type": "process"})
        client.post(
            "/deployments/",
            json={
                "name": "idle",
                "flow_id": flow,
                "work_pool_name": "idle",
                "entrypoint": "flows.enhance.enhance",
                "parameter_openapi_schema": SCHEMA,
                "enforce_parameter_schema": True,
            },
        ).raise_for_status()
    return "enhance/idle"


@pytest.fixture(scope="module")
def finished(server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Id of a run that has enhanced a clip."""
    from flows.enhance import enhance

    clip = make_clip(tmp_path_factory.mktemp("jobs") / "finished.mp4", frames=6)
    state = enhance(str(clip), EnhanceSpec(model="lanczos"), return_state=True)
    assert state.is_completed()
    with httpx.Client(base_url=server) as client:
        found = client.post("/flow_runs/filter", json={"flows": {"name": {"any_": ["enhance"]}}}).json()
    return str(next(run["id"] for run in found if "finished.mp4" in run["name"]))


@pytest.fixture
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server in the environment, the profile or the folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PREFECT_API")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))


def jobs(server: str | None, *arguments: str) -> Result:
    """`sakuga jobs` with these arguments, here."""
    return CliRunner().invoke(cli, ["jobs", *arguments, *(["--server", server] if server else [])])


def start(server: str, deployment: str, *arguments: str) -> str:
    """Id of a new run."""
    done = jobs(server, "start", *arguments, "--deployment", deployment, "--json")
    assert done.exit_code == 0, done.output
    return str(json.loads(done.output)[0]["id"])


def read(server: str, run: str) -> dict[str, Any]:
    return dict(httpx.get(f"{server}/flow_runs/{run}").json())


def test_a_started_run_is_listed_shown_and_cancelled(server: str, deployment: str, tmp_path: Path) -> None:
    run = start(server, deployment, f"{tmp_path}/one.mp4", "--scale", "3/2", "--dispatch", "pool")
    told = read(server, run)
    assert told["parameters"] == {
        "source": f"{tmp_path}/one.mp4",
        "spec": {"scale": "3/2"},
        "dispatch": "pool",
    }
    assert told["name"] == f"enhance one.mp4 (1.5x) from {tmp_path.name}"

    lines = jobs(server, "list", "--state", "scheduled").output.splitlines()
    assert any(line.startswith(run[:8]) and line.endswith(told["name"]) for line in lines)
    assert run[:8] not in jobs(server, "list", "--state", "failed").output
    shown = jobs(server, "show", run[:10]).output
    assert run in shown
    assert "scale 3/2" in shown

    done = jobs(server, "cancel", told["name"], "--wait")
    assert done.exit_code == 0, done.output
    assert read(server, run)["state"]["type"] == "CANCELLED"
    assert "Cancelled already" in jobs(server, "cancel", run).output
    assert jobs(server, "follow", run).exit_code == 130


def test_a_cancelled_run_of_a_deployment_waits_again_under_its_id(server: str, deployment: str) -> None:
    run = start(server, deployment, "again.mp4")
    refused = jobs(server, "retry", run)
    assert (refused.exit_code, "only one that has ended" in refused.output) == (2, True)
    jobs(server, "cancel", run)
    assert jobs(server, "retry", run).exit_code == 0
    assert read(server, run)["state"]["name"] == "AwaitingRetry"


def test_paths_are_made_absolute_and_addresses_are_not(
    server: str, deployment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = read(server, start(server, deployment, "here.mp4"))
    assert run["parameters"]["source"] == str(tmp_path / "here.mp4")
    run = read(server, start(server, deployment, "s3://bucket/there.mp4"))
    assert run["parameters"]["source"] == "s3://bucket/there.mp4"


def test_a_finished_run_shows_its_report_chunks_and_result(server: str, finished: str) -> None:
    facts = json.loads(jobs(server, "show", finished, "--json").output)
    assert facts["state"] == "Completed"
    assert facts["progress"] == 100
    assert facts["links"]["Result"].endswith("finished.sakuga.mp4")
    assert facts["report"].startswith("# Passed")
    text = jobs(server, "show", finished).output
    assert facts["links"]["Result"] in text
    assert "Passed" in text


def test_a_finished_run_is_followed_to_its_end_and_its_result_goes_to_standard_output(
    server: str, finished: str
) -> None:
    done = jobs(server, "follow", finished)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].endswith("finished.sakuga.mp4")
    events = [json.loads(line) for line in jobs(server, "follow", finished, "--json").stdout.splitlines()]
    assert (events[-1]["event"], events[-1]["exit_code"]) == ("ended", 0)
    assert {"log", "state", "progress"} <= {event["event"] for event in events}


def test_a_run_without_a_deployment_is_neither_retried_nor_cancelled(server: str, finished: str) -> None:
    assert "is done" in jobs(server, "retry", finished).output
    with httpx.Client(base_url=server) as client:
        flow = read(server, finished)["flow_id"]
        run = client.post("/flow_runs/", json={"flow_id": flow, "state": {"type": "RUNNING"}}).json()["id"]
    refused = jobs(server, "cancel", run)
    assert (refused.exit_code, "Ctrl-C" in refused.output) == (2, True)
    assert jobs(server, "cancel", run, "--force").exit_code == 0
    assert read(server, run)["state"]["type"] == "CANCELLED"
    refused = jobs(server, "retry", run)
    assert (refused.exit_code, "no worker" in refused.output) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["start", "a.mp4", "--scale", "7"], "--scale"),
        (["start", "a.mp4", "--dispatch", "moon"], "--dispatch"),
        (["start", "a.mp4", "--deployment", "enhance/none"], "no deployment 'enhance/none'"),
        (["start", "a.mp4", "--deployment", "../x"], "no deployment"),
        (["start", "a.mp4", "--enhance-preset", "../none"], "no preset"),
        (["start", "a.mp4", "b.mp4", "--follow"], "--follow"),
        (["show", "no-such-run"], "no run 'no-such-run'"),
        (["follow", "ffffffff-ffff-4fff-8fff-ffffffffffff"], "There is no run"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(server: str, arguments: list[str], said: str) -> None:
    done = jobs(server, *arguments)
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_a_name_that_two_runs_have_asks_for_an_id(server: str, deployment: str) -> None:
    runs = [start(server, deployment, "/twice/twin.mp4") for _ in range(2)]
    done = jobs(server, "show", "enhance twin.mp4 (2x) from twice")
    assert done.exit_code == 2
    assert all(run[:8] in done.output for run in runs)


def test_the_field_that_the_server_refuses_is_named(server: str, deployment: str) -> None:
    url = httpx.get(f"{server}/deployments/name/{deployment}").json()["id"]
    answer = httpx.post(f"{server}/deployments/{url}/create_flow_run", json={"parameters": {"source": 7}})
    assert answer.status_code == 409
    assert refusal(answer.json()) == "The server refused 'source': 7 is not of type 'string'."
    answer = httpx.post(f"{server}/deployments/{url}/create_flow_run", json={"parameters": 7})
    assert refusal(answer.json()) == "The server refused parameters: Input should be a valid dictionary."


@pytest.mark.usefixtures("nothing_configured")
def test_a_server_that_is_missing_wrong_or_away_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    for address, said, code in (
        (None, "No Prefect server is configured", 2),
        ("localhost:4200", "no address", 2),
        (f"http://127.0.0.1:{closed}/api", "does not answer", 1),
    ):
        done = jobs(address, "list")
        assert (done.exit_code, said in done.output) == (code, True), done.output
        assert len(done.output.strip().splitlines()) == 1


def test_a_web_server_that_is_no_api_is_one_sentence(server: str) -> None:
    done = jobs(f"{server}/nothing", "list")
    assert done.exit_code == 2
    assert "not the API" in done.output


def test_listing_does_without_prefect_and_is_quick(server: str, finished: str) -> None:
    code = (
        "import sys\nfrom app.cli import main\ntry:\n    main()\n"
        "finally:\n    assert 'prefect' not in sys.modules"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, "jobs", "list", "--server", server],
        capture_output=True,
        text=True,
        check=False,
    )
    assert time.monotonic() - began < LISTED_WITHIN
    assert (done.returncode, done.stderr) == (0, "")
    assert finished[:8] in done.stdout


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Flow run encountered an exception: QualityError: It failed.", "It failed."),
        ("Flow run encountered an exception: ZeroDivisionError: division by zero", "division by zero"),
        ("The result failed a check.", "The result failed a check."),
        ("two\nlines", "two"),
        (None, ""),
    ],
)
def test_a_state_says_one_sentence(message: str | None, said: str) -> None:
    assert sentence(message) == said


def test_a_server_whose_database_is_busy_is_asked_again() -> None:
    asked: list[str] = []

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(503 if len(asked) < 3 else 201)
            self.end_headers()
            self.wfile.write(b'{"id": "1"}')

    with HTTPServer(("127.0.0.1", 0), Busy) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        with Server(f"http://127.0.0.1:{listening.server_port}/api") as server:
            assert server.post("/flow_runs/", {"name": "x"}) == {"id": "1"}
        listening.shutdown()
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_ids_that_begin_alike_are_shown_longer() -> None:
    begun = Run("", "", "", "", "", None, None, None, None, False, None, None, 0, {}, ())
    ids = [
        "01a1fd28-d213-75d0-b405-c76e3c65fe9d",
        "01a1fd28-d214-75d0-b405-c76e3c65fe9d",
        "7bc1d0c2-0000-4000-8000-000000000000",
    ]
    runs = [replace(begun, id=identity) for identity in ids]
    assert short_ids(runs) == ["01a1fd28-d213", "01a1fd28-d214", "7bc1d0c2"]
