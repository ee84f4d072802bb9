"""How long the stages of a job take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sakuga.quality.report import Stage
from tasks.channel import current_channel


class Stopwatch:
    """Seconds of wall time of each stage, in order; between two stages a job may be stopped."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.stages: list[Stage] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measure one stage.

        Raises:
            CancelledError: the job was asked to stop before the stage.
        """
        current_channel().check()
        start = time.monotonic()
        yield
        self.stages.append(Stage(name=name, seconds=round(time.monotonic() - start, 3)))
