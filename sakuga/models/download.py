"""Bytes of a file from an http(s) address or a folder, resumed where an earlier download stopped."""

import errno
import http.client
import os
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import certifi

from sakuga import __version__
from sakuga.errors import CancelledError, DiskFullError, DownloadError, OptionError, StoreError, WeightsError
from sakuga.models.claim import Cancelled

BLOCK = 1 << 18
PAUSES = (0.3, 0.9)
"""Seconds before another try; a download is given up when so many in a row brought nothing worth it."""
WORTH_IT = 1 << 16
"""Bytes that a try has to bring for the next one to count as the first."""
MOST = 2 * 10**9
"""Bytes of a file whose size is not known; the largest networks for pictures have half of that."""
WATCH_PERIOD = 0.1
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that another try may change."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

Progress = Callable[[int, int], None]
"""Told of bytes that are here and that there are, 0 where that is not known."""


def disk_error(error: OSError, folder: Path) -> DiskFullError | OptionError | StoreError:
    """What a failure to keep weights in `folder` is to a person."""
    if error.errno in NO_ROOM:
        return DiskFullError(f"No room is left for weights in {str(folder)!r}; free some and run again.")
    kind = StoreError if error.errno == errno.EIO else OptionError
    return kind(
        f"Weights cannot be kept in {str(folder)!r}: {error.strerror or error}; set SAKUGA_MODELS to a "
        "folder that can be written."
    )


class Transfer:
    """One file on its way into a partial file of this machine.

    Attributes:
        resumed: whether bytes that were there before are part of the file.
    """

    def __init__(
        self,
        source: str | Path,
        part: IO[bytes],
        *,
        size: int | None,
        timeout: float,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> None:
        """Get ready.

        Args:
            source: an http(s) address, or a file.
            part: unbuffered, open for reading and writing; what it holds is taken for the file's beginning.
            size: bytes that the file has; None where that is not known.
            timeout: seconds without a byte after which a connection counts as broken.
            progress: told of every block.
            cancelled: asked often; True stops.
        """
        self._source = source
        self._part = part
        self._size = size
        self._most = MOST if size is None else size
        self._timeout = timeout
        self._progress = progress
        self._cancelled = cancelled
        self._total = size or 0
        if self._have() > self._most:
            self._clear()
        self.resumed = self._have() > 0

    def run(self) -> None:
        """Bring what is missing; the partial file then has as many bytes as there are.

        Raises:
            DownloadError: the source cannot be reached, or does not give the file.
            WeightsError: the source has a file of another size.
            DiskFullError: no room is left.
            OptionError: the partial file cannot be written.
            CancelledError: `cancelled` said so; what is there is kept.
        """
        if isinstance(self._source, Path):
            self._copy(self._source)
            return
        best, failures = self._have(), 0
        while self._size is None or self._have() < self._size:
            reason = self._try(self._source)
            if reason is None:
                return
            self._check()
            failures = 0 if self._have() >= best + WORTH_IT else failures + 1
            best = max(best, self._have())
            if failures > len(PAUSES):
                raise DownloadError(reason)
            self._pause(PAUSES[max(failures, 1) - 1])

    def _try(self, url: str) -> str | None:
        """Why it ended early, in words; None where the file is complete."""
        try:
            return self._get(url)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self._have():
                self._clear()
            elif error.code not in PASSING:
                raise DownloadError(_answer(error.code)) from error
            return _answer(error.code)
        except (OSError, http.client.HTTPException) as error:
            return _words(error, self._timeout)

    def _get(self, url: str) -> str | None:
        start = self._have()
        headers = {"User-Agent": f"sakuga/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(url, headers=headers)
        with _opener().open(request, timeout=self._timeout) as response:
            end = self._place(response, start)
            if end is not None and end != (self._size or end):
                raise WeightsError(f"it has {end} bytes in place of {self._size}")
            self._total = end or self._size or 0
            with _stopped_by(self._cancelled, response):
                self._read(response.read1)
        wanted = end or self._size
        if wanted and self._have() < wanted:
            return f"the connection ended after {self._have()} of {wanted} bytes"
        return None

    def _place(self, response: http.client.HTTPResponse, start: int) -> int | None:
        """Make the partial file end where the answer begins; returns the size of the whole, where said."""
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if found and int(found[1]) == start:
                return None if found[2] == "*" else int(found[2])
            self._clear()
            raise http.client.HTTPException("it sent another part of the file than it was asked for")
        if response.status != HTTPStatus.OK:
            raise DownloadError(_answer(response.status))
        self._clear()
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None

    def _copy(self, file: Path) -> None:
        self._clear()
        try:
            with file.open("rb", buffering=0) as opened:
                self._total = os.fstat(opened.fileno()).st_size
                self._read(opened.read)
        except OSError as error:
            raise DownloadError(_words(error, self._timeout)) from error

    def _read(self, read: Callable[[int], bytes | None]) -> None:
        """Write what `read` gives until it ends."""
        while True:
            self._check()
            room = self._most - self._have()
            block = read(min(BLOCK, room + 1))
            if not block:
                return
            if len(block) > room:
                raise WeightsError(f"it has more than {self._most} bytes")
            self._write(block)
            if self._progress:
                self._progress(self._have(), self._total)

    def _write(self, block: bytes) -> None:
        left = memoryview(block)
        try:
            while left:
                left = left[self._part.write(left) :]
        except OSError as error:
            raise disk_error(error, Path(self._part.name).parent) from error

    def _have(self) -> int:
        return self._part.seek(0, os.SEEK_END)

    def _clear(self) -> None:
        self._part.seek(0)
        self._part.truncate()
        self.resumed = False

    def _check(self) -> None:
        if self._cancelled and self._cancelled():
            raise CancelledError("The download was cancelled; the next one goes on from there.")

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._check()
            time.sleep(WATCH_PERIOD)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to https; to http only from http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        allowed = ("https",) if urlsplit(req.full_url).scheme == "https" else ("https", "http")
        if urlsplit(newurl).scheme not in allowed:
            raise DownloadError(f"it sent us on to {newurl!r}, which is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    # a small container or a Python from python.org has no certificates of its own
    context.load_verify_locations(certifi.where())
    return urllib.request.build_opener(_Redirects, urllib.request.HTTPSHandler(context=context))


@contextmanager
def _stopped_by(cancelled: Cancelled | None, response: http.client.HTTPResponse) -> Iterator[None]:
    """Breaks the connection when `cancelled` says so, so that a read that waits ends at once."""
    if cancelled is None or response.isclosed():
        yield
        return
    over = threading.Event()
    with socket.socket(fileno=os.dup(response.fileno())) as connection:

        def watch() -> None:
            while not over.wait(WATCH_PERIOD):
                if cancelled():
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                    return

        watcher = threading.Thread(target=watch, name="download watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _answer(code: int) -> str:
    """An answer in words of our own: those of a server could steer a terminal."""
    known = HTTPStatus(code).phrase if code in set(HTTPStatus) else ""
    return f"it answered {code} {known}".rstrip()


def _words(error: Exception, timeout: float) -> str:
    cause: Any = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no byte came for {timeout:g} s"
    return str(cause.strerror or cause) if isinstance(cause, OSError) else str(cause)
