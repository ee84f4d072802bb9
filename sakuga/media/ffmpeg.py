"""The one place that builds and runs ffmpeg command lines."""

import contextlib
import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, cast

import imageio_ffmpeg

from sakuga.errors import CancelledError, DiskFullError, MissingToolError, SubprocessError
from sakuga.media.open import FORMATS, PROTOCOLS
from sakuga.settings import Settings

TAIL_BYTES = 4096
"""How much of a program's standard error is kept."""

_POLL_SECONDS = 0.05
_GRACE_SECONDS = 2.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def ffmpeg_path(settings: Settings) -> Path:
    """The ffmpeg to use: `FFMPEG_PATH`, else the one that imageio-ffmpeg brings.

    Raises:
        MissingToolError: there is none, or `FFMPEG_PATH` is not a program.
    """
    if settings.ffmpeg_path is not None:
        path = settings.ffmpeg_path.expanduser()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise MissingToolError(f"FFMPEG_PATH names {path}, which is not a program; correct or unset it.")
        return path.absolute()
    try:
        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MissingToolError("No ffmpeg is here; install imageio-ffmpeg or set FFMPEG_PATH.") from error


def file_url(path: Path) -> str:
    """A path as ffmpeg takes it literally, whatever dashes, colons, quotes or percent signs it holds."""
    return f"file:{path.absolute()}"


def input_args(path: Path, options: Sequence[str] = ()) -> list[str]:
    """Arguments that open a source as nothing but one whitelisted file."""
    return [
        *options,
        "-protocol_whitelist",
        PROTOCOLS,
        "-format_whitelist",
        FORMATS,
        "-i",
        file_url(path),
    ]


def command(
    program: Path,
    inputs: Sequence[Path],
    outputs: Sequence[tuple[Sequence[str], Path]],
    *,
    input_options: Sequence[str] = (),
) -> list[str]:
    """A full command line.

    Args:
        program: the ffmpeg.
        inputs: sources, each opened under the whitelists.
        outputs: for each output its options and its path, which must be a temporary name since it is
            overwritten.
        input_options: options in front of every input.
    """
    argv = [str(program), "-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
    for path in inputs:
        argv += input_args(path, input_options)
    for options, path in outputs:
        argv += [*options, file_url(path)]
    return argv


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    stdin_writer: Callable[[BinaryIO], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> str:
    """Run a program to its end and return the tail of its standard error.

    The program inherits no descriptor, dies with this process (Linux) and is always reaped. Its standard
    output is thrown away.

    Args:
        argv: the command line.
        timeout: seconds until it is killed.
        stdin_writer: called in a thread of its own with the program's standard input; it need not close it.
        cancelled: asked some twenty times a second; True kills the program.

    Raises:
        SubprocessError: it ended with an error, could not be started, or ran past its deadline.
        DiskFullError: it said that no room is left.
        CancelledError: `cancelled` returned True.
    """
    process = _start(argv, stdin_writer is not None)
    tail = _Tail(process.stderr)
    feeder = _Feeder(process.stdin, stdin_writer)
    try:
        stopped = _wait(process, time.monotonic() + timeout, cancelled)
    finally:
        _stop(process)
        feeder.join()
        text = tail.text()
    _raise_failure(process.returncode, list(argv), stopped, timeout, text, feeder.error)
    return text


def _start(argv: Sequence[str], piped: bool) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            close_fds=True,
            start_new_session=True,
            preexec_fn=partial(_die_with_parent, os.getpid()) if _LIBC else None,
        )
    except OSError as error:
        raise SubprocessError(
            f"{Path(argv[0]).name} could not be started: {error.strerror}.", list(argv), None, ""
        ) from error


def _die_with_parent(parent: int) -> None:
    # Runs between fork and exec, where locks held by other threads stay locked for ever: nothing here
    # allocates a module or takes a lock, and the library was loaded before the fork.
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # it was killed before that call
        os._exit(1)


def _wait(
    process: subprocess.Popen[bytes], deadline: float, cancelled: Callable[[], bool] | None
) -> str | None:
    while True:
        try:
            process.wait(_POLL_SECONDS)
            return None
        except subprocess.TimeoutExpired:
            if cancelled and cancelled():
                return "cancelled"
            if time.monotonic() >= deadline:
                return "deadline"


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _raise_failure(
    code: int, argv: list[str], stopped: str | None, timeout: float, text: str, fed: BaseException | None
) -> None:
    name = Path(argv[0]).name
    if stopped == "cancelled":
        raise CancelledError("Stopped as asked.")
    if stopped == "deadline":
        raise SubprocessError(f"{name} was stopped after {timeout:g} seconds.", argv, None, text)
    if fed is not None and not isinstance(fed, BrokenPipeError):
        raise fed
    if os.strerror(errno.ENOSPC) in text:
        raise DiskFullError("No room is left on the disk; free some and run again.")
    if code != 0:
        last = text.strip().splitlines()[-1:] or ["it said nothing"]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with error {code}"
        raise SubprocessError(f"{name} {how}: {last[0]}.", argv, code, text)


class _Tail:
    """Reads a pipe to its end in a thread and keeps the last bytes."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._stream = stream
        self._kept = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        descriptor = self._stream.fileno()
        while block := os.read(descriptor, 65536):
            self._kept = (self._kept + block)[-TAIL_BYTES:]

    def text(self) -> str:
        self._thread.join(_GRACE_SECONDS)
        if not self._thread.is_alive():
            self._stream.close()
        return self._kept.decode("utf-8", "replace")


class _Feeder:
    """Writes to a program's standard input in a thread, and keeps what went wrong."""

    def __init__(self, stream: IO[bytes] | None, writer: Callable[[BinaryIO], None] | None) -> None:
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._feed, args=(cast(BinaryIO, stream), writer), daemon=True)
        if writer:
            self._thread.start()

    def _feed(self, stream: BinaryIO, writer: Callable[[BinaryIO], None]) -> None:
        try:
            with contextlib.closing(stream):
                writer(stream)
        except BaseException as error:
            self.error = error

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()
