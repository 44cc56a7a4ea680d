"""Where the rows behind the lines of an import's report stand: the file, and the row in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain

import msgspec

from engine.conversation import LAST_TIME
from engine.errors import DataError
from engine.importers.export_files import ExportFile
from engine.importers.messenger_rows import Line, Row, decode, repair, understand
from engine.importers.report import BEGINNING, Example, ImportReport, skipped
from engine.importers.thread_files import NotAThreadError, Rows, read_rows

REPEATED = "repeated in the export"


def note_rows(
    path: str,
    first: int,
    read: Rows,
    lines: list[Line],
    left_out: list[tuple[int, str]],
    counted: ImportReport,
    report: ImportReport,
    alone: bool,
) -> None:
    """Count the rows that are left out, and note the first of them and of those that are kept.

    first: the number of the first of these rows in the file. left_out: (index, reason). counted: of
    this file; it is added to `report` once all of the file was read. alone: whether all lines are kept.
    """

    def room(line: str) -> bool:
        return report.room(line) > 0 and counted.room(line) > 0

    for at, reason in left_out:
        example = None
        if room(skipped(reason)):
            example = _left_out(f"{path}, row {first + at}", read.rows[at], read.mojibake)
        counted.skip(reason, example=example)
    if alone and (room("kept") or (counted.repaired and room("repaired"))):
        gone = {at for at, _ in left_out}
        places = (first + at for at in range(len(read.rows)) if at not in gone)
        for place, line in zip(places, lines, strict=True):
            if line.repaired or room("kept"):
                _note_kept(Example(f"{path}, row {place}", line.time, line.text), line, counted)


def note_joined(
    copies: list[list[ExportFile]], title: str, key: Callable[[Line], str], report: ImportReport
) -> None:
    """Note a thread that lies in several folders, and its rows: which say again what an earlier folder said
    is known only after all were read, so the files are read once more while rows are wanted.

    copies: the files by folder, as they were joined. key: alike for rows that say the same.
    """
    if len(copies) > 1:
        report.joined += 1
        report.note("joined", Example(" + ".join(_folder(files[0]) for files in copies), None, title))
    with suppress(DataError, NotAThreadError):  # changed since: nothing is lost but the notes
        _note_again(copies, key, report)


def _note_again(copies: list[list[ExportFile]], key: Callable[[Line], str], report: ImportReport) -> None:
    said: set[str] = set()
    repeated = skipped(REPEATED)
    for files in copies:
        here: Counter[str] = Counter()
        for place, line in chain.from_iterable(_lines(file, report.owner) for file in files):
            if not (report.room("kept") or (report.skipped[REPEATED] and report.room(repeated))):
                return
            found = key(line)
            here[found] += 1
            example = Example(place, line.time, line.text)
            if f"{found}-{here[found]}" in said:
                report.note(repeated, example)
            else:
                _note_kept(example, line, report)
        said.update(f"{found}-{n}" for found, times in here.items() for n in range(1, times + 1))


def _note_kept(example: Example, line: Line, report: ImportReport) -> None:
    report.note("kept", example)
    if line.repaired:
        report.note("repaired", example)


def _folder(file: ExportFile) -> str:
    """The folder of a thread as the export names it; of a thread that is one file, that file."""
    return file.path.rpartition("/")[0] or file.path


def _lines(file: ExportFile, owner: str | None) -> Iterator[tuple[str, Line]]:
    """The rows of the file that are understood, with their places. Raises as read_rows does."""
    number = 0
    for read in read_rows(file):
        for row in read.rows:
            number += 1
            found = row if isinstance(row, Row) else decode(row)
            line = understand(found, read.mojibake, owner) if found else None
            if isinstance(line, Line):
                yield f"{file.path}, row {number}", line


def _left_out(place: str, row: Row | msgspec.Raw, mojibake: bool) -> Example:
    """What can be said of a row that is no message."""
    if not isinstance(row, Row):
        found = decode(row)
        if found is None:
            # It may be indented.
            return Example(
                place, None, " ".join(bytes(row)[: 4 * BEGINNING].decode("utf-8", "replace").split())
            )
        row = found
    text = row.content or row.text or ""
    time = row.timestamp_ms if row.timestamp_ms is not None else row.timestamp
    told = int(time) if time is not None and 0 < time < LAST_TIME else None
    return Example(place, told, repair(text) if mojibake else text)
