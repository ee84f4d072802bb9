"""Where real clips are, for the tests that can use them; such a test skips where they are absent."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("SAKUGA_TEST_ASSETS", REPOSITORY.parent / "shared" / "assets"))


def asset_files(folder: str) -> list[Path]:
    """Files of one folder of the assets, none where they are absent."""
    return sorted(path for path in (ASSETS / folder).glob("*") if path.is_file())
