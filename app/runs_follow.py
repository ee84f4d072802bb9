"""Watching one run until it ends: a bar, what its state becomes, and what it says."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from app.runs_read import Line, Log, Run, artifacts_of, read_run, units_of
from app.runs_server import Server
from app.runs_show import details, progress_of, run_facts
from sakuga.quality.words import duration_text, plain

POLL = 1.0
"""Seconds between two looks at a run."""

DRAIN = 4.0
"""Seconds that the last lines of a log need to arrive: clients send them every other second."""

DONE, FAILED, INTERRUPTED = 0, 1, 130


def exit_code(run: Run) -> int:
    """What a command ends with for a run that has ended like this."""
    return {"COMPLETED": DONE, "CANCELLED": INTERRUPTED}.get(run.kind, FAILED)


class Screen:
    """What a person sees: lines above a bar, all on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            TextColumn("{task.fields[said]}", markup=False),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def state(self, run: Run) -> None:
        """Say what the run has come to."""
        style = "red" if run.kind in ("FAILED", "CRASHED") else "bold"
        self._print(run.since, f"{run.state}{f': {run.message}' if run.message else ''}", style)

    def line(self, line: Line, unit: str) -> None:
        """Say what it says; `unit` is the run that works for it, where it is not itself."""
        style = "red" if line.level >= logging.ERROR else "yellow" if line.level >= logging.WARNING else ""
        self._print(line.time, f"{f'[{unit}] ' if unit else ''}{line.text}", style)

    def progress(self, run: Run, percent: float | None, said: str) -> None:
        """Move the bar; one of unknown length runs to and fro."""
        if self._task is None:
            self._task = self._bar.add_task(run.state, total=None, name=run.name, said="")
        total = 100 if percent is not None else None
        self._bar.update(
            self._task,
            description=run.state,
            completed=percent or 0,
            total=total,
            said=said or _percent(percent),
        )

    def say(self, text: str) -> None:
        """Say something of our own."""
        self._print(None, text, "")

    def end(self, run: Run, links: list[tuple[str, str]]) -> None:
        """The bar goes; places go to standard output, for those who read on."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        if run.seconds is not None:
            self.say(f"{run.name}: {run.state} after {duration_text(run.seconds)}")
        for _, place in links:
            sys.stdout.write(f"{plain(place)}\n")
        sys.stdout.flush()

    def _print(self, when: datetime | None, text: str, style: str) -> None:
        clock = (when.astimezone() if when else datetime.now()).strftime("%H:%M:%S")
        self._console.print(Text(f"{clock} ", style="dim") + Text(text, style=style))


def _percent(percent: float | None) -> str:
    return "" if percent is None else f"{percent:.0f} %"


class Lines:
    """What a program reads: one JSON object a line on standard output."""

    def __init__(self) -> None:
        self._told: tuple[float | None, str] = (None, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def state(self, run: Run) -> None:
        """An event `state`."""
        self._write("state", state=run.state, kind=run.kind, message=run.message)

    def line(self, line: Line, unit: str) -> None:
        """An event `log`."""
        self._write("log", level=line.level, at=line.time.isoformat(), message=line.text, unit=unit or None)

    def progress(self, run: Run, percent: float | None, said: str) -> None:
        """An event `progress`, where anything is new."""
        del run
        if (percent, said) != self._told:
            self._told = percent, said
            self._write("progress", percent=percent, text=said)

    def say(self, text: str) -> None:
        """An event `note`."""
        self._write("note", message=text)

    def end(self, run: Run, links: list[tuple[str, str]]) -> None:
        """An event `ended`."""
        self._write("ended", run=run_facts(run), links=dict(links), exit_code=exit_code(run))

    def _write(self, event: str, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        sys.stdout.write(json.dumps({"event": event} | facts) + "\n")
        sys.stdout.flush()


def follow(server: Server, run: Run, *, as_json: bool, verbose: bool, patience: float) -> int:
    """Show a run until it ends.

    Args:
        server: where it is.
        run: the run, as it was when it was found.
        as_json: write one JSON object a line in place of lines and a bar.
        verbose: also show tracebacks, and what the runs say that make its chunks.
        patience: seconds that a server that does not answer is waited for.

    Returns:
        0 when it is done, 1 when it failed or crashed, 130 when it was cancelled.

    Raises:
        FarmError: the server did not answer for too long.
    """
    with Lines() if as_json else Screen() as shown:
        server.wait_when_away(patience, shown.say)
        run = _watch(server, run, shown, verbose)
        shown.end(run, details(server, run).links)
    return exit_code(run)


def _watch(server: Server, run: Run, shown: "Screen | Lines", verbose: bool) -> Run:
    """Show all that happens until the run has ended and its log has arrived."""
    log, state, units = Log(logging.INFO, verbose=verbose), "", dict[str, str]()
    read, until = log.last, float("inf")
    while True:
        run = read_run(server, run.id)
        if verbose:
            units = {unit.id: unit.name for unit in units_of(server, run.id)}
        lines = read(server, [run.id, *units])
        for line in lines:
            shown.line(line, units.get(line.run, ""))
        if run.over and lines and not state:
            # what had ended before it was looked at has said all that it will say
            until = 0.0
        read = log.more
        if run.state != state:
            state = run.state
            shown.state(run)
        shown.progress(run, *progress_of(run, artifacts_of(server, [run.id], "progress").get(run.id, [])))
        if run.over and time.monotonic() >= until:
            return run
        until = min(until, time.monotonic() + DRAIN) if run.over else float("inf")
        time.sleep(POLL)


@contextmanager
def interruptible(say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C ends the watching, not the run."""
    try:
        yield
    except KeyboardInterrupt:
        say("No longer watched; what runs goes on.")
        raise SystemExit(INTERRUPTED) from None
