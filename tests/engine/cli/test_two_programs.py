"""Several programs that import into one studio at the same time: real processes on one file."""

import json
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from messenger_export import said, secure_bytes, write_thread, wrote
from real_command import COMMAND, environment, understudy

from engine import samples
from engine.archive import open_studio, reading

T = 1_700_000_000_000


def at_once(studio: Path, commands: Sequence[Sequence[str]]) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of commands that run at the same time."""
    running = [
        subprocess.Popen(
            [*COMMAND, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment(studio),
        )
        for command in commands
    ]
    return [(one.wait(120), *one.communicate()) for one in running]


def thread(folder: Path, name: str, lines: range) -> Path:
    rows = [said(("Zoë", "Wren")[at % 2], T + at * 1000, f"{name} {at}") for at in lines]
    write_thread(folder, name, rows, ["Zoë", "Wren"], title="Zoë")
    return folder


async def sound(studio: Path) -> None:
    async with await open_studio(studio) as opened, opened.writing() as connection:
        await connection.execute(
            "INSERT INTO speech_index (speech_index, rank) VALUES ('integrity-check', 1)"
        )
        for check in ("PRAGMA quick_check", "PRAGMA foreign_key_check"):
            assert [tuple(row) for row in await connection.execute_fetchall(check)] in ([], [("ok",)])


@pytest.mark.parametrize("known", [False, True])
async def test_the_same_export_twice_at_once(tmp_path: Path, known: bool) -> None:
    studio = tmp_path / "studio.db"
    export = thread(tmp_path / "export", "zoe_1234567890123", range(3000))
    if known:
        older = thread(tmp_path / "older", "zoe_1234567890123", range(500, 1500))
        assert understudy("import", str(older), studio=studio).returncode == 0
    done = at_once(studio, [("import", str(export), "--json")] * 3)
    for code, out, errors in done:
        assert code == 0, errors
        assert "Traceback" not in errors and "locked" not in errors
        assert json.loads(out)["kept"] == 3000
    new = sum(json.loads(out)["kept"] - json.loads(out)["already_there"] for _, out, _ in done)
    assert new == (2000 if known else 3000), "each message is new to one of them"
    async with await open_studio(studio) as opened:
        (row,) = await reading.conversations(opened)
        texts = [message.text for message in await reading.messages(opened, row.id)]
        assert texts == [f"zoe_1234567890123 {at}" for at in range(3000)]
    assert len(understudy("imports", "--json", studio=studio).stdout.splitlines()) == 3 + known
    await sound(studio)


async def test_different_exports_at_once(tmp_path: Path) -> None:
    studio = tmp_path / "studio.db"
    alone = tmp_path / "alone.db"
    export = thread(tmp_path / "export", "zoe_1234567890123", range(2000))
    commands = [
        ("import", str(export), "--json"),
        ("import", str(samples.imessage()), "--json"),
        ("import", str(thread(tmp_path / "more", "bob_7654321098765", range(700))), "--json"),
        ("import", str(samples.messenger()), "--source", "another", "--json"),
    ]
    for code, _, errors in at_once(studio, commands):
        assert code == 0, errors
        assert "Traceback" not in errors and "locked" not in errors
    for command in commands:
        assert understudy(*command, studio=alone).returncode == 0

    async def held(path: Path) -> dict[tuple[str, str], list[str]]:
        async with await open_studio(path) as opened:
            return {
                (row.source, row.title + str(row.first)): [
                    message.text for message in await reading.messages(opened, row.id)
                ]
                for row in await reading.conversations(opened)
            }

    assert await held(studio) == await held(alone), "as if one had waited for the other"
    await sound(studio)


async def test_two_downloads_of_one_conversation_at_once(tmp_path: Path) -> None:
    """The one that comes second knows what the first has brought meanwhile."""
    studio = tmp_path / "studio.db"
    spoken = [(T + at * 1000, ("Zoë", "Wren")[at % 2], f"line {at}") for at in range(1200)]
    main, encrypted = tmp_path / "main", tmp_path / "encrypted"
    rows = [said(sender, time, text) for time, sender, text in spoken[:900]]
    write_thread(main, "zoe_1234567890123", rows, ["Zoë", "Wren"], section="e2ee_cutover", title="Zoë")
    encrypted.mkdir()
    rows = [wrote(sender, time, text) for time, sender, text in spoken[600:]]
    (encrypted / "Zoë_3.json").write_bytes(secure_bytes("Zoë_3", rows, ["Zoë", "Wren"]))
    for code, _, errors in at_once(studio, [("import", str(main)), ("import", str(encrypted))]):
        assert code == 0, errors
    async with await open_studio(studio) as opened:
        (row,) = await reading.conversations(opened)
        assert [one.text for one in await reading.messages(opened, row.id)] == [text for *_, text in spoken]
    await sound(studio)


def test_one_that_waits_too_long_says_so(tmp_path: Path) -> None:
    """Another program holds the studio for longer than anybody waits."""
    studio = tmp_path / "studio.db"
    assert understudy("senders", studio=studio).returncode in (0, 2)
    export = thread(tmp_path / "export", "zoe_1234567890123", range(10))
    assert understudy("import", str(export), studio=studio).returncode == 0
    with closing(sqlite3.connect(studio, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for command in (("import", str(export)), ("import", str(export), "--source", "new")):
            done = understudy(*command, studio=studio)
            assert done.returncode == 2
            assert "Another program is writing to the studio" in done.stderr
            assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) <= 2
