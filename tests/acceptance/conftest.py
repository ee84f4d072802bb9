from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One SAKUGA_HOME for all whole jobs: making a Prefect database anew takes seconds."""
    return tmp_path_factory.mktemp("home")
