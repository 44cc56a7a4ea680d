"""Which files of a Messenger export are one conversation, and what their beginnings say of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from engine.conversation import encrypted_key
from engine.errors import DataError
from engine.importers.export_files import ExportFile
from engine.importers.messenger_rows import is_mojibake, person, repair
from engine.importers.report import ImportReport
from engine.importers.thread_files import NotAThreadError, Thread, head, read_thread
from engine.importers.wording import ANONYMOUS

_CUT_OVER = "e2ee_cutover"
SECTIONS = {
    "inbox": "inbox",
    "archived_threads": "archived",
    "filtered_threads": "filtered",
    "message_requests": "requests",
    _CUT_OVER: "encrypted",
}
# A thread's own number or sign behind its name, which follows the title: it stays when the title changes.
_LASTING = re.compile(r".*_(\d{6,}|(?=.*\d)[A-Za-z0-9_-]{10})")
_NUMBERED = re.compile(r"messages?(_\d+)?")


class Part(msgspec.Struct):
    """What the first pass learns of one thread file."""

    file: ExportFile
    participants: tuple[str, ...]
    thread: str | None  # the service's own name for the thread, as far as it lasts
    title: str
    section: str | None
    is_group: bool
    is_secure: bool


def index(files: Iterable[ExportFile], report: ImportReport) -> list[Part]:
    parts = []
    for file in files:
        if file.is_page:
            continue
        start = head(file) if is_numbered(file) and file.folder.parent.name in SECTIONS else None
        if start is not None:
            thread = Thread(
                participants=start[0], thread_path=f"{file.folder.parent.name}/{file.folder.name}"
            )
            parts.append(part_of(file, thread, start[1]))
            continue
        try:
            thread, raw = read_thread(file)
        except NotAThreadError:
            continue
        except DataError as error:
            report.bad_files.append((file.path, error.message))
            continue
        parts.append(part_of(file, thread, is_mojibake(raw)))
    return parts


def part_of(file: ExportFile, thread: Thread, mojibake: bool) -> Part:
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
        own_name = encrypted_key(title, len(people) > 2) if is_somebody(title, people) else mend(secure or "")
    elif lasting := _LASTING.fullmatch(own_name):
        own_name = lasting[1]
    folders = [*file.folder.parts, *path.split("/")]
    section = next((SECTIONS[name] for name in reversed(folders) if name in SECTIONS), None)
    if _CUT_OVER in folders:  # whatever the other of the two says
        section = SECTIONS[_CUT_OVER]
    return Part(
        file=file,
        participants=tuple(people),
        thread=own_name or None,
        title=title,
        section="encrypted" if is_secure else section,
        is_group=thread.thread_type == "RegularGroup" or thread.joinable_mode is not None,
        is_secure=is_secure,
    )


def is_somebody(title: str, people: Iterable[str]) -> bool:
    """Whether these people can be known again: all deleted accounts have one name."""
    return ANONYMOUS not in people and bool(person(title)) and person(title) != ANONYMOUS


def owner_of(parts: list[Part]) -> str | None:
    """The only name that takes part in every one of at least two threads, else None."""
    threads = {_identity(part): frozenset(part.participants) - {ANONYMOUS} for part in parts}
    named = [names for names in threads.values() if names]
    common = frozenset.intersection(*named) if len(named) > 1 else frozenset()
    return next(iter(common)) if len(common) == 1 else None


def is_numbered(file: ExportFile) -> bool:
    return _NUMBERED.fullmatch(file.stem) is not None


def _identity(part: Part) -> tuple[str, ...]:
    """Files with the same identity are one conversation."""
    folder = part.file.folder
    if part.is_secure and part.thread is not None:
        return (part.thread, *sorted(part.participants))
    if part.thread is not None:
        return (part.thread, "" if _LASTING.fullmatch(f"_{part.thread}") else folder.name)
    return (folder.name, str(folder)) if is_numbered(part.file) else (part.file.stem, str(folder))


def grouped(parts: list[Part]) -> list[list[Part]]:
    """The files of each conversation, also where it is spread over several parts of a download.

    The same thread in two folders of the same name, or with the same people, is one conversation;
    so is an encrypted thread and the one conversation of the main export that it goes on from.
    """
    own_name = {part.file.folder: _identity(part) for part in parts if part.thread and is_numbered(part.file)}
    groups: dict[tuple[str, ...], list[Part]] = {}
    same_people: dict[tuple[str, frozenset[str]], tuple[str, ...]] = {}
    for part in parts:
        identity = _identity(part)
        if part.thread is None and is_numbered(part.file):
            identity = own_name.get(part.file.folder, identity)
        elif part.thread is not None and identity not in groups:
            identity = same_people.setdefault((part.thread, frozenset(part.participants)), identity)
        groups.setdefault(identity, []).append(part)
    cut_over: dict[frozenset[str], list[list[Part]]] = {}
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


def cut_over_in(groups: list[list[Part]]) -> Counter[frozenset[str]]:
    """How many threads of the main export go on in the encrypted one, by the people in them."""
    return Counter(
        frozenset(group[0].participants)
        for group in groups
        if not group[0].is_secure and any(part.section == "encrypted" for part in group)
    )


def share(groups: list[list[Part]], number: int, of: int) -> list[int]:
    """The places of those groups that are in the share of this number: shares of about the same size, and
    groups of the same name in one, since only who reads them all can tell them apart."""
    if of == 1:
        return list(range(len(groups)))
    named: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        named.setdefault(plain_key(group[0]), []).append(place)
    shares: list[list[int]] = [[] for _ in range(of)]
    filled = [0] * of
    for places in named.values():
        least = filled.index(min(filled))
        shares[least] += places
        filled[least] += sum(size_of(groups[place]) for place in places)
    return sorted(shares[number])


def size_of(group: list[Part]) -> int:
    return sum(part.file.size for part in group)


def plain_key(part: Part) -> str:
    return part.thread or (part.file.folder.name if is_numbered(part.file) else part.file.stem) or "thread"
