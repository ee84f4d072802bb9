import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.server import PrivateServer
from tests.acceptance.jobs import SERVER


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One SAKUGA_HOME and one server for all whole jobs: a server of its own costs each job seconds."""
    before = dict(os.environ)
    with PrivateServer(tmp_path_factory.mktemp("server")) as server:
        SERVER.update({name: value for name, value in os.environ.items() if name.startswith("PREFECT_")})
        os.environ.clear()
        os.environ.update(before)
        server.wait()
        yield tmp_path_factory.mktemp("home")
    SERVER.clear()
