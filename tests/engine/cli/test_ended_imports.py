"""Imports that are ended from outside: by a signal, a full disk, a folder that may not be written."""

import os
import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from messenger_export import said, write_thread
from real_command import COMMAND, environment, understudy

from engine.archive import open_studio, reading

T = 1_700_000_000_000
PEOPLE, LINES = 6, 8000


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An older download and a newer one of the same account."""
    folder = tmp_path_factory.mktemp("exports")
    for name, lines in (("older", LINES // 2), ("newer", LINES)):
        for person in range(PEOPLE):
            rows = [
                said((f"p{person}", "Wren")[at % 2], T + at * 1000, f"líne {at} of {person}")
                for at in range(lines)
            ]
            write_thread(folder / name, f"p{person}_10000000{person}", rows, [f"p{person}", "Wren"])
    return folder / "older", folder / "newer"


COUNTS = """
SELECT (SELECT count(*) FROM messages) = (SELECT coalesce(sum(messages), 0) FROM conversations),
    (SELECT count(*) FROM sources) = (SELECT count(DISTINCT source) FROM imports)
"""


def tuple_of(*columns: object) -> tuple[object, ...]:
    return columns


async def held(path: Path) -> dict[str, int]:
    """Messages of each conversation; its index, figures and references are sound."""
    async with await open_studio(path) as studio:
        async with studio.writing() as connection:
            await connection.execute(
                "INSERT INTO speech_index (speech_index, rank) VALUES ('integrity-check', 1)"
            )
            for check in ("PRAGMA quick_check", "PRAGMA foreign_key_check"):
                assert [tuple(row) for row in await connection.execute_fetchall(check)] in ([], [("ok",)])
        assert await studio.rows(tuple_of, COUNTS) == [(True, True)], "nothing without what it belongs to"
        rows = await reading.conversations(studio)
        found = {row.title: len(await reading.messages(studio, row.id)) for row in rows}
        assert found == {row.title: row.messages for row in rows}
        return found


def whole(lines: int) -> dict[str, int]:
    return {f"p{person}": lines for person in range(PEOPLE)}


def ended_by(number: signal.Signals, seconds: float, export: Path, studio: Path) -> tuple[int, str]:
    """Exit code and errors of an import that gets a signal after so many seconds."""
    running = subprocess.Popen(
        [*COMMAND, "import", str(export)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(studio),
    )
    time.sleep(seconds)
    running.send_signal(number)
    errors = running.communicate(timeout=60)[1]
    return running.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("later", [False, True])
async def test_a_signal_at_any_moment(
    tmp_path: Path, exports: tuple[Path, Path], number: signal.Signals, later: bool
) -> None:
    older, newer = exports
    studio = tmp_path / "studio.db"
    if later:
        assert understudy("import", str(older), studio=studio).returncode == 0
    else:
        async with await open_studio(studio):
            pass
    before = whole(LINES // 2) if later else {}
    began = time.monotonic()
    assert understudy("import", str(newer), studio=tmp_path / "timed.db").returncode == 0
    took = time.monotonic() - began
    dice = random.Random(f"{number} {later}")
    for _ in range(2):
        code, said_so = ended_by(number, dice.uniform(0.3, 1) * took, newer, studio)
        # A signal before Python has begun ends it in the system's own way.
        assert code in (0, -number, 128 + number), said_so
        assert "Traceback" not in said_so or code == -signal.SIGINT, said_so
        now = await held(studio)
        assert now in (before, whole(LINES)), "as it was, or complete"
        before = now
    assert understudy("import", str(newer), studio=studio).returncode == 0
    assert await held(studio) == whole(LINES)


def import_into(studio: Path, export: Path, room: int) -> subprocess.CompletedProcess[str]:
    """No file may grow beyond `room` bytes, as on a disk that is full."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    return subprocess.run(
        [*COMMAND, "import", str(export)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(studio),
        preexec_fn=limit,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("room", [0, 30_000, 900_000, 2_000_000])
@pytest.mark.parametrize("later", [False, True])
async def test_no_room_at_any_moment(
    tmp_path: Path, exports: tuple[Path, Path], room: int, later: bool
) -> None:
    older, newer = exports
    studio = tmp_path / "studio.db"
    if later:
        assert understudy("import", str(older), studio=studio).returncode == 0
    else:
        async with await open_studio(studio):
            pass
    done = import_into(studio, newer, room)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    where = "an import is prepared in" if later and room >= 900_000 else str(studio)
    assert where in done.stderr
    assert await held(studio) == (whole(LINES // 2) if later else {})
    assert understudy("import", str(newer), studio=studio).returncode == 0
    assert await held(studio) == whole(LINES)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_that_may_not_be_written(tmp_path: Path, exports: tuple[Path, Path]) -> None:
    older, newer = exports
    folder = tmp_path / "shut"
    folder.mkdir()
    studio = folder / "studio.db"
    assert understudy("import", str(older), studio=studio).returncode == 0
    folder.chmod(0o500)
    try:
        done = understudy("import", str(newer), studio=studio)
        assert done.returncode == 2 and "cannot be written" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        folder.chmod(0o700)
    assert await held(studio) == whole(LINES // 2)
