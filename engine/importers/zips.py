"""Zips that strangers made: what no honest export holds is refused before anything is unpacked."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from engine.errors import DataError, StudioError

MAX_ENTRIES = 300_000
MAX_DIRECTORY_BYTES = 2**28
MAX_RATIO = 300  # real exports pack about 10:1
_SMALL = 2**24  # bytes; what unpacks to no more does no harm

ONLY_FILES = "Choose a plain file or a folder."
_UNPACK = "If you trust it, unpack it yourself and import the folder that comes out."
_FROM_SERVICE = "Use a zip that comes from the service."
_LISTING_ERRORS = (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, IndexError, EOFError)
_LOCKED = 1
_END, _END64, _ENTRY = b"PK\x05\x06", b"PK\x06\x07", b"PK\x01\x02"
_END_BYTES, _END64_BYTES, _COMMENT_BYTES = 22, 76, 2**16


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Raises StudioError or DataError where the zip at `path` is none that can be used as a whole."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe may wait for ever
            raise StudioError(f"{path.name} is no file that can hold an export.", ONLY_FILES)
        with path.open("rb") as file:
            _refuse_directory(file, path.name)
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise StudioError(
            f"{path.name} may not be read ({error.strerror}).", "Check its permissions."
        ) from None
    except _LISTING_ERRORS:
        raise DataError(
            f"The zip {path.name} is damaged or was not downloaded completely.", "Download it again."
        ) from None
    with archive:
        if any(_leads_outside(info.filename) for info in archive.infolist()):
            raise StudioError(f"{path.name} holds a file whose path leads out of the zip.", _FROM_SERVICE)
        yield archive


def refuse_members(path: Path, infos: Iterable[zipfile.ZipInfo]) -> None:
    """Raises StudioError where one of these members, which are about to be read, must not be."""
    most = path.stat().st_size
    for info in infos:
        if info.flag_bits & _LOCKED:
            raise StudioError(
                f"{path.name} is locked with a password.",
                "Unpack it yourself and import the folder that comes out.",
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise StudioError(f"{path.name} holds a link in the place of a file.", _FROM_SERVICE)
        packed = min(info.compress_size, most)  # which may lie
        if info.file_size > max(_SMALL, MAX_RATIO * packed):
            times = info.file_size // max(1, packed)
            raise StudioError(
                f"{path.name} holds a file that unpacks to {times:,} times its size, as no export does.",
                _UNPACK,
            )


def refuse_size(path: Path, infos: Iterable[zipfile.ZipInfo], member: int, total: int) -> None:
    """Raises StudioError where one unpacks to more than `member` bytes, or all to more than `total`."""
    sizes = [info.file_size for info in infos]
    if max(sizes, default=0) > member:
        raise StudioError(f"{path.name} holds a file that unpacks to more than {member >> 20} MB.", _UNPACK)
    if sum(sizes) > total:
        raise StudioError(f"{path.name} unpacks to more than {total >> 30} GB of messages.", _UNPACK)


def _refuse_directory(file: IO[bytes], name: str) -> None:
    """Counted before zipfile makes an object of every entry: a million of them take 500 MB and seconds.

    The count that the zip gives itself may lie.
    """
    end = file.seek(0, 2)
    start = file.seek(max(0, end - _COMMENT_BYTES - _END_BYTES - _END64_BYTES))
    tail = file.read()
    at = len(tail) - _END_BYTES
    if not (tail.startswith(_END, at) and tail.endswith(b"\0\0")):  # else without a comment
        at = tail.rfind(_END)
    if at < 0 or at + _END_BYTES > len(tail):
        return  # no zip, as zipfile will say
    (size,) = struct.unpack_from("<I", tail, at + 12)
    if at >= _END64_BYTES and tail.startswith(_END64, at - 20):
        at -= _END64_BYTES
        (size,) = struct.unpack_from("<Q", tail, at + 40)
    left = min(size, start + at)
    entries = 0
    if size <= MAX_DIRECTORY_BYTES:
        file.seek(start + at - left)
        while left > 0 and entries <= MAX_ENTRIES:
            piece = file.read(min(left, 2**20))
            left -= len(piece) or left
            entries += piece.count(_ENTRY)
    if size > MAX_DIRECTORY_BYTES or entries > MAX_ENTRIES:
        raise StudioError(
            f"{name} holds more than {MAX_ENTRIES:,} files.",
            "Unpack it yourself and import only its messages folder.",
        )


def _leads_outside(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return parts[0] == "" or ".." in parts or re.match(r"[A-Za-z]:", name) is not None
