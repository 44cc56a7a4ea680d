"""Conversations back out as LangChain ChatSessions, for whatever else speaks LangChain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from engine.archive import Studio, people, reading
from engine.conversation import Kind, when

if TYPE_CHECKING:
    from langchain_core.chat_sessions import ChatSession


async def chat_sessions(studio: Studio, ai: int | None = None) -> AsyncIterator[ChatSession]:
    """Every conversation as a ChatSession, as LangChain's own loaders give them, but in spoken order.

    ai: the id of the person whose messages become AIMessage; everybody else's are HumanMessage, and
    so are all with None. Only speech, without who and what is left out. In additional_kwargs: sender,
    message_time (UTC ms) and message_time_as_datetime (aware).
    """
    from langchain_core.messages import AIMessage, HumanMessage

    left_out = {row.id for row in await people.people(studio) if row.role == "left out"}
    async for dialogue in reading.dialogues(studio):
        without = left_out.union(person for person, _ in dialogue.conversation.without)
        messages = [
            (AIMessage if row.person == ai else HumanMessage)(
                content=row.text,
                additional_kwargs={
                    "sender": row.sender,
                    "message_time": row.time,
                    "message_time_as_datetime": when(row.time),
                },
            )
            for row in dialogue.messages
            if row.kind is Kind.SPEECH and row.person not in without
        ]
        if messages and not dialogue.conversation.left_out:
            yield {"messages": messages}
