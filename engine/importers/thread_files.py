"""One thread file: its shape, what its head says, and its rows, however large it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import msgspec

from engine.errors import DataError
from engine.importers.export_files import ExportFile
from engine.importers.messenger_rows import Row, is_mojibake, mend_surrogates

WHOLE = 12 * 2**20  # bytes; a larger file is read in pieces (one of 10,000 messages has some 3 to 10 MB)
PIECE = 3 * 2**20
_HEAD_BYTES = 4096
_BOM = b"\xef\xbb\xbf"
_HEAD = re.compile(
    rb'\s*\{\s*"participants"\s*:\s*(\[(?:[^\[\]"]|"(?:[^"\\]|\\.)*")*\])\s*,\s*"messages"\s*:\s*\[',
    re.DOTALL,
)
# Where one row ends and the next begins. No text can hold it: its quotes would be escaped.
_BORDER = re.compile(rb'\}\s*,\s*(?=\{\s*"sender_name")')


class NotAThreadError(Exception):
    """A sound JSON file that is no thread: one of the settings files beside them."""


class Thread(msgspec.Struct, kw_only=True):
    """What a thread file says of the thread. Any of it may be absent, null or odd."""

    participants: Any
    title: Any = None
    thread_path: Any = None
    thread_name: Any = msgspec.field(default=None, name="threadName")
    thread_type: Any = None
    joinable_mode: Any = None


class RawThread(Thread, kw_only=True):
    """A thread of which a row may be odd."""

    messages: list[msgspec.Raw]


class _SoundThread(Thread, kw_only=True):
    messages: list[Row]


class Rows(msgspec.Struct, frozen=True):
    """Some rows of a file as they lie there. thread: complete in the file's last Rows only."""

    thread: Thread
    mojibake: bool
    rows: list[Row] | list[msgspec.Raw]


_decode_raw = msgspec.json.Decoder(RawThread).decode
_decode_sound = msgspec.json.Decoder(_SoundThread).decode


def head(file: ExportFile) -> tuple[list[Any], bool] | None:
    """The participants and whether the head looks like mojibake; None where the head is another."""
    try:
        raw = next(file.pieces(_HEAD_BYTES), b"").removeprefix(_BOM)
        found = _HEAD.match(raw)
        if found is None:
            return None
        return msgspec.json.decode(found[1], type=list[Any]), is_mojibake(found[0])
    except (OSError, ValueError, RecursionError):
        return None  # whoever reads the file says what is wrong


def read_thread(file: ExportFile) -> tuple[RawThread, bytes]:
    """The thread, and the bytes that it was read from. Raises NotAThreadError, or DataError with the byte."""
    raw = _read(file)
    try:
        try:
            thread = _decode_raw(raw)
        except msgspec.ValidationError:
            raise NotAThreadError from None
        except msgspec.DecodeError:
            if b"\\u" not in raw:
                raise
            thread = _decode_raw(mend_surrogates(raw))
    except msgspec.ValidationError:
        raise NotAThreadError from None
    except (ValueError, RecursionError) as error:
        raise DataError(what_is_wrong(raw, str(error))) from None
    if not isinstance(thread.participants, list):
        raise NotAThreadError
    return thread, raw


def read_rows(file: ExportFile) -> Iterator[Rows]:
    """The rows of the file, in one go or, where it is large, piece by piece. Raises as read_thread does."""
    if file.size > WHOLE:
        yield from _read_in_pieces(file)
        return
    raw = _read(file)
    yield _rows(raw, is_mojibake(raw), file)


def _rows(raw: bytes, mojibake: bool, file: ExportFile) -> Rows:
    try:
        thread = _decode_sound(raw)
    except (ValueError, RecursionError):
        odd, _ = read_thread(msgspec.structs.replace(file, open=lambda: BytesIO(raw)))
        return Rows(odd, mojibake, odd.messages)
    if not isinstance(thread.participants, list):
        raise NotAThreadError
    return Rows(thread, mojibake, thread.messages)


def _read_in_pieces(file: ExportFile) -> Iterator[Rows]:
    try:
        # Mojibake is a fact of the whole file, so it is gone through twice.
        mojibake = all(is_mojibake(document) for _, document in _documents(file))
        for before, document in _documents(file):
            try:
                yield _rows(document, mojibake, file)
            except DataError as error:
                raise DataError(_moved(error.message, before)) from None
    except OSError as error:
        raise DataError(error.strerror or str(error)) from None


def _documents(file: ExportFile) -> Iterator[tuple[int, bytes]]:
    """The file cut between rows, every piece a thread of its own; with each how many bytes of it
    lie before their place in the file. One piece where the file begins in no way that is known."""
    start, rest, offset = b"", b"", 0
    for piece in file.pieces(PIECE):
        rest += piece
        if not start:
            rest = rest.removeprefix(_BOM)
            found = _HEAD.match(rest)
            if found is None:
                continue
            start, rest = found[0], rest[found.end() :]
        cut = _last_border(rest)
        if cut:
            yield offset, start + rest[:cut].rstrip().removesuffix(b",") + b"]}"
            offset += cut
            rest = rest[cut:]
    yield offset, start + rest


def _last_border(rows: bytes) -> int:
    """Where the last row begins, 0 where no border is found near the end."""
    near = len(rows)
    for _ in range(100):
        near = rows.rfind(b'"sender_name"', 0, near)
        if near < 0:
            return 0
        found = _BORDER.search(rows, max(0, near - 200))
        if found is not None and found.end() < near:
            return found.end()
    return 0


def _moved(message: str, before: int) -> str:
    return re.sub(r"byte ([\d,]+)", lambda m: f"byte {int(m[1].replace(',', '')) + before:,}", message)


def _read(file: ExportFile) -> bytes:
    try:
        return file.read().removeprefix(_BOM)
    except OSError as error:
        raise DataError(error.strerror or str(error)) from None


def what_is_wrong(raw: bytes, error: str) -> str:
    if not raw.strip():
        return "is empty"
    if "truncated" in error:
        return f"ends in the middle of a message (byte {len(raw):,})"
    at = re.search(r"\(byte (\d+)\)", error)
    return f"is not valid JSON (byte {int(at[1]):,})" if at else "is not valid JSON"
