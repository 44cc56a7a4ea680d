"""One reply, piece by piece, through ChatOpenAI."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import StudioError
from engine.providers import Connection, explain, models

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk, BaseMessage

STALL_SECONDS = 120.0


class ChatSettings(msgspec.Struct, frozen=True):
    """How to ask. system: "" for none. max_tokens: of the reply, None for the provider's limit."""

    model: str
    system: str = ""
    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int | None = None
    seed: int | None = None


class Piece(msgspec.Struct, frozen=True):
    """A piece of a reply. All but `text` is only in the last piece, which has done=True and no text.

    tokens: of the reply, None where the provider does not count. first_token, seconds: since asking.
    finish: "stop", "length", ...; None where the provider ended without saying why.
    origin, similarity (0 to 1): the training line it was taken from, where the provider says so.
    """

    text: str
    done: bool = False
    tokens: int | None = None
    first_token: float | None = None
    seconds: float | None = None
    finish: str | None = None
    origin: str | None = None
    similarity: float | None = None


async def stream(
    connection: Connection, settings: ChatSettings, turns: Sequence[tuple[str, str]]
) -> AsyncIterator[Piece]:
    """The reply to `turns`, (role, text) pairs with the roles user and assistant, oldest first.

    Closing the iterator or cancelling its task closes the connection at once. Raises StudioError; what
    was yielded before stays good. Nothing is traced, cached or logged, whatever the environment says.
    """
    chat_model, tracing_context = await asyncio.to_thread(_load)  # most of a second the first time
    began = time.perf_counter()
    model = chat_model(
        # Asking twice for a reply does no harm; nearby there is nothing to wait for.
        connection.openai.with_options(max_retries=0 if connection.nearby else 2),
        model=settings.model,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        # LangChain's own waits with asyncio.wait_for, which on Python 3.11 loses a cancellation that
        # comes together with a token; `_next` waits instead.
        stream_chunk_timeout=None,
    )
    chunks = model.astream(_messages(settings.system, turns), config={"callbacks": []})
    text, first, tokens, finish, reply_id = "", None, None, None, None
    try:
        # Whether to trace is decided at the first step. The context must not stay open across a
        # yield: it would leak into whoever is reading.
        with tracing_context(enabled=False, parent=False):
            chunk = await _next(chunks)
        while chunk is not None:
            reply_id = reply_id or _provider_id(chunk)
            finish = chunk.response_metadata.get("finish_reason") or finish
            if chunk.usage_metadata:
                tokens = chunk.usage_metadata["output_tokens"]
            if piece := chunk.text:
                first = first or time.perf_counter() - began
                text += piece
                yield Piece(piece)
            chunk = await _next(chunks)
    except Exception as error:
        raise await _explained(error, connection, text) from error
    finally:
        await chunks.aclose()
    seconds = time.perf_counter() - began
    origin, similarity = await _origin(connection, reply_id)
    yield Piece("", True, tokens, first, seconds, finish, origin, similarity)


async def _next(chunks: AsyncIterator[AIMessageChunk]) -> AIMessageChunk | None:
    """The next chunk, None at the end. Raises TimeoutError after STALL_SECONDS without one."""
    async with asyncio.timeout(STALL_SECONDS):
        return await anext(chunks, None)


def _load() -> tuple[Any, Any]:
    from langsmith.run_helpers import tracing_context

    from engine.chat.chat_model import chat_model

    return chat_model, tracing_context


def _messages(system: str, turns: Sequence[tuple[str, str]]) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    head: list[BaseMessage] = [SystemMessage(system)] if system else []
    return head + [AIMessage(text) if role == "assistant" else HumanMessage(text) for role, text in turns]


def _provider_id(chunk: AIMessageChunk) -> str | None:
    return chunk.id if chunk.id and not chunk.id.startswith(("lc_", "run-")) else None


async def _explained(error: Exception, connection: Connection, text: str) -> StudioError:
    known: list[str] = []
    if getattr(error, "status_code", None) == 404:
        try:
            known = [model.id for model in await models(connection)]
        except StudioError:
            known = []  # the names are a courtesy; the 404 itself is what matters
    reason = _no_reply(error, connection) or explain(error, connection.provider, known)
    if not text:
        return reason
    return StudioError(f"The reply broke off. {reason.message}", f"What had come is kept. {reason.hint}")


def _no_reply(error: Exception, connection: Connection) -> StudioError | None:
    """For an answer of 200 that is none: empty, one piece of JSON with an error in it, or broken pieces."""
    import json

    if isinstance(error, json.JSONDecodeError) or "No generation chunks" in str(error):
        return StudioError(
            f"{connection.provider.host} sent no reply that can be read.",
            "Ask again; what went wrong stands where the program there writes its log.",
        )
    return None


async def _origin(connection: Connection, reply_id: str | None) -> tuple[str | None, float | None]:
    """Which training line the local provider took this reply from; it remembers its recent ones."""
    import openai

    if not connection.provider.stays_here or reply_id is None:
        return None, None
    try:
        reply = await connection.openai.chat.completions.retrieve(reply_id)
    except (openai.OpenAIError, OSError):
        return None, None  # the reply is whole without it
    metadata = getattr(reply, "metadata", None) or {}
    origin, similarity = metadata.get("origin"), metadata.get("similarity")
    try:
        return origin or None, float(similarity) if similarity else None
    except ValueError:
        return origin or None, None
