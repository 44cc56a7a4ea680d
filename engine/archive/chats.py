"""Saved chats with a model, turn by turn."""

from __future__ import annotations

import time as clock

from engine.archive.rows import ChatRow, ChatTurnRow
from engine.archive.studio import Studio
from engine.errors import StudioError


async def create_chat(studio: Studio, title: str, model: str, provider: str, system: str = "") -> ChatRow:
    """Begin a chat."""
    now = _now()
    async with studio.writing() as connection:
        cursor = await connection.execute(
            "INSERT INTO chats (title, model, provider, system, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (title, model, provider, system, now, now),
        )
        return ChatRow(cursor.lastrowid or 0, title, model, provider, system, now, now)


async def chats(studio: Studio) -> list[ChatRow]:
    """Every chat, the one last spoken in first."""
    return await studio.rows(
        ChatRow,
        "SELECT id, title, model, provider, system, created_at, updated_at FROM chats"
        " ORDER BY updated_at DESC, id DESC",
    )


async def chat_turns(studio: Studio, chat: int) -> list[ChatTurnRow]:
    """The turns of a chat in order."""
    return await studio.rows(
        ChatTurnRow,
        "SELECT id, chat, role, text, time, tokens, seconds, first_token FROM chat_turns"
        " WHERE chat = ? ORDER BY id",
        (chat,),
    )


async def add_turn(
    studio: Studio,
    chat: int,
    role: str,
    text: str,
    *,
    tokens: int | None = None,
    seconds: float | None = None,
    first_token: float | None = None,
) -> ChatTurnRow:
    """Add a turn at the end of a chat. Raises StudioError where the chat was deleted."""
    now = _now()
    async with studio.writing() as connection:
        touched = await connection.execute("UPDATE chats SET updated_at = ? WHERE id = ?", (now, chat))
        if not touched.rowcount:
            raise StudioError(f"There is no chat {chat}.", "It was deleted: begin a new one.")
        cursor = await connection.execute(
            "INSERT INTO chat_turns (chat, role, text, time, tokens, seconds, first_token)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (chat, role, text, now, tokens, seconds, first_token),
        )
        return ChatTurnRow(cursor.lastrowid or 0, chat, role, text, now, tokens, seconds, first_token)


async def rename_chat(studio: Studio, chat: int, title: str) -> None:
    """Give a chat another title."""
    async with studio.writing() as connection:
        await connection.execute("UPDATE chats SET title = ? WHERE id = ?", (title, chat))


async def delete_chat(studio: Studio, chat: int) -> None:
    """Delete a chat with its turns."""
    async with studio.writing() as connection:
        await connection.execute("DELETE FROM chats WHERE id = ?", (chat,))


async def delete_turns_after(studio: Studio, chat: int, turn: int) -> None:
    """Delete the turns of a chat that stand behind `turn` (an id; 0 deletes all): to edit and resend."""
    async with studio.writing() as connection:
        await connection.execute("DELETE FROM chat_turns WHERE chat = ? AND id > ?", (chat, turn))


def _now() -> int:
    return clock.time_ns() // 1_000_000
