"""Reading on while an import goes on: leaving its screen, coming back, quitting; nothing is there by half."""

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from messenger_export import said, write_thread
from plug_in import diary, install
from pseudo_terminal import PseudoTerminal
from real_command import COMMAND, environment, understudy
from screen_reader import press, rows, settled, text
from textual.pilot import Pilot

from engine.archive import open_studio, reading
from engine.conversation import Conversation, Message
from engine.importers import finding
from engine.importers.messenger import MessengerImporter
from engine.importers.report import ImportReport
from tui.app import UnderstudyApp
from tui.screens.importing import Importing
from tui.screens.importing.paths import Paths
from tui.widgets.transcript import Transcript

T = 1_700_000_000_000


class Waiting(MessengerImporter):
    """Reads a Messenger export, and waits for `go` before the last message of each conversation."""

    def __init__(self, go: threading.Event) -> None:
        self.go = go

    def together(self, paths: Sequence[Path], report: ImportReport) -> Iterator[Conversation]:
        for conversation in super().together(paths, report):
            yield Conversation(
                conversation.key,
                conversation.title,
                conversation.senders,
                self.until_told(list(conversation.messages)),
                is_group=conversation.is_group,
                section=conversation.section,
            )

    def until_told(self, messages: list[Message]) -> Iterator[Message]:
        yield from messages[:-1]
        assert self.go.wait(60)
        yield messages[-1]


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    event = threading.Event()
    monkeypatch.setattr(finding, "importers", lambda: [Waiting(event)])
    yield event
    event.set()


def thread(folder: Path, name: str, lines: range, people: tuple[str, str] = ("Ann", "Wren")) -> Path:
    spoken = [said(people[at % 2], T + at * 60_000, f"{name} line {at}") for at in lines]
    write_thread(folder, name, spoken, [*people])
    return folder


async def begun(pilot: Pilot[None], export: Path) -> None:
    """Start the import and wait until the line on top says it."""
    await pilot.press("i")
    await pilot.pause()
    pilot.app.screen.query_one(Paths).value = str(export)
    await shown(pilot, " rows · ")
    await pilot.press("enter")
    await shown(pilot, "importing")


async def shown(pilot: Pilot[None], wanted: str) -> str:
    for _ in range(500):
        await pilot.pause(0.02)
        if wanted in text(pilot.app):
            return text(pilot.app)
    raise AssertionError(f"{wanted} did not appear on:\n{text(pilot.app)}")


async def test_one_reads_and_searches_while_an_import_goes_on(tmp_path: Path, go: threading.Event) -> None:
    old = thread(tmp_path / "old", "ann_100001", range(40))
    done = understudy("import", str(old), "--owner", "Wren", studio=tmp_path / "studio.db")
    assert done.returncode == 0, done.stderr
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        newer = thread(tmp_path / "new", "ann_100001", range(-30, 45))
        await begun(pilot, thread(newer, "zoe_100002", range(50), ("Zoe", "Wren")))
        screen = app.screen
        assert isinstance(screen, Importing) and "esc leaves, and the import goes on" in text(app)
        found = next(row for row in rows(app) if "2 conversations · " in row)
        await pilot.press("escape")
        assert "importing" in rows(app)[0] and "1 conversation" in await shown(pilot, "line 39")
        transcript = app.screen.query_one(Transcript)
        await pilot.press("enter", "up", "up", "up")
        await pilot.pause()
        assert transcript.message is not None and transcript.message.text == "ann_100001 line 36"
        await pilot.press("/", *"zoe")
        assert "0 hits" in await shown(pilot, "0 hits"), "nothing of it is there by half"
        await pilot.press("escape", "2")
        assert "importing" in rows(app)[0] and "Zoe" not in await shown(pilot, "Wren")
        await pilot.press("1", "i")
        assert str(tmp_path / "new") in await shown(pilot, "the import goes on")
        assert found in rows(app), "and what was found there"
        await pilot.resize_terminal(110, 36)
        await pilot.pause()
        assert "2 conversations · " in text(app)
        assert "⏎" not in rows(app)[-1], "there is nothing to open yet"
        await pilot.press("escape")
        await pilot.pause()
        go.set()
        assert "import done" in (await shown(pilot, "The import is done: 125 rows."))
        await settled(pilot)
        assert "2 conversations" in text(app) and "Zoe" in text(app)
        assert transcript.message is not None and transcript.message.text == "ann_100001 line 36"
        assert f"{36 + 30 + 1} of 75" in text(app), "where it stands now"
        back = await press(pilot, "i")
        assert "every row is kept or skipped" in back and "already there" in back
        assert "import done" not in rows(app)[0]
        assert "Path" in await press(pilot, "escape", "i") and "every row" not in text(app)


