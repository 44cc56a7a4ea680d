"""understudy import: read exports and say what became of every row."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.archive import open_studio
from engine.cli.output import emit, number, plural, say
from engine.cli.owning import owners
from engine.errors import StudioError
from engine.folders import studio_path
from engine.importers import ImportReport
from engine.importers.finding import Export, Found, recognise_all
from engine.importers.report import remaining
from engine.importing import Imported, begin, finish
from engine.safe_text import harmless_line


async def run(args: argparse.Namespace) -> int:
    # Recognise everything before the studio is touched: a wrong path changes nothing on disk.
    paths = [Path(given) for given in args.paths if given.strip()]
    if len(paths) < len(args.paths):
        raise StudioError("The path is empty.", "Name a folder, a file or a zip.")
    found = await asyncio.to_thread(_find, paths, args)
    for left in found.left:
        say(f"Not read: {left.name}: {left.why}")
    worst = 0
    done: list[Imported] = []
    for export in found.exports:
        try:
            one = await _import(args, export)
        except StudioError as error:
            if len(found.exports) == 1:
                raise
            say(f"{export.name}: {error}")
            worst = max(worst, error.exit_code)
        else:
            _print(args, export, one)
            worst = max(worst, 1 if one.report.bad_files else 0)
            done.append(one)
    await owners(args, done)
    return worst


async def _import(args: argparse.Namespace, export: Export) -> Imported:
    begun = await begin(export)
    async with await open_studio(studio_path(args.studio)) as studio:
        try:
            return await finish(studio, begun, source=args.source, owner=args.owner, progress=_bar())
        finally:
            _clear()


def _find(paths: list[Path], args: argparse.Namespace) -> Found:
    if args.loader:
        from engine.importers.langchain_loader import LangChainImporter

        importer = LangChainImporter(args.loader)
        return Found(tuple(Export(importer, (path.expanduser(),)) for path in paths))
    found = recognise_all(paths)
    if not args.contacts and not args.include_deleted:
        return found
    from engine.importers.imessage import IMessageImporter

    for export in found.exports:
        if not isinstance(export.importer, IMessageImporter):
            raise StudioError(
                f"{export.name} is no iMessage database.",
                "Leave --contacts and --include-deleted out for it.",
            )
    book = Path(args.contacts).expanduser() if args.contacts else None
    messages = IMessageImporter(book, include_deleted=args.include_deleted)
    return Found(tuple(Export(messages, export.paths) for export in found.exports), found.left)


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


def _print(args: argparse.Namespace, export: Export, done: Imported) -> None:
    importer, report = export.importer.name, done.report
    if args.json:
        emit(record(export.name, importer, done.source, report, done.seconds))
        return
    say(f"{export.name}: {importer}, {plural(report.conversations, 'conversation')}, {done.seconds:.1f} s")
    for line in lines(report):
        say(line)


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
