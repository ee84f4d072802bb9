"""What the Prefect UI shows of a job: progress, the report, and where the result is."""

import re
import time
from typing import Any
from urllib.parse import quote
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)

from sakuga.quality.report import JobReport
from tasks.progress import Progress

PERIOD = 5.0
"""Seconds between two updates: each is a request to the server."""


class ProgressArtifact:
    """A progress bar in the Prefect UI, moved at a bearable pace."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._id: UUID | None = None
        self._next = time.monotonic() + PERIOD

    def update(self) -> None:
        """Move the bar when it is time to."""
        if time.monotonic() >= self._next:
            self._show()
            self._next = time.monotonic() + PERIOD

    def finish(self) -> None:
        """Move the bar to its end."""
        self._show()

    def _show(self) -> None:
        percent = 100.0 * self._progress.done / max(1, self._progress.total)
        if self._id is None:
            made = create_progress_artifact(
                progress=percent, key="enhance-progress", description="Frames done."
            )
            self._id = made if isinstance(made, UUID) else None
        else:
            update_progress_artifact(artifact_id=self._id, progress=percent)


def publish_artifacts(report: JobReport, places: dict[str, Any]) -> None:
    """The report as markdown, and links to the result and its pictures."""
    key = re.sub(r"[^a-z0-9]+", "-", report.source.name.lower()).strip("-")[:80] or "video"
    create_markdown_artifact(report.to_markdown(), key=f"report-{key}", description="Quality report.")
    for kind, text in (
        ("result", "Result"),
        ("poster", "Poster"),
        ("contact_sheet", "Contact sheet"),
        ("before_after", "Before and after"),
    ):
        place = str(places[kind])
        link = place if place.startswith("s3://") else f"file://{quote(place)}"
        # browsers do not follow links from a server's page to files: the place can be read too
        name = f"{kind.replace('_', '-')}-{key}"
        create_link_artifact(link, link_text=text, key=name, description=place)
