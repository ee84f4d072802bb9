"""Prefect's server of a farm: `python -m app.farm_server` takes what `prefect server start` takes."""

import sys

from app.sqlite_cursors import close_refused_cursors


def main() -> None:
    """Run `prefect server start` with the arguments of this process."""
    close_refused_cursors()
    from prefect.cli import app

    sys.argv[1:] = ["server", "start", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
