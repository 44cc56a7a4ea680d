"""Everything that can be imported at the paths that somebody names: what each path is, and what lies in it.

A folder may hold the zips of one download, exports of several families beside each other, and things
that only a plug-in reads; a zip may hold several families too. What looks like an export and cannot be
read is named, never passed over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from engine.conversation import Conversation
from engine.errors import StudioError
from engine.importers import Importer, ImportReport, importers, recognise
from engine.importers.dated import dated

if TYPE_CHECKING:
    from engine.importers.export_files import ExportFile, ExportFiles

_PAGE = re.compile("messages?(_|$)")

Check = Callable[[], None]
"""Called again and again while something takes its time; it may raise to stop."""


class Export(msgspec.Struct, frozen=True):
    """What is imported in one go: one path, or the zips and folders of one download."""

    importer: Importer
    paths: tuple[Path, ...]

    @property
    def name(self) -> str:
        return ", ".join(map(str, self.paths))

    def conversations(self, report: ImportReport) -> Iterator[Conversation]:
        from engine.importers.messenger import MessengerImporter

        if isinstance(self.importer, MessengerImporter):
            return self.importer.together(self.paths, report)
        found = self.importer.conversations(self.paths[0], report)
        return dated(found, report) if self.is_foreign else found

    @property
    def is_foreign(self) -> bool:
        """Read by a plug-in or a loader."""
        from engine.importers.imessage import IMessageImporter
        from engine.importers.messenger import MessengerImporter

        return not isinstance(self.importer, (IMessageImporter, MessengerImporter))


class Left(msgspec.Struct, frozen=True):
    """Something that lies there and is not read. why: half a sentence."""

    name: str
    why: str


class Found(msgspec.Struct, frozen=True):
    """exports: at least one, in the order of the paths."""

    exports: tuple[Export, ...]
    left: tuple[Left, ...] = ()


def _go_on() -> None:
    pass


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # nobody's home; `recognise` says that nothing is there
        return path


def recognise_all(paths: Sequence[Path], check: Check = _go_on) -> Found:
    """What lies at the paths, in their order. Zips of one family are read as one: a thread may begin in one
    of them and end in another, and some hold nothing but pictures.

    Raises as `recognise` does where one of the paths itself is nothing that can be imported.
    """
    from engine.importers.export_files import is_zip
    from engine.importers.messenger import (
        InstagramImporter,
        MessengerImporter,
        is_beside_the_threads,
        is_of_either,
    )

    paths = list(dict.fromkeys(map(_at_home, paths)))
    zips = [path for path in paths if is_zip(path)]
    left: list[Left] = []
    found: list[Export] = []
    for path in paths:
        check()
        inside: list[Export] = []
        if path in zips:
            inside = _in_zip(path, check)
            if not inside and len(zips) > 1 and is_beside_the_threads(path):
                continue
            left += _second_databases(path)
        elif _is_folder(path):
            inside = _in_folder(path, left, check)
        found += inside or [Export(recognise(path), (path,))]
    exports: list[Export] = []
    parts = [one for one in found if one.paths[0] in zips and isinstance(one.importer, MessengerImporter)]
    several = parts if len(parts) > 1 else []
    services = {one.importer.name for one in several if not is_of_either(one.paths[0])}
    for export in found:
        if export in parts and services == {"instagram"}:  # a part that itself does not tell
            export = Export(InstagramImporter(), export.paths)
        elif export not in parts:
            exports.append(export)
            continue
        for place, other in enumerate(exports):
            if other.importer.name == export.importer.name and other.paths[0] in zips:
                exports[place] = Export(other.importer, other.paths + export.paths)
                break
        else:
            exports.append(export)
    if not exports:
        recognise(paths[0])
    return Found(tuple(exports), tuple(left))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # in a folder that may not be entered; `recognise` says so
        return False


def _in_folder(folder: Path, left: list[Left], check: Check) -> list[Export]:
    """Everything in a folder, however deep it lies: at least one export. Raises StudioError."""
    from engine.importers.explain import explain
    from engine.importers.export_files import open_files
    from engine.importers.imessage import IMessageImporter
    from engine.importers.messenger import MessengerImporter

    known = importers()
    messages = [one for one in known if isinstance(one, IMessageImporter)]
    built_in: list[Importer] = [*messages, *(one for one in known if isinstance(one, MessengerImporter))]
    exports: list[Export] = []
    try:
        with open_files(folder, check=check) as here:
            for one in built_in:
                if isinstance(one, IMessageImporter):
                    places = [*map(_backup_of, here.databases), *here.zips]
                    exports += [Export(one, (place,)) for place in places if one.recognises(place)]
                elif one.name in _services(here, check):
                    exports.append(Export(one, (folder,)))
    except StudioError:  # a whole disk, or a backup with more files than any download has
        exports = [Export(one, (folder,)) for one in messages if one.recognises(folder)]
        if not exports:
            raise
        return exports
    plug_ins = [one for one in known if one not in built_in]
    if not exports:
        exports += [Export(one, (folder,)) for one in plug_ins if one.recognises(folder)][:1]
    if not any(export.paths == (folder,) and export.importer in plug_ins for export in exports):
        exports += _plugged(folder, plug_ins, built_in, check)
    if not exports:
        raise explain(folder, check)
    left += _passed_over(folder, here, exports)
    return exports


def _in_zip(path: Path, check: Check) -> list[Export]:
    """The families in one zip; empty where `recognise` shall say what it is."""
    from engine.importers.export_files import open_files
    from engine.importers.imessage import IMessageImporter
    from engine.importers.messenger import MessengerImporter

    services: frozenset[str] = frozenset()
    with suppress(StudioError, OSError), open_files(path) as inside:
        services = _services(inside, check)
    return [
        Export(one, (path,))
        for one in importers()
        if (isinstance(one, IMessageImporter) and one.recognises(path))
        or (isinstance(one, MessengerImporter) and one.name in services)
    ]


def _services(listed: ExportFiles, check: Check) -> frozenset[str]:
    """Whose threads these files hold: messenger's, instagram's, both or none."""
    from engine.importers.messenger import has_threads
    from engine.importers.services import split

    names = ("messenger", "instagram")
    files = split(listed.files)
    return frozenset(name for name, own in zip(names, files, strict=True) if has_threads(own, check))


def _backup_of(database: Path) -> Path:
    """An iPhone's own messages are told by the backup that they lie in."""
    from engine.importers.export_files import IN_BACKUP

    return database.parent.parent if database.name == IN_BACKUP else database


