"""The first paint: nothing is loaded, made or computed before it that only a later key needs."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import studio_builder
from pseudo_terminal import PseudoTerminal

HEAVY = (
    "openai",
    "langchain_openai",
    "langchain_core",
    "numpy",
    "tiktoken",
    "uvicorn",
    "starlette",
    "aiosqlite",
)

LATER = (
    *(name for name in HEAVY if name != "aiosqlite"),
    "engine.dataset",
    "engine.importers",
    "engine.providers",
    "importlib.metadata",
    "textual.widgets._text_area",
    "tui.editor",
    "tui.importing",
    "tui.lending",
    "tui.screens.chat",
    "tui.screens.conversations.asking",
    "tui.screens.conversations.forgetting",
    "tui.screens.conversations.in_editor",
    "tui.screens.help",
    "tui.screens.importing",
    "tui.screens.palette",
    "tui.screens.senders",
    "tui.widgets.choose",
    "tui.widgets.prompt",
)
"""What only a key loads."""


@pytest.mark.parametrize("module", ["tui.app", "tui.screens.conversations", "tui.screens.senders"])
def test_the_screen_imports_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PAINTED = f"""
import asyncio, gc, sys
from pathlib import Path
from textual.css.stylesheet import Stylesheet
from tui.app import UnderstudyApp
from tui.screens.conversations.lists import ConversationList

again, reparse = [], Stylesheet.reparse
Stylesheet.reparse = lambda styles: (again.append(1), reparse(styles))

async def main():
    app = UnderstudyApp(Path(sys.argv[1]))
    async with app.run_test(size=(120, 36)) as pilot:
        while not app.screen.query_one(ConversationList).rows:
            await pilot.pause(0.01)
        print([name for name in {LATER!r} if name in sys.modules], len(again), len(app.screen.query("*")))

asyncio.run(main())
"""


def test_before_the_list_stands_nothing_of_a_later_key_is_there(tmp_path: Path) -> None:
    studio = asyncio.run(studio_builder.build(tmp_path / "studio.db", studio_builder.fable()))
    done = subprocess.run(
        [sys.executable, "-c", PAINTED, str(studio)], capture_output=True, text=True, check=True
    )
    loaded, parsed_again, widgets = done.stdout.rsplit(maxsplit=2)
    assert loaded == "[]"
    assert parsed_again == "0"
    assert int(widgets) <= 20


def test_the_first_foreign_text_builds_no_table() -> None:
    program = """
import sys
calls = 0
def count(frame, event, argument):
    global calls
    calls += event in ("call", "c_call")
sys.setprofile(count)
import engine.indexed_text
from engine.safe_text import harmless
harmless("Zo\u00eb \u00b7 \u6f22\u5b57")
sys.setprofile(None)
print(calls)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000


def test_garbage_is_collected_from_the_first_paint_on(tmp_path: Path) -> None:
    studio = asyncio.run(studio_builder.build(tmp_path / "studio.db", studio_builder.fable()))
    program = """
import atexit, gc
atexit.register(lambda: print("collects", gc.isenabled(), "frozen", gc.get_freeze_count() > 10_000))
from tui.__main__ import main
main()
"""
    line = [sys.executable, "-c", program, "--studio", str(studio)]
    with PseudoTerminal(line, columns=80, rows=24) as terminal:
        terminal.wait_for("Hare")
        terminal.press("q")
        assert "collects True frozen True" in terminal.wait_for("frozen True", "frozen False")


def test_over_ssh_there_are_fewer_frames_and_no_animation() -> None:
    program = (
        "from engine import config; from tui import terminal; terminal.prepare(config.load().settings)\n"
        "from textual import constants as c; print(c.MAX_FPS, c.TEXTUAL_ANIMATIONS, c.COLOR_SYSTEM)"
    )
    for environment, expected in (
        ({"SSH_CONNECTION": "a b c d", "COLORTERM": "truecolor"}, "15 none 256"),
        ({"SSH_CONNECTION": "a b c d"}, "15 none auto"),
        ({"SSH_CONNECTION": "a b c d", "UNDERSTUDY_SSH": "off"}, "60 none auto"),
        ({"UNDERSTUDY_SSH": "on"}, "15 none auto"),
        ({}, "60 none auto"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={"PATH": "", "PYTHONPATH": str(Path.cwd()), **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected
