"""Reading an export in processes of its own, so that the screen and the database have this one to themselves.

Each process reads a share of the conversations and packs it; they come out in the export's order. What is
told between the processes are lengths and msgpack over pipes: no paths in a process list, nothing on disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from typing import IO, TYPE_CHECKING

import msgspec

from engine.errors import DataError, StudioError
from engine.importers.export_files import natural
from engine.importers.report import ImportReport, from_json
from engine.packed import Packed, PackedConversation, pack
from engine.readers.telling import Begun, Done, Refused, Said, Some, Task, Unpacked

if TYPE_CHECKING:
    from engine.importers.finding import Export

_PROCESSES = 2  # as many as the database can follow
_WORTH = 8 * 2**20  # bytes of an export, unpacked; a process takes as long to start as 10 MB to read
_AHEAD = 24  # messages of a process that wait here: a few MB at most
_ENDED = b""


class _Process:
    """One reading process. heard: what it has told so far and was not asked for yet."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.report = ImportReport()
        self._heard: Queue[bytes] = Queue(_AHEAD)
        self._stopped = threading.Event()
        self._decode = msgspec.msgpack.Decoder(Said).decode
        self._process = subprocess.Popen(
            [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "engine.readers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with suppress(BrokenPipeError), self._input as pipe:
            pipe.write(msgspec.msgpack.encode(task))
        self._listening = threading.Thread(target=self._listen, name="listening to a reader", daemon=True)
        self._listening.start()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def next(self) -> Said:
        """Raises StudioError where the process refuses, or has gone."""
        written = self._heard.get()
        if written == _ENDED:
            self._heard.put(_ENDED)
            raise StudioError(
                "A process that read the export has ended unexpectedly.",
                "Nothing was imported. Import again; where that fails too, the machine may lack memory.",
            )
        said: Said = self._decode(written)
        if isinstance(said, Refused):
            raise (DataError if said.data else StudioError)(said.message, said.hint)
        if isinstance(said, Done):
            self.report = from_json(said.report)
        elif isinstance(said, Begun):
            self.report.rows_read, self.report.kept = said.rows_read, said.kept
            self.report.rows_total = said.rows_total
        return said

    def close(self) -> None:
        self._stopped.set()
        self._process.kill()
        while self._listening.is_alive():
            with suppress(Empty):
                self._heard.get(timeout=0.01)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _listen(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        with suppress(OSError, ValueError):
            while not self._stopped.is_set():
                length = int.from_bytes(pipe.read(4), "big")
                if not length or len(written := pipe.read(length)) < length:
                    break
                self._heard.put(written)
        self._heard.put(_ENDED)


def read(tasks: list[Task], report: ImportReport) -> Iterator[PackedConversation]:
    """The conversations of all tasks in the export's order. report: filled in as they come.

    Raises StudioError or DataError where nothing can be read.
    """
    processes: list[_Process] = []
    try:
        for task in tasks:
            processes += [_begun(task)]
        coming: dict[int, tuple[_Process, Begun]] = {}
        keys: set[str] = set()
        for process in processes:
            _await(process, process.next(), coming)
        while coming:
            _sum_up(processes, report)
            process, begun = coming.pop(min(coming))
            last: list[Said] = []
            yield PackedConversation(
                key=_unique(begun.key, keys),
                title=begun.title,
                senders=begun.senders,
                messages=_messages(process, last),
                is_group=begun.is_group,
                section=begun.section,
                also=begun.also,
            )
            for _ in _messages(process, last) if not last else ():
                pass  # nobody wanted the rest of them
            _await(process, last[0], coming)
        _sum_up(processes, report)
    finally:
        for process in processes:
            process.close()


def _begun(task: Task) -> _Process:
    try:
        return _Process(task)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StudioError(
            f"No process could be started to read the export ({reason}).",
            "Close other programs and try again.",
        ) from None


def _await(process: _Process, said: Said, coming: dict[int, tuple[_Process, Begun]]) -> None:
    if isinstance(said, Begun):
        coming[said.place] = process, said


def _messages(process: _Process, last: list[Said]) -> Iterator[Packed]:
    """Until something else is said, which goes to `last`."""
    while isinstance(said := process.next(), Some | Unpacked):
        yield said.packed if isinstance(said, Some) else pack(said.stretch)
    last.append(said)


def _unique(key: str, taken: set[str]) -> str:
    """Two processes may have found the same name for two conversations."""
    name, count = key, 1
    while name in taken:
        count += 1
        name = f"{key} {count}"
    taken.add(name)
    return name


def _sum_up(processes: list[_Process], report: ImportReport) -> None:
    """Make `report`, which whoever imports has at hand, what the processes' reports are together."""
    whole = ImportReport()
    for process in processes:
        total, of_all = process.report.rows_total, whole.rows_total
        whole.add(process.report)
        whole.rows_total = None if total is None else (of_all or 0) + total
    for name, value in vars(whole).items():
        setattr(report, name, value)
    report.bad_files.sort(key=lambda bad: natural(bad[0]))


def tasks(export: Export) -> list[Task]:
    """How the export is read by processes of their own; none where this one is sooner done alone."""
    from engine.importers.imessage import IMessageImporter
    from engine.importers.messenger import MessengerImporter

    importer, book, deleted = export.importer, None, False
    if isinstance(importer, IMessageImporter):
        size, of = _file_size(export.paths[0]), 1  # two would each have to place all rows
        book = os.fsencode(importer.contacts) if importer.contacts else None
        deleted = importer.include_deleted
    elif isinstance(importer, MessengerImporter):
        size, of = _unpacked_size(export), _PROCESSES
    else:
        return []
    if size < _WORTH:
        return []
    paths = tuple(os.fsencode(path) for path in export.paths)
    return [Task(importer.name, paths, book, deleted, number, of) for number in range(of)]


def _unpacked_size(export: Export) -> int:
    from engine.importers.export_files import open_files

    try:
        with open_files(*(path.expanduser() for path in export.paths)) as listed:
            return sum(file.size for file in listed.files)
    except (StudioError, OSError):
        return 0  # whoever reads it says why


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
