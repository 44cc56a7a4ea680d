"""The files of an export: a folder, a zip or one file, seen the same way.

Zip members are read in memory and never extracted. What an export cannot honestly hold (members
that are locked, point outside the zip, or are absurdly large) is refused before anything is read.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from engine.errors import StudioError
from engine.importers.zips import MAX_ENTRIES, ONLY_FILES, open_zip, refuse_members, refuse_size

MAX_MEMBER_BYTES = 512 * 2**20  # real thread files hold about 10,000 messages, some 10 MB
MAX_TOTAL_BYTES = 8 * 2**30

_PIECE = 2**24  # zipfile makes room for as much as a member says it has, if asked for all of it
SUFFIXES = frozenset({".json", ".html", ".htm"})
IN_BACKUP = "3d0d7e5fb2ce288813306e4d4636395e047a3d28"  # an iPhone's messages, in its backup
_DATABASES = frozenset({".db", ".sqlite", ".sqlite3"})
_MEDIA = frozenset(
    {"inbox", "archived_threads", "filtered_threads", "message_requests", "e2ee_cutover", "media"}
)
_READING_ERRORS = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError)


class ExportFile(msgspec.Struct, frozen=True):
    """One file of an export. read() and pieces() raise only OSError.

    size: in bytes, unpacked. pieces(size): the same bytes, that many at a time.
    path: inside the export, with slashes. folder: where it lies, as far as that is known; it
    reaches above the export, since people point at one thread's folder too.
    """

    path: str
    folder: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]

    def read(self) -> bytes:
        return b"".join(self.pieces(_PIECE))

    def pieces(self, size: int) -> Iterator[bytes]:
        try:
            with self.open() as opened:
                while piece := opened.read(size):
                    yield piece
        except _READING_ERRORS:
            raise OSError("is damaged inside the zip") from None

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def is_page(self) -> bool:
        return self.path.lower().endswith((".html", ".htm"))


class ExportFiles(msgspec.Struct, frozen=True):
    """files: JSON and HTML, in natural order (2 before 10). bad: (path, reason) of unreadable parts.

    zips, databases: what in a folder has such an ending, or the place of an iPhone's messages in its backup.
    """

    files: list[ExportFile]
    bad: list[tuple[str, str]]
    zips: list[Path]
    databases: list[Path]


@contextmanager
def open_files(*paths: Path, check: Callable[[], None] = lambda: None) -> Iterator[ExportFiles]:
    """List the files of the export at `paths`; they can be read until the context ends.

    Several paths are the zips of one download.

    In a folder the zips count as parts of the export (big downloads come in several), but for those that
    somebody was sent. Raises StudioError where one of `paths` itself cannot be used. check: called at
    every folder, may raise.
    """
    with ExitStack() as stack:
        listed = ExportFiles([], [], [], [])
        files, bad = listed.files, listed.bad
        for path in paths:
            if path.is_dir():
                before = len(listed.zips)
                _walk(path, listed, check)
                for part in listed.zips[before:]:
                    inside = part.relative_to(path).as_posix()
                    try:
                        files += _members(part, stack, prefix=f"{inside}/")
                    except StudioError as error:
                        bad.append((inside, error.message))
            elif path.exists() and not path.is_file():
                raise StudioError(f"{path} is no file or folder that can hold an export.", ONLY_FILES)
            elif is_zip(path):
                files += _members(path, stack, prefix=f"{path.name}/" if len(paths) > 1 else "")
            else:
                files.append(_on_disk(path.name, path))
        files.sort(key=lambda file: natural(file.path))
        yield listed


def read_ahead(files: Iterable[ExportFile], up_to: int) -> Iterator[ExportFile]:
    """The same files; while one is used a thread reads the next, where it is no larger than `up_to` bytes."""
    with ThreadPoolExecutor(1, "reading ahead") as reader:
        before: ExportFile | None = None
        for file in files:
            if file.size <= up_to:
                coming = reader.submit(file.read)
                file = msgspec.structs.replace(file, open=partial(_opened, coming))
            if before is not None:
                yield before
            before = file
        if before is not None:
            yield before


def _opened(coming: Future[bytes]) -> IO[bytes]:
    return BytesIO(coming.result())


def is_zip(path: Path) -> bool:
    """Whether the file starts as zips do."""
    try:
        if not path.is_file():  # opening a pipe or a device may wait for ever
            return False
        with path.open("rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def starts_as_object(path: Path) -> bool:
    """Whether the file starts as a JSON object does. Keeps a database of gigabytes out of memory."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def natural(path: str) -> list[tuple[int, str]]:
    """A sort key in which the digits of a path count as numbers (of any length)."""
    parts = re.split(r"([0-9]+)", path)
    numbers = [part.lstrip("0") for part in parts]
    return [(len(numbers[n]), numbers[n]) if n % 2 else (0, part) for n, part in enumerate(parts)]


def _on_disk(inside: str, path: Path) -> ExportFile:
    folder = PurePosixPath(path.absolute().parent.as_posix())
    return ExportFile(inside, folder, path.stat().st_size, lambda: path.open("rb"))


def _wanted(path: str) -> bool:
    """JSON and HTML, without the shadow files that macOS leaves in folders and zips."""
    pure = PurePosixPath(path)
    return pure.suffix.lower() in SUFFIXES and not pure.name.startswith("._") and "__MACOSX" not in pure.parts


def _walk(root: Path, listed: ExportFiles, check: Callable[[], None]) -> None:
    def closed(error: OSError) -> None:
        listed.bad.append((Path(error.filename).relative_to(root).as_posix(), "this folder may not be read"))

    seen = 0
    for folder, folders, names in os.walk(root, onerror=closed):
        check()
        folders.sort()
        seen += len(names)
        if seen > MAX_ENTRIES:
            raise StudioError(
                f"{root} holds more than {MAX_ENTRIES:,} files.", "Point at the folder of the export itself."
            )
        sent = not _MEDIA.isdisjoint(Path(folder).relative_to(root).parts)
        for name in sorted(names):
            ending = PurePosixPath(name).suffix.lower()
            file = Path(folder, name)
            if ending in _DATABASES or name == IN_BACKUP:
                if not sent and not name.startswith("._"):
                    listed.databases.append(file)
            elif ending == ".zip":
                if not sent:
                    listed.zips.append(file)
            elif ending in SUFFIXES:
                inside = file.relative_to(root).as_posix()
                try:
                    if _wanted(inside) and file.is_file():
                        listed.files.append(_on_disk(inside, file))
                except OSError:
                    listed.bad.append((inside, "may not be read"))


def _members(path: Path, stack: ExitStack, prefix: str = "") -> list[ExportFile]:
    archive = stack.enter_context(open_zip(path))
    infos = [info for info in archive.infolist() if not info.is_dir() and _wanted(info.filename)]
    refuse_size(path, infos, MAX_MEMBER_BYTES, MAX_TOTAL_BYTES)
    refuse_members(path, infos)
    return [
        ExportFile(
            prefix + info.filename,
            PurePosixPath(prefix + info.filename).parent,
            info.file_size,
            partial(_open_member, archive, info),
        )
        for info in infos
    ]


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise OSError("is compressed in a way that cannot be read here")
    return archive.open(info)
