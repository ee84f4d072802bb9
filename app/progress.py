"""What a watcher sees of the jobs: a progress bar for people, or one JSON object a line for programs.

Every JSON line has `event`, `time` (seconds since the command began) and `input`, and further:

    started    output
    stage      stage: read, plan, model, enhance, waiting (for workers), render, mix, assemble, check,
               previews, frames, publish
    download   file, done, total (bytes): a file of weights that was not here
    planned    frames, chunks, size [width, height], frame_rate (null where times vary), found, model, chosen
    chunk      chunk, frames, cached, key; seconds by stage where it was computed, worker on a work pool
    progress   stage, done, total, fps, eta (seconds, null where unknown)
    note       text: a sentence on what did not come out as asked, which is in the report too
    finished   result, report, frames, seconds; of a video: previews, chunks, cached_chunks, computed, reused,
               concealed; of an episode: pictures, scenes, work (segments and sounds that were made)
    skipped    result, checks: the same job has been done before, and its result is unchanged
    failed     error, message, exit_code
"""

import json
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Task as Bar
from rich.text import Text

from sakuga.quality.words import plain

STAGES = {
    "read": "reading",
    "plan": "planning",
    "model": "downloading weights",
    "enhance": "enhancing",
    "render": "making parts",
    "mix": "mixing sound",
    "waiting": "waiting for workers",
    "assemble": "assembling",
    "check": "checking",
    "previews": "previews",
    "frames": "exporting frames",
    "publish": "publishing",
}


BYTES = "bytes"


class Reporter(Protocol):
    """Hears the events of all jobs of a command."""

    def event(self, source: Path, kind: str, facts: dict[str, Any]) -> None:
        """Called for every event, one at a time for each job."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class JsonReporter:
    """One JSON object a line on standard output."""

    def __init__(self, name: str | None = None) -> None:
        """Begin; `name` is what the one input is called, where its path does not tell it."""
        self._name = name
        self._began = time.monotonic()

    def event(self, source: Path, kind: str, facts: dict[str, Any]) -> None:
        """Print the event."""
        name = self._name or str(source)
        head = {"event": kind, "time": round(time.monotonic() - self._began, 3), "input": name}
        sys.stdout.write(json.dumps(head | facts, default=str) + "\n")
        sys.stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class TerminalReporter:
    """A progress bar on standard error, and where each result is on standard output."""

    def __init__(self, *, bar: bool) -> None:
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self._out = Console(highlight=False, soft_wrap=True)
        self._bar = bar and self._errors.is_terminal
        self._progress = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            TextColumn("{task.description}", style="bold"),
            BarColumn(),
            _Done(),
            _Speed(),
            TimeRemainingColumn(compact=True),
            console=self._errors,
            transient=True,
            disable=not self._bar,
        )
        self._task: TaskID | None = None
        self._said = ""
        """The stage that was told of last: a step that is tried again tells of it again."""

    def event(self, source: Path, kind: str, facts: dict[str, Any]) -> None:
        """Move the bar, or print what is worth a line."""
        match kind:
            case "started":
                self._said = ""
                self._begin(source, "starting")
                self._line(f"{source.name} -> {facts['output']}")
            case "stage":
                self._stage(source, facts["stage"])
            case "planned":
                width, height = facts["size"]
                self._line(f"  {facts['frames']} frames of {width}x{height}. {facts['found']}")
                if facts.get("chosen"):
                    self._line(f"  {facts['chosen']}")
            case "progress" if self._task is not None:
                self._progress.update(
                    self._task, completed=facts["done"], total=facts["total"], speed=facts["fps"]
                )
            case "download" if self._task is not None:
                self._progress.update(
                    self._task, completed=facts["done"], total=facts["total"], unit=BYTES, name=facts["file"]
                )
            case "note":
                self._line(f"  note: {facts['text']}")
            case "finished":
                self._close()
                self._finished(facts)
            case "skipped":
                self._line(f"{source.name}: done before; --overwrite does it again")
                self._out.print(Text(facts["result"]))
            case "failed":
                self._close()
                self._errors.print(Text(said_once(source, facts["message"]), style="red"))

    def _begin(self, source: Path, description: str) -> None:
        """A new bar of unknown length; rich cannot forget the length of an old one."""
        self._close()
        self._task = self._progress.add_task(description, total=None, name=plain(source.name))

    def _stage(self, source: Path, stage: str) -> None:
        name = STAGES.get(stage, stage)
        self._begin(source, name)
        if not self._bar and stage != self._said:
            self._line(f"  {name}")
        self._said = stage

    def _finished(self, facts: dict[str, Any]) -> None:
        speed = facts["frames"] / max(facts["seconds"], 1e-3)
        self._line(f"  done in {facts['seconds']:.1f} s ({speed:.1f} fps{_kept(facts)})")
        shown = facts["pictures"] if "pictures" in facts else [facts["previews"]["before_after"]]
        for place in (facts["result"], facts["report"], *shown):
            self._out.print(Text(place))

    def _line(self, text: str) -> None:
        self._errors.print(Text(plain(text)))

    def _close(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _kept(facts: dict[str, Any]) -> str:
    """What a job did not have to make again."""
    if facts.get("cached_chunks"):
        return f", {facts['cached_chunks']} of {facts['chunks']} chunks were there"
    work = facts.get("work", {})
    if work.get("cached"):
        return f", {work['cached']} of {work['segments']} segments were there"
    return ""


def said_once(source: Path, message: str) -> str:
    """A message on one line that names its source once: by its path where it does so itself, or by its name.

    Paths below the working folder are shown from there.
    """
    path = str(source)
    if path not in message:
        return plain(f"{source.name}: {message}")
    here = Path.cwd()
    shown = source.relative_to(here) if source.is_relative_to(here) else source
    return plain(message.replace(path, str(shown)))


class _Speed(ProgressColumn):
    """Frames per second, as the job says."""

    def render(self, task: Bar) -> Text:
        speed = task.fields.get("speed")
        return Text(f"{speed:.1f} fps" if speed else "", style="cyan")


class _Done(ProgressColumn):
    """Frames, or bytes, that are done and that there are, where the stage counts any."""

    def render(self, task: Bar) -> Text:
        if task.total and task.fields.get("unit") == BYTES:
            return Text(f"{task.completed / 1e6:.1f}/{task.total / 1e6:.1f} MB")
        return Text(f"{task.completed:.0f}/{task.total:.0f} frames" if task.total else "")
