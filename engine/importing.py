"""One import from its beginning to its end: read an export into the studio and keep the report."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import msgspec

from engine.archive import Studio
from engine.archive.imports import keep_import
from engine.archive.ingest import CANCELLED, ingest
from engine.errors import DataError, StudioError
from engine.importers import ImportReport
from engine.importers.finding import Export
from engine.importers.report import to_json
from engine.packed import PackedConversation, packed
from engine.readers import reading

LOOK_SECONDS = 0.1  # from one look at whether it was cancelled to the next


class Imported(msgspec.Struct, frozen=True):
    """What became of one export, under which source, in how many seconds."""

    source: str
    report: ImportReport
    seconds: float


class Begun(msgspec.Struct, frozen=True):
    """An export of which at least one conversation can be read."""

    export: Export
    report: ImportReport
    conversations: Iterator[PackedConversation]


_Start = tuple[PackedConversation | None, Iterator[PackedConversation]]
"""The first conversation, None where there is none, and the others."""


async def begin(export: Export, *, cancelled: Callable[[], bool] = lambda: False) -> Begun:
    """Read up to the first conversation. Raises StudioError or DataError where there is none, StudioError
    where it was cancelled.

    A large export is looked through for some seconds first. Whoever stops meanwhile need not wait for it:
    nothing is written, so the thread is left alone and puts its files away when it is through.
    """
    report = ImportReport()
    loop, stopped = asyncio.get_running_loop(), threading.Event()
    found: asyncio.Future[tuple[PackedConversation | None, Iterator[PackedConversation]]] = (
        loop.create_future()
    )

    def tell(set_it: Callable[[Any], None], what: Any) -> None:
        if not stopped.is_set():  # else nobody waits for it
            set_it(what)

    def read() -> None:
        try:
            conversations = _conversations(export, report)
            outcome: tuple[Callable[[Any], None], Any] = (
                found.set_result,
                (next(conversations, None), conversations),
            )
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            outcome = found.set_exception, error
        else:
            if stopped.is_set() and isinstance(conversations, Generator):
                conversations.close()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, *outcome)

    # Not one of the loop's own threads, for whose end a program waits.
    threading.Thread(target=read, name="first conversation", daemon=True).start()
    try:
        while not (await asyncio.wait({found}, timeout=LOOK_SECONDS))[0]:
            if cancelled():
                raise StudioError(*CANCELLED)
    finally:
        stopped.set()
    first, conversations = found.result()
    if first is None:
        raise DataError(f"{export.name} holds no conversation that can be read.", _why(report))
    return Begun(export, report, _again(first, conversations))


async def finish(
    studio: Studio,
    begun: Begun,
    *,
    source: str | None = None,
    owner: str | None = None,
    progress: Callable[[ImportReport], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Imported:
    """Take everything over. source: its name in the studio, else the importer's. The rest: see `ingest`."""
    export, report, started = begun.export, begun.report, time.monotonic()
    source = source or export.importer.name
    place = ", ".join(str(path.absolute()) for path in export.paths)

    seconds = 0.0

    def keep(connection: sqlite3.Connection, source: int) -> None:
        nonlocal seconds
        seconds = time.monotonic() - started
        keep_import(connection, source, export.importer.name, place, to_json(report), seconds)

    await ingest(
        studio,
        source=source,
        importer=export.importer.name,
        path=place,
        conversations=begun.conversations,
        report=report,
        owner=owner,
        slow=export.is_foreign,
        keep=keep,
        progress=progress,
        cancelled=cancelled,
    )
    return Imported(source, report, seconds)


def _conversations(export: Export, report: ImportReport) -> Iterator[PackedConversation]:
    tasks = reading.tasks(export)
    return reading.read(tasks, report) if tasks else map(packed, export.conversations(report))


def _again(first: PackedConversation, rest: Iterator[PackedConversation]) -> Iterator[PackedConversation]:
    yield first
    yield from rest


def _why(report: ImportReport) -> str:
    if report.bad_files:
        name, reason = report.bad_files[0]
        return f"{name}: {reason}."
    return "Choose the folder, file or zip that your download gave you."
