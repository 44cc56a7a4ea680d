"""iMessage: the chat.db of a Mac, or the sms.db of an iPhone.

Which columns there are differs with every system, and extracts leave out whole tables: what is
there is read, found by name and never by version. One conversation is in memory at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path

from engine.conversation import Conversation
from engine.errors import DataError, StudioError
from engine.importers.contacts import contacts
from engine.importers.export_files import is_zip
from engine.importers.imessage_chats import Thread, find_threads
from engine.importers.imessage_messages import read_conversation
from engine.importers.imessage_people import People
from engine.importers.imessage_places import database_in, databases_in_zip, is_encrypted, unpacked
from engine.importers.imessage_placing import count_unplaced
from engine.importers.imessage_queries import Queries, queries
from engine.importers.opening import MAGIC, beside, columns, denied, opened, snapshot, uri
from engine.importers.report import ImportReport
from engine.importers.salvage import DAMAGE, Loss

_AHEAD = 20_000  # rows that are read at most before it is known that the database is not damaged


class IMessageImporter:
    """A chat.db, or a folder, iPhone backup or zip that holds one.

    contacts: an address book to take the names from. include_deleted: also what its owner deleted in the
    last weeks.
    """

    name = "imessage"

    def __init__(self, contacts: Path | None = None, *, include_deleted: bool = False) -> None:
        self.contacts = contacts
        self.include_deleted = include_deleted

    def recognises(self, path: Path) -> bool:
        path = path.expanduser()
        try:
            if is_zip(path):
                return bool(databases_in_zip(path))
            return is_encrypted(path) or _looks_right(database_in(path))
        except (StudioError, OSError, sqlite3.Error, UnicodeDecodeError):
            return False

    def conversations(self, path: Path, report: ImportReport) -> Iterator[Conversation]:
        path = path.expanduser()
        database = path if is_zip(path) else database_in(path)
        try:
            if is_zip(path):
                with unpacked(path) as database:
                    yield from self._conversations(database, report)
            else:
                yield from self._conversations(database, report)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise DataError(f"{database} cannot be read any further ({error}).", "Copy it again.") from None
        except OSError as error:
            raise denied(database, error) from None

    def _conversations(self, database: Path, report: ImportReport) -> Iterator[Conversation]:
        with opened(database, report.warnings, thorough=True) as source:
            prepared, ahead = None, list[Conversation | None]()
            with suppress(*DAMAGE):  # said below, where it is not damage
                prepared = people, threads, ask, counted = self._prepare(source.connection, database)
                for thread in threads:
                    if source.is_checked() or counted.rows_read >= _AHEAD:
                        break
                    one = ImportReport()
                    ahead.append(read_conversation(source.connection, ask, thread, people, one))
                    counted.add(one)
            if source.is_damaged():
                for loss in source.rescue():
                    _report_loss(loss, database, report)
                prepared, ahead = None, []
            people, threads, ask, counted = prepared or self._prepare(source.connection, database)
            before, rows = report.rows_read, counted.rows_total
            report.add(counted)
            report.rows_total = rows
            report.owner, report.owner_addresses = people.me.name, list(people.own.values())
            rest = (
                read_conversation(source.connection, ask, thread, people, report)
                for thread in threads[len(ahead) :]
            )
            for conversation in chain(ahead, rest):
                if conversation is not None:
                    report.conversations += 1
                    yield conversation
            if report.rows_read - before != rows:
                count_unplaced(source.connection, [thread.rows for thread in threads], report)
            if flaw := source.flaw():
                report.warnings.append(
                    f"{database.name} is damaged where a quick check does not see it ({flaw}). Its messages "
                    "were read from their tables, whatever the indexes say."
                )

    def _prepare(
        self, connection: sqlite3.Connection, database: Path
    ) -> tuple[People, list[Thread], Queries, ImportReport]:
        """Who and what is in it, with a report of its own: damage may make all this void."""
        if not is_imessage(connection):
            raise StudioError(
                f"{database} is an SQLite database, but not one of iMessage.",
                "On a Mac the messages are in ~/Library/Messages/chat.db.",
            )
        report = ImportReport()
        people = People(connection, contacts(database, report.warnings, self.contacts))
        threads = find_threads(connection, people, report, self.include_deleted)
        return people, threads, queries(connection), report


def is_imessage(connection: sqlite3.Connection) -> bool:
    """By its tables and columns."""
    message = columns(connection, "message")
    return (
        "date" in message
        and bool(message & {"text", "attributedBody"})
        and bool(message & {"handle_id", "is_from_me"})
        and bool(columns(connection, "handle") or columns(connection, "chat_message_join"))
    )


def _looks_right(database: Path) -> bool:
    """Looked at without a trace beside the file; `immutable` sees the tables, if not the newest rows."""
    if not database.is_file():
        return False
    with database.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return False
    with closing(sqlite3.connect(uri(database, "immutable=1"), uri=True)) as connection:
        try:
            if is_imessage(connection):
                return True
        except DAMAGE:
            return b"chat_message_join" in database.open("rb").read(2**20)  # damaged, but of the family
    if not beside(database, "-wal").exists():
        return False
    with snapshot(database, []) as copied:  # so new that even its tables are still in the -wal file
        return is_imessage(copied)


def _report_loss(loss: Loss, database: Path, report: ImportReport) -> None:
    until = "its end" if loss.last is None else f"{loss.last:,}"
    report.bad_files.append(
        (database.name, f"is damaged: table {loss.table}, rows {loss.first:,} to {until} cannot be read")
    )
