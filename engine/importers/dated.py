"""What a plug-in reads, without the messages whose time is none: nothing could show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from engine.conversation import FIRST_TIME, LAST_TIME, Conversation, InBulk, Message
from engine.importers.report import ImportReport

NO_TIME = "no time"


def dated(conversations: Iterator[Conversation], report: ImportReport) -> Iterator[Conversation]:
    """The conversations; a message that cannot be shown under any date is counted as skipped."""
    try:
        for conversation in conversations:
            if isinstance(conversation.messages, InBulk):
                yield conversation
            else:
                yield replace(conversation, messages=_dated(conversation.messages, report))
    finally:
        close = getattr(conversations, "close", None)
        if close is not None:
            close()


def _dated(messages: Iterable[Message], report: ImportReport) -> Iterator[Message]:
    for message in messages:
        if type(message.time) is int and FIRST_TIME < message.time < LAST_TIME:
            yield message
        else:
            report.unkeep(message.kind, NO_TIME)
