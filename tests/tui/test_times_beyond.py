"""A row that no date can be, in a studio of before that was refused: shown as the nearest date, wherever on
earth."""

import json
import time
from pathlib import Path

import pytest
from messenger_export import said, write_thread
from real_command import understudy
from screen_reader import press, settled, text

from engine.archive import open_studio
from engine.conversation import when
from tui.app import UnderstudyApp
from tui.widgets.cells import day

BEYOND = (253_402_300_799_999, 253_402_300_800_001, -62_135_596_800_000, -(2**62), 2**62)


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    path = tmp_path / "studio.db"
    rows = [said("Ann", 1_700_000_000_000 + at, f"line {at}") for at in range(len(BEYOND) + 1)]
    done = understudy("import", str(write_thread(tmp_path, "ann_1", rows, ["Ann", "Wren"])), studio=path)
    assert done.returncode == 0, done.stderr
    async with await open_studio(path) as opened, opened.writing() as connection:
        for at, beyond in enumerate(BEYOND):
            await connection.execute("UPDATE messages SET time = ? WHERE text = ?", (beyond, f"line {at}"))
        for table in ("conversations", "senders"):
            await connection.execute(f"UPDATE {table} SET first = ?, last = ?", (-(2**62), 2**62))
    return path


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_it_is_shown_and_nothing_else_is_lost(
    studio: Path, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (("conversations",), ("conversations", "--search", "line"), ("show", "1"), ("senders",)):
        for json_too in ((), ("--json",)):
            done = understudy(*command, *json_too, studio=studio, TZ=zone)
            assert done.returncode == 0, done.stderr
    rows = understudy("show", "1", "--json", studio=studio, TZ=zone).stdout.splitlines()
    assert len(rows) == len(BEYOND) + 1
    assert {json.loads(row)["time"][:4] for row in rows} == {"0001", "2023", "9999"}
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert {when(at).year for at in BEYOND} == {1, 9999} and all(map(day, BEYOND))
        app = UnderstudyApp(studio)
        async with app.run_test(size=(120, 36)) as pilot:
            await settled(pilot)
            assert "line 5" in text(app) and "9999" in text(app)
            assert "line 5" in await press(pilot, "/", *"line", "enter", "escape", "escape", "f", "escape")
            assert "Ann" in await press(pilot, "2")
    finally:
        monkeypatch.undo()
        time.tzset()
