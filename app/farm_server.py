"""Prefect's server of a farm: `python -m app.farm_server` takes what `prefect server start` takes."""

import sys
from typing import Any

from app.sqlite_cursors import close_refused_cursors


def main() -> None:
    """Run `prefect server start` with the arguments of this process."""
    close_refused_cursors()
    count_requests_only()
    from prefect.cli import app

    sys.argv[1:] = ["server", "start", *sys.argv[1:]]
    app()


def count_requests_only() -> None:
    """Have the limit of requests at a time, which Prefect sets on SQLite, count no open websockets.

    A worker with a run holds about six of them for as long as it lives, and the limit is 100: with sixteen
    workers no request would be answered any more.
    """
    from prefect.server.api import server

    class RequestLimit(server.RequestLimitMiddleware):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
            if scope["type"] == "http":
                await super().__call__(scope, receive, send)
            else:
                await self.app(scope, receive, send)

    server.RequestLimitMiddleware = RequestLimit  # type: ignore[misc]


if __name__ == "__main__":
    main()
