"""Read exports: one file per family, each a plain generator of conversations."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from engine.conversation import Conversation
from engine.errors import StudioError
from engine.importers.report import Example, ImportReport

__all__ = ["Example", "ImportReport", "Importer", "importers", "recognise"]

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