def _plugged(
    folder: Path, plug_ins: Sequence[Importer], built_in: Sequence[Importer], check: Check
) -> Iterator[Export]:
    """What only a plug-in reads, wherever in the folder it lies."""
    if not plug_ins:
        return
    for entry in sorted(folder.iterdir()):
        check()
        found = next((one for one in plug_ins if one.recognises(entry)), None)
        if found is not None and not any(one.recognises(entry) for one in built_in):
            yield Export(found, (entry,))
        elif entry.is_dir() and not entry.is_symlink():
            with suppress(OSError):
                yield from _plugged(entry, plug_ins, built_in, check)


def _passed_over(folder: Path, here: ExportFiles, exports: Sequence[Export]) -> Iterator[Left]:
    """What looks like an export and is none that can be read."""
    from engine.importers.explain import explain
    from engine.importers.messenger import MessengerImporter

    if not any(isinstance(export.importer, MessengerImporter) for export in exports):
        yield from (Left(name, reason) for name, reason in here.bad)  # else the report has them
    pages = Counter(_part(file) for file in here.files if file.is_page and _PAGE.match(file.stem))
    for name, many in pages.items():
        some = "page" if many == 1 else "pages"
        yield Left(name, f"{many:,} HTML {some} of messages, and only JSON can be read")
    taken = {path for export in exports for path in export.paths}
    for database in here.databases:
        if database.name in ("chat.db", "sms.db") and database not in taken:
            why = explain(database).message.removeprefix(f"{database} ").rstrip(".")
            yield Left(database.relative_to(folder).as_posix(), why)
    for path in here.zips:
        if path in taken:
            yield from _second_databases(path)


def _part(file: ExportFile) -> str:
    """The zip or top folder that a file of the export lies in."""
    return PurePosixPath(file.path).parts[0]


def _second_databases(path: Path) -> list[Left]:
    from engine.importers.imessage_places import databases_in_zip

    return [
        Left(f"{path.name}: {info.filename}", "another database in one zip: unpack it, then import it")
        for info in databases_in_zip(path)[1:]
    ]
