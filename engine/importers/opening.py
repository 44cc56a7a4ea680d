"""Open a live or copied SQLite database without writing a byte beside it.

A database in use keeps its newest messages in the -wal file until SQLite moves them over: what is read
then is a private copy (0600 in a 0700 folder, gone afterwards) that has them. A plain copy of the
database alone, or an `immutable` connection, misses them in silence.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from engine.errors import DataError, StudioError
from engine.importers.salvage import DAMAGE, Loss, salvage

MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PATIENCE = 0.1  # seconds that a thorough check of a large database may go on when all was read
_LARGE = 2**25  # bytes; less is waited for
_LOCK = "snapshot.lock"  # in the folder of a copy: locked for as long as its process lives


def beside(path: Path, ending: str) -> Path:
    """The file that SQLite keeps next to a database: ending is -wal, -shm or -journal."""
    return path.with_name(path.name + ending)


class Opened:
    """An open database, looked through for damage in a thread of its own while it is read already: first
    quickly, then, where that is wanted and with what time is left, thoroughly. patience: seconds that the
    thorough check may go on when all was read, None for as long as it takes."""

    def __init__(
        self, connection: sqlite3.Connection, where: str, folder: Path, thorough: bool, patience: float | None
    ) -> None:
        self.connection = connection
        self._folder = folder
        self._where = where
        self._patience = patience
        self._looked_through: sqlite3.Connection | None = None
        self._looking = ThreadPoolExecutor(1)
        self._damaged = self._looking.submit(self._is_damaged)
        self._flaw = self._looking.submit(self._first_flaw if thorough else str)

    def is_checked(self) -> bool:
        """Whether `is_damaged` would answer at once."""
        return self._damaged.done()

    def is_damaged(self) -> bool:
        """Waits until that is known. What was read from a damaged database is to be read again."""
        return self._damaged.result()

    def flaw(self) -> str:
        """What a thorough check of a database that is not damaged says first, "" where it says nothing or
        would still take longer than anybody waits. Asked when all was read."""
        with suppress(TimeoutError):
            return self._flaw.result(timeout=self._patience)
        return ""

    def _is_damaged(self) -> bool:
        try:
            return self._look("PRAGMA quick_check(1)") != "ok"
        except DAMAGE:
            return True

    def _first_flaw(self) -> str:
        """An index that says something else than its table: only this check sees it, and it takes several
        times as long as the quick one, so it runs on what the reading leaves of the machine."""
        if self._damaged.result():
            return ""
        if sys.platform == "linux":  # a thread's own priority; elsewhere it would be the whole program's
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        with suppress(*DAMAGE):  # interrupted, or it says no more than that
            said = self._look("PRAGMA integrity_check(1)")
            return "" if said == "ok" else said
        return ""

    def _look(self, check: str) -> str:
        with closing(sqlite3.connect(self._where, uri=True, check_same_thread=False)) as connection:
            self._looked_through = connection
            try:
                return str(connection.execute(check).fetchone()[0])
            finally:
                self._looked_through = None

    def rescue(self) -> list[Loss]:
        """Go on with what can be read of a damaged database; returns what cannot."""
        file = self._folder / "rescued.db"
        file.touch(mode=0o600)
        rescued = _connect(str(file))
        with closing(self.connection) as damaged:
            self.connection = rescued
            lost = salvage(damaged, rescued)
        rescued.text_factory = _text
        return lost

    def close(self) -> None:
        self._flaw.cancel()
        while not self._damaged.done() or not self._flaw.done():
            if (looked_through := self._looked_through) is not None:
                with suppress(sqlite3.ProgrammingError):  # closed just now
                    looked_through.interrupt()
            wait([self._flaw], timeout=0.02)
        self._looking.shutdown()
        self.connection.close()


@contextmanager
def opened(path: Path, warnings: list[str], thorough: bool = False) -> Iterator[Opened]:
    """The database at `path` as it is now; temporary tables may be made on its connection.

    thorough: look for damage that only a thorough check sees too, see `Opened.flaw`.

    Raises StudioError or DataError where nothing can be read.
    """
    wal = 2 in _header(path)[18:20]  # as it is written, and as it is read
    if wal and not beside(path, "-wal").exists():
        warnings.append(
            f"{path.name} is a copy without its {path.name}-wal: the newest messages may be missing. "
            "Copy both files, or import the original."
        )
    patience = PATIENCE if path.stat().st_size > _LARGE else None
    _sweep()
    with (
        tempfile.TemporaryDirectory(prefix="understudy-", ignore_cleanup_errors=True) as folder,
        _locked(Path(folder)),
    ):
        where, connection = uri(path), None if wal else _in_place(path)
        if connection is None:
            file = Path(folder, "copy.db")
            file.touch(mode=0o600)
            try:
                _copy(path, file, wal)
                where, connection = uri(file), _connect(str(file))
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise denied(path, error) from None
                for part in Path(folder).glob("copy.db*"):
                    part.unlink()
                where = uri(path, "immutable=1")
                connection = _as_it_lies(path, where, warnings)
        connection.text_factory = _text
        with closing(Opened(connection, where, Path(folder), thorough, patience)) as found:
            yield found


@contextmanager
def snapshot(path: Path, warnings: list[str]) -> Iterator[sqlite3.Connection]:
    """The same, of a database that must be sound: damage raises DataError."""
    with opened(path, warnings) as found:
        if found.is_damaged():
            raise DataError(f"{path.name} is damaged.", "Copy it again.")
        yield found.connection


def uri(path: Path, *options: str) -> str:
    """How SQLite is told to open a database for reading only."""
    return f"file:{quote(str(path.absolute()))}?{'&'.join(('mode=ro', *options))}"


def _connect(file: str) -> sqlite3.Connection:
    """file: a path or a URI. An import begins in one thread and may go on in another."""
    return sqlite3.connect(file, uri=file.startswith("file:"), isolation_level=None, check_same_thread=False)


def _in_place(path: Path) -> sqlite3.Connection | None:
    """A database without a -wal file is read where it lies: reading one leaves no trace.

    One transaction, so that nobody writes meanwhile. None where that cannot be had.
    """
    if beside(path, "-journal").exists():
        return None
    try:
        connection = _connect(uri(path))
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        connection.close()
        return None
    return connection


def _as_it_lies(path: Path, where: str, warnings: list[str]) -> sqlite3.Connection:
    """The last resort where there is no room for a copy: without the -wal file, and nothing is written."""
    try:
        connection = _connect(where)
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except DAMAGE as error:
        raise denied(path, error) from None
    warnings.append(
        f"There is no room for a private copy of {path.name}, so it was read without its {path.name}-wal: "
        "the newest messages may be missing. Free some disk space and import it again."
    )
    return connection


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Mark a copy as in use. The lock is taken before it has its name: nobody finds it unlocked."""
    lock = os.open(folder / "new.lock", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with suppress(OSError):  # a file system without locks: then it has no name, and is never swept
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / "new.lock").rename(folder / _LOCK)
        yield
    finally:
        os.close(lock)


