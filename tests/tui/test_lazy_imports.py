"""The first paint loads no client, no numbers library, no database."""

import subprocess
import sys

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
        "import tui; from textual import constants; print(constants.MAX_FPS, constants.TEXTUAL_ANIMATIONS)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"SSH_CONNECTION": "a b c d", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["15", "none"]
