"""Fixtures of all tests; the user's own Prefect and Sakuga see nothing of what they do."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.blocks.outages import Outage

_HOME = Path(tempfile.mkdtemp(prefix="sakuga-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

# before the first test module imports Prefect, which reads its settings once
for _name in [name for name in os.environ if name.startswith(("PREFECT_", "SAKUGA_HOME"))]:
    del os.environ[_name]
os.environ.update(
    PREFECT_HOME=str(_HOME / "prefect"),
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    DO_NOT_TRACK="1",
    SAKUGA_HOME=str(_HOME / "sakuga"),
)


# how long an example takes says how busy the machine is
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where networks run: those tests run on that device too."""
    parser.addoption("--device", default="cpu", help="also run engines on this device: cpu, cuda:0, mps")


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> str:
    """The device that networks are tested on."""
    return str(pytestconfig.getoption("--device"))


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A real Prefect server for the tests that run flows."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=60):
        yield


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of an S3 service in this process; the buckets of all tests are in it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "mount point", "s3"])
def outage(request: pytest.FixtureRequest, tmp_path: Path) -> "Iterator[Outage]":
    """A store of each kind that can be sent away and brought back."""
    from tests.blocks.outages import Stopped, Unmounted

    if request.param == "s3":
        made: Outage = Stopped()
    else:
        made = Unmounted(tmp_path / "store", mount_point=request.param == "mount point")
    yield made
    made.end()


@pytest.fixture
def sakuga_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for one test."""
    home = tmp_path / "home"
    monkeypatch.setenv("SAKUGA_HOME", str(home))
    return home
