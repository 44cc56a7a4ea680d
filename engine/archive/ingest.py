"""Take an export's conversations into the studio: what is new, and nothing twice.

The first import of a source writes straight into the studio's tables. A later one, and one that may
come slowly, is first staged in temporary tables, which needs no lock on the studio; `merge` then takes it
over. Both are one transaction, so an import that is cancelled or killed leaves the studio as it was.
SQLite has one writer: whoever else writes meanwhile waits for the end of that transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from engine.archive.edits import History
from engine.archive.first_import import first_import
from engine.archive.merge import Merged, Origin, merge
from engine.archive.message_rows import REPLIES, insert, statements
from engine.archive.studio import Studio, connect, explained
from engine.conversation import Conversation, Sender
from engine.errors import StudioError
from engine.packed import PackedConversation, packed, storable

PROGRESS_SECONDS = 0.1
CANCELLED = ("The import was cancelled.", "The studio is as it was before.")

STAGED = statements("staged_messages", once=False)

STAGING = (
    """CREATE TEMP TABLE staged_conversations (
        n INTEGER PRIMARY KEY, key TEXT, title TEXT, is_group INTEGER, section TEXT,
        also TEXT, id INTEGER, newer INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TEMP TABLE staged_senders (
        n INTEGER PRIMARY KEY, key TEXT, name TEXT, is_owner INTEGER, id INTEGER)""",
    "CREATE TEMP TABLE staged_participants (conversation INTEGER, sender INTEGER, place INTEGER)",
    """CREATE TEMP TABLE staged_messages (
        conversation INTEGER, key TEXT, sender INTEGER, time INTEGER, seq INTEGER, kind TEXT, text TEXT,
        reactions TEXT, attachments TEXT, edited INTEGER)""",
    REPLIES,
)


class Report(Protocol):
    """What an import's report must have to be filled in here (engine.importers.ImportReport)."""

    kept: int
    already_there: int
    owner: str | None
    warnings: list[str]

    def note_there(self, conversation: str, time: int, text: str) -> None: ...


def _packed(
    conversations: Iterator[Conversation] | Iterator[PackedConversation],
) -> Iterator[PackedConversation]:
    try:
        for one in conversations:
            yield packed(one) if isinstance(one, Conversation) else one
    finally:
        close = getattr(conversations, "close", None)
        if close is not None:
            close()


R = TypeVar("R", bound=Report)


class _Stopped(Exception):  # noqa: N818 - not an error
    pass


async def ingest(
    studio: Studio,
    *,
    source: str,
    importer: str,
    path: str,
    conversations: Iterator[Conversation] | Iterator[PackedConversation],
    report: R,
    owner: str | None = None,
    slow: bool = False,
    keep: Callable[[sqlite3.Connection, int], None] = lambda *_: None,
    progress: Callable[[R], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Add the conversations of one export to the source named `source`.

    conversations: read once, in order, in a worker thread; so may each one's messages be.
    report: already_there is filled in here, kept and owner are the importer's; owner is read after
    the last conversation. owner: whose export it is, where the user says so; it wins over the report.
    slow: reading takes longer than writing, so others may write until all is read. keep: called when the
    report is filled in, with the source's number; what it writes is part of the import.
    progress: called from the event loop, ten times a second at most. cancelled: asked in the worker
    thread at every batch. A message that is there already is brought up to date where it differs.

    Raises StudioError where it was cancelled or the studio could not be written; then, and when the
    task is cancelled, the studio is as it was.
    """
    stop = threading.Event()
    edits: list[History] = []
    ready = _packed(conversations)

    def check() -> None:
        if stop.is_set() or (cancelled is not None and cancelled()):
            raise _Stopped

    def origin() -> Origin:
        now = time.time_ns() // 1_000_000
        # A file's name need not be UTF-8, nor a word from the command line.
        return Origin(
            storable(source), importer, storable(path), now, storable(owner), storable(report.owner), edits
        )

    def end(merged: Merged) -> None:
        report.already_there = merged.taken - merged.inserted
        for conversation, at, text in merged.there:
            report.note_there(conversation, at, text)
        report.owner = merged.owner or report.owner
        report.warnings.extend(merged.warnings)
        keep(connection, merged.source)

    def show() -> None:
        if progress is not None:
            progress(report)

    take_first, stage = (_putting_away(ready, work) for work in (first_import, _stage))
    with explained(studio.path), contextlib.closing(connect(studio.path)) as connection:
        try:
            merged = None
            if not slow:
                async with studio.write_lock:
                    merged = await _finished(
                        take_first, connection, origin, ready, check, end, show=show, stop=stop
                    )
            if merged is None:
                taken = await _finished(stage, connection, ready, edits, check, show=show, stop=stop)
                async with studio.write_lock:
                    await _finished(merge, connection, origin(), taken, check, end, show=show, stop=stop)
        except _Stopped:
            raise StudioError(*CANCELLED) from None
    show()


def _putting_away(
    conversations: Iterator[PackedConversation], work: Callable[..., Any]
) -> Callable[..., Any]:
    """`work`; where it fails, a generator puts its files away at once, in the thread that read them."""

    def run(*arguments: Any) -> Any:
        try:
            return work(*arguments)
        except BaseException:
            close = getattr(conversations, "close", None)
            if close is not None:
                close()
            raise

    return run


async def _finished(
    work: Callable[..., Any],
    connection: sqlite3.Connection,
    *arguments: Any,
    show: Callable[[], None],
    stop: threading.Event,
) -> Any:
    """The result of `work` in a thread. It has always ended when this returns or raises."""
    # No task: those are all cancelled when a program ends, and this would seem done while its thread goes on.
    task = asyncio.get_running_loop().run_in_executor(None, work, connection, *arguments)
    try:
        while not (await asyncio.wait({task}, timeout=PROGRESS_SECONDS))[0]:
            show()
    except BaseException:
        stop.set()
        connection.interrupt()
        while not task.done():  # cancelled once more, the thread still uses the connection
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        task.exception()  # what stopped the wait is the error to show, not the interrupted work
        raise
    return task.result()


def _stage(
    connection: sqlite3.Connection,
    conversations: Iterator[PackedConversation],
    edits: list[History],
    check: Callable[[], None],
) -> int:
    """Fill the temporary tables and return the number of messages. Holds one batch in memory. edits: what
    is seen of the messages' histories is added to them. Raises StudioError where there is no room for it."""
    with _room_for_staging():
        return _stage_all(connection, conversations, edits, check)


@contextlib.contextmanager
def _room_for_staging() -> Iterator[None]:
    """Temporary tables lie where SQLite puts them, which need not be the studio's disk."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise
        asked = (os.environ.get(name) for name in ("SQLITE_TMPDIR", "TMPDIR"))
        folders = (*filter(None, asked), "/var/tmp", "/usr/tmp", "/tmp")  # noqa: S108 - SQLite's own order
        folder = next((one for one in folders if os.access(one, os.W_OK | os.X_OK)), ".")
        raise StudioError(
            f"The disk is full: an import is prepared in {folder}, and there is no room.",
            "Free some space there, or set TMPDIR to a folder on another disk; nothing was changed.",
        ) from error


def _stage_all(
    connection: sqlite3.Connection,
    conversations: Iterator[PackedConversation],
    edits: list[History],
    check: Callable[[], None],
) -> int:
    for statement in STAGING:
        connection.execute(statement)
    connection.execute("BEGIN")  # touches temporary tables only, so it locks nothing
    senders: dict[str, int] = {}
    staged = 0

    def numbered(key: str) -> int:
        number = senders.get(key)
        return number if number is not None else _stage_sender(connection, senders, Sender(key, key))

    for n, conversation in enumerate(conversations):
        check()
        _stage_conversation(connection, n, conversation, senders)
        for ready in conversation.messages:
            check()
            insert(connection, STAGED, n, ready, numbered)
            staged += ready.messages
            edits += [(conversation.key, *edit) for edit in ready.edits]
    connection.execute("COMMIT")
    return staged


def _stage_conversation(
    connection: sqlite3.Connection, n: int, conversation: PackedConversation, senders: dict[str, int]
) -> None:
    connection.execute(
        "INSERT INTO staged_conversations VALUES (?, ?, ?, ?, ?, ?, NULL, 0)",
        (
            n,
            conversation.key,
            conversation.title,
            conversation.is_group,
            conversation.section,
            conversation.also,
        ),
    )
    for place, sender in enumerate(conversation.senders):
        number = senders.get(sender.key)
        if number is None:
            number = _stage_sender(connection, senders, sender)
        elif sender.is_owner:
            connection.execute("UPDATE staged_senders SET is_owner = 1 WHERE n = ?", (number,))
        connection.execute("INSERT INTO staged_participants VALUES (?, ?, ?)", (n, number, place))


def _stage_sender(connection: sqlite3.Connection, senders: dict[str, int], sender: Sender) -> int:
    senders[sender.key] = number = len(senders)
    connection.execute(
        "INSERT INTO staged_senders VALUES (?, ?, ?, ?, NULL)",
        (number, sender.key, sender.name, sender.is_owner),
    )
    return number
