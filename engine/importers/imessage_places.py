"""Where a chat.db lies: in a folder, in an iPhone backup, in a zip."""

from __future__ import annotations

import errno
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from engine.errors import DataError, StudioError
from engine.importers.contacts import FILE, IN_BACKUP
from engine.importers.opening import denied
from engine.importers.plists import dictionary
from engine.importers.zips import open_zip, refuse_members

# In a folder: macOS, an iPhone's own name, and where an iPhone backup keeps that, since iOS 10 and before.
_BACKED_UP = "3d0d7e5fb2ce288813306e4d4636395e047a3d28"
PLACES = ("chat.db", "sms.db", f"3d/{_BACKED_UP}", _BACKED_UP)
MAX_BYTES = 64 * 2**30
_ENDINGS = ("", "-wal", "-journal")
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError)


def database_in(path: Path) -> Path:
    """`path` itself, or the database inside it where it is a folder. Raises StudioError where none is."""
    try:
        if not path.is_dir():
            return path
        if is_encrypted(path):
            raise StudioError(
                f"The iPhone backup {path} is encrypted.",
                "In Finder or iTunes switch off “Encrypt local backup”, back up again and import that; or "
                "decrypt sms.db with iphone_backup_decrypt and import it.",
            )
        for place in PLACES:
            with suppress(FileNotFoundError, NotADirectoryError):
                (path / place).stat()  # exists() may take what is denied for what is not there
                return path / place
    except OSError as error:
        raise denied(path, error) from None
    raise StudioError(f"There is no chat.db in {path}.", "On a Mac it is in ~/Library/Messages.")


def is_encrypted(path: Path) -> bool:
    """Whether `path` is an iPhone backup that only its password opens. May raise OSError."""
    manifest = path / "Manifest.plist"
    if not path.is_dir() or not manifest.is_file():
        return False
    return bool(dictionary(manifest.read_bytes()).get("IsEncrypted"))


def databases_in_zip(path: Path) -> list[zipfile.ZipInfo]:
    """The members that are the database: the shallowest one first. Empty where there is none."""
    try:
        with open_zip(path) as archive:
            infos = archive.infolist()
    except StudioError:
        return []  # whoever reads the zip says what is wrong
    wanted = [info for info in infos if _is_database(info.filename) and not info.is_dir()]
    return sorted(wanted, key=lambda info: info.filename.count("/"))


def _is_database(name: str) -> bool:
    if not name.endswith(PLACES):
        return False
    parts = PurePosixPath(name).parts
    return "__MACOSX" not in parts and parts[-1] in PLACES


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The database in a zip, with the files beside it that belong to it, in a private folder.

    Only these members are written, under our own names: what the zip calls them leads nowhere.
    """
    found = databases_in_zip(path)
    if not found:
        raise StudioError(f"There is no chat.db in {path}.", "Zip the chat.db with its chat.db-wal.")
    inside = found[0].filename
    wanted = {inside + ending: Path("chat.db" + ending) for ending in _ENDINGS}
    folder = PurePosixPath(inside).parent
    books = (folder / FILE, folder / IN_BACKUP.name, folder.parent / IN_BACKUP.as_posix())
    wanted |= {str(book): Path(FILE) for book in books}
    with tempfile.TemporaryDirectory(prefix="understudy-", ignore_cleanup_errors=True) as private:
        try:
            with open_zip(path) as archive:
                infos = [info for info in archive.infolist() if info.filename in wanted]
                refuse_members(path, infos)
                for info in infos:
                    _take(archive, info, Path(private, wanted[info.filename]))
        except (*_BAD_ZIP, OSError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise denied(path, error) from None
            raise DataError(f"The chat.db in {path} cannot be unpacked.", "Unpack it yourself.") from None
        yield Path(private, "chat.db")


def _take(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    room = min(MAX_BYTES, shutil.disk_usage(target.parent).free)
    if info.file_size > room:
        raise StudioError(
            f"{info.filename} in {archive.filename} unpacks to {info.file_size >> 20:,} MB.",
            "If you trust it, unpack it yourself and import what comes out.",
        )
    target.touch(mode=0o600)
    with archive.open(info) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 2**20)
