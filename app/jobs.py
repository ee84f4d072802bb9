"""Running jobs one after another: server, signals, outcomes."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Literal

from app.inputs import Item, check_item, explain, place_of
from app.progress import Reporter
from app.server import PrivateServer, configured_server
from sakuga.enhance.spec import EnhanceSpec
from sakuga.errors import CancelledError, InputError, OptionError, SakugaError, StoreError
from sakuga.settings import Settings, home
from tasks.channel import Channel, open_channel
from tasks.digest import digest_of
from tasks.scratch import remove_dead

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
LOGS_KEPT = 20


class Interrupts:
    """SIGINT and SIGTERM: the first asks the job to stop, the second leaves at once."""

    def __init__(self) -> None:
        self._count = 0
        self._held = False
        self._channel: Channel | None = None

    @contextlib.contextmanager
    def watch(self, channel: Channel) -> Iterator[None]:
        """While this job runs, the first signal asks it to stop; at other times it leaves at once."""
        self._channel = channel
        if self._count:
            channel.cancel()
        try:
            yield
        finally:
            self._channel = None

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Within it the first signal waits for `check`: imports that are broken off cannot be caught."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def check(self) -> None:
        """Raise what a signal has asked for meanwhile."""
        if self._count:
            raise CancelledError("Ended by a signal.")

    def install(self) -> None:
        """Hear signals from now on; only in the main thread."""
        signal.signal(signal.SIGINT, self._hear)
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._count += 1
        if self._count > 1 or not (self._channel or self._held):
            raise KeyboardInterrupt
        if self._channel:
            self._channel.cancel()


class Runner:
    """Runs jobs one after another, and starts Prefect when the first one is worth it."""

    def __init__(
        self,
        spec: EnhanceSpec,
        settings: Settings,
        reporter: Reporter,
        *,
        output: str | None,
        store: str | None,
        overwrite: bool,
        verbose: bool,
        dispatch: Literal["local", "pool"] = "local",
    ) -> None:
        self._dispatch = dispatch
        self._spec, self._settings, self._reporter = spec, settings, reporter
        self._output, self._store, self._overwrite, self._verbose = output, store, overwrite, verbose
        self._stack = ExitStack()
        self._started = False
        self._interrupts = Interrupts()
        self._log: logging.Handler | None = None
        self._taken: set[tuple[Path | None, str]] = set()

    def run(self, items: Sequence[Item]) -> int:
        """Run all jobs; one that fails does not stop the rest.

        Returns:
            0 when all are done, 2 when sources were refused, 1 when jobs failed, 130 when interrupted; the
            last that applies.
        """
        worst = DONE
        self._interrupts.install()
        try:
            with self._stack:
                for item in items:
                    code = self._run_one(item)
                    worst = FAILED if FAILED in (code, worst) else max(code, worst)
        except (KeyboardInterrupt, CancelledError):
            return INTERRUPTED
        return worst

    def _run_one(self, item: Item) -> int:
        try:
            if self._check(item):
                with self._interrupts.hold():
                    self._start(item)
                    self._enhance(item)
        except (KeyboardInterrupt, CancelledError):
            message = "Stopped; finished chunks are kept, and the next run goes on from there."
            self._failed(item, "CancelledError", message, INTERRUPTED)
            raise
        except SakugaError as error:
            code = REFUSED if isinstance(error, InputError) else FAILED
            self._failed(item, type(error).__name__, explain(error), code)
            return code
        except Exception as error:
            self._log_to_file()
            logging.getLogger("sakuga").exception("Unexpected")
            self._failed(item, type(error).__name__, explain(error), FAILED)
            return FAILED
        return DONE

    def _log_to_file(self) -> None:
        """From now on, or again after Prefect has replaced the root logger's handlers."""
        self._log = self._log or log_file(home() / "logs")
        logging.getLogger().addHandler(self._log)
        logging.getLogger("sakuga").setLevel(logging.INFO)

    def _failed(self, item: Item, error: str, message: str, code: int) -> None:
        self._reporter.event(item.path, "failed", {"error": error, "message": message, "exit_code": code})

    def _check(self, item: Item) -> bool:
        """Refuse what cannot be done; False where the same job has been done already."""
        place, report = check_item(
            item,
            self._spec,
            self._settings,
            self._output,
            self._store,
            self._overwrite,
            on_pool=self._dispatch == "pool",
        )
        if place.folder and (place.folder, place.name) in self._taken:
            raise OptionError(
                f"Two sources would both become {place.name!r}; run them into different folders."
            )
        self._taken.add((place.folder, place.name))
        where = str(place.folder / place.name) if place.folder else f"{self._store}: {place.name}"
        if report:
            # nothing is run that would see to what a killed run has left
            remove_dead(self._settings.scratch_root)
            self._reporter.event(item.path, "skipped", {"result": where, "checks": len(report.checks)})
            return False
        self._reporter.event(item.path, "started", {"output": where})
        return True

    def _start(self, item: Item) -> None:
        """Start the private server where one is needed, and get ready meanwhile."""
        if self._started:
            return
        server = None
        if configured_server() is None:
            server = self._stack.enter_context(PrivateServer(home() / "prefect"))
        quiet_prefect(self._verbose)
        digesting = threading.Thread(target=_digest_ahead, args=(item.path,), daemon=True)
        digesting.start()
        import flows.enhance  # noqa: F401 - takes as long as the server does

        self._log_to_file()
        self._interrupts.check()
        if server:
            server.wait(self._interrupts.check)
            self._stack.callback(_drain)
        while digesting.is_alive():
            digesting.join(0.2)
            self._interrupts.check()
        self._started = True

    def _enhance(self, item: Item) -> None:
        from prefect.exceptions import TerminationSignal

        from flows.enhance import enhance

        channel = Channel(lambda kind, facts: self._reporter.event(item.path, kind, facts))
        with self._interrupts.watch(channel), open_channel(channel):
            try:
                outcome = enhance(
                    str(item.path),
                    self._spec,
                    output=place_of(item, self._output),
                    store=self._store,
                    overwrite=self._overwrite,
                    dispatch=self._dispatch,
                )
            except TerminationSignal as ended:
                # Prefect hears SIGTERM itself while a flow runs
                raise CancelledError("Ended by a signal.") from ended
        self._reporter.event(item.path, "finished", outcome.model_dump(mode="json"))


def quiet_prefect(verbose: bool) -> None:
    """Keep Prefect's own lines off the terminal unless they are asked for; they are in the log file."""
    if not verbose:
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "sakuga")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def log_file(folder: Path) -> logging.Handler:
    """A handler that writes a log file of this process's own; the oldest files are removed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {str(folder)!r} cannot be made: {error.strerror}; set SAKUGA_HOME to one that can."
        ) from error
    for old in sorted(folder.glob("*.log"))[: -LOGS_KEPT + 1]:
        old.unlink(missing_ok=True)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    handler = logging.FileHandler(folder / name, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler


def _digest_ahead(path: Path) -> None:
    # the flow asks again, and says what is wrong
    with contextlib.suppress(SakugaError):
        digest_of(path)


def _drain() -> None:
    """Let log lines and events arrive before the server goes."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        with contextlib.suppress(Exception):
            worker.drain_all(timeout=3)
