"""The prompt that a model was trained with, and chats that are kept."""

from __future__ import annotations

import msgspec

from engine.archive import CheckpointRow, JobRow, Studio
from engine.archive.chats import chat_turns, create_chat
from engine.archive.jobs import save_checkpoints, save_job
from engine.chat import Piece, keep, system_prompt


def row(key: str, model: str | None, system: str) -> JobRow:
    return JobRow(
        key=key,
        provider="local",
        base_model="imitation",
        model=model,
        status="succeeded",
        suffix="imitation",
        system=system,
        created_at=1,
    )


async def test_a_model_of_ours_hears_what_it_was_trained_with(studio: Studio) -> None:
    await save_job(studio, row("k1", "ft:imitation:a:1", "You are A."))
    await save_job(studio, row("k2", "ft:imitation:a:12", "You are B."))
    await save_job(studio, row("k3", None, "You are C."))
    await save_checkpoints(studio, "k3", [CheckpointRow("c1", 5, "ft:imitation:c:3:ckpt-step-5")])
    assert await system_prompt(studio, "ft:imitation:a:1") == "You are A."
    assert await system_prompt(studio, "ft:imitation:a:12") == "You are B."
    assert await system_prompt(studio, "ft:imitation:a:12:ckpt-step-7") == "You are B."
    assert await system_prompt(studio, "ft:imitation:c:3:ckpt-step-5") == "You are C."
    for other in ("imitation", "ft:imitation:a", "gpt-4.1-mini", "k1"):
        assert await system_prompt(studio, other) == ""


async def test_an_exported_model_hears_it_in_other_programs_too(studio: Studio) -> None:
    for at, letters in enumerate(("6ea00ddc", "45ea4f88")):
        made = row(f"k{at}", f"ft:tiny:wren:{letters}", f"You are {letters}.")
        await save_job(studio, msgspec.structs.replace(made, id=f"ftjob-{letters}3db23ca8854b27aa"))
    for name in ("wren-45ea4f88", "wren-45ea4f88:latest", "understudy/wren-45ea4f88"):
        assert await system_prompt(studio, name) == "You are 45ea4f88."
    for other in ("wren", "wren-45ea4f8", "wren-45ea4f88-q4", "45ea4f88"):
        assert await system_prompt(studio, other) == ""


async def test_what_was_said_and_the_reply_are_kept_together(studio: Studio) -> None:
    chat = (await create_chat(studio, "race talk", "m", "local")).id
    last = Piece("", True, 12, 0.2, 1.5, "stop")
    kept = await keep(studio, chat, "shall we?", "slow\nand steady", last)
    again = await keep(studio, chat, None, "steady and slow", last)
    partly = await keep(studio, chat, "and then?", "then i")
    nothing = await keep(studio, chat, "hello?", "")
    turns = await chat_turns(studio, chat)
    assert tuple(turns) == kept + again + partly + nothing
    assert [(turn.role, turn.text) for turn in turns] == [
        ("user", "shall we?"),
        ("assistant", "slow\nand steady"),
        ("assistant", "steady and slow"),
        ("user", "and then?"),
        ("assistant", "then i"),
        ("user", "hello?"),
    ]
    assert [(turn.tokens, turn.first_token, turn.seconds) for turn in turns[:2]] == [
        (None, None, None),
        (12, 0.2, 1.5),
    ]
    assert turns[4].tokens is None
