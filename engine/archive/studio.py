"""Open a studio file: one SQLite file, private to its user, in write-ahead mode.

One connection writes, a few read; readers never wait for the writer. Several programs may have
the same studio open: every write is one short transaction that waits its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiosqlite

from engine.archive.query import folded_name
from engine.archive.schema import APPLICATION_ID, MIGRATIONS
from engine.errors import BusyError, StudioError
from engine.folders import private
from engine.indexed_text import indexed_text
from engine.packed import storable

T = TypeVar("T")

READERS = 3
PAGE_BYTES = 16_384  # with SQLite's own 4,096 an import spends a tenth more on the database
BUSY_MS = 20_000  # a large import of another program writes for some seconds
UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR)
PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",  # a job that was paid for must outlive a power cut
    f"PRAGMA journal_size_limit = {16 << 20}",
)

# aiosqlite logs every statement with its values at DEBUG: private text has no place in a log.
logging.getLogger("aiosqlite").disabled = True


class _Connection(sqlite3.Connection):
    """A connection with the studio's settings and functions, that takes texts from anywhere: a model's
    reply, a paste, a name of a file."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for pragma in PRAGMAS:
            self.execute(pragma)
        self.create_function("indexed_text", 1, indexed_text, deterministic=True)
        self.create_function("folded_name", 1, folded_name, deterministic=True)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except UnicodeEncodeError:  # before anything was done
            return super().execute(sql, tuple(map(storable, parameters)))


class Studio:
    """An open studio. Close it, or use it as `async with await open_studio(path) as studio`."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, readers: list[aiosqlite.Connection]) -> None:
        self.path = path
        self.write_lock = asyncio.Lock()
        self._writer = writer
        self._readers = readers
        self._idle: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        for reader in readers:
            self._idle.put_nowait(reader)
        self._stopping: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; closing twice is fine."""
        readers, self._readers = self._readers, []
        if readers:
            for connection in (*readers, self._writer):
                await connection.close()

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[aiosqlite.Connection]:
        """A connection for reading; whoever is cancelled stops its query."""
        reader = await self._idle.get()
        try:
            with explained(self.path):
                yield reader
        except asyncio.CancelledError:
            stopping = asyncio.create_task(self._stop(reader))
            self._stopping.add(stopping)  # a task that nobody holds may vanish
            stopping.add_done_callback(self._stopping.discard)
            raise
        except BaseException:
            self._idle.put_nowait(reader)
            raise
        else:
            self._idle.put_nowait(reader)

    async def _stop(self, reader: aiosqlite.Connection) -> None:
        """Interrupt what `reader` does and give it back once that has ended: until then SQLite
        interrupts whatever else begins on it, and that would be somebody else's query."""
        with contextlib.suppress(ValueError, sqlite3.Error):  # closed meanwhile
            await reader.interrupt()
            # Takes its turn in the connection's thread, behind whatever still runs there.
            await reader.rollback()
        self._idle.put_nowait(reader)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[aiosqlite.Connection]:
        """The writing connection inside one transaction: all of the block is kept, or nothing."""
        async with self.write_lock:
            with explained(self.path):
                try:
                    await self._writer.execute("BEGIN IMMEDIATE")
                    yield self._writer
                    await self._writer.commit()
                except BaseException:
                    await self._writer.rollback()
                    raise

    async def rows(self, make: Callable[..., T], sql: str, parameters: Iterable[Any] = ()) -> list[T]:
        """Every row of a query as `make(*columns)`, made in the connection's thread."""
        async with self.reading() as connection:
            connection.row_factory = lambda _, row: make(*row)  # type: ignore[assignment]
            # In one step: a cursor of our own could outlive a cancelled query, in the traceback of the
            # error that is kept, and whatever is asked of the connection next would be interrupted too.
            return list(await connection.execute_fetchall(sql, parameters))  # type: ignore[arg-type]


