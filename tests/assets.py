"""Real clips that some tests want; a test that wants one that is absent is skipped."""

import os
from pathlib import Path

ASSETS = Path(
    os.environ.get("SAKUGA_TEST_ASSETS") or Path(__file__).resolve().parents[2] / "shared" / "assets"
)