async def test_an_import_that_asks_who_one_is_waits_to_be_looked_at(
    tmp_path: Path, go: threading.Event
) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await begun(pilot, thread(tmp_path / "export", "ann_1", range(4)))
        await press_only(pilot, "escape", "2")
        go.set()
        await shown(pilot, "import done: who are you?")
        await settled(pilot)
        assert "Who are you in messenger?" not in text(app)
        assert "Who are you in messenger?" in await press(pilot, "1", "i")
        assert "you are Wren" in await press(pilot, "down", "enter")
        assert "import done" not in rows(app)[0]


async def press_only(pilot: Pilot[None], *keys: str) -> None:
    """Without waiting for the import to end."""
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


async def test_quitting_during_an_import_is_asked_about(tmp_path: Path, go: threading.Event) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await begun(pilot, thread(tmp_path / "export", "ann_1", range(4)))
        await press_only(pilot, "escape", "q")
        assert "Quitting ends it" in text(app)
        await press_only(pilot, "enter")
        assert "Quitting ends it" not in text(app) and "importing" in rows(app)[0]
        await press_only(pilot, "q", "down", "enter")
        asyncio.get_running_loop().call_later(0.5, go.set)  # the row that it waits for comes
    async with await open_studio(tmp_path / "studio.db") as studio:
        assert (await reading.counts(studio)).messages == 0


async def test_the_question_whether_to_quit_goes_when_the_import_has_ended(
    tmp_path: Path, go: threading.Event
) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await begun(pilot, thread(tmp_path / "export", "ann_1", range(4)))
        await press_only(pilot, "escape", "q")
        assert "Quitting ends it" in text(app)
        go.set()
        assert "Quitting ends it" not in await shown(pilot, "The import is done: 4 rows.")


async def test_the_question_goes_too_where_the_window_was_too_small_meanwhile(
    tmp_path: Path, go: threading.Event
) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await begun(pilot, thread(tmp_path / "export", "ann_1", range(4)))
        await press_only(pilot, "escape", "q")
        await pilot.resize_terminal(20, 5)
        go.set()
        await settled(pilot)
        await pilot.resize_terminal(100, 30)
        await settled(pilot)
        assert "import done" in rows(app)[0]
        assert "Quitting ends it" not in text(app)


async def test_cancelling_without_its_screen_says_so_when_one_comes_back(
    tmp_path: Path, go: threading.Event
) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await begun(pilot, thread(tmp_path / "export", "ann_1", range(4)))
        await press_only(pilot, "c", "escape")
        go.set()
        assert "nothing imported" in (await shown(pilot, "The import was cancelled."))
        await settled(pilot)
        back = await press(pilot, "i")
        assert "The import was cancelled." in back and str(tmp_path / "export") in back
        assert "nothing imported" not in rows(app)[0]


@pytest.fixture(scope="module")
def plug_in(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(install(tmp_path_factory.mktemp("plug-in")))


def test_in_a_real_terminal_one_reads_on_and_quits(tmp_path: Path, plug_in: str) -> None:
    studio = tmp_path / "studio.db"
    first = diary(tmp_path / "first.txt", 30, text="under the old oak")
    slow = diary(tmp_path / "slow.txt", 100_000, text="wait")
    done = understudy("import", str(first), studio=studio, PYTHONPATH=path(plug_in))
    assert done.returncode == 0, done.stderr
    seen = environment(studio, PYTHONPATH=path(plug_in))
    with PseudoTerminal([*COMMAND], columns=120, rows=30, environment=seen) as terminal:
        terminal.wait_for("under the old oak")
        terminal.press("i")
        terminal.wait_for("Import an export")
        terminal.press(*str(slow))
        terminal.wait_for("diary ")
        terminal.press("\r")
        terminal.wait_for("the import goes on")
        terminal.press("\x1b")
        assert "importing" in terminal.wait_for("under the old oak")
        terminal.press("/", *"oak")
        assert "importing" in terminal.wait_for("30 hits")
        terminal.press("\x15", *"wait")
        terminal.wait_for("0 hits")
        terminal.press("\x1b", "\x1b")
        terminal.wait_for("1 conversation")
        terminal.settle(quiet=0.2, seconds=2)
        terminal.press("q")
        terminal.wait_for("Quitting ends it")
        terminal.press("j", "\r")
        assert terminal.wait_for_end() == 0
        assert "Traceback" not in terminal.text()
    assert not list(tmp_path.glob("crash-*"))
    after = understudy("conversations", studio=studio)
    assert "30" in after.stdout and "slow" not in after.stdout


def path(plug_in: str) -> str:
    return os.pathsep.join([plug_in, *filter(None, [os.environ.get("PYTHONPATH", "")])])
