"""Downloading weights of several models, and telling of it: a bar, lines, or one JSON object a line.

Every JSON line has `event` and `time` (seconds since the command began), and further:

    download   file, done, total (bytes)
    fetched    model, files: paths, in the card's order
    failed     model, error, message, exit_code
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.text import Text

from app.models_here import megabytes
from sakuga.errors import CancelledError, SakugaError
from sakuga.models.base import ModelCard
from sakuga.models.weights import ensure_weights
from sakuga.quality.words import plain
from sakuga.settings import Settings

PERIOD = 0.2
"""Seconds between two JSON lines about one file."""


class Teller(Protocol):
    """Hears of downloads."""

    def progress(self, file: str, done: int, total: int) -> None:
        """`done` of `total` bytes of a file are here; `total` is 0 where it is not known."""
        ...

    def fetched(self, card: ModelCard, files: Sequence[Path]) -> None:
        """All of a model is here."""
        ...

    def failed(self, card: ModelCard, error: SakugaError) -> None:
        """A model could not be had."""
        ...


def fetch_all(cards: Sequence[ModelCard], settings: Settings, told: Teller) -> int:
    """Make all weights present, one model after another; one that fails does not stop the others.

    Returns:
        The exit code: 130 where it was interrupted, else 1 where something failed, else 2 where something was
        refused.
    """
    codes = {0}
    for card in cards:
        try:
            told.fetched(card, ensure_weights(card, settings, told.progress, replace=True))
        except SakugaError as error:
            told.failed(card, error)
            codes.add(error.exit_code)
        except KeyboardInterrupt:
            stopped = CancelledError("Stopped; the next download goes on from there.")
            told.failed(card, stopped)
            return stopped.exit_code
    return 1 if 1 in codes else max(codes)


@contextmanager
def teller(as_json: bool) -> Iterator[Teller]:
    """One that suits where the output goes."""
    if as_json:
        yield _Json()
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        yield _Terminal(console, bar)


class _Json:
    def __init__(self) -> None:
        self._began, self._last, self._file = time.monotonic(), 0.0, ""

    def progress(self, file: str, done: int, total: int) -> None:
        now = time.monotonic()
        if file != self._file or done == total or now - self._last >= PERIOD:
            self._file, self._last = file, now
            self._print("download", file=file, done=done, total=total)

    def fetched(self, card: ModelCard, files: Sequence[Path]) -> None:
        self._print("fetched", model=card.name, files=[str(path) for path in files])

    def failed(self, card: ModelCard, error: SakugaError) -> None:
        self._print(
            "failed",
            model=card.name,
            error=type(error).__name__,
            message=str(error),
            exit_code=error.exit_code,
        )

    def _print(self, event: str, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        head = {"event": event, "time": round(time.monotonic() - self._began, 3)}
        sys.stdout.write(json.dumps(head | facts) + "\n")
        sys.stdout.flush()


class _Terminal:
    def __init__(self, console: Console, bar: Progress) -> None:
        self._errors, self._bar = console, bar
        self._out = Console(highlight=False, soft_wrap=True)
        self._task: TaskID | None = None
        self._file = ""

    def progress(self, file: str, done: int, total: int) -> None:
        if file != self._file:
            self._close()
            self._file = file
            self._task = self._bar.add_task(file, total=total or None)
            self._errors.print(Text(f"Downloading {file}, {megabytes(total)}"))
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None)

    def fetched(self, card: ModelCard, files: Sequence[Path]) -> None:
        self._close()
        for path in files:
            self._out.print(Text(f"{card.name}: {path}"))
        if not files:
            self._out.print(Text(f"{card.name}: built in"))

    def failed(self, card: ModelCard, error: SakugaError) -> None:
        self._close()
        self._errors.print(Text(plain(f"{card.name}: {error}"), style="red"))

    def _close(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task, self._file = None, ""
