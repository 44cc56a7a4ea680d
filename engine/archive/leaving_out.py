"""What stays out of every dataset beside whole people: whole conversations, and people in one of them.

The choices stand at the conversation and at the participants, so that a second import and a join or
split of people keep them, and what is forgotten takes them along.
"""

from __future__ import annotations

from engine.archive.reading import conversation as conversation_row
from engine.archive.studio import Studio
from engine.errors import StudioError

MINE = "sender IN (SELECT id FROM senders WHERE person = ?)"


async def leave_out_conversation(studio: Studio, conversation: int, left_out: bool) -> None:
    """Leave all of a conversation out of every dataset, or take it in again. StudioError if there is none."""
    await conversation_row(studio, conversation)
    async with studio.writing() as connection:
        await connection.execute(
            "UPDATE conversations SET left_out = ? WHERE id = ?", (left_out, conversation)
        )


async def leave_out_there(studio: Studio, person: int, conversation: int, left_out: bool) -> None:
    """Leave a person out of the datasets in one conversation, or take them in again there.

    Raises StudioError for the AI sender, and where the person is not in the conversation.
    """
    row = await conversation_row(studio, conversation)
    async with studio.writing() as connection:
        found = list(
            await connection.execute_fetchall("SELECT name, is_ai FROM people WHERE id = ?", (person,))
        )
        name, is_ai = found[0] if found else (f"Sender {person}", False)
        if is_ai and left_out:
            raise StudioError(
                f"Without {name}, the AI sender, nothing is learned there.",
                "Leave the whole conversation out.",
            )
        changed = await connection.execute(
            f"UPDATE participants SET left_out = ? WHERE conversation = ? AND {MINE}",  # noqa: S608
            (left_out, conversation, person),
        )
        if not changed.rowcount:
            raise StudioError(
                f"{name} is not in conversation {conversation}.",
                f"In it are: {', '.join(row.people)}." if row.people else "",
            )
