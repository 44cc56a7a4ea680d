"""Read exports: one file per family, each a plain generator of conversations."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from engine.conversation import Conversation
from engine.errors import StudioError
from engine.importers.report import Example, ImportReport

__all__ = ["Example", "Export", "ImportReport", "Importer", "importers", "recognise", "recognise_all"]

ENTRY_POINTS = "understudy.importers"


class Importer(Protocol):
    """One family of exports."""

    name: str

    def recognises(self, path: Path) -> bool:
        """Whether `path` (folder, file or zip) is this family's, by shape. Never raises."""
        ...

    def conversations(self, path: Path, report: ImportReport) -> Iterator[Conversation]:
        """Yield conversations; a bad file or row is counted in `report`. Raises StudioError only
        where nothing at all can be read."""
        ...


def importers() -> list[Importer]:
    """The built-in importers, then those of installed plug-ins (entry points `understudy.importers`).

    An entry point names an importer or a class of one. A broken plug-in is left out with a warning.
    """
    # Imported here: recognising and reading need parsers that other rooms never do.
    from importlib.metadata import entry_points

    from engine.importers.imessage import IMessageImporter
    from engine.importers.messenger import InstagramImporter, MessengerImporter

    found: list[Importer] = [IMessageImporter(), InstagramImporter(), MessengerImporter()]
    for point in entry_points(group=ENTRY_POINTS):
        try:
            loaded = point.load()
            importer = loaded() if isinstance(loaded, type) else loaded
            if not (
                isinstance(importer.name, str)
                and callable(importer.recognises)
                and callable(importer.conversations)
            ):
                raise TypeError("it is no Importer")
        except Exception as error:  # noqa: BLE001 - somebody else's code may raise anything
            warnings.warn(
                f"The importer {point.name} cannot be used: {error!r}", RuntimeWarning, stacklevel=2
            )
        else:
            found.append(importer)
    return found


def recognise(path: Path) -> Importer:
    """The importer for what lies at `path`. Raises StudioError or DataError that says what is wrong."""
    if not str(path):  # Path("") is the folder we are in, but the text may be given as it is
        raise StudioError("The path is empty.", "Name the folder, zip or chat.db to import.")
    try:
        path = path.expanduser()
        there = path.exists()
    except (OSError, RuntimeError):  # too long, in a folder that may not be entered; nobody's home
        there = False
    for importer in importers() if there else ():
        if importer.recognises(path):
            return importer
    from engine.importers.explain import explain

    raise explain(path)


class Export(msgspec.Struct, frozen=True):
    """What is imported in one go: one path, or the zips of one download."""

    importer: Importer
    paths: tuple[Path, ...]

    @property
    def name(self) -> str:
        return ", ".join(map(str, self.paths))

    def conversations(self, report: ImportReport) -> Iterator[Conversation]:
        from engine.importers.messenger import MessengerImporter

        if isinstance(self.importer, MessengerImporter):
            return self.importer.together(self.paths, report)
        return self.importer.conversations(self.paths[0], report)


def recognise_all(paths: Sequence[Path]) -> list[Export]:
    """What lies at the paths, in their order. Zips of one family are read as one: a thread may begin in
    one of them and end in another, and some hold none at all. A download that holds two
    services' conversations is an export of each. Raises as recognise does."""
    from engine.importers.export_files import is_zip
    from engine.importers.messenger import (
        InstagramImporter,
        MessengerImporter,
        holds_instagram_too,
        is_beside_the_threads,
        is_of_either,
    )

    exports: list[Export] = []
    zips = [path for path in paths if is_zip(path.expanduser())]
    found: list[tuple[Path, Importer]] = []
    for path in paths:
        if path in zips and len(zips) > 1 and is_beside_the_threads(path.expanduser()):
            continue
        found.append((path, recognise(path)))
        if isinstance(found[-1][1], MessengerImporter) and holds_instagram_too(path):
            found.append((path, InstagramImporter()))
    of_zips = {
        importer.name for path, importer in found if path in zips and not is_of_either(path.expanduser())
    }
    for path, importer in found:
        joins = path in zips and isinstance(importer, MessengerImporter)
        if joins and of_zips == {"instagram"}:  # a part that itself does not tell
            importer = InstagramImporter()
        for place, export in enumerate(exports if joins else ()):
            if export.importer.name == importer.name and export.paths[0] in zips:
                exports[place] = Export(export.importer, (*export.paths, path))
                break
        else:
            exports.append(Export(importer, (path,)))
    if not exports:
        recognise(paths[0])
    return exports
