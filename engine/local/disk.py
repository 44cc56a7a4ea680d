"""Files that survive a kill at any moment: records replaced as a whole, journals only ever appended to."""

from __future__ import annotations

import errno
import os
import secrets
import traceback
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


def new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(12)


def write(path: Path, content: bytes) -> None:
    """Put `content` (0600) in place of `path`: after a crash there is the old file or the new, never half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_record(path: Path, record: msgspec.Struct) -> None:
    write(path, msgspec.json.encode(record))


def read_record(path: Path, kind: type[Row]) -> Row | None:
    """The record in `path`, or None where there is none or it cannot be read as `kind`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def append(path: Path, row: msgspec.Struct) -> None:
    """One line at the end of a journal, in one write, so that several processes may append.

    Raises OSError where the disk does not take the whole of it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # what was torn costs itself alone
        line = b"\n" * torn + msgspec.json.encode(row) + b"\n"
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def traces(error: BaseException) -> str:
    """A traceback for a log: frames and the exception's type, never its text, which may quote a message."""
    return "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__


class Journal(Generic[Row]):
    """Reads a growing file of JSON lines. Each `read` parses only what was appended since the last."""

    def __init__(self, path: Path, kind: type[Row]) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(kind)
        self._rows: list[Row] = []
        self._offset = 0

    def read(self) -> list[Row]:
        """Every row, oldest first. A line that a full disk or a crash tore is left out."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except FileNotFoundError:
            return []
        complete = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            try:
                self._rows.append(self._decoder.decode(line))
            except msgspec.DecodeError:
                continue
        return self._rows
