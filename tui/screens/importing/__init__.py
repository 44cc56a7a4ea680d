"""The import screen over pane 1: a path, a progress bar, and what became of every row."""

from tui.screens.importing.screen import Importing

__all__ = ["Importing"]
