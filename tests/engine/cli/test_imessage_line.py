"""A chat.db from the command line: whose it is, what was edited, and its two options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imessage_database import COCOA, Database, history, write_contacts
from typedstream_writer import encode

from engine import cli

T = 1_700_000_000_000
HARE, OWN = "+15550100001", "+15550109999"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    database = Database(tmp_path / "mine" / "chat.db")
    hare = database.handle(HARE)
    chat = database.chat(HARE, hare, last_addressed_handle=OWN)
    database.message(chat, hare, T, "are you there?", destination_caller_id=OWN)
    versions = [{"d": (T - COCOA) / 1000 + n, "t": encode(text)} for n, text in enumerate(("yse", "yes"))]
    summary = history(ec={"0": versions}, otr={"0": {"lo": 0, "le": 3}})
    database.message(chat, 0, T + 500, "yes", mine=True, date_edited=1, message_summary_info=summary)
    gone = database.message(None, hare, T + 9000, "forget that")
    database.insert("chat_recoverable_message_join", chat_id=chat, message_id=gone, delete_date=1)
    return database.close()


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], *command: object) -> tuple[list[Any], str]:
    """What the command prints: JSON Lines, and what is for people."""
    capsys.readouterr()
    assert cli.main(["--studio", str(tmp_path / "studio.db"), *map(str, command)]) == 0
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err


def test_whose_it_is_and_what_was_said_before(
    tmp_path: Path, export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (report,), _ = run(tmp_path, capsys, "import", export, "--json")
    assert (report["owner"], report["owner_addresses"]) == ("Me", [OWN])
    assert report["skipped"] == {"recently deleted": 1}
    first, second = run(tmp_path, capsys, "show", 1, "--json")[0]
    assert (first["sender"], first["edited"], first["edits"]) == (HARE, False, [])
    assert (second["sender"], second["text"], second["edited"]) == ("Me", "yes", True)
    assert second["edits"] == [{"text": "yse", "time": "2023-11-14T22:13:20.000Z"}]
    _, says = run(tmp_path, capsys, "import", export)
    assert f'You are "Me" in imessage ({OWN}).' in says
    assert len(run(tmp_path, capsys, "show", 1, "--json")[0]) == 2


def test_contacts_and_recently_deleted_messages_on_request(
    tmp_path: Path, export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_contacts(tmp_path, {HARE: ("Hare", "Swift"), OWN: ("Tortoise", "")})
    (report,), _ = run(
        tmp_path, capsys, "import", export, "--contacts", tmp_path, "--include-deleted", "--json"
    )
    assert (report["owner"], report["skipped"]) == ("Tortoise", {})
    shown = run(tmp_path, capsys, "show", "Hare Swift", "--json")[0]
    assert [(one["sender"], one["text"]) for one in shown] == [
        ("Hare Swift", "are you there?"),
        ("Tortoise", "yes"),
        ("Hare Swift", "forget that"),
    ]
