"""The `understudy` command: the engine's commands, plus the screen that only this room can open."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from engine import cli, config
from engine.cli.screen import ScreenRoom
from tui import keymap

SWITCH_SECONDS = 0.0005


def open_screen(studio: Path, demo: bool) -> int:
    """Run the screen on a studio file; the process's exit code."""
    from tui import terminal

    gc.disable()  # until the first paint: nothing made on the way there is garbage
    loaded = config.load()
    terminal.prepare(loaded.settings)
    from tui.app import UnderstudyApp  # commands without a screen never load textual

    # A key's answer passes through several threads. While one cuts chunks it must not wait 5 ms at each.
    sys.setswitchinterval(SWITCH_SECONDS)
    app = UnderstudyApp(studio, demo=demo, loaded=loaded)
    app.run(mouse=loaded.settings.mouse)
    return app.return_code or 0


def main() -> None:
    sys.exit(cli.main(sys.argv[1:], ScreenRoom(open_screen, keymap.read, keymap.rows)))


if __name__ == "__main__":
    main()
