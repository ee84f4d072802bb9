import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.answering import await_server
from tests.processes import free_port

pytestmark = pytest.mark.slow

AWAY = 2.0
"""Seconds that the server of the test stays away."""


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Say yes to everything."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def test_a_server_that_comes_back_is_waited_for_and_one_that_does_not_is_given_up() -> None:
    port = free_port()
    with disable_run_logger(), temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        assert not await_server(0.1)
        assert not await_server(60, lambda: True)
        began = time.monotonic()
        servers: list[HTTPServer] = []

        def come_back() -> None:
            servers.append(HTTPServer(("127.0.0.1", port), _Healthy))
            servers[0].serve_forever()

        timer = threading.Timer(AWAY, come_back)
        timer.start()
        try:
            assert await_server(60)
            assert time.monotonic() - began >= AWAY
        finally:
            servers[0].shutdown()
            servers[0].server_close()
            timer.join()
