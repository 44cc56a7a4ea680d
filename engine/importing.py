"""One import from its beginning to its end: read an export into the studio and keep the report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec

from engine.archive import Studio
from engine.archive.imports import save_import
from engine.archive.ingest import ingest
from engine.errors import DataError
from engine.importers import ImportReport
from engine.importers.finding import Export
from engine.importers.report import to_json
from engine.packed import PackedConversation, packed
from engine.readers import reading


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


async def begin(export: Export) -> Begun:
    """Read up to the first conversation. Raises StudioError or DataError where there is none."""
    report = ImportReport()
    conversations = await asyncio.to_thread(_conversations, export, report)
    first = await asyncio.to_thread(next, conversations, None)
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
    await ingest(
        studio,
        source=source,
        importer=export.importer.name,
        path=place,
        conversations=begun.conversations,
        report=report,
        owner=owner,
        progress=progress,
        cancelled=cancelled,
    )
    seconds = time.monotonic() - started
    await save_import(
        studio,
        source=source,
        importer=export.importer.name,
        path=place,
        report=to_json(report),
        seconds=seconds,
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
