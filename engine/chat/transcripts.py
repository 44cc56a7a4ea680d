"""Keep what was said."""

from __future__ import annotations

from engine.archive import Studio
from engine.archive.chats import add_turn
from engine.archive.rows import ChatTurnRow
from engine.chat.streaming import Piece


async def keep(
    studio: Studio, chat: int, said: str | None, reply: str, last: Piece | None = None
) -> tuple[ChatTurnRow, ...]:
    """Add what was said and the reply to it to a saved chat (an id); the new turns.

    said: None where only the reply is new (asked again). reply: as far as it came; "" for none.
    last: the reply's last piece, whose figures are kept with it; None where it broke off.
    """
    turns = []
    if said is not None:
        turns.append(await add_turn(studio, chat, "user", said))
    if reply:
        figures = last or Piece("")
        turns.append(
            await add_turn(
                studio,
                chat,
                "assistant",
                reply,
                tokens=figures.tokens,
                seconds=figures.seconds,
                first_token=figures.first_token,
            )
        )
    return tuple(turns)
