"""A real HTTP server that gives a file of weights, well or badly, and a model that wants it."""

import hashlib
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sakuga.models.base import ModelCard, WeightsFile
from sakuga.settings import Settings

DATA = random.Random(1).randbytes(400_000)
HERE = {"net.pth", ".net.pth.proved"}
"""All that is in the folder of weights when the file is there."""
STALL = 0.25
"""Seconds after which a silent server is given up; long beside a reply of this machine."""


Answer = Callable[["Handler", "WeightsServer"], None]


@dataclass
class WeightsServer:
    """What it gives, how, and what it has been asked.

    Attributes:
        answer: how requests are answered; see the functions of this module.
        cut: bytes of a body after which a connection is cut, None for never.
        pause: seconds between blocks.
    """

    data: bytes
    answer: Answer
    address: str = ""
    cut: int | None = None
    pause: float = 0.0
    ranges: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    weights: WeightsServer

    def do_GET(self) -> None:
        self.weights.paths.append(self.path)
        self.weights.ranges.append(self.headers["Range"])
        self.close_connection = True
        self.weights.answer(self, self.weights)

    def begin(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, body: bytes) -> None:
        cut = len(body) if self.weights.cut is None else self.weights.cut
        for at in range(0, min(cut, len(body)), 1 << 16):
            self.wfile.write(body[at : min(at + (1 << 16), cut)])
            self.weights.over.wait(self.weights.pause)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is what many tests are about."""


def whole(handler: Handler, server: WeightsServer) -> None:
    """Knows nothing of ranges."""
    handler.begin(200, Content_Length=len(server.data))
    handler.send(server.data)


def ranged(handler: Handler, server: WeightsServer) -> None:
    """Gives the range that was asked for."""
    start, total = _start(handler), len(server.data)
    if start is None:
        whole(handler, server)
    elif start >= total:
        handler.begin(416, Content_Range=f"bytes */{total}", Content_Length=0)
    else:
        body = server.data[start:]
        handler.begin(206, Content_Length=len(body), Content_Range=f"bytes {start}-{total - 1}/{total}")
        handler.send(body)


def other_range(handler: Handler, server: WeightsServer) -> None:
    """Gives its own idea of a range."""
    if handler.headers["Range"] is None:
        whole(handler, server)
    else:
        body, total = server.data[1:], len(server.data)
        handler.begin(206, Content_Length=len(body), Content_Range=f"bytes 1-{total - 1}/{total}")
        handler.send(body)


def endless(handler: Handler, server: WeightsServer) -> None:
    """Says no length, and does not stop."""
    handler.begin(200)
    while not server.over.is_set():
        handler.wfile.write(server.data)


def unsaid(handler: Handler, server: WeightsServer) -> None:
    """Says no length."""
    handler.begin(200)
    handler.send(server.data)


def stalled(handler: Handler, server: WeightsServer) -> None:
    """Gives half, and then nothing more."""
    handler.begin(200, Content_Length=len(server.data))
    handler.wfile.write(server.data[: len(server.data) // 2])
    server.over.wait(60)


def silent(handler: Handler, server: WeightsServer) -> None:
    """Accepts the request, and says nothing."""
    del handler
    server.over.wait(60)


def error(status: int) -> Answer:
    """Refuses."""

    def answer(handler: Handler, server: WeightsServer) -> None:
        del server
        handler.begin(status, Content_Length=5)
        handler.wfile.write(b"sorry")

    return answer


def length(said: int) -> Answer:
    """Says another length than the body has."""

    def answer(handler: Handler, server: WeightsServer) -> None:
        handler.begin(200, Content_Length=said)
        handler.send(server.data)

    return answer


def redirect(target: str) -> Answer:
    """Sends the first request elsewhere, and gives the file there."""

    def answer(handler: Handler, server: WeightsServer) -> None:
        if len(server.paths) == 1:
            handler.begin(302, Location=target, Content_Length=0)
        else:
            ranged(handler, server)

    return answer


def _start(handler: Handler) -> int | None:
    found = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    return int(found[1]) if found else None


@contextmanager
def serve(data: bytes, answer: Answer = ranged, tls: ssl.SSLContext | None = None) -> Iterator[WeightsServer]:
    """A server on a free port of this machine, for the time of the block."""
    weights = WeightsServer(data, answer)
    handler = type("BoundHandler", (Handler,), {"weights": weights})
    with Quiet(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        weights.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield weights
        finally:
            weights.over.set()
            server.shutdown()
            thread.join()


FETCH = """
import sys
from sakuga.models.base import ModelCard, WeightsFile
from sakuga.models.weights import ensure_weights
from sakuga.settings import load_settings
from sakuga.errors import SakugaError
name, url, sha256, size = sys.argv[1:]
file = WeightsFile(name=name, url=url, sha256=sha256, size=int(size))
made = dict(name="m", architecture="a", scale=4, purpose="p", licence="MIT", domain="any")
card = ModelCard(**made, weights=(file,))
try:
    print(ensure_weights(card, load_settings())[0])
except SakugaError as error:
    print(type(error).__name__, error)
    sys.exit(error.exit_code)
"""
"""A program that makes weights present; its arguments are name, address, digest and size."""


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def card_of(url: str, data: bytes = DATA, size: int | None = len(DATA), name: str = "net.pth") -> ModelCard:
    file = WeightsFile(name=name, url=url, sha256=digest(data), size=size)
    return ModelCard(
        name="net", architecture="-", scale=4, purpose="-", licence="MIT", domain="any", weights=(file,)
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(models=tmp_path / "models", model_mirror=None, download_timeout=STALL)


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serve(DATA) as running:
        yield running


def files(settings: Settings) -> set[str]:
    return {path.name for path in settings.models_root.glob("*")}


def part_of(settings: Settings) -> Path:
    return settings.models_root / "net.pth.part"


def leave(settings: Settings, begun: bytes) -> None:
    """What a stopped download leaves."""
    settings.models_root.mkdir(parents=True)
    part_of(settings).write_bytes(begun)
