"""The first paint loads no client, no numbers library, no database."""

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("module", ["tui.app", "tui.screens.conversations", "tui.screens.senders"])
def test_the_screen_imports_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
