"""What is told between the processes: msgpack, each message behind its length in four bytes."""

from __future__ import annotations

import msgspec

from engine.conversation import Sender, Stretch
from engine.packed import Packed


class Task(msgspec.Struct, frozen=True):
    """What one process reads. paths: as the system has them. number, of: which share of the conversations."""

    importer: str
    paths: tuple[bytes, ...]
    contacts: bytes | None
    include_deleted: bool
    number: int
    of: int


class Begun(msgspec.Struct, frozen=True, tag=True):
    """A conversation; its Packed messages follow. place: among all conversations of the export. The figures
    are those of the process so far."""

    place: int
    key: str
    title: str
    senders: tuple[Sender, ...]
    is_group: bool
    section: str
    also: str
    rows_read: int
    kept: int
    rows_total: int | None


class Some(msgspec.Struct, frozen=True, tag=True):
    packed: Packed


class Unpacked(msgspec.Struct, frozen=True, tag=True):
    """The same, where who listens has more time to pack it than who reads."""

    stretch: Stretch


class Done(msgspec.Struct, frozen=True, tag=True):
    """The last word. report: as JSON."""

    report: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Nothing can be read, or no more. data: whether it is the data's fault."""

    message: str
    hint: str
    data: bool


Said = Begun | Some | Unpacked | Done | Refused
