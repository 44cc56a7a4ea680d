"""LangChain's ChatOpenAI over a connection of ours. Importing this loads LangChain: do it late."""

from __future__ import annotations

import os
from typing import Any

from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI

# LangChain raises at the first call when one of these (of a tracer long gone) is set.
for _name in ("LANGCHAIN_TRACING", "LANGCHAIN_HANDLER"):
    os.environ.pop(_name, None)


class ChatModel(ChatOpenAI):
    """ChatOpenAI that keeps the reply's id, by which the local provider tells where a reply came from."""

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if made is not None and chunk.get("id"):
            made.message.id = chunk["id"]
        return made


async def _unused() -> str:
    return ""


def chat_model(client: AsyncOpenAI, **settings: Any) -> ChatModel:
    """A ChatOpenAI that sends through `client`, with its address, key and headers, and no other.

    Given the address and a key of its own (never used) it does not look for them in the environment,
    where LANGSMITH_GATEWAY or OPENAI_BASE_URL could send private text elsewhere.
    """
    return ChatModel(
        root_async_client=client,
        async_client=client.chat.completions,
        base_url=str(client.base_url),
        api_key=_unused,
        use_responses_api=False,
        stream_usage=True,
        cache=False,
        verbose=False,
        **settings,
    )
