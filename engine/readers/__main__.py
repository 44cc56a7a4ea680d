"""One reading process: `python -m engine.readers`, its Task on standard input."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from engine import crash
from engine.conversation import Conversation
from engine.errors import DataError, StudioError
from engine.importers.report import ImportReport, to_json
from engine.packed import pack, packed, stretches
from engine.readers.telling import Begun, Done, Refused, Said, Some, Task, Unpacked


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl+C is for the one that listens; it ends this one
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Task)
    # Nothing else may write where the other process listens.
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    encode = msgspec.msgpack.Encoder().encode

    def tell(said: Said) -> None:
        written = encode(said)
        _write(pipe, len(written).to_bytes(4, "big") + written)

    report = ImportReport()
    try:
        for place, conversation in _conversations(task, report):
            one = packed(conversation)
            tell(
                Begun(
                    place=place,
                    key=one.key,
                    title=one.title,
                    senders=one.senders,
                    is_group=one.is_group,
                    section=one.section,
                    also=one.also,
                    rows_read=report.rows_read,
                    kept=report.kept,
                    rows_total=report.rows_total,
                )
            )
            if task.of > 1:
                for some in one.messages:
                    tell(Some(some))
                continue
            for stretch in stretches(conversation.messages):
                try:
                    tell(Unpacked(stretch))
                except UnicodeEncodeError:  # half an emoji
                    tell(Some(pack(stretch)))
        tell(Done(to_json(report)))
    except StudioError as error:
        tell(Refused(error.message, error.hint, isinstance(error, DataError)))
    except BrokenPipeError:  # nobody listens any more
        return 1
    except Exception as error:  # noqa: BLE001 - a mistake of ours; its text may quote a message
        kind, *places = crash.describe(error).splitlines()
        message = f"Reading the export failed in a way that it never should ({kind}, {places[-1].strip()})."
        tell(Refused(message, "Nothing was imported. Please report this line.", False))
        return 1
    return 0


def _conversations(task: Task, report: ImportReport) -> Iterator[tuple[int, Conversation]]:
    paths = [Path(os.fsdecode(path)) for path in task.paths]
    if task.importer == "imessage":
        from engine.importers.imessage import IMessageImporter

        book = Path(os.fsdecode(task.contacts)) if task.contacts else None
        messages = IMessageImporter(book, include_deleted=task.include_deleted)
        return enumerate(messages.conversations(paths[0], report))
    from engine.importers.messenger import InstagramImporter, MessengerImporter

    threads = InstagramImporter() if task.importer == "instagram" else MessengerImporter()
    return threads.shared(paths, report, task.number, task.of)


def _write(pipe: IO[bytes], message: bytes) -> None:
    rest = memoryview(message)
    while rest:
        rest = rest[pipe.write(rest) :]


if __name__ == "__main__":
    sys.exit(main())
