"""Every pane in its states looks as its picture in docs/screens does; the README shows some of them.

After a change that is meant: `pytest tests/tui/test_pictures.py --new-pictures`, then look at what changed.
The studio is the bundled samples through the real import, with a real training and chat as they were
recorded. The clock and the zone are fixed; nothing else is.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Iterator
from datetime import date
from difflib import unified_diff
from pathlib import Path

import pytest
import recorded_training
from screen_picture import picture, words
from screen_reader import settled
from textual.pilot import Pilot

from engine import samples
from engine.archive import open_studio, people
from engine.cli.demo import load_samples
from engine.config import Loaded, Settings
from tui import importing
from tui.app import UnderstudyApp
from tui.widgets import cells

PICTURES = Path(__file__).parents[2] / "docs" / "screens"
README = Path(__file__).parents[2] / "README.md"

NARROW, WIDE, WIDEST = (80, 24), (120, 36), (160, 48)

Steps = tuple[tuple[str, tuple[str, ...]], ...]
"""The name of a picture, or "" for none, and the keys that lead to it from the one before. What a key
finds must be there: after one that loads something comes a step of its own."""

EVERY_PANE: Steps = (
    ("conversations", ()),
    ("senders", ("2",)),
    ("chunks", ("3",)),
    ("training", ("4",)),
    ("", ("5",)),
    ("", ("escape", "escape")),
    ("chat", ("enter", "escape")),
)

WALKS: dict[str, tuple[tuple[int, int], Steps]] = {
    "narrow": (
        NARROW,
        (
            ("conversations", ()),
            ("filter", ("f",)),
            ("filtered", ("down", "enter", "down", "down", "enter")),
            ("", ("enter",)),
            ("transcript", ("g",)),
            ("search", ("escape", "escape", "slash", *"oven from:wren")),
            ("search-problem", ("ctrl+u", *"before:never")),
            ("", ("ctrl+u", *"isnt its", "enter")),
            ("", ("enter",)),
            ("message", ("enter",)),
            ("", ("escape", "escape")),
            ("senders", ("escape", "escape", "2")),
            ("senders-marked", ("space", "down", "space")),
            ("senders-filtered", ("slash", *"halloran")),
            ("sender-unknown", ("ctrl+u", *"zz")),
            ("chunks", ("escape", "escape", "3")),
            ("chunk", ("j", "j", "j", "j", "enter")),
            ("training", ("escape", "4")),
            ("job", ("enter",)),
            ("confirm", ("escape", "n")),
            ("providers", ("p",)),
            ("", ("escape", "escape", "5")),
            ("", ("escape", "escape")),
            ("chat", ("enter",)),
            ("help", ("escape", "question_mark")),
            ("palette", ("escape", "ctrl+p", *"theme")),
        ),
    ),
    "wide": (
        WIDE,
        (
            ("conversations", ()),
            ("search", ("slash", *"oven")),
            ("senders", ("escape", "escape", "2")),
            ("", ("3",)),
            ("chunks", ("j", "j", "j", "j")),
            ("training", ("4",)),
            ("", ("5",)),
            ("", ("escape", "escape")),
            ("chat", ("enter", "escape")),
            ("", ("1", "F")),
            ("forget", ("enter",)),
        ),
    ),
    "widest": (
        WIDEST,
        (
            ("conversations", ("enter",)),
            ("", ("slash", *"isnt its", "enter")),
            ("message", ("enter",)),
            ("senders", ("2",)),
            ("", ("3",)),
            ("chunks", ("j", "j", "j", "j")),
            ("training", ("4",)),
            ("", ("5",)),
            ("", ("escape", "escape")),
            ("chat", ("enter", "escape")),
        ),
    ),
    "light": (WIDE, EVERY_PANE),
    "ansi": (
        WIDE,
        (
            ("conversations", ()),
            ("help", ("question_mark",)),
            ("", ("escape",)),
            *EVERY_PANE[1:],
        ),
    ),
    "no-colour": (WIDE, EVERY_PANE),
    "no-boxes": (
        NARROW,
        (
            ("conversations", ()),
            ("transcript", ("enter",)),
            ("filter", ("escape", "f")),
            ("senders", ("escape", "2")),
            ("", ("3",)),
            ("chunks", ("enter",)),
            ("", ("4",)),
            ("training", ("enter",)),
            *EVERY_PANE[4:],
        ),
    ),
}


EMPTY = ERROR = (
    ("conversations", ()),
    ("senders", ("2",)),
    ("chunks", ("3",)),
    ("training", ("4",)),
    ("chat", ("5",)),
)

IMPORT: Steps = (
    ("", ("i", *"letters.txt")),
    ("import-nothing", ("enter",)),
    ("import-recognised", ("ctrl+u", *"messenger")),
    ("import-report", ("enter",)),
)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio with the samples, their owner as the AI sender, two jobs and a chat."""

    async def fill(path: Path) -> None:
        await load_samples(path)
        async with await open_studio(path) as studio:
            await people.set_ai(studio, (await people.find_person(studio, samples.OWNER)).id)
        recorded_training.put(path)

    path = tmp_path_factory.mktemp("full") / "studio.db"
    asyncio.run(fill(path))
    return path


