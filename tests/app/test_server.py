import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlparse

import psutil
import pytest

from app.server import configured_server

SERVE = """
import sys, time
from pathlib import Path
from app.server import PrivateServer
import os
with PrivateServer(Path(sys.argv[1])) as server:
    server.wait()
    print(os.environ["PREFECT_API_URL"], flush=True)
    sys.stdin.read()
"""
GONE_WITHIN = 5.0


@pytest.fixture
def no_prefect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        if name.startswith("PREFECT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect").mkdir()
    return tmp_path


def _start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, process.stdout.readline().strip()


def _status(url: str, path: str) -> int | None:
    address = urlparse(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def test_no_server_is_configured_where_nothing_says_so(no_prefect: Path) -> None:
    assert configured_server() is None
    (no_prefect / "prefect" / "profiles.toml").write_text(
        'active = "a"\n[profiles.a]\nPREFECT_LOGGING_LEVEL = "INFO"\n'
    )
    assert configured_server() is None


def test_a_configured_server_is_found_where_prefect_finds_it_first(
    no_prefect: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (no_prefect / "prefect" / "profiles.toml").write_text(
        'active = "a"\n[profiles.a]\nPREFECT_API_URL = "http://profile/api"\n'
        '[profiles.b]\nPREFECT_API_URL = "http://other/api"\n'
    )
    assert configured_server() == "http://profile/api"
    monkeypatch.setenv("PREFECT_PROFILE", "b")
    assert configured_server() == "http://other/api"
    (no_prefect / "pyproject.toml").write_text('[tool.prefect.api]\nurl = "http://project/api"\n')
    assert configured_server() == "http://project/api"
    (no_prefect / "prefect.toml").write_text('[api]\nurl = "http://toml/api"\n')
    assert configured_server() == "http://toml/api"
    (no_prefect / ".env").write_text("A=1\nexport PREFECT_API_URL='http://dotenv/api'\n")
    assert configured_server() == "http://dotenv/api"
    monkeypatch.setenv("PREFECT_API_URL", "http://environment/api")
    assert configured_server() == "http://environment/api"


def test_the_server_answers_only_its_own_process_and_ends_with_it(no_prefect: Path) -> None:
    process, url = _start(no_prefect / "data")
    assert url.startswith("http://127.0.0.1:")
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 1
    assert _status(url, "/api/health") == 200
    assert _status(url, "/api/admin/settings") == 401
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, GONE_WITHIN)
    assert alive == []
    assert _status(url, "/api/health") is None


@pytest.mark.slow
def test_two_runs_at_once_have_a_database_each(no_prefect: Path) -> None:
    folder = no_prefect / "data"
    runs = [_start(folder), _start(folder)]
    assert {path.name for path in folder.glob("*.db")} == {"server-0.db", "server-1.db"}
    began = time.monotonic()
    for process, url in runs:
        assert _status(url, "/api/health") == 200
        assert process.stdin
        process.stdin.close()
    assert all(process.wait(GONE_WITHIN) == 0 for process, _ in runs)
    assert time.monotonic() - began < 2 * GONE_WITHIN
