"""Apple's typedstream: the binary form of a message's text in chat.db (column attributedBody).

A stream is a list of values, each group of them led by its type encoding. Type strings, and objects
with their classes, are written once and referred to by number afterwards. Damage never raises past
this module.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Literal

import msgspec

HEADER = b"\x04\x0bstreamtyped"
BIG_ENDIAN = b"\x04\x0btypedstream"  # as the first Macs of the kind wrote it
_FIRST_STRING = b"\x84\x01+"  # a new type string "+": the bytes of the first string, which is the text

_INT16, _INT32, _FLOAT, _NEW, _NIL, _END, _INT64 = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87
_FIRST_LITERAL = -110  # smaller head bytes are tags; references count from here
_DEEPEST = 60
_DAMAGE = (ValueError, IndexError, TypeError, struct.error, RecursionError, OverflowError)


class Run(msgspec.Struct, frozen=True):
    """A stretch of the text with its attributes."""

    text: str
    attributes: dict[str, object]


class Body(msgspec.Struct, frozen=True):
    """A decoded attributedBody. damaged: only the text could be read, the runs are missing."""

    text: str
    runs: tuple[Run, ...] = ()
    damaged: bool = False


def text(blob: bytes) -> str | None:
    """Only the text, by slicing out the first string; None where there is none. Never raises."""
    start = blob.find(_FIRST_STRING) + len(_FIRST_STRING)
    if start < len(_FIRST_STRING) or start >= len(blob) or not blob.startswith((HEADER, BIG_ENDIAN)):
        return None
    length, start = blob[start], start + 1
    if length in (_INT16, _INT32):
        size = 2 if length == _INT16 else 4
        length, start = int.from_bytes(blob[start : start + size], _order(blob)), start + size
    if start + length > len(blob):
        return None
    return blob[start : start + length].decode("utf-8", "replace")


def decode(blob: bytes) -> Body | None:
    """Text and attribute runs; only the text where the rest is damaged, None where even that is.

    Never raises.
    """
    try:
        return _body(_Reader(blob).root())
    except _DAMAGE:
        found = text(blob)
        return None if found is None else Body(found, damaged=True)


def _order(blob: bytes) -> Literal["little", "big"]:
    return "little" if blob.startswith(HEADER) else "big"


class _Object:
    """An object as it was written: its class and its values, flat and in order."""

    __slots__ = ("name", "values")

    def __init__(self) -> None:
        self.name = ""
        self.values: list[object] = []


class _Reader:
    __slots__ = ("blob", "budget", "depth", "objects", "order", "position", "strings")

    def __init__(self, blob: bytes) -> None:
        if not blob.startswith((HEADER, BIG_ENDIAN)):
            raise ValueError("not a typedstream")
        self.blob = blob
        self.order = _order(blob)
        self.position = len(HEADER)
        self.strings: list[bytes] = []
        self.objects: list[object] = []  # objects, classes and C strings share one numbering
        self.depth = 0
        self.budget = 4 * len(blob)  # values that take no bytes must not keep us for ever
        self.integer()  # the version of the system that wrote it

    def root(self) -> object:
        types = _split(self.shared_string())
        return self.value(types[0])

    def byte(self) -> int:
        self.position += 1
        return self.blob[self.position - 1]

    def take(self, count: int) -> bytes:
        piece = self.blob[self.position : self.position + count]
        if len(piece) != count or count < 0:
            raise ValueError("ends early")
        self.position += count
        return piece

    def integer(self) -> int:
        head = self.byte()
        size = {_INT16: 2, _INT32: 4, _INT64: 8}.get(head)
        if size is not None:
            return int.from_bytes(self.take(size), self.order, signed=True)
        value = head - 256 if head >= 0x80 else head
        if value < _FIRST_LITERAL:
            raise ValueError("a tag where a number must be")
        return value

    def length(self) -> int:
        """An unsigned number: what is written in 16 bits may be above 32,767."""
        head = self.byte()
        size = {_INT16: 2, _INT32: 4, _INT64: 8}.get(head)
        return int.from_bytes(self.take(size), self.order) if size is not None else head

    def reference(self) -> int:
        number = self.integer() - _FIRST_LITERAL
        if number < 0:
            raise ValueError("a reference before the first")
        return number

    def real(self, code: str) -> float:
        if self.blob[self.position] != _FLOAT:
            return float(self.integer())
        self.position += 1
        value: float = struct.unpack(
            (">" if self.order == "big" else "<") + code, self.take(struct.calcsize(code))
        )[0]
        return value

    def shared_string(self) -> bytes:
        head = self.blob[self.position]
        if head == _NIL:
            self.position += 1
            return b""
        if head == _NEW:
            self.position += 1
            self.strings.append(self.take(self.length()))
            return self.strings[-1]
        return self.strings[self.reference()]

    def class_name(self) -> str:
        """The name of a class; its line of ancestors is read and left aside."""
        name = None
        while True:
            head = self.blob[self.position]
            if head == _NIL:
                self.position += 1
                return name or ""
            if head != _NEW:
                known = self.objects[self.reference()]
                if not isinstance(known, str):
                    raise ValueError("an object where a class must be")
                return name or known
            self.position += 1
            own = self.shared_string().decode("ascii", "replace")
            self.integer()  # the version of the class
            self.objects.append(own)
            name = name or own

    def read_object(self) -> object:
        head = self.blob[self.position]
        if head == _NIL:
            self.position += 1
            return None
        if head != _NEW:
            return self.objects[self.reference()]
        self.position += 1
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError("too deep")
        made = _Object()
        self.objects.append(made)
        made.name = self.class_name()
        while self.blob[self.position] != _END:
            for code in _split(self.shared_string()):
                made.values.append(self.value(code))
        self.position += 1
        self.depth -= 1
        return made

    def c_string(self) -> object:
        head = self.blob[self.position]
        if head == _NIL:
            self.position += 1
            return b""
        if head != _NEW:
            return self.objects[self.reference()]
        self.position += 1
        self.objects.append(None)
        number = len(self.objects) - 1
        self.objects[number] = self.shared_string()
        return self.objects[number]

    def value(self, code: str) -> object:
        self.budget -= 1
        if self.budget < 0:
            raise ValueError("more values than it has room for")
        match code[0]:
            case "@":
                return self.read_object()
            case "+":
                return self.take(self.length())
            case "*":
                return self.c_string()
            case ":" | "%":
                return self.shared_string()
            case "#":
                return self.class_name()
            case "c":  # chars are written as they are, without tags
                return (self.byte() ^ 0x80) - 0x80
            case "C" | "B":
                return self.byte()
            case "s" | "i" | "l" | "q":
                return self.integer()
            case "S" | "I" | "L" | "Q":
                return self.length()
            case "f" | "d":
                return self.real(code[0])
            case "[":
                return self.array(code[1:-1])
            case "{" | "(":
                _, _, members = code[1:-1].partition("=")
                return [self.value(member) for member in _split(members.encode("latin-1"))]
            case "!":  # a field that is not written
                return None
            case _:
                raise ValueError(f"unknown type {code!r}")

    def array(self, code: str) -> object:
        digits = len(code) - len(code.lstrip("0123456789"))
        count, item = int(code[:digits]), code[digits:]
        if item in ("c", "C"):
            return self.take(count)
        if count > len(self.blob):
            raise ValueError("ends early")
        return [self.value(item) for _ in range(count)]


@lru_cache(maxsize=256)
def _split(types: bytes) -> tuple[str, ...]:
    """Split a type encoding into its single types: b"i[4c]@" gives "i", "[4c]", "@"."""
    encoding = types.decode("latin-1")
    found: list[str] = []
    start = depth = 0
    for position, letter in enumerate(encoding):
        depth += (letter in "[{(") - (letter in ")}]")
        if depth == 0:
            found.append(encoding[start : position + 1])
            start = position + 1
    if not found or start != len(encoding) or encoding.count("[") + encoding.count("{") > 8:
        raise ValueError("not a type encoding")
    return tuple(found)


def _body(root: object) -> Body:
    """An NSAttributedString: its string, then runs of (dictionary number, length in UTF-16 units).

    A dictionary stands behind the first run that uses it, and is only named by number later.
    """
    if not isinstance(root, _Object) or not root.values:
        raise ValueError("no object")
    if "AttributedString" not in root.name:
        return Body(_string(root))
    whole = _string(root.values[0])
    units = whole.encode("utf-16-le", "surrogatepass")
    known: dict[int, dict[str, object]] = {}
    runs: list[Run] = []
    rest = iter(root.values[1:])
    number = length = at = 0
    pending = False

    def close() -> None:
        nonlocal at, pending
        if pending:
            piece = units[2 * at : 2 * (at + length)].decode("utf-16-le", "replace")
            runs.append(Run(piece, known.get(number, {})))
            at, pending = at + length, False

    for value in rest:
        if isinstance(value, int):
            close()
            number, length, pending = value, _whole_number(next(rest, None)), True
        else:
            plain = _plain(value, {})
            known[number] = plain if isinstance(plain, dict) else {}
    close()
    return Body(whole, tuple(runs))


def _whole_number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("a run without a length")
    return value


def _string(value: object) -> str:
    if not isinstance(value, _Object) or not value.values or not isinstance(value.values[0], bytes):
        raise ValueError("no string")
    return value.values[0].decode("utf-8", "replace")


def _plain(value: object, done: dict[int, object]) -> object:
    """Objects as Python values. `done` keeps shared and circular references from being walked twice."""
    if not isinstance(value, _Object):
        return value
    if id(value) in done:
        return done[id(value)]
    done[id(value)] = None
    done[id(value)] = found = _convert(value, done)
    return found


def _convert(value: _Object, done: dict[int, object]) -> object:
    if value.name.endswith("Dictionary"):
        items = [_plain(item, done) for item in value.values[1:]]
        pairs = zip(items[::2], items[1::2], strict=False)
        return {key: item for key, item in pairs if isinstance(key, str)}
    if value.name.endswith(("Array", "Set")):
        return [_plain(item, done) for item in value.values[1:]]
    if value.name.endswith("String") and "Attributed" not in value.name:
        return _string(value)
    return _plain(value.values[-1], done) if value.values else None  # NSNumber, NSData, NSURL, NSDate
