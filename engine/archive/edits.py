"""What edited messages said before: seen in passing while an import is read, kept when it is taken over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from engine.archive.message_rows import storable
from engine.conversation import Conversation, Edit, InBulk, Kind, Message

History = tuple[str, str, str | None]
"""Of one message: its conversation's key, its own key, and its Edits as JSON."""

# A longer history is a later one. What was taken back altogether is not kept (NULL).
KEEP = """
UPDATE messages SET edits = :edits
WHERE conversation = (SELECT id FROM conversations WHERE source = :source AND key = :conversation)
    AND key = :key AND key <> '' AND (:edits IS NULL OR length(:edits) >= length(coalesce(edits, '')))
"""


def watched(conversations: Iterator[Conversation], into: list[History]) -> Iterator[Conversation]:
    """The conversations as they are; the histories of their messages are added to `into` as they go by."""
    try:
        for conversation in conversations:
            if isinstance(conversation.messages, InBulk):  # nothing of them was edited
                yield conversation
            else:
                yield replace(conversation, messages=_watched(conversation, into))
    finally:
        close = getattr(conversations, "close", None)
        if close is not None:
            close()


def _watched(conversation: Conversation, into: list[History]) -> Iterator[Message]:
    for message in conversation.messages:
        if message.edits:
            edits = [Edit(storable(edit.text), edit.time) for edit in message.edits]
            into.append((conversation.key, message.key, msgspec.json.encode(edits).decode()))
        elif message.kind is Kind.UNSENT:
            into.append((conversation.key, message.key, None))
        yield message


def keep_edits(connection: sqlite3.Connection, source: int, found: Iterable[History]) -> None:
    """Give the messages their histories: inside the import's transaction, when they are all there."""
    connection.executemany(
        KEEP,
        (
            {"source": source, "conversation": storable(conversation), "key": storable(key), "edits": edits}
            for conversation, key, edits in found
        ),
    )
