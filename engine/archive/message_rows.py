"""Messages as rows for the database, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec

from engine.conversation import Conversation, Kind

BATCH = 2000

Row = tuple[Any, ...]


def batches(
    number: int, conversation: Conversation, senders: dict[str, int], unlisted: Callable[[str], int]
) -> Iterator[list[Row]]:
    """The messages of the conversation numbered `number`: (conversation, key, sender, time, seq, kind,
    text, words, reactions, attachments, edited, reply_to), BATCH at a time.

    senders: the numbers by key of who is listed as a participant; `unlisted` gives a number to
    whoever wrote all the same.
    """
    rows = _rows(number, conversation, senders, unlisted)
    while batch := list(islice(rows, BATCH)):
        yield batch


def _rows(
    number: int, conversation: Conversation, senders: dict[str, int], unlisted: Callable[[str], int]
) -> Iterator[Row]:
    encode = msgspec.json.encode
    speech = Kind.SPEECH
    last_time, seq = None, 0
    for message in conversation.messages:
        time, kind, text = message.time, message.kind, message.text
        if time == last_time:
            seq += 1
        else:
            last_time, seq = time, 0
        sender = senders.get(message.sender)
        if sender is None:
            sender = senders[message.sender] = unlisted(message.sender)
        reactions, attachments = message.reactions, message.attachments
        yield (
            number,
            message.key,
            sender,
            time,
            seq,
            kind._value_,  # .value is a property, which costs as much as all the rest of the row
            text,
            len(text.split()) if kind is speech else 0,
            encode(reactions).decode() if reactions else "",
            encode(attachments).decode() if attachments else "",
            message.edited,
            message.reply_to,
        )


def storable(value: Any) -> Any:
    """A text without lone surrogates, which SQLite cannot hold; any other value as it is."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
