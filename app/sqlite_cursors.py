"""SQLite connections of a Prefect server that let go of a refused statement at once.

SQLite refuses a statement when the database is locked. Python's cursor of it holds on to it until the cursor
is freed, which needs the mutex of its connection. An exception's traceback keeps the cursor alive until the
connection works for somebody else, who may be waiting for the lock, for a minute in Prefect. When the thread
of the event loop frees it then, whoever has the lock cannot give it back: the server answers nobody until the
minute is over.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Dialect, Engine


class ClosingCursor(sqlite3.Cursor):
    """A cursor that is closed when its statement is refused."""

    def execute(self, *statement: Any) -> "ClosingCursor":  # noqa: ANN401 - SQL, and whatever it takes
        """As of any cursor."""
        try:
            super().execute(*statement)
        except sqlite3.Error:
            self.close()
            raise
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> "ClosingCursor":
        """As of any cursor."""
        try:
            super().executemany(sql, parameters)
        except sqlite3.Error:
            self.close()
            raise
        return self


class ClosingConnection(sqlite3.Connection):
    """A connection with such cursors."""

    def cursor(self, factory: Any = ClosingCursor) -> Any:  # noqa: ANN401
        """As of any connection."""
        return super().cursor(factory)


def close_refused_cursors() -> None:
    """Have SQLAlchemy make such connections to SQLite in this process from now on."""
    event.listen(Engine, "do_connect", _choose_connection)


def _choose_connection(dialect: Dialect, record: object, given: list[Any], options: dict[str, Any]) -> None:
    del record, given
    if dialect.name == "sqlite":
        options["factory"] = ClosingConnection
