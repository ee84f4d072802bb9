"""Running jobs of any flow one after another: server, signals, outcomes."""

import contextlib
import logging
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import FrameType

from app.inputs import Item, explain
from app.progress import Reporter
from app.server import PrivateServer, configured_server
from sakuga.errors import CancelledError, InputError, SakugaError, StoreError
from sakuga.media.info import Frozen
from sakuga.settings import Settings, home
from tasks.channel import Channel, open_channel

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


class JobRunner(ABC):
    """Runs jobs one after another, and starts Prefect when the first one is worth it."""

    flow_module: str
    """Where the flow is: importing it takes as long as a server takes to start."""

    def __init__(self, settings: Settings, reporter: Reporter, *, verbose: bool) -> None:
        self._settings, self._reporter, self._verbose = settings, reporter, verbose
        self._stack = ExitStack()
        self._started = False
        self._interrupts = Interrupts()
        self._log: logging.Handler | None = None

    @abstractmethod
    def _check(self, item: Item) -> bool:
        """Refuse what cannot be done; False where the same job has been done already."""

    @abstractmethod
    def _work(self, item: Item) -> Frozen:
        """Run the flow, and return what it came to."""

    def _ahead(self, item: Item) -> None:
        """What is worth doing while the server starts; errors are told later, by the flow."""
        del item

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
                    self._run_flow(item)
        except (KeyboardInterrupt, CancelledError):
            message = "Stopped; what is finished is kept, and the next run goes on from there."
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

    def _start(self, item: Item) -> None:
        """Start the private server where one is needed, and get ready meanwhile."""
        if self._started:
            return
        server = None
        if configured_server() is None:
            server = self._stack.enter_context(PrivateServer(home() / "prefect"))
        quiet_prefect(self._verbose)
        ahead = threading.Thread(target=self._ahead, args=(item,), daemon=True)
        ahead.start()
        import_module(self.flow_module)

        self._log_to_file()
        self._interrupts.check()
        if server:
            server.wait(self._interrupts.check)
            self._stack.callback(_drain)
        while ahead.is_alive():
            ahead.join(0.2)
            self._interrupts.check()
        self._started = True

    def _run_flow(self, item: Item) -> None:
        from prefect.exceptions import TerminationSignal

        channel = Channel(lambda kind, facts: self._reporter.event(item.path, kind, facts))
        with self._interrupts.watch(channel), open_channel(channel):
            try:
                outcome = self._work(item)
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


def _drain() -> None:
    """Let log lines and events arrive before the server goes."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        with contextlib.suppress(Exception):
            worker.drain_all(timeout=3)
