"""Streaming replies from the real local server, and from one that fails on purpose."""

from __future__ import annotations

import asyncio

import pytest
from faulty_provider import FaultyProvider, error
from tortoise_dataset import tortoise

from engine.archive import Studio
from engine.chat import ChatSettings, Piece, stream, streaming, system_prompt
from engine.errors import StudioError
from engine.providers import Connection, TrainSettings, follow, train

BASE = ChatSettings("base-1")
HELLO = [("user", "shall we race?")]


async def pieces(connection: Connection, settings: ChatSettings = BASE) -> list[Piece]:
    return [piece async for piece in stream(connection, settings, HELLO)]


async def broken(connection: Connection, settings: ChatSettings = BASE) -> tuple[str, StudioError]:
    """What had come, and what was said then."""
    text = ""
    try:
        async for piece in stream(connection, settings, HELLO):
            text += piece.text
    except StudioError as said:
        return text, said
    raise AssertionError("it did not break")


async def test_an_untaught_model_answers_piece_by_piece(local: Connection) -> None:
    found = await pieces(local, ChatSettings("imitation"))
    text = "".join(piece.text for piece in found)
    assert text == "I have not learned anyone's lines yet. Fine-tune me on a person first."
    assert len(found) > 5, "it came in one piece"
    assert [piece.done for piece in found] == [False] * (len(found) - 1) + [True]
    last = found[-1]
    assert (last.text, last.finish, last.tokens) == ("", "stop", 13)
    assert last.first_token is not None and last.seconds is not None
    assert 0 < last.first_token <= last.seconds
    limited = (await pieces(local, ChatSettings("imitation", max_tokens=3)))[-1]
    assert (limited.finish, limited.tokens) == ("length", 3)


async def test_a_taught_model_says_where_its_reply_came_from(studio: Studio, local: Connection) -> None:
    job = None
    async for stage in train(studio, local, tortoise(), TrainSettings("nearest", seed=1)):
        job = stage.job
    assert job
    async for update in follow(studio, local, job.key):
        job = update.job
    assert job.model, job.error
    system = await system_prompt(studio, job.model)
    assert system == "You are Tortoise, talking with Hare."
    settings = ChatSettings(job.model, system, seed=1)
    asked = [("user", "shall we race by the oak on day 0?")]
    found = [piece async for piece in stream(local, settings, asked)]
    assert "".join(piece.text for piece in found)
    assert found[-1].origin
    assert found[-1].similarity is not None and 0 < found[-1].similarity <= 1


async def test_what_is_sent(remote: Connection, faulty: FaultyProvider) -> None:
    settings = ChatSettings("base-1", "You are {ai}.", 0.3, 0.9, 50, 7)
    turns = [("user", "{a} brace"), ("assistant", "steady"), ("user", "and then?")]
    found = [piece async for piece in stream(remote, settings, turns)]
    assert [piece.text for piece in found] == ["slow", " and", " steady", ""]
    assert found[-1].tokens is None, "this service does not count"
    sent = faulty.chats[0]
    assert sent["messages"] == [
        {"role": "system", "content": "You are {ai}."},
        {"role": "user", "content": "{a} brace"},
        {"role": "assistant", "content": "steady"},
        {"role": "user", "content": "and then?"},
    ]
    assert {name: sent[name] for name in ("model", "temperature", "top_p", "seed")} == {
        "model": "base-1",
        "temperature": 0.3,
        "top_p": 0.9,
        "seed": 7,
    }
    assert sent["max_completion_tokens"] == 50
    assert sent["stream_options"] == {"include_usage": True}
    assert faulty.asked("POST", "/chat/completions") == 1
    bare = ChatSettings("base-1")
    assert [piece async for piece in stream(remote, bare, HELLO)]
    assert faulty.chats[1]["messages"] == [{"role": "user", "content": "shall we race?"}]
    assert "max_completion_tokens" not in faulty.chats[1] and "seed" not in faulty.chats[1]


async def test_closing_the_stream_closes_the_connection_at_once(
    remote: Connection, faulty: FaultyProvider
) -> None:
    faulty.chat = "slow"
    running = stream(remote, BASE, HELLO)
    await anext(running)
    assert not faulty.left.is_set()
    await running.aclose()
    await asyncio.wait_for(faulty.left.wait(), 1)


@pytest.mark.parametrize("how", ["stall", "slow"])
async def test_cancelling_the_task_closes_the_connection_at_once(
    remote: Connection, faulty: FaultyProvider, how: str
) -> None:
    faulty.chat = how
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in stream(remote, BASE, HELLO):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(faulty.left.wait(), 1)


async def test_a_dropped_stream_keeps_what_had_come(remote: Connection, faulty: FaultyProvider) -> None:
    faulty.chat = "drop"
    text, said = await broken(remote)
    assert text == "slow and steady"
    assert said.message.startswith("The reply broke off. The connection to 127.0.0.1")
    assert said.hint.startswith("What had come is kept.")


async def test_a_stalled_stream_ends(
    remote: Connection, faulty: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "STALL_SECONDS", 0.2)
    faulty.chat = "stall"
    text, said = await broken(remote)
    assert text == "slow and steady"
    assert "stopped sending in the middle of the reply" in said.message


async def test_an_error_inside_the_stream_is_said(remote: Connection, faulty: FaultyProvider) -> None:
    faulty.chat = "error event"
    text, said = await broken(remote)
    assert text == "slow and steady"
    assert "overloaded" in said.message


async def test_an_end_without_a_reason_is_no_finish(remote: Connection, faulty: FaultyProvider) -> None:
    faulty.chat = "no finish"
    last = (await pieces(remote))[-1]
    assert (last.done, last.finish) == (True, None)


async def test_an_unknown_model_is_answered_with_the_nearest(
    local: Connection, remote: Connection, faulty: FaultyProvider
) -> None:
    _, said = await broken(local, ChatSettings("imitatoin"))
    assert "no model imitatoin" in said.message
    assert said.hint == "Did you mean imitation?"
    faulty.chat = error(404, "The model `base-2` does not exist", "model_not_found")
    _, said = await broken(remote, ChatSettings("base-2"))
    assert said.hint == "Did you mean base-1?"


async def test_a_chat_that_is_too_long_is_said(remote: Connection, faulty: FaultyProvider) -> None:
    for answer in (
        error(400, "x", "context_length_exceeded"),
        error(400, "maximum context length is 5 tokens"),
    ):
        faulty.chat = answer
        assert "longer than this model can read" in (await broken(remote))[1].message


async def test_a_wrong_key_and_a_full_service_are_said(
    remote: Connection, faulty: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_API_KEY", "wrong")
    faulty.chat = error(401, "bad key sk-abcdefghijkl")
    assert "does not accept the key" in (await broken(remote))[1].message
    faulty.chat = error(429, "slow")
    assert "limits how often" in (await broken(remote))[1].message


async def test_a_server_that_is_gone_is_said(remote: Connection, faulty: FaultyProvider) -> None:
    await faulty.stop()
    assert "Nothing answers at" in (await broken(remote))[1].message
    await faulty.start()
