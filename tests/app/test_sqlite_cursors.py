"""A refused statement of a server on SQLite holds nobody up."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from app.sqlite_cursors import ClosingConnection, close_refused_cursors

WAIT = 6.0
"""Seconds that a connection waits for the lock of the database."""

AT_ONCE = 3.0
"""Far less than that, and far more than freeing a cursor takes on a busy machine."""


def connect(path: Path, factory: type[sqlite3.Connection]) -> sqlite3.Connection:
    return sqlite3.connect(path, check_same_thread=False, isolation_level=None, factory=factory)


def executed_many(cursor: sqlite3.Cursor) -> None:
    cursor.executemany("INSERT INTO things VALUES (?)", [(2,), (3,)])


def executed(cursor: sqlite3.Cursor) -> None:
    cursor.execute("INSERT INTO things VALUES (?)", (2,))


@pytest.mark.parametrize("write", [executed, executed_many])
def test_a_refused_cursor_is_freed_while_its_connection_waits(
    tmp_path: Path, write: Callable[[sqlite3.Cursor], None]
) -> None:
    holder, other = (connect(tmp_path / "a.db", ClosingConnection) for _ in range(2))
    holder.execute("CREATE TABLE things (x)")
    holder.execute("BEGIN IMMEDIATE")
    other.execute("PRAGMA busy_timeout = 0")
    cursor = other.cursor()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write(cursor)
    other.execute(f"PRAGMA busy_timeout = {WAIT * 1000:.0f}")
    waiting = threading.Thread(target=other.execute, args=("BEGIN IMMEDIATE",))
    waiting.start()
    time.sleep(0.3)
    began = time.monotonic()
    del cursor
    assert time.monotonic() - began < AT_ONCE
    holder.execute("COMMIT")
    waiting.join()


def test_sqlalchemy_uses_them_for_sqlite_and_still_says_what_was_refused(tmp_path: Path) -> None:
    close_refused_cursors()

    async def refused() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'b.db'}")
        async with engine.begin() as first:
            await first.execute(text("CREATE TABLE things (x)"))
        async with engine.begin() as first, engine.connect() as second:
            await first.execute(text("INSERT INTO things VALUES (1)"))
            await second.execute(text("PRAGMA busy_timeout = 0"))
            raw = await second.get_raw_connection()
            assert raw.driver_connection is not None
            assert isinstance(raw.driver_connection._conn, ClosingConnection)
            with pytest.raises(OperationalError, match="locked"):
                await second.execute(text("INSERT INTO things VALUES (2)"))
        async with engine.connect() as third:
            assert (await third.execute(text("SELECT count(*) FROM things"))).scalar() == 1
        await engine.dispose()

    asyncio.run(refused())
