"""`sakuga jobs` with a worker that runs what it starts, in a terminal, and a server that goes away."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.app.test_terminal import in_terminal
from tests.clips import make_clip
from tests.processes import end, free_port, start, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.farm]
ROOT = Path(__file__).parents[2]
PREFECT = [sys.executable, "-m", "prefect"]
SECRET = "user:a password"
UP_WITHIN = 120
DEPLOY = """
from pathlib import Path
from flows.enhance import enhance
enhance.from_source(source={root!r}, entrypoint="flows/enhance.py:enhance").deploy(
    name="enhance-video", work_pool_name="cpu", print_next_steps=False)
"""


@dataclass
class Site:
    """A server that wants a password, and a worker."""

    folder: Path
    port: int
    environment: dict[str, str]
    server: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        """Start the server."""
        arguments = [*PREFECT, "server", "start", "--port", str(self.port)]
        self.server = start(arguments, self.environment, self.folder / "server.log")
        wait_for(self.answers, UP_WITHIN, "a server", (self.folder / "server.log").read_text)

    def down(self) -> None:
        """End the server."""
        assert self.server
        end(self.server)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.environment['PREFECT_API_URL']}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def run(self, *argv: str) -> str:
        """Output of a program that must succeed."""
        done = subprocess.run(
            argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def jobs(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "app.cli", "jobs", *arguments)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    port = free_port()
    environment = {
        **os.environ,
        "PREFECT_HOME": str(folder / "prefect"),
        "SAKUGA_HOME": str(folder / "sakuga"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_AUTH_STRING": SECRET,
        "PREFECT_SERVER_API_AUTH_STRING": SECRET,
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    made = Site(folder, port, environment)
    made.up()
    worker = None
    try:
        made.run(*PREFECT, "work-pool", "create", "cpu", "--type", "process")
        made.run(sys.executable, "-c", DEPLOY.format(root=str(ROOT)))
        arguments = [*PREFECT, "worker", "start", "--pool", "cpu", "--type", "process", "--name", "one"]
        worker = start(arguments, environment, folder / "worker.log")
        yield made
    finally:
        for process in (worker, made.server):
            if process:
                end(process)


@pytest.fixture
def here(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site as what Prefect is set to in this process and its children."""
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.setenv(name, site.environment[name])
    return site


def test_a_password_is_wanted_and_may_be_in_a_profile(
    here: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = here.environment["PREFECT_API_URL"]
    monkeypatch.delenv("PREFECT_API_URL")
    monkeypatch.delenv("PREFECT_API_AUTH_STRING")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    code, said = in_terminal(tmp_path, "jobs", "list", "--server", url)
    assert (code, len(said.strip().splitlines())) == (2, 1)
    assert "PREFECT_API_AUTH_STRING" in said
    (tmp_path / "profiles.toml").write_text(
        f'active = "farm"\n[profiles.farm]\nPREFECT_API_URL = "{url}"\nPREFECT_API_AUTH_STRING = "{SECRET}"\n'
    )
    code, said = in_terminal(tmp_path, "jobs", "list")
    assert code == 0, said


def test_a_run_is_followed_to_its_result_while_the_server_goes_and_comes(here: Site, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=1200)
    run = here.jobs("start", str(clip), "--chunk-seconds", "2").split()[0]
    log = tmp_path / "follow.log"
    followed = start([sys.executable, "-m", "app.cli", "jobs", "follow", run], here.environment, log)
    wait_for(lambda: "Running" in log.read_text(), UP_WITHIN, "a run", log.read_text)
    here.down()
    wait_for(lambda: "Waiting for it" in log.read_text(), 30, "a word", log.read_text)
    here.up()
    assert followed.wait(UP_WITHIN) == 0, log.read_text()
    assert "It answers again" in log.read_text()
    assert str(tmp_path / "clip.sakuga.mp4") in log.read_text()
    assert json.loads(here.jobs("show", run, "--json"))["state"] == "Completed"


def test_a_failed_run_says_why_and_is_retried_to_its_end(here: Site, tmp_path: Path) -> None:
    clip = tmp_path / "late.mp4"
    run = here.jobs("start", str(clip), "--model", "lanczos").split()[0]
    code, shown = in_terminal(tmp_path, "jobs", "follow", run)
    assert code == 1, shown
    assert re.search(r"Failed: '.*late\.mp4' cannot be read", shown)
    assert "Traceback" not in shown
    make_clip(clip, frames=6)
    here.jobs("retry", run[:8])
    assert in_terminal(tmp_path, "jobs", "follow", run)[0] == 0
    assert json.loads(here.jobs("show", run, "--json"))["tries"] == 2


def test_a_run_is_cancelled_while_a_terminal_shows_its_bar(here: Site, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "long.mp4", frames=8000)
    run = here.jobs("start", str(clip)).split()[0]
    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(in_terminal, tmp_path, "jobs", "follow", run)
        wait_for(lambda: "of 8000 frames" in here.jobs("show", run), UP_WITHIN, "progress", pause=1)
        facts = json.loads(here.jobs("show", run, "--json"))
        assert "Cancelled" in here.jobs("cancel", run, "--wait").splitlines()[-1]
        code, shown = watched.result(UP_WITHIN)
    assert re.search(r"enhance long\.mp4 \(2x\) from \S+ Running .* \d+ of 8000 frames", shown)
    assert (code, "Cancelled after" in shown) == (130, True)
    assert not (tmp_path / "long.sakuga.mp4").exists()
    numbers = [int(row["chunk"]) for row in facts["chunks"] if row["chunk"].isdigit()]
    assert numbers == list(range(len(numbers)))
    assert facts["chunks"][0]["chunk"] == f"all {len(numbers)}"
