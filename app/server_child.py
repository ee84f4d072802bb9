"""The process of a private Prefect server: `python -m app.server_child LISTENING_FD PARENT_PID`."""

import ctypes
import os
import signal
import socket
import sys
import threading

from app.sqlite_cursors import close_refused_cursors

GRACE = 3.0
"""Seconds between the end of the parent and a hard exit."""


def _die_with_parent(parent: int) -> None:
    """End when the parent does: by its end of a pipe, and on Linux by signal even if that end leaks."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    """Serve Prefect's API on an inherited socket until standard input closes."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    _die_with_parent(parent)
    close_refused_cursors()
    import uvicorn
    from prefect.server.api.server import create_app

    listener = socket.socket(fileno=descriptor)
    config = uvicorn.Config(create_app(ephemeral=True), log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)

    def stop_at_end_of_input() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True
        threading.Event().wait(GRACE)
        os._exit(0)

    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    server.run(sockets=[listener])
    # what is left is telemetry and thread pools: nothing that is worth waiting for
    os._exit(0)


if __name__ == "__main__":
    main()
