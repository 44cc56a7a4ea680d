"""understudy imports: what became of every row, import by import."""

from __future__ import annotations

import argparse

from engine.archive import ImportRow, imports
from engine.archive.names import nearest
from engine.cli.importing import lines, record
from engine.cli.opening import existing_studio
from engine.cli.output import emit, minute, number, out, plural, say, table
from engine.conversation import iso
from engine.errors import StudioError
from engine.importers.report import ImportReport, from_json


async def run(args: argparse.Namespace) -> int:
    if args.reason and args.number is None:
        raise StudioError("--reason needs the number of an import.", "`understudy imports` lists them.")
    async with await existing_studio(args) as studio:
        if args.number is None:
            _list(args, await imports.imports(studio))
            return 0
        row = await imports.import_of(studio, args.number)
    report = from_json(row.report)
    if args.reason:
        _rows(args, report, _reason(report, args.reason))
    elif args.json:
        emit(_record(row, report))
    else:
        people = plural(report.conversations, "conversation")
        out(f"{row.source}: {row.importer}, {minute(row.time)}, {people}, {row.seconds:.1f} s")
        out(f"  {row.path}")
        for line in lines(report):
            out(line)
        if report.examples:
            say(f'`understudy imports {row.id} --reason "..."` prints the rows that were left out.')
    return 0


def _list(args: argparse.Namespace, rows: list[ImportRow]) -> None:
    reports = [(row, from_json(row.report)) for row in rows]
    if args.json:
        for row, report in reports:
            emit(_record(row, report))
        return
    table(
        [
            (
                row.id,
                row.source,
                minute(row.time),
                f"{number(report.rows_read)} rows",
                f"{number(report.kept)} kept",
                f"{number(sum(report.skipped.values()))} left out",
                f"{number(len(report.bad_files))} unreadable",
                f"{row.seconds:.1f} s",
            )
            for row, report in reports
        ],
        right=(0, 3, 4, 5, 6, 7),
    )
    say(f"{plural(len(rows), 'import')}. `understudy imports NUMBER` prints one again.")


def _record(row: ImportRow, report: ImportReport) -> dict[str, object]:
    about = {"id": row.id, "time": iso(row.time)}
    return about | record(row.path, row.importer, row.source, report, row.seconds)


def _reason(report: ImportReport, given: str) -> str:
    """The reason that is meant, by its name in any case or by how it alone begins."""
    folded = given.strip().casefold()
    found = [reason for reason in report.skipped if reason.casefold() == folded]
    found = found or [reason for reason in report.skipped if reason.casefold().startswith(folded)]
    if len(found) == 1:
        return found[0]
    if not report.skipped:
        raise StudioError("Nothing was left out of this import.")
    names = ", ".join(f'"{reason}"' for reason in report.skipped)
    hint = nearest(given, report.skipped) or f"There are: {names}."
    raise StudioError(f'No row was left out as "{given}".', hint)


def _rows(args: argparse.Namespace, report: ImportReport, reason: str) -> None:
    noted = report.examples.get(reason, [])
    if args.json:
        for row in noted:
            time = None if row.time is None else iso(row.time)
            emit({"reason": reason, "place": row.place, "time": time, "text": row.text})
        return
    table(
        [(row.place, "" if row.time is None else minute(row.time), row.text) for row in noted],
    )
    total = report.skipped[reason]
    if not noted:
        say(f"{plural(total, 'row')}: {reason}. Its importer did not note which.")
    else:
        say(f"{number(len(noted))} of {plural(total, 'row')}: {reason}.")
