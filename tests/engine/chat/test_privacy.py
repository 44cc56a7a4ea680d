"""Private text goes to the provider and nowhere else, whatever the environment says."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from faulty_provider import FaultyProvider

OURS = """
import asyncio, pathlib, sys
from engine.chat import ChatSettings, stream
from engine.providers import connect, provider

async def main():
    async with await connect(provider("custom", base_url=sys.argv[1]), pathlib.Path(".")) as connection:
        async for piece in stream(connection, ChatSettings("base-1"), [("user", "my secret")]):
            print(piece.text, end="")

asyncio.run(main())
"""

PLAIN = """
import asyncio, sys
from langchain_core.tracers.langchain import wait_for_all_tracers
from langchain_openai import ChatOpenAI

async def main():
    model = ChatOpenAI(model="base-1", base_url=sys.argv[1], api_key="x")
    async for piece in model.astream("my secret"):
        print(piece.text, end="")

asyncio.run(main())
wait_for_all_tracers()
"""

TRACING = {
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_TRACING_V2": "true",
    "LANGCHAIN_TRACING_V2": "true",
    "LANGSMITH_API_KEY": "lsv2_pt_0123456789",
    "LANGCHAIN_API_KEY": "lsv2_pt_0123456789",
}


async def run(program: str, provider: FaultyProvider, environment: dict[str, str]) -> tuple[str, int]:
    """The program's output with `environment`, and how many connections reached a listener where
    LangSmith would be. The first of them ends the program."""
    callers: list[None] = []
    called = asyncio.Event()

    def receive(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.close())
        called.set()

    listener = await asyncio.start_server(receive, "127.0.0.1", 0)
    spy = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    extra = {"LANGSMITH_ENDPOINT": spy, "LANGCHAIN_ENDPOINT": spy}
    extra |= {name: value.replace("SPY", spy) for name, value in environment.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        provider.url,
        env={**os.environ, **extra},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = asyncio.create_task(process.communicate())
    caught = asyncio.create_task(called.wait())
    await asyncio.wait({output, caught}, return_when=asyncio.FIRST_COMPLETED)
    if process.returncode is None and called.is_set():
        process.kill()
    text = (await output)[0].decode()
    caught.cancel()
    listener.close()
    return text, len(callers)


async def test_nothing_is_traced(faulty: FaultyProvider) -> None:
    assert await run(OURS, faulty, TRACING) == ("slow and steady", 0)
    assert len(faulty.chats) == 1


async def test_the_listener_would_have_seen_a_trace(faulty: FaultyProvider) -> None:
    _, callers = await run(PLAIN, faulty, TRACING)
    assert callers > 0


@pytest.mark.parametrize(
    "environment",
    [
        {
            "LANGCHAIN_TRACING": "true",
            "LANGCHAIN_HANDLER": "langchain",
            "OPENAI_PROXY": "SPY",
            "HTTP_PROXY": "SPY",
            "ALL_PROXY": "SPY",
            "NO_PROXY": "",
        },
        {
            "LANGSMITH_GATEWAY": "SPY",
            "LANGSMITH_GATEWAY_API_KEY": "lsv2_x",
            "OPENAI_BASE_URL": "SPY",
            "OPENAI_API_BASE": "SPY",
            "OPENAI_API_KEY": "sk-x",
            "OPENAI_LOG": "debug",
        },
    ],
)
async def test_no_variable_moves_or_breaks_or_logs_a_chat(
    faulty: FaultyProvider, environment: dict[str, str]
) -> None:
    assert await run(OURS, faulty, environment) == ("slow and steady", 0)
    assert len(faulty.chats) == 1
    sent = {headers.get("authorization") for headers in faulty.headers}
    assert sent == {"Bearer none"}
