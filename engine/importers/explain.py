"""Why a path is no export: one sentence and one remedy for each thing that people point at instead."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from engine.errors import DataError, StudioError
from engine.importers.export_files import ExportFiles, is_zip, open_files
from engine.importers.imessage import is_imessage
from engine.importers.imessage_places import PLACES, database_in
from engine.importers.opening import MAGIC, opened
from engine.importers.thread_files import NotAThreadError, read_thread

WANTED = (
    "Choose the folder or zip of a Messenger download, one of its message files, or a chat.db of iMessage."
)

_LONGEST = 300  # characters of a path that a sentence repeats


def explain(path: Path, check: Callable[[], None] = lambda: None) -> StudioError:
    """The error to raise for a `path` that no importer recognises. check: called at every file of a folder,
    may raise."""
    try:
        if not path.exists():
            return _missing(path)
        if path.is_dir():
            return _folder(path, check)
        return _file(path)
    except PermissionError as error:
        return StudioError(
            f"{error.filename or path} may not be read ({error.strerror}).",
            "On a Mac: System Settings > Privacy & Security > Full Disk Access, switch on your terminal app, "
            "then restart it. Elsewhere check the permissions.",
        )
    except StudioError as error:
        return error
    except OSError as error:
        named = path if len(str(path)) <= _LONGEST else f"A path of {len(str(path)):,} characters"
        return StudioError(f"{named} may not be read ({error.strerror or error}).", WANTED)


def _missing(path: Path) -> StudioError:
    if path.is_symlink():
        return StudioError(f"{path} is a link that leads nowhere.", "Choose the file or folder itself.")
    parent = path.absolute().parent
    if not parent.is_dir():
        return StudioError(f"There is no folder {parent}.", "Check how the path is spelled.")
    names = {entry.name.casefold(): entry.name for entry in parent.iterdir()}
    near = difflib.get_close_matches(path.name.casefold(), names, n=1, cutoff=0.5)
    hint = f"Did you mean {parent / names[near[0]]}?" if near else "Check how the path is spelled."
    return StudioError(f"{path} does not exist.", hint)


def _folder(path: Path, check: Callable[[], None]) -> StudioError:
    if not any(path.iterdir()):
        return StudioError(f"The folder {path} is empty.", WANTED)
    if any((path / place).exists() for place in PLACES):
        return _database(database_in(path))
    with open_files(path, check=check) as export:
        return _what_is_wrong(export, "folder", check) or StudioError(
            f"The folder {path} holds no conversations.", WANTED
        )


def _file(path: Path) -> StudioError:
    if not path.is_file():
        return StudioError(f"{path} is no file or folder that can hold an export.", WANTED)
    with path.open("rb") as file:
        start = file.read(1024)
    if path.name in ("chat.db", "sms.db") or start.startswith(MAGIC):
        return _database(path)
    if is_zip(path):
        with open_files(path) as export:
            return _what_is_wrong(export, "zip") or StudioError(
                f"The zip {path} holds no conversations.", WANTED
            )
    if not start:
        return StudioError(f"{path} is empty.", WANTED)
    if start.startswith(b"%PDF"):
        return StudioError(f"{path} is a PDF, not an export.", WANTED)
    if b"<html" in start.lower() or path.suffix.lower() in (".html", ".htm"):
        return StudioError(f"{path} is an HTML page, not JSON.", _AGAIN)
    if path.suffix.lower() == ".json" or start.lstrip().startswith((b"{", b"\xef\xbb\xbf{")):
        with open_files(path) as export:
            return _what_is_wrong(export, "file") or StudioError(
                f"{path} holds no conversation, as it has no participants and messages.", WANTED
            )
    return StudioError(f"{path} is not an export that can be read.", WANTED)


_AGAIN = "Ask Facebook for the download again and choose the format JSON."


def _what_is_wrong(
    export: ExportFiles, kind: str, check: Callable[[], None] = lambda: None
) -> StudioError | None:
    """Bad JSON, else HTML pages, else parts that could not be opened, else nothing that we know."""
    for file in export.files:
        check()
        if not file.is_page:
            try:
                read_thread(file)
            except DataError as error:
                return DataError(f"{file.path} {error.message}.", "Copy or download the export again.")
            except NotAThreadError:
                continue
    if any(file.is_page for file in export.files):
        return StudioError(f"This {kind} holds HTML pages, not JSON.", _AGAIN)
    if export.bad:
        name, reason = export.bad[0]
        return DataError(f"{name}: {reason.rstrip('.')}.", "Copy or download the export again.")
    return None


def _database(path: Path) -> StudioError:
    with opened(path, []) as source:
        if source.is_damaged():
            source.rescue()
        if is_imessage(source.connection):
            return StudioError(f"{path} cannot be looked into.", "Copy it to another folder and import that.")
    return StudioError(
        f"{path} is an SQLite database, but not one of iMessage.",
        "On a Mac the messages are in ~/Library/Messages/chat.db.",
    )