def _sweep() -> None:
    """Take away the private copies of processes that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob("understudy-*"):
        with suppress(OSError):
            about = folder.lstat()
            if about.st_uid != os.geteuid() or about.st_mode != stat.S_IFDIR | 0o700:
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where its process lives
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def columns(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    """The columns of a table as they are named, empty where there is no such table.

    A view is none: those of a hostile database may never end.
    """
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"
    if connection.execute(query, (table,)).fetchone() is None:
        return frozenset()
    return frozenset(row[1] for row in connection.execute(f'PRAGMA table_info("{table}")'))


def fields(
    connection: sqlite3.Connection, table: str, names: Iterable[str], alias: str = "", cast: str = ""
) -> list[str]:
    """SELECT expressions for `names`, with NULL for each column that this table does not have.

    cast: the SQL type to read them as; any SQLite column may hold a value of any type.
    """
    have = columns(connection, table)
    written = f"CAST({alias}%s AS {cast})" if cast else f"{alias}%s"
    return [written % name if name in have else "NULL" for name in names]


def denied(path: Path, error: Exception) -> StudioError:
    """What to say when the system does not let us read the file."""
    reason = getattr(error, "strerror", None) or str(error)
    if getattr(error, "errno", None) == errno.ENOSPC:
        return StudioError(f"There is no room for a private copy of {path.name}.", "Free some disk space.")
    return StudioError(
        f"{path} may not be read ({reason}).",
        "On a Mac: System Settings > Privacy & Security > Full Disk Access, switch on your terminal app, "
        "then restart it. Elsewhere check the file's permissions.",
    )


def _header(path: Path) -> bytes:
    if path.is_dir():
        raise StudioError(f"{path} is a folder, not a database.", "Point at the chat.db inside it.")
    try:
        if path.exists() and not path.is_file():  # opening a pipe or a device may wait for ever
            raise StudioError(
                f"{path} is no file or folder that can hold an export.", "Choose a plain file or a folder."
            )
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise denied(path, error) from None
    if not header:
        raise StudioError(f"{path} is empty.", "Copy it again, together with its -wal file.")
    if not header.startswith(MAGIC) or len(header) < _HEADER_BYTES:
        raise StudioError(
            f"{path} is not an SQLite database, although it is named {path.name}.",
            "On a Mac the messages are in ~/Library/Messages/chat.db.",
        )
    return header


def _copy(path: Path, copy: Path, wal: bool) -> None:
    """Take the copy. Live databases go through SQLite's backup, which sees one consistent moment.

    `readonly_shm` keeps even the index of the -wal file untouched. Where that index is missing
    nobody has the database open, and SQLite would make one beside it: then the files are copied.
    """
    live = beside(path, "-wal").is_file() and beside(path, "-shm").is_file()
    if live if wal else not beside(path, "-journal").exists():
        where = uri(path, "readonly_shm=1") if wal else uri(path)
        with (
            suppress(sqlite3.Error, UnicodeDecodeError),
            closing(sqlite3.connect(where, uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            target.execute("PRAGMA synchronous = OFF")  # nobody needs the copy after a crash
            source.backup(target)
            return
    for ending in ("", "-wal", "-journal"):
        if beside(path, ending).is_file():
            shutil.copyfile(beside(path, ending), beside(copy, ending))
            beside(copy, ending).chmod(0o600)


def _text(raw: bytes) -> str:
    """Texts with broken UTF-8 cost a character, not the import."""
    return raw.decode("utf-8", "replace")
