"""Conversation, Message and Sender: the words that every other room speaks.

Times are UTC milliseconds since 1970; aware datetimes exist only at the edge (`when`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

FIRST_TIME, LAST_TIME = -62_135_510_400_000, 253_402_214_400_000
"""The first day of the year 1 is over, and the last one of 9999 has not begun, wherever on earth a date is
shown."""

NAMELESS = "Me"
"""What the owner is called by an export that knows who it is but not the name."""


class Kind(StrEnum):
    """What a message is. Only SPEECH is ever trained on."""

    SPEECH = "speech"
    ATTACHMENT = "attachment"
    REACTION = "reaction"
    CALL = "call"
    EVENT = "event"
    UNSENT = "unsent"


class AttachmentKind(StrEnum):
    PHOTO = "photo"
    VIDEO = "video"
    VOICE = "voice"
    FILE = "file"
    STICKER = "sticker"
    GIF = "gif"
    LINK = "link"
    LOCATION = "location"
    APP = "app"


class Attachment(msgspec.Struct, frozen=True):
    """A typed marker; the media file itself is never read. name: file name or URL, may be empty."""

    kind: AttachmentKind
    name: str = ""


class Reaction(msgspec.Struct, frozen=True):
    """`actor` is a sender's display name; `time` is UTC ms or None where the source has none."""

    actor: str
    emoji: str
    time: int | None = None


class Edit(msgspec.Struct, frozen=True):
    """What an edited message said before. time: when it began to say so, UTC ms, or None where that is not
    known."""

    text: str
    time: int | None = None


class Sender(msgspec.Struct, frozen=True):
    """Who wrote a message. `key` is stable inside one source, `name` is for people."""

    key: str
    name: str
    is_owner: bool = False


class Message(msgspec.Struct, frozen=True, gc=False):
    """One bubble.

    key: stable inside its conversation, so that importing twice adds nothing twice; "" where the time
    and the text say already which message it is.
    sender: a Sender.key of its conversation. time: UTC ms. text: may be empty (attachments, calls).
    reply_to: the key of the message it answers, or None. edits: what it said before, oldest first; text is
    what it says now.
    """

    key: str
    sender: str
    time: int
    text: str
    kind: Kind = Kind.SPEECH
    attachments: tuple[Attachment, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    reply_to: str | None = None
    edited: bool = False
    edits: tuple[Edit, ...] = ()


class Stretch(msgspec.Struct):
    """Some messages of a conversation in bulk: most are nothing but words, and cost no object each.

    said: by sender key the texts of plain speech (no reactions, not edited, answering nothing), by time
    or, where the messages have keys, by `f"{time} {key}"`: all of them or none. The times of a sender ascend,
    and each message is the first of its millisecond in the conversation. others: every other message and
    which one of its millisecond it is, from 0.
    """

    said: dict[str, dict[int | str, str]]
    others: list[tuple[int, Message]]

    @property
    def messages(self) -> int:
        return len(self.others) + sum(map(len, self.said.values()))


@runtime_checkable
class InBulk(Protocol):
    """Messages that can also be had by the stretch, in spoken order."""

    def __iter__(self) -> Iterator[Message]: ...
    def stretches(self) -> Iterator[Stretch]: ...


class Conversation(msgspec.Struct, frozen=True):
    """One thread. `messages` is in spoken order, may be a generator and may be InBulk: it is read once.

    key: stable inside one source. section: where the source keeps it (inbox, archived, ...).
    also: a second key under which another export of the source may have brought it; "" if none.
    """

    key: str
    title: str
    senders: tuple[Sender, ...]
    messages: Iterable[Message]
    is_group: bool = False
    section: str = "inbox"
    also: str = ""


def encrypted_key(title: str, is_group: bool) -> str:
    """The key of an encrypted conversation in an export that names it by nothing that lasts."""
    return f"encrypted {'group' if is_group else 'with'} {title}"


def when(time: int) -> datetime:
    """UTC milliseconds as an aware datetime in UTC; what no date can be is the nearest one that can."""
    return datetime.fromtimestamp(min(max(time, FIRST_TIME), LAST_TIME) / 1000, UTC)


def iso(time: int) -> str:
    """UTC milliseconds as ISO 8601, e.g. 2024-03-01T18:04:05.120Z."""
    return when(time).isoformat(timespec="milliseconds").replace("+00:00", "Z")
