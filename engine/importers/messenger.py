"""Facebook Messenger exports, their encrypted twin ("secure storage"), and threads shaped like them.

A thread is recognised by its shape, an object with `participants` and `messages`, never by a file
name. The export is gone through twice: once for what the threads are (who takes part in them and which
files belong together: the heads of the files say it, where they lie as exports have them), once for
their messages, one conversation in memory at a time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from zlib import crc32

import msgspec

from engine.conversation import Conversation, Kind, Message, Sender
from engine.errors import DataError, StudioError
from engine.importers.export_files import ExportFile, is_zip, natural, open_files, starts_as_object
from engine.importers.messenger_noted import REPEATED, note_joined, note_rows
from engine.importers.messenger_rows import Line, Row, is_mojibake, person, read_row, repair, understand
from engine.importers.report import ImportReport
from engine.importers.spoken import PACKED_FROM, Spoken
from engine.importers.thread_files import WHOLE, NotAThreadError, Thread, head, read_rows, read_thread
from engine.importers.wording import ANONYMOUS

SECTIONS = {
    "inbox": "inbox",
    "archived_threads": "archived",
    "filtered_threads": "filtered",
    "message_requests": "requests",
    "e2ee_cutover": "encrypted",
}
_INSTAGRAM = "your_instagram_activity"
_FACEBOOK = {"your_activity_across_facebook", "your_facebook_activity"}  # a download may hold both
_BYTES_A_ROW = 280  # a first guess, for progress


class _Part(msgspec.Struct):
    """What the first pass learns of one thread file."""

    file: ExportFile
    participants: tuple[str, ...]
    thread: str | None  # the service's own name for the thread
    title: str
    section: str | None
    is_group: bool
    is_secure: bool


class MessengerImporter:
    """Folder at any level of the export, one thread file, or a zip."""

    name = "messenger"

    def recognises(self, path: Path) -> bool:
        path = path.expanduser()
        try:
            if path.is_file() and not is_zip(path) and not starts_as_object(path):
                return False
            with open_files(path) as export:
                # Thread files first: a whole Facebook download has hundreds of other files.
                for file in sorted(export.files, key=lambda file: "message" not in file.path):
                    try:
                        if not file.is_page:
                            if file.size <= WHOLE or head(file) is None:
                                read_thread(file)
                            return True
                    except (NotAThreadError, DataError):
                        continue
        except (StudioError, OSError):
            pass  # not readable is not recognised; `recognise` says why
        return False

    def conversations(self, path: Path, report: ImportReport) -> Iterator[Conversation]:
        return self.together([path], report)

    def together(self, paths: Sequence[Path], report: ImportReport) -> Iterator[Conversation]:
        """The conversations of one download that came in several zips."""
        with open_files(*(path.expanduser() for path in paths)) as export:
            report.bad_files += export.bad
            report.warnings += [warning for path in paths for warning in _others_inside(path.expanduser())]
            parts = _index(export.files, report)
            if not parts:
                _refuse_bad(report)
                raise StudioError(
                    f"There is no Messenger conversation in {paths[0]}.",
                    "Point at the folder or zip that you downloaded.",
                )
            report.owner = _owner(parts)
            total, done = sum(part.file.size for part in parts), 0
            report.rows_total = total // _BYTES_A_ROW
            taken: set[str] = set()
            for group in _group(parts):
                conversation = _conversation(group, taken, report)
                done += sum(part.file.size for part in group)
                report.rows_total = report.rows_read * total // done
                if conversation is not None:
                    report.conversations += 1
                    yield conversation
            report.bad_files.sort(key=lambda bad: natural(bad[0]))
            if report.rows_read == 0:
                _refuse_bad(report)


class InstagramImporter(MessengerImporter):
    """Instagram's own download: the same threads in other folders."""

    name = "instagram"

    def recognises(self, path: Path) -> bool:
        try:
            with open_files(path.expanduser()) as export:
                folders = {name for file in export.files for name in file.folder.parts}
        except (StudioError, OSError):
            return False
        return _INSTAGRAM in folders and not folders & _FACEBOOK and super().recognises(path)


def is_only_media(path: Path) -> bool:
    """Whether a zip has nothing in it that could be a conversation."""
    try:
        with open_files(path) as export:
            return not export.files and not export.bad
    except (StudioError, OSError):
        return False


def _others_inside(path: Path) -> list[str]:
    """What also lies in a folder and is not read with it: nobody shall think that it was."""
    if not path.is_dir():
        return []
    return [
        f"{database} looks like an iMessage database and was not read; import it by its own path"
        for database in sorted(path.rglob("chat.db"))
        if database.is_file()
    ]


def _refuse_bad(report: ImportReport) -> None:
    if report.bad_files:
        file, reason = report.bad_files[0]
        raise DataError(f"{file}: {reason.rstrip('.')}.", "Copy or download the export again.")


