"""What an export seems to hold, before it is read: threads, rows and whose it is, from the beginnings of
its files. Cheap enough to be done while a path is typed; the import alone says what there is."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec

from engine.errors import DataError, StudioError
from engine.importers.export_files import ExportFile, is_zip, open_files
from engine.importers.finding import Check, Export
from engine.importers.imessage import IMessageImporter
from engine.importers.imessage_places import database_in, databases_in_zip
from engine.importers.messenger import MessengerImporter
from engine.importers.messenger_parts import grouped, owner_of, part_of
from engine.importers.messenger_rows import is_mojibake
from engine.importers.opening import beside
from engine.importers.salvage import DAMAGE
from engine.importers.thread_files import NotAThreadError, Thread, read_thread

_BEGINNING = 16 * 2**10  # bytes; a group's many participants may need more than a few
_START = re.compile(
    rb'\s*\{\s*"participants"\s*:\s*(\[(?:[^\[\]"]|"(?:[^"\\]|\\.)*")*\])\s*,\s*'
    rb'(?:"threadName"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*)?"messages"\s*:\s*\[',
    re.DOTALL,
)
_ROW = re.compile(rb'"sender_?[nN]ame"\s*:')
_WHOLE = 32 * 2**20  # bytes that are read in full, of files that begin in another way
_SAMPLED, _SAMPLE = 16, 64 * 2**10  # files whose rows are counted to tell those of all, bytes of each


class Survey(msgspec.Struct, frozen=True):
    """size: bytes, unpacked. threads, rows: None where that takes reading everything.

    zips: how many of those in a folder have files of this family. rows: an estimate, unless exact.
    more: not every file was looked into, so there may be more threads. owner: the only name in every
    thread, or None. mine: the messages themselves say which are the owner's.
    """

    size: int
    zips: int = 0
    threads: int | None = None
    rows: int | None = None
    more: bool = False
    owner: str | None = None
    mine: bool = False
    exact: bool = False


def survey(export: Export, check: Check) -> Survey:
    """check: called at every file, may raise. Nothing else is raised: the import says what cannot be read."""
    try:
        if isinstance(export.importer, MessengerImporter):
            return _threads(export.importer, export, check)
        if isinstance(export.importer, IMessageImporter):
            return _database(export.paths[0], check)
        return Survey(sum(path.stat().st_size for path in export.paths if path.is_file()))
    except (StudioError, OSError, *DAMAGE):
        return Survey(0)


def _threads(importer: MessengerImporter, export: Export, check: Check) -> Survey:
    with open_files(*export.paths, check=check) as listed:
        parts, whole, more = [], 0, False
        files = [file for file in importer.own(listed.files) if not file.is_page]
        for file in files:
            check()
            started = _started(file)
            if started is None and whole + file.size <= _WHOLE:
                whole += file.size
                started = _read(file)
            elif started is None:
                more = True
            if started is not None:
                parts.append(part_of(file, *started))
        size = sum(part.file.size for part in parts)
        return Survey(
            size,
            zips=sum(_is_in(part, export.paths[0], files) for part in listed.zips),
            threads=len(grouped(parts)),
            rows=_rows([part.file for part in parts], size),
            more=more,
            owner=owner_of(parts),
        )


def _is_in(part: Path, folder: Path, files: list[ExportFile]) -> bool:
    """Whether any of the files lies in this zip of a folder."""
    inside = f"{part.relative_to(folder).as_posix()}/"
    return any(file.path.startswith(inside) for file in files)


def _started(file: ExportFile) -> tuple[Thread, bool] | None:
    """A thread by how its file begins; None where it begins in another way."""
    try:
        raw = next(file.pieces(_BEGINNING), b"").removeprefix(b"\xef\xbb\xbf")
        found = _START.match(raw)
        if found is None:
            return None
        people = msgspec.json.decode(found[1], type=list[object])
        name = msgspec.json.decode(found[2], type=str) if found[2] else None
    except (OSError, ValueError, RecursionError):
        return None
    folder = file.folder
    path = f"{folder.parent.name}/{folder.name}" if name is None else None
    return Thread(participants=people, thread_path=path, thread_name=name), is_mojibake(found[0])


def _read(file: ExportFile) -> tuple[Thread, bool] | None:
    try:
        thread, raw = read_thread(file)
    except (DataError, NotAThreadError):
        return None
    return thread, is_mojibake(raw)


def _rows(files: list[ExportFile], size: int) -> int:
    """From how close the rows lie in the beginnings of the largest files."""
    rows = looked = 0
    for file in sorted(files, key=lambda file: -file.size)[:_SAMPLED]:
        try:
            raw = next(file.pieces(_SAMPLE), b"")
        except OSError:
            continue
        rows += len(_ROW.findall(raw))
        looked += len(raw)
    return rows * size // looked if looked else 0


def _database(path: Path, check: Check) -> Survey:
    if is_zip(path):
        return Survey(databases_in_zip(path)[0].file_size, mine=True)
    database = database_in(path)
    size = database.stat().st_size
    # Not a byte is copied: the newest rows, in a -wal file, are not counted.
    with closing(
        sqlite3.connect(f"file:{quote(str(database.absolute()))}?mode=ro&immutable=1", uri=True)
    ) as connection:
        connection.set_progress_handler(lambda: _stops(check), 100_000)
        try:
            rows = connection.execute("SELECT count(*) FROM message").fetchone()[0]
            threads = connection.execute("SELECT count(*) FROM chat").fetchone()[0]
        except DAMAGE:
            rows = threads = None
    exact = not beside(database, "-wal").exists()
    return Survey(size, threads=threads, rows=rows, mine=True, exact=exact)


def _stops(check: Check) -> int:
    try:
        check()
    except Exception:  # noqa: BLE001 - whatever it raises to stop
        return 1
    return 0
