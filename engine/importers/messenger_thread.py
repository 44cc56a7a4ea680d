"""One conversation of a Messenger export: its files read, put together where it lies in several folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from pathlib import PurePosixPath
from zlib import crc32

import msgspec

from engine.conversation import Conversation, Kind, Message, Sender, Stretch, encrypted_key
from engine.errors import DataError
from engine.importers.export_files import ExportFile, natural
from engine.importers.messenger_noted import REPEATED, note_joined, note_rows
from engine.importers.messenger_parts import SECTIONS, Part, is_numbered, is_somebody, part_of, plain_key
from engine.importers.messenger_rows import Line, understand_all
from engine.importers.report import ImportReport
from engine.importers.spoken import Spoken
from engine.importers.thread_files import NotAThreadError, read_rows
from engine.importers.wording import ANONYMOUS


def read_conversation(
    group: list[Part], coming: Iterator[ExportFile], taken: set[str], report: ImportReport, goes_on: bool
) -> Conversation | None:
    """None where no message is left (half of the encrypted threads are empty). coming: the group's files
    come next. goes_on: whether this may be what an encrypted export of the same people goes on from."""
    files: dict[PurePosixPath, _Copy] = {}
    parts: list[Part] = []  # as the whole files say it
    folders = {_numbered(part.file) for part in group}
    names: dict[str, None] = {}
    unlisted: dict[str, None] = {}
    for file in islice(coming, len(group)):
        try:
            part, writers, lines = _read(file, report, alone=len(folders) == 1)
        except DataError as error:
            report.bad_files.append((file.path, error.message))
            continue
        except NotAThreadError:
            continue
        parts.append(part)
        names.update(dict.fromkeys(part.participants))
        if lines.count:
            files.setdefault(_numbered(part.file), []).append((part.file, lines))
        unlisted.update(writers)
    if not files:
        return None
    names.update(unlisted)
    key = _unique_key(parts, taken)
    others = [name for name in names if name != report.owner]
    keys = {name: _sender_key(name, key) for name in names}
    copies = _copies(files)
    whole = [_whole(copy) for copy in copies]
    messages: Iterable[Message]
    if len(copies) == 1:
        messages = _Messages(whole[0], keys)
    else:
        messages = _joined([_Messages(spoken, keys) for spoken in whole], report)
    title = next((part.title for part in parts if part.title), "")
    shown = title or ", ".join(others) or key
    if len(folders) > 1:
        note_joined([[file for file, _ in copy] for copy in copies], shown, _message_key, report)
    is_group = any(part.is_group for part in parts) or len(names) > 2
    sections = {part.section for part in parts}
    also = "encrypted" in sections and goes_on and is_somebody(title, names)
    return Conversation(
        key=key,
        title=shown,
        senders=tuple(Sender(keys[name], name, name == report.owner) for name in names),
        messages=messages,
        is_group=is_group,
        section=next((name for name in ("encrypted", *SECTIONS.values()) if name in sections), "inbox"),
        also=encrypted_key(title, is_group) if also else "",
    )


def _numbered(file: ExportFile) -> PurePosixPath:
    """What the numbers of the files are of: a folder or, where they have none, the file itself."""
    return file.folder if is_numbered(file) else file.folder / file.stem


_Copy = list[tuple[ExportFile, Spoken]]


def _copies(files: dict[PurePosixPath, _Copy]) -> list[_Copy]:
    """The thread as often as it is there whole or in part. files: the numbered ones of each folder.

    The files of one folder are one copy, and so are those of several folders (a download in several
    zips) whose numbers and times fit together: a higher number holds what is older.
    """
    copies: list[_Copy] = []
    for found in files.values():
        for copy in copies:
            both = sorted([*copy, *found], key=lambda file: natural(file[0].stem))
            if all(is_numbered(file) for file, _ in both) and all(
                newer[0].stem != older[0].stem and newer[1].first >= older[1].last
                for newer, older in pairwise(both)
            ):
                copy[:] = both
                break
        else:
            copies.append(found)
    return copies


def _whole(copy: _Copy) -> Spoken:
    spoken = Spoken()
    for _, lines in copy:
        spoken.extend(lines)
    return spoken


def _read(file: ExportFile, report: ImportReport, alone: bool) -> tuple[Part, dict[str, None], Spoken]:
    """What the file is, who wrote in it, and its lines; counted only once all of it was read.

    alone: no other folder has the same thread, so that what is kept stays kept.
    """
    owner = report.owner
    counted = ImportReport()
    first = 1
    spoken = Spoken()
    writers: dict[str, None] = {}
    kinds: Counter[Kind] = Counter()
    for read in read_rows(file):
        mojibake = read.mojibake
        understood = understand_all(read.rows, mojibake, owner)
        lines = understood.lines
        kinds.update([line.kind for line in lines])
        counted.repaired += understood.repaired
        note_rows(file.path, first, read, lines, understood.left_out, counted, report, alone)
        first += len(read.rows)
        writers.update(dict.fromkeys([line.sender for line in lines]))
        spoken.add(lines)
    for kind, rows in kinds.items():
        counted.keep(kind, rows)
    report.add(counted)
    return part_of(file, read.thread, read.mojibake), writers, spoken


class _Messages(msgspec.Struct, frozen=True):
    """The messages of one copy of a thread in spoken order. keys: sender keys by name.

    Only what is said twice in one millisecond has a key of its own."""

    lines: Spoken
    keys: dict[str, str]

    def __iter__(self) -> Iterator[Message]:
        for stretch in self.stretches(1):
            for sender, texts in stretch.said.items():
                for time, text in texts.items():
                    yield Message("", sender, int(time), text)
            for _, message in stretch.others:
                yield message

    def stretches(self, size: int = 5_000) -> Iterator[Stretch]:
        speech, before, first = Kind.SPEECH, -1, ""
        same: list[str] = []  # what was said in this millisecond after `first`
        stretch, taken = Stretch({}, []), 0
        texts_of: dict[str, dict[int | str, str]] = {}
        for line in self.lines:
            time, text = line.time, line.text
            if time != before:
                before, first = time, text
                if same:
                    same = []
                key, place = "", 0
            else:
                times = (first, *same).count(text) + 1
                key = f"{_message_key(line)}-{times}" if times > 1 else ""
                same.append(text)
                place = len(same)
            if not place and line.kind is speech and not line.reactions and not line.attachments:
                texts = texts_of.get(line.sender)
                if texts is None:
                    texts = texts_of[line.sender] = stretch.said.setdefault(self.keys[line.sender], {})
                texts[time] = text
            else:
                sender = self.keys[line.sender]
                message = Message(key, sender, time, text, line.kind, line.attachments, line.reactions)
                stretch.others.append((place, message))
            taken += 1
            if taken >= size:
                yield stretch
                stretch, taken, texts_of = Stretch({}, []), 0, {}
        if taken:
            yield stretch


def _joined(copies: list[_Messages], report: ImportReport) -> list[Message]:
    """The same thread may lie in several folders: what one of them had already is no new message."""
    messages: dict[tuple[int, str, str], Message] = {}
    for copy in copies:
        for message, line in zip(copy, copy.lines, strict=True):
            if messages.setdefault((message.time, message.text, message.key), message) is not message:
                report.unkeep(line.kind, REPEATED)
                report.repaired -= line.repaired
    return sorted(messages.values(), key=lambda message: message.time)


def _sender_key(name: str, conversation: str) -> str:
    """Every deleted account has the same name: one person inside a thread, never across threads."""
    return f"{ANONYMOUS} in {conversation}" if name == ANONYMOUS else name


def _message_key(line: Line) -> str:
    """Of what every other download says alike: the time, then a checksum of the text.

    Not of the sender, whose name changes when an account is renamed or deleted, not of the kind, which
    is our own reading, and not of the attachments, whose files the encrypted export names otherwise.
    """
    return f"{line.time << 32 | crc32(line.text.encode('utf-8', 'surrogatepass')):019x}"


def _unique_key(group: list[Part], taken: set[str]) -> str:
    part = group[0]
    plain = plain_key(part)
    key, count = plain, 1
    for name in reversed(part.file.folder.parts):
        if key in taken:
            key = f"{name}/{plain}"
    while key in taken:
        count += 1
        key = f"{plain} {count}"
    taken.add(key)
    return key