def _index(files: Iterable[ExportFile], report: ImportReport) -> list[_Part]:
    parts = []
    for file in files:
        if file.is_page:
            continue
        start = head(file) if _is_numbered(file) and file.folder.parent.name in SECTIONS else None
        if start is not None:
            thread = Thread(
                participants=start[0], thread_path=f"{file.folder.parent.name}/{file.folder.name}"
            )
            parts.append(_part(file, thread, start[1]))
            continue
        try:
            thread, raw = read_thread(file)
        except NotAThreadError:
            continue
        except DataError as error:
            report.bad_files.append((file.path, error.message))
            continue
        parts.append(_part(file, thread, is_mojibake(raw)))
    return parts


def _part(file: ExportFile, thread: Thread, mojibake: bool) -> _Part:
    mend: Callable[[str], str] = repair if mojibake else str
    names = [item.get("name") if isinstance(item, dict) else item for item in thread.participants]
    path = thread.thread_path if isinstance(thread.thread_path, str) else ""
    secure = thread.thread_name if isinstance(thread.thread_name, str) else None
    title = thread.title if isinstance(thread.title, str) else re.sub(r"_\d+$", "", secure or "")
    folders = [*file.folder.parts, *path.split("/")]
    return _Part(
        file=file,
        participants=tuple(
            dict.fromkeys(person(mend(name or "")) for name in names if isinstance(name, str | None))
        ),
        thread=mend(path.rstrip("/").rsplit("/", 1)[-1] or secure or "") or None,
        title=mend(title).strip(),
        section=next((SECTIONS[name] for name in reversed(folders) if name in SECTIONS), None),
        is_group=thread.thread_type == "RegularGroup" or thread.joinable_mode is not None,
        is_secure=secure is not None and not path,
    )


def _owner(parts: list[_Part]) -> str | None:
    """The only name that takes part in every one of at least two threads, else None."""
    threads = {_identity(part): frozenset(part.participants) - {ANONYMOUS} for part in parts}
    named = [names for names in threads.values() if names]
    common = frozenset.intersection(*named) if len(named) > 1 else frozenset()
    return next(iter(common)) if len(common) == 1 else None


def _is_numbered(file: ExportFile) -> bool:
    return re.fullmatch(r"messages?(_\d+)?", file.stem) is not None


def _identity(part: _Part) -> tuple[str, ...]:
    """Files with the same identity are one conversation."""
    folder = part.file.folder
    if part.thread is not None:
        return (part.thread, folder.name)
    return (folder.name, str(folder)) if _is_numbered(part.file) else (part.file.stem, str(folder))


def _group(parts: list[_Part]) -> list[list[_Part]]:
    """The files of each conversation, also where it is spread over several parts of a download.

    The same thread in two folders of the same name, or with the same people, is one conversation;
    so is an encrypted thread and the one conversation of the main export that it goes on from.
    """
    own_name = {
        part.file.folder: _identity(part) for part in parts if part.thread and _is_numbered(part.file)
    }
    groups: dict[tuple[str, ...], list[_Part]] = {}
    same_people: dict[tuple[str, frozenset[str]], tuple[str, ...]] = {}
    for part in parts:
        identity = _identity(part)
        if part.thread is None and _is_numbered(part.file):
            identity = own_name.get(part.file.folder, identity)
        elif part.thread is not None and identity not in groups:
            identity = same_people.setdefault((part.thread, frozenset(part.participants)), identity)
        groups.setdefault(identity, []).append(part)
    cut_over: dict[frozenset[str], list[list[_Part]]] = {}
    for group in groups.values():
        if any(part.section == "encrypted" for part in group):
            cut_over.setdefault(frozenset(group[0].participants), []).append(group)
    joined = []
    for group in groups.values():
        before = cut_over.get(frozenset(group[0].participants), []) if group[0].is_secure else []
        if len(before) == 1 and before[0] is not group:
            before[0].extend(group)
        else:
            joined.append(group)
    return joined


def _unique_key(group: list[_Part], taken: set[str]) -> str:
    part = group[0]
    plain = part.thread or (part.file.folder.name if _is_numbered(part.file) else part.file.stem) or "thread"
    key, count = plain, 1
    for name in reversed(part.file.folder.parts):
        if key in taken:
            key = f"{name}/{plain}"
    while key in taken:
        count += 1
        key = f"{plain} {count}"
    taken.add(key)
    return key


