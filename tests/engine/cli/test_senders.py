"""Who is who from the command line: joined, split, suggested, left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import studio_builder

from engine import cli
from engine.archive import ingest, open_studio
from engine.conversation import Conversation, Message, Sender
from engine.importers.report import ImportReport


class Shell:
    """Runs commands on one studio."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self.capsys = path, capsys

    def run(self, *args: str, code: int = 0) -> str:
        """What was said on standard error."""
        assert cli.main(["--studio", str(self.path), *args]) == code
        return self.capsys.readouterr().err

    def json(self, *args: str) -> list[dict[str, Any]]:
        assert cli.main(["--studio", str(self.path), *args, "--json"]) == 0
        return [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The fable and the group from Messenger, and Hare again from iMessage."""
    import asyncio

    async def build() -> None:
        await studio_builder.build(tmp_path / "studio.db", studio_builder.fable(240), studio_builder.group())
        people = (Sender("5550100042", "Hare"), Sender("me", "Tortoise", is_owner=True))
        said = [Message(str(n), people[n % 2].key, studio_builder.START + n, f"again {n}") for n in range(6)]
        async with await open_studio(tmp_path / "studio.db") as studio:
            await ingest.ingest(
                studio,
                source="iMessage",
                importer="imessage",
                path="/chat.db",
                conversations=iter([Conversation("im", "Hare", people, said)]),
                report=ImportReport(),
                owner="Tortoise",
            )

    asyncio.run(build())
    return Shell(tmp_path / "studio.db", capsys)


def test_the_list(shell: Shell) -> None:
    people = shell.json("senders")
    assert sum(row["share"] for row in people) == pytest.approx(1)
    tortoise = people[0]
    assert (tortoise["name"], tortoise["owner"], tortoise["role"]) == ("Tortoise", True, "user")
    assert tortoise["sample"] and tortoise["left_out_of"] == []
    assert cli.main(["--studio", str(shell.path), "senders"]) == 0
    printed = shell.capsys.readouterr()
    [line] = [line for line in printed.out.splitlines() if line.startswith("Tortoise")]
    assert f"{100 * tortoise['share']:.1f} %" in line and tortoise["sample"][:20] in line
    assert "share of all 270 messages" in printed.err


def test_a_suggestion_is_accepted_and_taken_back_as_it_says(shell: Shell) -> None:
    before = shell.json("senders")
    [asked] = shell.json("senders", "same")
    assert (asked["names"], asked["reason"]) == (["Hare", "Hare"], "same name")
    one, other = map(str, asked["people"])
    said = shell.run("senders", "join", one, other)
    assert shell.json("senders", "same") == []
    assert len(shell.json("senders")) == len(before) - 1
    assert f"`understudy senders split {one}`" in said
    said = shell.run("senders", "split", one)
    assert len(shell.json("senders")) == len(before)
    assert f"`understudy senders join {one} " in said


def test_one_alias_is_split_off(shell: Shell) -> None:
    owl = next(row["id"] for row in shell.json("senders") if row["name"] == "Owl")
    shell.run("senders", "join", "Owl", "Mole")
    said = shell.run("senders", "join", "Owl", "Fox")
    assert f'`understudy senders split {owl} "Fox"` takes it back' in said
    shell.run("senders", "split", str(owl), "Fox")
    names = {row["name"]: row["aliases"] for row in shell.json("senders")}
    assert names["Owl"] == ["Mole"] and names["Fox"] == []
    assert '"Fox" is no alias of Owl. There are: Mole.' in shell.run("senders", "split", "Owl", "Fox", code=2)


def test_different_people_are_not_suggested_again(shell: Shell) -> None:
    [asked] = shell.json("senders", "same")
    shell.run("senders", "different", *map(str, asked["people"]))
    assert shell.json("senders", "same") == []
    assert "0 suggestions" in shell.run("senders", "same")


def talked(chunks: list[dict[str, Any]]) -> set[int]:
    return {chunk["conversation"] for chunk in chunks}


@pytest.mark.parametrize("preset", ["studio", "langchain"])
def test_a_conversation_is_left_out_of_the_chunks(shell: Shell, preset: str) -> None:
    [hare] = [
        row["id"] for row in shell.json("conversations", "--source", "Messenger") if row["title"] == "Hare"
    ]
    chunks = ("chunks", "--ai", "Tortoise", "--preset", preset)
    assert hare in talked(shell.json(*chunks))
    said = shell.run("conversations", "leave-out", str(hare))
    assert f"Hare is left out of every dataset. `understudy conversations take-in {hare}`" in said
    assert cli.main(["--studio", str(shell.path), *chunks, "--json"]) in (0, 1)
    printed = shell.capsys.readouterr()
    assert hare not in talked([json.loads(line) for line in printed.out.splitlines()])
    assert "left out: 240 messages, of conversations left out" in printed.err
    [row] = [row for row in shell.json("conversations") if row["id"] == hare]
    assert row["left_out"] is True and row["without"] == []
    shell.run("conversations", "take-in", "race committee")
    shell.run("conversations", "take-in", str(hare))
    assert not any(row["left_out"] for row in shell.json("conversations"))
    assert hare in talked(shell.json(*chunks))


def test_a_person_is_left_out_everywhere_or_in_one_conversation(shell: Shell) -> None:
    assert "Owl is left out in Race committee." in shell.run(
        "senders", "leave-out", "Owl", "--in", "Race committee"
    )
    [race] = [row for row in shell.json("conversations") if row["title"] == "Race committee"]
    assert race["without"] == ["Owl"]
    [owl] = [row for row in shell.json("senders") if row["name"] == "Owl"]
    assert (owl["role"], owl["left_out_of"]) == ("user", [race["id"]])
    assert cli.main(["--studio", str(shell.path), "senders"]) == 0
    [line] = [line for line in shell.capsys.readouterr().out.splitlines() if line.startswith("Owl")]
    assert "out in 1" in line
    assert "left out of every dataset" in shell.run("senders", "leave-out", "Owl")
    assert "Still out of 1 conversation." in shell.run("senders", "take-in", "Owl")
    assert "Owl is in again in Race committee." in shell.run(
        "senders", "take-in", "Owl", "--in", str(race["id"])
    )
    assert "Owl is not in conversation" in shell.run("senders", "leave-out", "Owl", "--in", "1", code=2)
