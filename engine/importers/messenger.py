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
from itertools import islice, pairwise
from pathlib import Path, PurePosixPath
from zlib import crc32

import msgspec

from engine.conversation import Conversation, Kind, Message, Sender, Stretch, encrypted_key
from engine.errors import DataError, StudioError
from engine.importers.export_files import (
    ExportFile,
    is_zip,
    natural,
    open_files,
    read_ahead,
    starts_as_object,
)
from engine.importers.messenger_noted import REPEATED, note_joined, note_rows
from engine.importers.messenger_rows import Line, is_mojibake, person, repair, understand_all
from engine.importers.report import ImportReport
from engine.importers.services import is_instagram, split
from engine.importers.spoken import Spoken
from engine.importers.thread_files import WHOLE, NotAThreadError, Thread, head, read_rows, read_thread
from engine.importers.wording import ANONYMOUS

SECTIONS = {
    "inbox": "inbox",
    "archived_threads": "archived",
    "filtered_threads": "filtered",
    "message_requests": "requests",
    "e2ee_cutover": "encrypted",
}
# A thread's own number or sign behind its name, which follows the title: it stays when the title changes.
_LASTING = re.compile(r".*_(\d{6,}|(?=.*\d)[A-Za-z0-9_-]{10})")
_NUMBERED = re.compile(r"messages?(_\d+)?")
_BYTES_A_ROW = 280  # a first guess, for progress


class _Part(msgspec.Struct):
    """What the first pass learns of one thread file."""

    file: ExportFile
    participants: tuple[str, ...]
    thread: str | None  # the service's own name for the thread, as far as it lasts
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
                return has_threads(self.own(export.files))
        except (StudioError, OSError):
            return False  # not readable is not recognised; `recognise` says why

    def conversations(self, path: Path, report: ImportReport) -> Iterator[Conversation]:
        if holds_instagram_too(path):
            report.warnings.append(
                "What is Instagram's in it was not read; import the folder of Instagram by its own path"
            )
        return self.together([path], report)

    def together(self, paths: Sequence[Path], report: ImportReport) -> Iterator[Conversation]:
        """The conversations of one download that came in several zips."""
        for _, conversation in self.shared(paths, report):
            yield conversation
        if report.rows_read == 0:
            _refuse_bad(report)

    def shared(
        self, paths: Sequence[Path], report: ImportReport, number: int = 0, of: int = 1
    ) -> Iterator[tuple[int, Conversation]]:
        """The same with their places; of all conversations the share of this number. What is not of one
        conversation is counted in the first share."""
        with open_files(*(path.expanduser() for path in paths)) as export:
            found = ImportReport()
            found.bad_files += export.bad
            parts = _index(self.own(export.files), found)
            if number == 0:
                report.add(found)
            if not parts:
                _refuse_bad(found)
                raise StudioError(
                    f"There is no Messenger conversation in {paths[0]}.",
                    "Point at the folder or zip that you downloaded.",
                )
            report.owner = _owner(parts)
            taken: set[str] = set()
            groups = _group(parts)
            cut_over = _cut_over(groups)
            mine = _share(groups, number, of)
            total, done = sum(_bytes(groups[place]) for place in mine), 0
            report.rows_total = total // _BYTES_A_ROW
            files = read_ahead((part.file for place in mine for part in groups[place]), WHOLE)
            for place in mine:
                group = groups[place]
                goes_on = cut_over[frozenset(group[0].participants)] == 1
                conversation = _conversation(group, files, taken, report, goes_on)
                done += _bytes(group)
                report.rows_total = report.rows_read * total // max(1, done)
                if conversation is not None:
                    report.conversations += 1
                    yield place, conversation
            report.bad_files.sort(key=lambda bad: natural(bad[0]))

    def own(self, files: Sequence[ExportFile]) -> list[ExportFile]:
        """The files of this service, where the download holds another's too."""
        return split(files)[0] or list(files)


class InstagramImporter(MessengerImporter):
    """Instagram's own download: the same threads in other folders."""

    name = "instagram"

    def recognises(self, path: Path) -> bool:
        return super().recognises(path) and not holds_instagram_too(path)

    def own(self, files: Sequence[ExportFile]) -> list[ExportFile]:
        return split(files)[1]


def has_threads(files: Sequence[ExportFile], check: Callable[[], None] = lambda: None) -> bool:
    """Whether one of the files is a thread. check: called at every file, may raise."""
    for file in _threads_first(files):
        check()
        try:
            if not file.is_page:
                if file.size <= WHOLE or head(file) is None:
                    read_thread(file)
                return True
        except (NotAThreadError, DataError):
            continue
    return False


def holds_instagram_too(path: Path) -> bool:
    """Whether both services' conversations lie at the path."""
    try:
        with open_files(path.expanduser()) as export:
            return all(split(export.files))
    except (StudioError, OSError):
        return False


def is_of_either(path: Path) -> bool:
    """Whether nothing in the download tells which service's it is."""
    try:
        with open_files(path) as export:
            return is_instagram(export.files) is None
    except (StudioError, OSError):
        return False


def is_beside_the_threads(path: Path) -> bool:
    """Whether a zip is sound and holds no conversation: the pictures or the posts of a large download."""
    try:
        with open_files(path) as export:
            return not export.bad and not any(_may_be_thread(file) for file in _threads_first(export.files))
    except (StudioError, OSError):
        return False


