"""Statements in a thread of their own: in order, and none behind one that failed."""

import sqlite3
import threading
from pathlib import Path

import pytest

from engine.archive.database_thread import database_thread
from engine.archive.studio import connect


def test_nothing_is_written_behind_a_transaction_that_ended_by_itself(tmp_path: Path) -> None:
    """SQLite does so where a statement is interrupted, or the disk is full."""
    connection = connect(tmp_path / "some.db")
    connection.execute("CREATE TABLE rows (n)")
    connection.execute("BEGIN IMMEDIATE")
    running = threading.Event()
    connection.create_function("running", 0, running.set)

    def long() -> None:
        connection.execute(
            "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
            " INSERT INTO rows SELECT coalesce(running(), n) FROM c"
        )

    with pytest.raises(sqlite3.OperationalError, match="interrupted"), database_thread() as database:
        database.run(long)
        for number in range(2):
            database.run(connection.execute, "INSERT INTO rows VALUES (?)", (number,))
        assert running.wait(60)
        connection.interrupt()
        database.wait()
    assert not connection.in_transaction, "ended by itself"
    assert connection.execute("SELECT count(*) FROM rows").fetchone() == (0,)
    connection.close()