def _conversation(group: list[_Part], taken: set[str], report: ImportReport) -> Conversation | None:
    """None where no message is left (half of the encrypted threads are empty)."""
    copies: dict[PurePosixPath, Spoken] = {}
    parts: list[_Part] = []  # as the whole files say it
    folders = {_numbered(part.file) for part in group}
    names: dict[str, None] = {}
    unlisted: dict[str, None] = {}
    for found in group:
        try:
            part, writers, lines = _read(found.file, report, alone=len(folders) == 1)
        except DataError as error:
            report.bad_files.append((found.file.path, error.message))
            continue
        except NotAThreadError:
            continue
        parts.append(part)
        names.update(dict.fromkeys(part.participants))
        # The lowest number is the newest file.
        copies.setdefault(_numbered(part.file), Spoken()).extend(lines)
        unlisted.update(writers)
    if not any(spoken.count for spoken in copies.values()):
        return None
    names.update(unlisted)
    key = _unique_key(parts, taken)
    others = [name for name in names if name != report.owner]
    keys = {name: _sender_key(name, key) for name in names}
    messages: Iterable[Message]
    if len(copies) == 1:
        messages = _Messages(next(iter(copies.values())), keys)
        if messages.lines.count < PACKED_FROM:
            messages = list(messages)
    else:
        messages = _joined([_Messages(spoken, keys) for spoken in copies.values()], report)
    title = next((part.title for part in parts if part.title), "") or ", ".join(others) or key
    if len(folders) > 1:
        files = [[part.file for part in parts if _numbered(part.file) == copy] for copy in copies]
        note_joined(files, title, _message_key, report)
    return Conversation(
        key=key,
        title=title,
        senders=tuple(Sender(keys[name], name, name == report.owner) for name in names),
        messages=messages,
        is_group=any(part.is_group for part in parts) or len(names) > 2,
        section=next((name for name in SECTIONS.values() if any(p.section == name for p in parts)), "inbox"),
    )


def _numbered(file: ExportFile) -> PurePosixPath:
    """What the numbers of the files are of: a folder or, where they have none, the file itself."""
    return file.folder if _is_numbered(file) else file.folder / file.stem


def _read(file: ExportFile, report: ImportReport, alone: bool) -> tuple[_Part, dict[str, None], Spoken]:
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
        lines: list[Line] = []
        left_out: list[tuple[int, str]] = []  # places among the rows, and reasons
        for row in read.rows:
            if isinstance(row, Row):
                line = understand(row, mojibake, owner)
            else:
                line = read_row(row, mojibake, owner)
            if isinstance(line, str):
                left_out.append((len(lines) + len(left_out), line))
            else:
                lines.append(line)
        found = [line.kind for line in lines]
        for kind in Kind:
            kinds[kind] += found.count(kind)
        counted.repaired += sum([line.repaired for line in lines])
        note_rows(file.path, first, read, lines, left_out, counted, report, alone)
        first += len(read.rows)
        writers.update(dict.fromkeys([line.sender for line in lines]))
        spoken.add(lines)
    for kind, rows in kinds.items():
        counted.keep(kind, rows)
    report.add(counted)
    return _part(file, read.thread, read.mojibake), writers, spoken


class _Messages(msgspec.Struct, frozen=True):
    """The messages of one copy of a thread in spoken order. keys: sender keys by name."""

    lines: Spoken
    keys: dict[str, str]

    def __iter__(self) -> Iterator[Message]:
        keys, time = self.keys, -1
        seen: dict[str, int] = {}
        for line in self.lines:
            key = _message_key(line)
            if line.time != time:
                time = line.time
                seen = {key: 1}
            else:  # said twice in one millisecond
                seen[key] = times = seen.get(key, 0) + 1
                if times > 1:
                    key = f"{key}-{times}"
            yield Message(
                key, keys[line.sender], time, line.text, line.kind, line.attachments, line.reactions
            )


def _joined(copies: list[_Messages], report: ImportReport) -> list[Message]:
    """The same thread may lie in several folders: what one of them had already is no new message."""
    messages: dict[str, Message] = {}
    for copy in copies:
        for message, line in zip(copy, copy.lines, strict=True):
            if messages.setdefault(message.key, message) is not message:
                report.unkeep(line.kind, REPEATED)
                report.repaired -= line.repaired
    return sorted(messages.values(), key=lambda message: message.time)


def _sender_key(name: str, conversation: str) -> str:
    """Every deleted account has the same name: one person inside a thread, never across threads."""
    return f"{ANONYMOUS} in {conversation}" if name == ANONYMOUS else name


def _message_key(line: Line) -> str:
    """Of what a newer download still says alike: the time, then a checksum.

    Not of the sender, whose name changes when an account is renamed or deleted, and not of the
    kind, which is our own reading. It begins with the time so that keys grow as an index likes it.
    """
    content = line.text
    for attachment in line.attachments:
        content += f"\0{attachment.name}"
    return f"{line.time << 32 | crc32(content.encode('utf-8', 'surrogatepass')):019x}"