def _threads_first(files: Sequence[ExportFile]) -> list[ExportFile]:
    """A whole Facebook download has hundreds of other files."""
    return sorted(files, key=lambda file: "message" not in file.path)


def _may_be_thread(file: ExportFile) -> bool:
    """Also pages and what cannot be read: somebody is to be told of those."""
    if file.is_page:
        return True
    try:
        if file.size <= WHOLE or head(file) is None:
            read_thread(file)
    except NotAThreadError:
        return False
    except DataError:
        return True
    return True


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
    title = mend(title).strip()
    people = dict.fromkeys(person(mend(name or "")) for name in names if isinstance(name, str | None))
    own_name = mend(path.rstrip("/").rsplit("/", 1)[-1])
    is_secure = secure is not None and not path
    if is_secure:  # the number behind it only counts the threads of one download
        own_name = (
            encrypted_key(title, len(people) > 2) if _is_somebody(title, people) else mend(secure or "")
        )
    elif lasting := _LASTING.fullmatch(own_name):
        own_name = lasting[1]
    folders = [*file.folder.parts, *path.split("/")]
    section = next((SECTIONS[name] for name in reversed(folders) if name in SECTIONS), None)
    return _Part(
        file=file,
        participants=tuple(people),
        thread=own_name or None,
        title=title,
        section="encrypted" if is_secure else section,
        is_group=thread.thread_type == "RegularGroup" or thread.joinable_mode is not None,
        is_secure=is_secure,
    )


def _is_somebody(title: str, people: Iterable[str]) -> bool:
    """Whether these people can be known again: all deleted accounts have one name."""
    return ANONYMOUS not in people and bool(person(title)) and person(title) != ANONYMOUS


def _owner(parts: list[_Part]) -> str | None:
    """The only name that takes part in every one of at least two threads, else None."""
    threads = {_identity(part): frozenset(part.participants) - {ANONYMOUS} for part in parts}
    named = [names for names in threads.values() if names]
    common = frozenset.intersection(*named) if len(named) > 1 else frozenset()
    return next(iter(common)) if len(common) == 1 else None


def _is_numbered(file: ExportFile) -> bool:
    return _NUMBERED.fullmatch(file.stem) is not None


def _identity(part: _Part) -> tuple[str, ...]:
    """Files with the same identity are one conversation."""
    folder = part.file.folder
    if part.is_secure and part.thread is not None:
        return (part.thread, *sorted(part.participants))
    if part.thread is not None:
        return (part.thread, "" if _LASTING.fullmatch(f"_{part.thread}") else folder.name)
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
        if any(part.section == "encrypted" and not part.is_secure for part in group):
            cut_over.setdefault(frozenset(group[0].participants), []).append(group)
    joined = []
    for group in groups.values():
        people = frozenset(group[0].participants)
        before = cut_over.get(people, []) if group[0].is_secure and ANONYMOUS not in people else []
        if len(before) == 1:
            before[0].extend(group)
        else:
            joined.append(group)
    return joined


def _cut_over(groups: list[list[_Part]]) -> Counter[frozenset[str]]:
    """How many threads of the main export go on in the encrypted one, by the people in them."""
    return Counter(
        frozenset(group[0].participants)
        for group in groups
        if not group[0].is_secure and any(part.section == "encrypted" for part in group)
    )


def _share(groups: list[list[_Part]], number: int, of: int) -> list[int]:
    """The places of those groups that are in the share of this number: shares of about the same size, and
    groups of the same name in one, since only who reads them all can tell them apart."""
    if of == 1:
        return list(range(len(groups)))
    named: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        named.setdefault(_plain_key(group[0]), []).append(place)
    shares: list[list[int]] = [[] for _ in range(of)]
    filled = [0] * of
    for places in named.values():
        least = filled.index(min(filled))
        shares[least] += places
        filled[least] += sum(_bytes(groups[place]) for place in places)
    return sorted(shares[number])


def _bytes(group: list[_Part]) -> int:
    return sum(part.file.size for part in group)


def _plain_key(part: _Part) -> str:
    return part.thread or (part.file.folder.name if _is_numbered(part.file) else part.file.stem) or "thread"


def _unique_key(group: list[_Part], taken: set[str]) -> str:
    part = group[0]
    plain = _plain_key(part)
    key, count = plain, 1
    for name in reversed(part.file.folder.parts):
        if key in taken:
            key = f"{name}/{plain}"
    while key in taken:
        count += 1
        key = f"{plain} {count}"
    taken.add(key)
    return key


def _conversation(
    group: list[_Part], coming: Iterator[ExportFile], taken: set[str], report: ImportReport, goes_on: bool
) -> Conversation | None:
    """None where no message is left (half of the encrypted threads are empty). coming: the group's files
    come next. goes_on: whether this may be what an encrypted export of the same people goes on from."""
    files: dict[PurePosixPath, _Copy] = {}
    parts: list[_Part] = []  # as the whole files say it
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
    also = "encrypted" in sections and goes_on and _is_somebody(title, names)
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
    return file.folder if _is_numbered(file) else file.folder / file.stem


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
            if all(_is_numbered(file) for file, _ in both) and all(
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
    return _part(file, read.thread, read.mojibake), writers, spoken


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
