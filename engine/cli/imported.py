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
from engine.importers.report import SKIPPED, ImportReport, ReportLine, from_json, how_many


async def run(args: argparse.Namespace) -> int:
    if args.line and args.number is None:
        raise StudioError("--line needs the number of an import.", "`understudy imports` lists them.")
    async with await existing_studio(args) as studio:
        if args.number is None:
            _list(args, await imports.imports(studio))
            return 0
        row = await imports.import_of(studio, args.number)
    report = from_json(row.report)
    if args.line:
        _rows(args, report, _line(report, args.line))
    elif args.json:
        emit(_record(row, report))
    else:
        people = plural(report.conversations, "conversation")
        out(f"{row.source}: {row.importer}, {minute(row.time)}, {people}, {row.seconds:.1f} s")
        out(f"  {row.path}")
        for line in lines(report):
            out(line)
        say(f"`understudy imports {row.id} --line NAME` prints the rows behind a line.")
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
                f"{number(sum(report.skipped.values()))} skipped",
                plural(len(report.bad_files), "bad file"),
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


def _line(report: ImportReport, given: str) -> ReportLine:
    """The line that is meant, by its name or a reason of skipping in any case, or by how it alone begins."""
    folded = given.strip().casefold()
    names = {line.name.casefold(): line for line in report.lines()}
    names |= {line.says.casefold(): line for line in report.lines() if not line.label}
    begun = sorted((name for name in names if name.startswith(folded)), key=len)
    if begun and all(name.startswith(begun[0]) for name in begun):  # one, or a sum and its parts
        return names[begun[0]]
    shown = [line.name for line in report.lines()]
    hint = nearest(given, shown) or f"There are: {', '.join(shown)}."
    raise StudioError(f'The report has no line "{given}".', hint)


def _rows(args: argparse.Namespace, report: ImportReport, line: ReportLine) -> None:
    noted, several = report.behind(line.name), report.reasons(line.name)
    reasons = several or [line.name.partition(SKIPPED)[2]] * len(noted)
    if args.json:
        for row, reason in zip(noted, reasons, strict=True):
            time = None if row.time is None else iso(row.time)
            said = {"line": line.name, "place": row.place, "time": time, "text": row.text}
            emit(said | {"reason": reason})
        return
    rows = []
    for row, reason in zip(noted, reasons, strict=True):
        time = "" if row.time is None else minute(row.time)
        rows.append((row.place, time, *([reason] if any(several) else []), row.text))
    table(rows, whole=(0,))
    say(f"{line.name}: {how_many(line, len(noted))}.")
