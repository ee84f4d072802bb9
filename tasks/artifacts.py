"""What the Prefect UI shows of a job: progress, the report, and where the result is."""

import time
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sakuga.quality.report import JobReport
from sakuga.quality.words import duration_text
from tasks.post import Post, artifact_key, flush_all
from tasks.progress import Progress

if TYPE_CHECKING:
    from sakuga.episode.report import EpisodeReport

PERIOD = 5.0
"""Seconds between two updates: each is a request to the server."""

WINDOW = 60.0
"""Seconds that the speed is measured over."""

PATIENCE = 15.0
"""Seconds that the end of a job waits for its artifacts to arrive."""


class ProgressArtifact:
    """A progress bar in the Prefect UI, moved at a bearable pace; never in the way of the job."""

    def __init__(self, progress: Progress, name: str = "video") -> None:
        self._progress = progress
        self._post = Post("progress", artifact_key("progress", name))
        self._marks = deque([(time.monotonic(), progress.done)])
        self._next = time.monotonic() + PERIOD

    def update(self) -> None:
        """Move the bar when it is time to."""
        now = time.monotonic()
        if now >= self._next:
            done, total = self._progress.done, max(1, self._progress.total)
            self._post.show(100.0 * min(done, total) / total, self._said(now, done))
            self._next = now + PERIOD

    def finish(self) -> None:
        """Move the bar to its end: everything is done."""
        self._post.show(100.0, f"All {self._progress.total} frames are done.")

    def _said(self, now: float, done: int) -> str:
        """`1200 of 4800 frames, 31.2 fps, about 1 min 55 s left`."""
        while len(self._marks) > 1 and now - self._marks[0][0] > WINDOW:
            self._marks.popleft()
        began, before = self._marks[0]
        self._marks.append((now, done))
        total = self._progress.total
        fps = (done - before) / max(now - began, 1e-3)
        if fps <= 0:
            return f"{done} of {total} frames"
        left = duration_text(max(0.0, (total - done) / fps))
        return f"{done} of {total} frames, {fps:.1f} fps, about {left} left"


RESULTS = {"result": "Result", "poster": "Poster", "contact_sheet": "Contact sheet"}


def publish_artifacts(report: JobReport, places: dict[str, Any]) -> None:
    """The report as markdown, and links to the result and its pictures; a server that is away is no error."""
    links = {**RESULTS, "before_after": "Before and after"}
    _publish(report.source.name, report.to_markdown(), links, places)


def publish_episode_artifacts(report: "EpisodeReport", places: dict[str, Any]) -> None:
    """The same of an episode."""
    links = {**RESULTS, "waveform": "Loudness"}
    _publish(report.title, report.to_markdown(), links, places)


def _publish(name: str, text: str, kinds: dict[str, str], places: dict[str, Any]) -> None:
    posts = [Post("markdown", artifact_key("report", name))]
    posts[0].show(text, "Quality report.")
    for kind, title in kinds.items():
        if kind not in places:
            continue
        place = str(places[kind])
        address = str(places["links"][kind])
        link = address if "://" in address else f"file://{quote(address)}"
        posts.append(Post("markdown", artifact_key(kind.replace("_", "-"), name)))
        # browsers do not follow links from a server's page to files: the place can be read too
        posts[-1].show(f"[{title}]({link})", place)
    flush_all(posts, PATIENCE)
