"""understudy import: read exports and say what became of every row."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.archive import open_studio
from engine.archive.imports import save_import
from engine.archive.ingest import ingest
from engine.cli.output import emit, number, plural, say
from engine.errors import DataError, StudioError
from engine.folders import studio_path
from engine.importers import Export, ImportReport, recognise_all
from engine.importers.report import remaining, to_json
from engine.safe_text import harmless_line


async def run(args: argparse.Namespace) -> int:
    # Recognise everything before the studio is touched: a wrong path changes nothing on disk.
    paths = [Path(given).expanduser() for given in args.paths if given.strip()]
    if len(paths) < len(args.paths):
        raise StudioError("The path is empty.", "Name a folder, a file or a zip.")
    if args.loader:
        from engine.importers.langchain_loader import LangChainImporter

        exports = [Export(LangChainImporter(args.loader), (path,)) for path in paths]
    else:
        exports = await asyncio.to_thread(_exports, paths, args)
    worst = 0
    for export in exports:
        importer, report = export.importer, ImportReport()
        found = export.conversations(report)
        first = await asyncio.to_thread(next, found, None)
        if first is None:
            raise DataError(f"{export.name} holds no conversation that can be read.", _why(report))
        place = ", ".join(str(path.absolute()) for path in export.paths)
        started = time.monotonic()
        async with await open_studio(studio_path(args.studio)) as studio:
            try:
                await ingest(
                    studio,
                    source=args.source or importer.name,
                    importer=importer.name,
                    path=place,
                    conversations=itertools.chain([first], found),
                    report=report,
                    owner=args.owner,
                    progress=_bar(),
                )
            finally:
                _clear()
            seconds = time.monotonic() - started
            await save_import(
                studio,
                source=args.source or importer.name,
                importer=importer.name,
                path=place,
                report=to_json(report),
                seconds=seconds,
            )
        _print(args, export.name, importer.name, report, seconds)
        worst = max(worst, 1 if report.bad_files else 0)
    return worst


def _exports(paths: list[Path], args: argparse.Namespace) -> list[Export]:
    exports = recognise_all(paths)
    if not args.contacts and not args.include_deleted:
        return exports
    from engine.importers.imessage import IMessageImporter

    for export in exports:
        if not isinstance(export.importer, IMessageImporter):
            raise StudioError(
                f"{export.name} is no iMessage database.",
                "Leave --contacts and --include-deleted out for it.",
            )
    book = Path(args.contacts).expanduser() if args.contacts else None
    importer = IMessageImporter(book, include_deleted=args.include_deleted)
    return [Export(importer, export.paths) for export in exports]


def _why(report: ImportReport) -> str:
    if report.bad_files:
        name, reason = report.bad_files[0]
        return f"{name}: {reason}."
    return "Choose the folder, file or zip that your download gave you."


def _bar() -> Callable[[ImportReport], None] | None:
    """A progress line for a person at a terminal; None where nobody watches."""
    if not sys.stderr.isatty():
        return None
    started = time.monotonic()

    def show(report: ImportReport) -> None:
        seconds = time.monotonic() - started
        rate = report.rows_read / max(seconds, 0.001)
        total = f" of about {report.rows_total:,}" if report.rows_total else ""
        left = remaining(report.rows_read, report.rows_total, seconds)
        line = f"{report.rows_read:,}{total} rows, {rate:,.0f}/s{left and ', '}{left}"
        print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)

    return show


def _clear() -> None:
    """Take the line of progress away."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _print(args: argparse.Namespace, path: str, importer: str, report: ImportReport, seconds: float) -> None:
    if args.json:
        emit(record(path, importer, args.source or importer, report, seconds))
        return
    say(f"{path}: {importer}, {plural(report.conversations, 'conversation')}, {seconds:.1f} s")
    for line in lines(report):
        say(line)
    if report.owner == "Me":  # iMessage knows its owner, but not by name
        known = (
            f" ({', '.join(map(harmless_line, report.owner_addresses))})" if report.owner_addresses else ""
        )
        say(f'You are "Me" in it{known}. Import it again with --owner NAME to be called by your name.')
    elif report.owner is None:
        say("Whose export this is cannot be told from it. Import it again with --owner NAME to say so.")
    elif args.owner in (None, report.owner):
        say(f"This is the export of {report.owner}.")


def record(path: str, importer: str, source: str, report: ImportReport, seconds: float) -> dict[str, object]:
    """The import report for JSON."""
    return {
        "path": path,
        "importer": importer,
        "source": source,
        "conversations": report.conversations,
        "rows_read": report.rows_read,
        "kept": report.kept,
        "kinds": dict(report.kinds),
        "repaired": report.repaired,
        "recovered": report.recovered,
        "already_there": report.already_there,
        "joined": report.joined,
        "skipped": dict(report.skipped),
        "bad_files": [{"file": name, "reason": reason} for name, reason in report.bad_files],
        "warnings": report.warnings,
        "owner": report.owner,
        "owner_addresses": report.owner_addresses,
        "seconds": round(seconds, 3),
    }


def lines(report: ImportReport) -> list[str]:
    """The import report as aligned lines: every row read is in exactly one of kept and skipped."""
    rows = []
    for line in report.lines():
        rows.append((line.label, number(line.rows), line.says))
        if line.name in ("bad files", "notes"):  # one by one
            more = report.behind(line.name)[1:]
            rows += [("", "", f"{row.place}: {row.text}" if row.text else row.place) for row in more]
    return [f"  {label:<15}{value:>9}  {harmless_line(text)}".rstrip() for label, value, text in rows]