async def open_studio(path: Path) -> Studio:
    """Open the studio at `path`; a missing one is made (file 0600, a missing folder 0700).

    Raises StudioError where the file is no studio, is newer than this program, is damaged, or
    cannot be written.
    """
    path = await asyncio.to_thread(_prepare, path)
    connections: list[aiosqlite.Connection] = []
    async with contextlib.AsyncExitStack() as opened:
        with explained(path):
            while len(connections) < 1 + READERS:
                connections.append(await _connect(path))
                opened.push_async_callback(connections[-1].close)
            for reader in connections[1:]:
                await reader.execute("PRAGMA query_only = ON")
        opened.pop_all()  # from here on the studio closes them
    return Studio(path, connections[0], connections[1:])


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = aiosqlite.connect(path, isolation_level=None, timeout=BUSY_MS / 1000, factory=_Connection)
    # A program that ends without closing its studio must end all the same.
    connection._thread.daemon = True
    return await connection


def connect(path: Path) -> sqlite3.Connection:
    """A plain connection with the same settings, for work that fills a thread of its own."""
    return sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_MS / 1000, check_same_thread=False, factory=_Connection
    )


def _prepare(path: Path) -> Path:
    """Make the file where it is missing, bring its tables up to date, return its absolute path."""
    path = path.expanduser().absolute()
    try:
        if path.is_dir():
            raise StudioError(
                f"{path} is a folder, not a studio file.", f"Name a file in it: --studio {path / 'studio.db'}"
            )
        if path.exists() and not path.is_file():  # a device or a pipe: neither read nor made private
            raise _foreign(path)
        private(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise _unwritable(path, error.strerror or "it cannot be opened") from error
    with explained(path), contextlib.closing(connect(path)) as connection:
        version = _version(path, connection)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a file that has none yet
        connection.execute("PRAGMA journal_mode = WAL")
        if version < len(MIGRATIONS):
            _migrate(path, connection)
    return path


def _version(path: Path, connection: sqlite3.Connection) -> int:
    """The studio's version, 0 for an empty file. Writes nothing: the file may be somebody else's."""
    application, version, tables = (
        connection.execute(sql).fetchone()[0]
        for sql in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema")
    )
    if application != APPLICATION_ID and (application or version or tables):
        raise _foreign(path)
    if version > len(MIGRATIONS):
        raise StudioError(
            f"The studio {path} was made by a newer Understudy (its version is {version}, "
            f"this program knows {len(MIGRATIONS)}).",
            "Update Understudy, or name another studio with --studio PATH.",
        )
    return int(version)


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another program may have been here while this one waited for its turn.
        for script in MIGRATIONS[_version(path, connection) :]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the file at `path` into a sentence and a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise _foreign(path) from error
        if code == sqlite3.SQLITE_CORRUPT or "no such table" in str(error) or "no such column" in str(error):
            raise StudioError(
                f"The studio {path} is damaged.",
                "Restore it from a backup, or start a new one with --studio PATH and import again.",
            ) from error
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
            raise StudioError(
                f"The disk is full: the studio {path} could not be written.",
                "Free some space and try again; nothing was changed.",
            ) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BusyError(
                f"Another program is writing to the studio {path}.", "Wait until it is done, then try again."
            ) from error
        if code in (
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_IOERR,
        ):
            raise _unwritable(path, str(error)) from error
        raise


def _is_full(path: Path) -> bool:
    """Whether no room is left for even the smallest of SQLite's own files."""
    try:
        return shutil.disk_usage(path.parent).free < 1 << 16
    except OSError:
        return False


def _foreign(path: Path) -> StudioError:
    return StudioError(f"{path} is not a studio.", "Name another file with --studio PATH.")


def _unwritable(path: Path, reason: str) -> StudioError:
    return StudioError(
        f"The studio {path} cannot be written: {reason}.",
        "Check the disk and the permissions of the folder, or name another file with --studio PATH.",
    )
