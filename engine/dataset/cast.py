"""Who is who in a dataset, and the reasons why a message is not learned from."""

from __future__ import annotations

import msgspec

from engine.archive.rows import ConversationRow, MessageRow

NOT_SPEECH = "not speech"
EMPTY = "empty"
LEFT_OUT = "of people left out"
CONVERSATION_LEFT_OUT = "of conversations left out"
GROUP = "in group conversations"
AI_NEVER_SPEAKS = "in conversations without the AI sender"
AI_SILENT = "in sessions without the AI sender"
AI_ALONE = "in sessions where only the AI sender speaks"
TAIL = "after the last reply or chunk"
SHORTER_THAN_A_CHUNK = "in conversations shorter than a chunk"
TOO_LONG = "over the token limit"
SAME_REPLY = "the same reply too often"


class Cast(msgspec.Struct, frozen=True):
    """ai, left_out: PersonRow.id. name: the AI sender's."""

    ai: int
    name: str
    left_out: frozenset[int] = frozenset()

    def within(self, conversation: ConversationRow) -> Cast:
        """The cast of one conversation, in which more people may be left out."""
        without = frozenset(person for person, _ in conversation.without)
        return msgspec.structs.replace(self, left_out=self.left_out | without) if without else self

    def is_ai(self, row: MessageRow) -> bool:
        return row.person == self.ai
