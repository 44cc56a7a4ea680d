"""An encrypted conversation comes in two downloads that name it differently. Where one of them is in the
studio already, the other goes on with it under the key that it has there."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from engine.archive.studio import Studio
from engine.conversation import encrypted_key
from engine.packed import PackedConversation


class Known(msgspec.Struct, frozen=True):
    """What a source holds. encrypted: the keys of its encrypted conversations by `encrypted_key`."""

    keys: frozenset[str]
    encrypted: dict[str, list[str]]


async def known_in(studio: Studio, source: str) -> Known:
    rows = await studio.rows(
        lambda *row: row,
        "SELECT c.key, c.title, c.is_group, c.section FROM conversations c"
        " JOIN sources s ON s.id = c.source WHERE s.name = ?",
        (source,),
    )
    encrypted: dict[str, list[str]] = {}
    for key, title, is_group, section in rows:
        if section == "encrypted":
            encrypted.setdefault(encrypted_key(title, bool(is_group)), []).append(key)
    return Known(frozenset(row[0] for row in rows), encrypted)


def under_known_keys(
    conversations: Iterator[PackedConversation], known: Known
) -> Iterator[PackedConversation]:
    """The same conversations, each under the key that the studio knows it by."""
    return _renamed(conversations, known) if known.keys else conversations


def _renamed(conversations: Iterator[PackedConversation], known: Known) -> Iterator[PackedConversation]:
    try:
        for conversation in conversations:
            key = _key(conversation, known)
            yield conversation if key == conversation.key else msgspec.structs.replace(conversation, key=key)
    finally:
        close = getattr(conversations, "close", None)
        if close is not None:
            close()


def _key(conversation: PackedConversation, known: Known) -> str:
    key, also = conversation.key, conversation.also
    if key in known.keys:
        return key
    if also in known.keys:
        return also
    same = known.encrypted.get(key, [])
    return same[0] if len(same) == 1 else key