@pytest.fixture(autouse=True)
def a_day_and_a_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The day of the recorded training, at Greenwich."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        patch.setattr(cells, "today", lambda: date(2026, 11, 21))
        patch.delenv("NO_COLOR", raising=False)
        patch.delenv("SSH_CONNECTION", raising=False)
        patch.delenv("COLORFGBG", raising=False)
        yield
    time.tzset()


@pytest.fixture
def take(request: pytest.FixtureRequest):
    """Compare what the app shows with its picture, or take a new one where that is asked for."""
    anew = request.config.getoption("--new-pictures")
    different: list[str] = []

    def compare(app: UnderstudyApp, name: str) -> None:
        kept, shown = PICTURES / f"{name}.svg", picture(app)
        if anew:
            PICTURES.mkdir(exist_ok=True)
            kept.write_text(shown, encoding="utf-8")
            return
        before = kept.read_text(encoding="utf-8") if kept.is_file() else ""
        if before != shown:
            lines = unified_diff(words(before), words(shown), "picture", "screen", lineterm="", n=1)
            different.append("\n".join([f"{name}:", *(list(lines) or ["other colours or places only"])]))

    yield compare
    assert not different, "\n\n".join(
        [*different, "Meant so? pytest tests/tui/test_pictures.py --new-pictures"]
    )


async def walk(app: UnderstudyApp, size: tuple[int, int], steps: Steps, look: str, take) -> None:
    async with app.run_test(size=size) as pilot:
        await _still(pilot)
        for name, keys in steps:
            await pilot.press(*keys)
            await _still(pilot)
            if name:
                take(app, f"{name}-{look}")


async def _still(pilot: Pilot[None]) -> None:
    """Wait until nothing moves any more: a pane is held back while it changes, and loads after that."""
    app, before = pilot.app, ""
    assert isinstance(app, UnderstudyApp)
    while True:
        await settled(pilot)
        await asyncio.sleep(0.08)
        shown = picture(app)
        if shown == before and not app.holding and not app.workers:
            return
        before = shown


@pytest.mark.parametrize("look", WALKS)
async def test_a_full_studio(
    full: Path, tmp_path: Path, look: str, take, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, steps = WALKS[look]
    studio = Path(shutil.copy(full, tmp_path / "studio.db"))
    settings = Settings(theme=look if look in ("light", "ansi") else "dark", boxes=look != "no-boxes")
    if look == "no-colour":
        monkeypatch.setenv("NO_COLOR", "1")
    await walk(UnderstudyApp(studio, loaded=Loaded(settings)), size, steps, look, take)


async def test_an_empty_studio_says_what_to_do_next(tmp_path: Path, take) -> None:
    await walk(UnderstudyApp(tmp_path / "studio.db"), NARROW, EMPTY, "empty", take)


async def test_an_import(tmp_path: Path, take, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(samples.messenger().parent)
    monkeypatch.setattr(importing, "monotonic", lambda: 0.0)
    await walk(UnderstudyApp(tmp_path / "studio.db"), NARROW, IMPORT, "narrow", take)


async def test_what_is_no_studio(take) -> None:
    await walk(UnderstudyApp(Path("/dev/null")), NARROW, ERROR, "error", take)


async def test_a_window_that_is_too_small(full: Path, tmp_path: Path, take) -> None:
    app = UnderstudyApp(Path(shutil.copy(full, tmp_path / "studio.db")))
    await walk(app, (50, 12), (("conversations", ()),), "small", take)


def test_every_picture_is_taken_and_the_readme_shows_no_other() -> None:
    taken = {f"{name}-{look}" for look, (_, steps) in WALKS.items() for name, _ in steps if name}
    taken |= {f"{name}-empty" for name, _ in EMPTY} | {f"{name}-narrow" for name, _ in IMPORT if name}
    taken |= {f"{name}-error" for name, _ in ERROR} | {"conversations-small"}
    kept = {path.stem: path.read_text(encoding="utf-8") for path in PICTURES.glob("*.svg")}
    assert taken == set(kept)
    shown = re.findall(r"\]\(docs/screens/([^)]*)\.svg\)", README.read_text(encoding="utf-8"))
    assert shown and set(shown) <= taken
    for name, svg in kept.items():
        assert "http" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', ""), f"{name} fetches nothing"
